import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ManualClock } from '../telemetry/manual-clock.ts';
import { silentLog } from '../telemetry/log.ts';
import { TestAuth } from './auth/auth.fixture.ts';
import { type HostIdentityOptions, openHostIdentity } from './identity.ts';

/** Joining, renewing and keeping a host's identity, against a real Auth. */

let auth: TestAuth;
let folder: string;
before(async () => {
  auth = await TestAuth.start();
  folder = await mkdtemp(join(tmpdir(), 'tessera-identity-'));
});
after(async () => {
  await auth.stop();
  await rm(folder, { recursive: true, force: true });
});

let count = 0;
async function options(more: Partial<HostIdentityOptions> = {}): Promise<HostIdentityOptions> {
  count += 1;
  const dataDir = join(folder, String(count));
  return {
    dataDir,
    role: 'database',
    hostName: 'agent-1',
    addresses: [auth.address],
    via: 'direct',
    clock: new ManualClock(Date.now()),
    log: silentLog,
    random: () => 0,
    join: await auth.service.localJoin('database'),
    ...more,
  };
}

test('joins once, keeps the identity private, and needs no token the next time', async () => {
  const wanted = await options();
  const first = await openHostIdentity(wanted);
  await first.connection.client.heartbeat({});
  const path = join(wanted.dataDir, 'database/identity.json');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal((await stat(join(wanted.dataDir, 'database'))).mode & 0o777, 0o700);
  first.close();
  const { join: _token, ...again } = wanted;
  const second = await openHostIdentity(again);
  assert.equal(second.hostId, first.hostId);
  assert.equal(second.clusterName, 'test');
  await second.connection.client.heartbeat({});
  second.close();
});

test('renews itself at two thirds of its life: new key, same host, on disk before anybody is told', async () => {
  const clock = new ManualClock(Date.now());
  const wanted = await options({ clock });
  const identity = await openHostIdentity(wanted);
  const before = identity.current();
  const renewed = new Promise<void>((resolve) => void identity.onRenew(() => resolve()));
  clock.advance(((before.notAfterMs - before.notBeforeMs) * 2) / 3);
  await renewed;
  const now = identity.current();
  assert.notEqual(now.privateKey, before.privateKey);
  assert.match(new X509Certificate(now.certificate).subject, new RegExp(identity.hostId));
  assert.equal(
    JSON.parse(await readFile(join(wanted.dataDir, 'database/identity.json'), 'utf8')).certificate,
    now.certificate,
  );
  await identity.connection.client.heartbeat({});
  identity.close();
});

test('a proxy that is to be reached by another name has it in its certificate soon, and asks once', async () => {
  const clock = new ManualClock(Date.now());
  const join = await auth.service.localJoin('proxy');
  const names = { dnsNames: ['access.example.com'], ipAddresses: ['192.0.2.7'] };
  const wanted = await options({ clock, role: 'proxy', join, ...names });
  const first = await openHostIdentity(wanted);
  clock.advance(1);
  const joined = first.current();
  first.close();

  const more = { ...names, dnsNames: [...names.dnsNames, 'mysql.example.com'] };
  const identity = await openHostIdentity({ ...wanted, ...more });
  assert.equal(identity.current().certificate, joined.certificate, 'the same names cost nothing');
  const renewal = (): Promise<X509Certificate> =>
    new Promise((resolve) => {
      const end = identity.onRenew(({ certificate }) => {
        end();
        resolve(new X509Certificate(certificate));
      });
    });
  let renewed = renewal();
  clock.advance(1);
  assert.equal((await renewed).checkHost('mysql.example.com'), 'mysql.example.com');

  renewed = renewal();
  identity.useNames({ ...more, ipAddresses: ['192.0.2.7', '2001:db8::1'] });
  clock.advance(1);
  assert.equal((await renewed).checkIP('2001:db8::1'), '2001:db8::1');
  const now = identity.current();
  identity.useNames({ ...more, ipAddresses: ['2001:db8::1'] });
  clock.advance(60_000);
  assert.equal(identity.current(), now, 'fewer names are no reason');
  identity.close();
});

test('Auth away at the time of renewal: the old identity stays, and it tries again', async () => {
  const clock = new ManualClock(Date.now());
  const identity = await openHostIdentity(await options({ clock }));
  const before = identity.current();
  identity.useAddresses(['127.0.0.1:1']);
  await assert.rejects(identity.renew());
  assert.equal(identity.current(), before);
  identity.useAddresses([auth.address]);
  await identity.renew();
  assert.notEqual(identity.current(), before);
  assert.equal(identity.valid(), true);
  clock.setWallClock(identity.current().notAfterMs);
  assert.equal(identity.valid(), false);
  identity.close();
});

const refused: readonly { name: string; code: string; change: () => Promise<Partial<HostIdentityOptions>> }[] = [
  {
    name: 'without a pin',
    code: 'CA_PIN_MISSING',
    change: async () => ({ join: { ...(await auth.service.localJoin('database')), caPins: [] } }),
  },
  {
    name: 'with another pin',
    code: 'AUTH_NOT_TRUSTED',
    change: async () => ({
      join: { ...(await auth.service.localJoin('database')), caPins: [`sha256:${'1'.repeat(64)}`] },
    }),
  },
  {
    name: 'with a wrong token',
    code: 'JOIN_REFUSED',
    change: async () => ({ join: { token: 'not-a-token-of-ours', caPins: [auth.pin] } }),
  },
  {
    name: 'with a token for the other role',
    code: 'JOIN_REFUSED',
    change: async () => ({ join: await auth.service.localJoin('proxy') }),
  },
];
for (const row of refused) {
  test(`refuses to join ${row.name}`, async () => {
    await assert.rejects(openHostIdentity(await options(await row.change())), { code: row.code });
  });
}

test('without identity and token it says what to do', async () => {
  const { join: _token, ...wanted } = await options();
  await assert.rejects(openHostIdentity(wanted), { code: 'JOIN_TOKEN_MISSING' });
});

test('an identity file that others can read, or that is damaged, is refused without showing it', async () => {
  const wanted = await options();
  (await openHostIdentity(wanted)).close();
  const path = join(wanted.dataDir, 'database/identity.json');
  await chmod(path, 0o644);
  await assert.rejects(openHostIdentity(wanted), { code: 'IDENTITY_FILE_OPEN' });
  await chmod(path, 0o600);
  await writeFile(path, '{"privateKey":"secret"}');
  await assert.rejects(
    openHostIdentity(wanted),
    (error: Error) => !String(error.stack).includes('secret') && /remove it and join again/.test(error.message),
  );
});

test('joining waits for Auth and ends when told', async () => {
  const stop = new AbortController();
  const wanted = await options({ addresses: ['127.0.0.1:1'], signal: stop.signal });
  const joining = openHostIdentity(wanted);
  stop.abort(new Error('stopping'));
  await assert.rejects(joining);
});
