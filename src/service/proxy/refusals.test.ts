// Who is refused at the public port is found in the audit log: with the reason, and with a name only when the cluster vouches for it.
import assert from 'node:assert/strict';
import { hash, randomUUID, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import { before, test } from 'node:test';
import tls from 'node:tls';
import {
  type Credentials,
  dialPostgres,
  dialRaw,
  errorFields,
  readAll,
  secure,
  startup,
  TestCluster,
  TestGateway,
  until,
} from '../../../test/kit/gateway.ts';
import { userProfile } from '../../pki/profiles.ts';

let cluster: TestCluster;
before(async () => {
  cluster = await TestCluster.create();
});

/** Tries to open a session; the refusal's SQLSTATE. */
async function refused(port: number, who: Credentials | undefined): Promise<string> {
  const socket = await dialPostgres(port, who);
  const answer = readAll(socket);
  socket.write(startup());
  return errorFields(await answer)['C'] ?? '';
}

async function refusedInClear(port: number): Promise<string> {
  const socket = await dialRaw(port);
  const answer = readAll(socket);
  socket.write(startup());
  return errorFields(await answer)['C'] ?? '';
}

const fingerprintOf = (who: Credentials): string => hash('sha256', new X509Certificate(who.certificate).raw, 'hex');
const hourMs = 3_600_000;
const alice = { user: 'alice', user_kind: 'local', user_roles: ['dev'] };
type Row = {
  readonly name: string;
  readonly who: () => Promise<Credentials | undefined>;
  readonly code: 'T3007W' | 'TDB00W';
  readonly fields: Readonly<Record<string, unknown>>;
  readonly knownDatabases?: readonly string[];
};
const rows: readonly Row[] = [
  { name: 'no certificate', who: async () => undefined, code: 'T3007W', fields: { reason: 'NO_CERTIFICATE' } },
  {
    name: 'an expired one names its holder',
    who: () => cluster.person({}, { atMs: Date.now() - hourMs, ttlMs: 60_000 }),
    code: 'T3007W',
    fields: { reason: 'CERT_EXPIRED', ...alice, db_service: 'orders' },
  },
  {
    name: 'one that is not valid yet',
    who: () => cluster.person({}, { atMs: Date.now() + hourMs }),
    code: 'T3007W',
    fields: { reason: 'CERT_NOT_YET_VALID', ...alice },
  },
  {
    name: 'a foreign one names nobody',
    who: () => cluster.person({}, { authority: cluster.foreign }),
    code: 'T3007W',
    fields: { reason: 'CERT_FOREIGN_AUTHORITY', user: undefined, user_roles: undefined, db_service: undefined },
  },
  {
    name: "a service's",
    who: () => cluster.service('database', '0c8c9be5-3a50-4f3c-8b8a-2f2a7c0de001'),
    code: 'T3007W',
    fields: { reason: 'CERT_FOREIGN_AUTHORITY', host_id: '0c8c9be5-3a50-4f3c-8b8a-2f2a7c0de001', user: undefined },
  },
  {
    name: 'of a wrong usage',
    who: () =>
      cluster.issue(cluster.user, {
        ...userProfile({ kind: 'user', user: 'alice', userKind: 'local', roles: [], traits: {} }),
        extendedKeyUsages: ['serverAuth'],
      }),
    code: 'T3007W',
    fields: { reason: 'CERT_WRONG_USAGE', user: undefined },
  },
  {
    name: 'without a route',
    who: () =>
      cluster.issue(
        cluster.user,
        userProfile({ kind: 'user', user: 'alice', userKind: 'local', roles: [], traits: {} }),
      ),
    code: 'T3007W',
    fields: { reason: 'NO_ROUTE', user: 'alice' },
  },
  {
    name: 'for another protocol',
    who: () => cluster.person({ route: { service: 'orders', protocol: 'mysql' } }),
    code: 'T3007W',
    fields: { reason: 'WRONG_PROTOCOL', user: 'alice' },
  },
  {
    name: 'pinned to another address',
    who: () => cluster.person({ pinnedAddress: '203.0.113.9' }),
    code: 'TDB00W',
    fields: { reason: 'wrong-source-address', ...alice, db_service: 'orders', db_user: 'app', db_name: 'shop' },
  },
  {
    name: 'for a database that is not there',
    who: () => cluster.person({ route: { service: 'nothing', protocol: 'postgres' } }),
    code: 'TDB00W',
    fields: { reason: 'unknown-database', ...alice, db_service: 'nothing' },
  },
  {
    name: 'for a database without agent',
    who: () => cluster.person(),
    code: 'TDB00W',
    fields: { reason: 'no-agent', ...alice, db_service: 'orders' },
    knownDatabases: ['orders'],
  },
];
for (const row of rows) {
  test(`refused and recorded: ${row.name}`, async () => {
    const here = await TestGateway.start(cluster, { knownDatabases: row.knownDatabases ?? [] });
    const who = await row.who();
    await refused(here.port, who);
    const [event, ...more] = here.audited;
    assert.equal(more.length, 0);
    assert.equal(event?.code, row.code);
    const fields = event.fields;
    for (const [name, value] of Object.entries(row.fields)) assert.deepEqual(fields[name], value, name);
    assert.match(String(fields['addr.remote']), /^127\.0\.0\.1:\d+$/);
    assert.equal(fields['success'], false);
    if (row.code === 'T3007W') {
      assert.equal(fields['listener'], 'database');
      assert.equal(fields['db_protocol'], 'postgres');
      assert.equal(fields['fingerprint'], who === undefined ? undefined : fingerprintOf(who));
    }
    await here.close();
  });
}

test('a lock, and an agent that says no, are recorded with the person', async () => {
  const here = await TestGateway.start(cluster);
  await here.agent((session) => session.reject('refused', 'inner words'));
  assert.equal(await refused(here.port, await cluster.person()), 'XX000');
  here.locks.push({ kind: 'lock', version: 'v2', metadata: { name: 'l' }, spec: { target: { user: 'alice' } } });
  assert.equal(await refused(here.port, await cluster.person()), '57P01');
  assert.deepEqual(
    here.audited.map(({ code, fields }) => [code, fields['reason'], fields['user'], typeof fields['sid']]),
    [
      ['TDB00W', 'internal', 'alice', 'string'],
      ['TDB00W', 'locked', 'alice', 'undefined'],
    ],
  );
  await here.close();
});

test("libpq's second attempt in clear is the first one's; a client in clear alone is told", async () => {
  const here = await TestGateway.start(cluster);
  await refused(here.port, undefined);
  assert.equal(await refusedInClear(here.port), '28000');
  const reasons = (): unknown[] => here.audited.map(({ fields }) => fields['reason']);
  assert.deepEqual(reasons(), ['NO_CERTIFICATE']);
  await refusedInClear(here.port);
  assert.deepEqual(reasons(), ['NO_CERTIFICATE', 'NO_TLS']);
  await here.close();
});

test('a look at the port without certificate or word is no event; a bad certificate without a word is', async () => {
  const here = await TestGateway.start(cluster);
  (await dialPostgres(here.port, undefined)).destroy();
  await until(() => here.gateway.connectionCount === 0);
  assert.equal(here.audited.length, 0);
  (await dialPostgres(here.port, await cluster.person({}, { authority: cluster.foreign }))).end();
  await until(() => here.audited.length === 1);
  assert.equal(here.audited[0]?.fields['reason'], 'CERT_FOREIGN_AUTHORITY');
  await here.close();
});

test('a flood of one address: some events, then a number; a full journal refuses and admits as before', async () => {
  const here = await TestGateway.start(cluster, { limits: { clientRefusalEventsPerMinute: 2 } });
  for (let n = 0; n < 5; n += 1) assert.equal(await refused(here.port, undefined), '28000');
  assert.equal(here.audited.length, 2);
  here.journal = 'full';
  assert.equal(await refused(here.port, await cluster.person({}, { authority: cluster.foreign })), '28000');
  const agent = await here.agent((session) => session.accept().receive({ data() {}, end() {}, close() {} }));
  const socket = await dialPostgres(here.port, await cluster.person());
  socket.write(startup());
  await until(() => here.gateway.sessions.count === 1);
  socket.destroy();
  agent.dialer.close();
  here.journal = 'written';
  await here.close();
  assert.equal(here.audited.length, 3);
  assert.equal(here.audited[2]?.fields['reason'], 'REFUSALS_LEFT_OUT');
  assert.deepEqual(here.audited[2]?.fields['left_out_reasons'], { NO_CERTIFICATE: 3, CERT_FOREIGN_AUTHORITY: 1 });
  assert.equal(here.audited[2]?.fields['addr.remote'], '127.0.0.1');
});

test('tunnels: refused agents are recorded, a locked one by its host id', async () => {
  const here = await TestGateway.start(cluster);
  const hostId = randomUUID();
  here.locks.push({ kind: 'lock', version: 'v2', metadata: { name: 'l' }, spec: { target: { server_id: hostId } } });
  const tried: readonly (Credentials | undefined)[] = [
    undefined,
    await cluster.person(),
    await cluster.service('proxy'),
    await cluster.service('database', hostId, { atMs: Date.now() - hourMs, ttlMs: 60_000 }),
    await cluster.service('database', hostId),
  ];
  for (const who of tried) {
    const socket = await secure(await dialRaw(here.port), {
      ALPNProtocols: ['tessera-tunnel'],
      ...(who === undefined ? {} : { cert: who.certificate, key: who.privateKey }),
    });
    socket.resume();
    await once(socket, 'close');
  }
  assert.deepEqual(
    here.audited.map(({ code, fields }) => [code, fields['listener'], fields['reason'], fields['host_id'] === hostId]),
    [
      ['T3007W', 'tunnel', 'NO_CERTIFICATE', false],
      ['T3007W', 'tunnel', 'CERT_FOREIGN_AUTHORITY', false],
      ['T3007W', 'tunnel', 'CERT_WRONG_ROLE', false],
      ['T3007W', 'tunnel', 'CERT_EXPIRED', true],
      ['T3007W', 'tunnel', 'LOCKED', true],
    ],
  );
  assert.equal(here.audited[1]?.fields['user'], 'alice');
  await here.close();
});

/** A wire that changes one byte of the client's handshake message of `type` (TLS 1.2 sends it in clear), counted from its beginning. */
async function bentWire(to: number, type: number, offset: number): Promise<net.Server> {
  const server = net.createServer((from) => {
    const onward = net.connect(to, '127.0.0.1');
    for (const socket of [from, onward]) socket.on('error', () => undefined);
    onward.pipe(from);
    from.on('close', () => onward.destroy());
    from.on('data', (bytes: Buffer) => {
      for (let at = 0; at + 5 < bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
        if (bytes[at] === 0x16 && bytes[at + 5] === type) bytes[at + 5 + offset] = (bytes[at + 5 + offset] ?? 0) ^ 1;
      }
      onward.write(bytes);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

for (const [name, type, offset] of [
  ['a certificate that is no certificate', 11, 10],
  ['a certificate whose key was not proven', 15, 40],
] as const) {
  test(`TLS itself refuses ${name}: recorded`, async () => {
    const here = await TestGateway.start(cluster);
    const wire = await bentWire(here.port, type, offset);
    const person = await cluster.person();
    const address = wire.address();
    assert.ok(typeof address === 'object' && address !== null);
    const socket = tls.connect({
      port: address.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
      ALPNProtocols: ['postgresql'],
      cert: person.certificate,
      key: person.privateKey,
    });
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.on('close', resolve));
    wire.close();
    assert.deepEqual(
      here.audited.map(({ code, fields }) => [code, fields['listener'], fields['user']]),
      [['T3007W', 'database', undefined]],
    );
    assert.match(String(here.audited[0]?.fields['reason']), /^ERR_/);
    await here.close();
  });
}
