import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { randomUUID } from 'node:crypto';
import { openDataKeyFile } from '../../pki/data-key.ts';
import { verifyHostCertificate } from '../../pki/verify.ts';
import { openSqliteStore } from '../../state/sqlite/sqlite-store.ts';
import type { Store } from '../../state/store.ts';
import { silentLog } from '../../telemetry/log.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import { openAuthorities, type Authorities } from './authorities.ts';
import { localAddress, makeListenerCredentials, OwnRenewal, writeAdminFiles } from './own-certificates.ts';

let dataDir: string;
let store: Store;
let authorities: Authorities;
const clock = new ManualClock(Date.UTC(2026, 5, 1));
before(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'tessera-own-'));
  store = openSqliteStore({ path: join(dataDir, 'state.db'), now: () => clock.now() });
  authorities = await openAuthorities('test', {
    store,
    sealer: openDataKeyFile(join(dataDir, 'ca.key')),
    now: () => clock.now(),
  });
});
after(async () => {
  await store.close();
  await rm(dataDir, { recursive: true, force: true });
});
const deps = () => ({ authorities, hostId: randomUUID(), hostName: 'auth', dataDir, clock, log: silentLog });
const admin = async (): Promise<X509Certificate> =>
  new X509Certificate(await readFile(join(dataDir, 'auth/admin/admin.crt')));

test('opening the authorities again gives the same; another data key opens none', async () => {
  const again = await openAuthorities('test', {
    store,
    sealer: openDataKeyFile(join(dataDir, 'ca.key')),
    now: () => clock.now(),
  });
  assert.deepEqual(again.trusted(), authorities.trusted());
  await assert.rejects(
    openAuthorities('test', { store, sealer: openDataKeyFile(join(dataDir, 'other.key')), now: () => clock.now() }),
    { code: 'PKI_DATA_KEY_UNKNOWN' },
  );
});

test("the listener's chain is a leaf for auth.tessera.internal and the authority behind it", async () => {
  const { certificateChain } = await makeListenerCredentials(deps());
  const pems = certificateChain.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/gu) ?? [];
  assert.equal(pems.length, 2);
  assert.equal(new X509Certificate(pems[0] ?? '').checkHost('auth.tessera.internal'), 'auth.tessera.internal');
  assert.equal(new X509Certificate(pems[1] ?? '').ca, true);
});

test('both are renewed at two thirds of their lives, again and again, until closed', async () => {
  await writeAdminFiles('127.0.0.1:3025', deps());
  const first = await admin();
  const verified = verifyHostCertificate(first.raw, {
    authorities: authorities.hosts,
    nowMs: clock.now(),
    roles: ['admin'],
    usage: 'client',
  });
  assert.equal(verified.notAfterMs - clock.now(), 24 * 3_600_000);
  let listeners = 0;
  let wake = (): void => {};
  const renewed = (): Promise<void> => new Promise((resolve) => (wake = resolve));
  const renewal = new OwnRenewal(deps(), {
    address: '127.0.0.1:3025',
    renewed: () => {
      listeners += 1;
      wake();
    },
  });
  const once = renewed();
  clock.advance((7 * 24 * 3_600_000 * 2) / 3);
  await once;
  assert.equal(listeners, 1);
  while ((await admin()).serialNumber === first.serialNumber) await new Promise((resolve) => setImmediate(resolve));
  while (clock.pendingTimers < 2) await new Promise((resolve) => setImmediate(resolve));
  renewal.close();
  assert.equal(clock.pendingTimers, 0);
});

const rows = [
  { listening: '0.0.0.0:3025', want: '127.0.0.1:3025' },
  { listening: '[::]:3025', want: '[::1]:3025' },
  { listening: '10.0.0.5:3025', want: '10.0.0.5:3025' },
];
for (const row of rows) {
  test(`a command on this machine reaches ${row.listening} by ${row.want}`, () =>
    assert.equal(localAddress(row.listening), row.want));
}
