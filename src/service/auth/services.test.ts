import assert from 'node:assert/strict';
import { createPrivateKey, randomUUID, X509Certificate } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { PutResourceRequest_Mode } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { signOpening, type SessionOpening } from '../../pki/opening.ts';
import { derOf, newKeys, refusal, TestAuth, type TestHost, type TestUser } from './auth.fixture.ts';

/** What proxies and agents get from Auth, and what one that was taken over must not get. */

let auth: TestAuth;
let alice: TestUser;
let agent: TestHost;
let other: TestHost;
let proxy: TestHost;
let route: { certificate: string; privateKey: string };

before(async () => {
  auth = await TestAuth.start();
  alice = await auth.addUser('alice', { roles: ['access'], traits: { db_users: ['reader'], db_names: ['shop'] } });
  agent = await auth.join('database');
  other = await auth.join('database');
  proxy = await auth.join('proxy');
});
beforeEach(async () => {
  await auth.serve(agent, [{ name: 'orders' }]);
  await auth.serve(other, [{ name: 'stock' }]);
  const person = auth.connect(await auth.signIn(alice)).client;
  const keys = newKeys();
  const { certificate } = await person.issueUserCertificate({
    publicKey: keys.publicKey,
    route: { service: 'orders', protocol: 'postgres' },
  });
  route = { certificate, privateKey: keys.privateKey };
});
after(() => auth.stop());

function opening(change: Partial<SessionOpening> = {}, signer: TestHost = proxy): Uint8Array<ArrayBuffer> {
  const content: SessionOpening = {
    sessionId: randomUUID(),
    timeMs: auth.clock.now(),
    protocol: 'postgres',
    clientAddress: '127.0.0.1:5000',
    agentHostId: agent.hostId,
    clientCertificateDer: derOf(route.certificate),
    ...change,
  };
  return new Uint8Array(
    signOpening(content, createPrivateKey(signer.identity.privateKey), derOf(signer.identity.certificate)),
  );
}

function ask(of: { opening?: Uint8Array<ArrayBuffer>; user?: string; name?: string; as?: TestHost } = {}) {
  const { client } = (of.as ?? agent).connection;
  return client.issueDatabaseCertificate({
    opening: of.opening ?? opening(),
    publicKey: newKeys().publicKey,
    databaseUser: of.user ?? 'reader',
    databaseName: of.name ?? 'shop',
  });
}

test('an agent with a fresh opening gets a certificate for the database user, for minutes', async () => {
  const { certificate, expires } = await ask();
  const parsed = new X509Certificate(certificate);
  assert.equal(parsed.subject, 'CN=reader');
  const leftMs = Date.parse(expires) - auth.clock.now();
  assert.ok(leftMs > 9 * 60_000 && leftMs <= 10 * 60_000);
});

const attacks: readonly { name: string; says: RegExp; call: () => Promise<unknown> }[] = [
  { name: 'another database user', says: /access to db denied/, call: () => ask({ user: 'postgres' }) },
  { name: 'another database name', says: /access to db denied/, call: () => ask({ name: 'secrets' }) },
  { name: 'no database user', says: /access to db denied/, call: () => ask({ user: '' }) },
  { name: "another agent's opening", says: /another agent/, call: () => ask({ as: other }) },
  {
    name: 'an opening for it of a database that another agent serves',
    says: /does not serve database orders/,
    call: () => ask({ as: other, opening: opening({ agentHostId: other.hostId }) }),
  },
  {
    name: 'an opening of 61 s ago',
    says: /old|stale|ago/i,
    call: () => ask({ opening: opening({ timeMs: auth.clock.now() - 61_000 }) }),
  },
  {
    name: 'an opening from the future',
    says: /future|ahead|clock/i,
    call: () => ask({ opening: opening({ timeMs: auth.clock.now() + 120_000 }) }),
  },
  {
    name: 'an opening that an agent signed',
    says: /expected a service of role proxy/,
    call: () => ask({ opening: opening({}, agent) }),
  },
  {
    name: 'a proxy inventing a person with its own certificate',
    says: /certificate/,
    call: () => ask({ opening: opening({ clientCertificateDer: derOf(proxy.identity.certificate) }) }),
  },
  { name: 'no opening', says: /./, call: () => ask({ opening: new Uint8Array(0) }) },
  {
    name: 'a key that is not P-256',
    says: /P-256/,
    call: () =>
      agent.connection.client.issueDatabaseCertificate({
        opening: opening(),
        publicKey: new Uint8Array(91),
        databaseUser: 'reader',
        databaseName: 'shop',
      }),
  },
  { name: 'a proxy', says: /this is for a database service/, call: () => ask({ as: proxy }) },
];
for (const attack of attacks) {
  test(`no database certificate for ${attack.name}`, async () => {
    assert.match((await refusal(attack.call())).rawMessage, attack.says);
  });
}

test('a changed byte of an opening is found', async () => {
  const bytes = opening();
  for (const at of [0, 10, Math.floor(bytes.length / 2), bytes.length - 1]) {
    const changed = new Uint8Array(bytes);
    changed[at] = (changed[at] ?? 0) ^ 1;
    await refusal(ask({ opening: changed }));
  }
});

test('an identity certificate in an opening is no session', async () => {
  const identity = await auth.signIn(alice);
  await auth.serve(agent, [{ name: 'orders' }]);
  assert.match(
    (await refusal(ask({ opening: opening({ clientCertificateDer: derOf(identity.certificate) }) }))).rawMessage,
    /without a route/,
  );
});

test('a lock and a lost role count at the next database certificate', async () => {
  const lock = { kind: 'lock', version: 'v2', metadata: { name: 'l1' }, spec: { target: { user: 'alice' } } };
  await auth.admin.client.putResource({ json: JSON.stringify(lock), mode: PutResourceRequest_Mode.CREATE });
  assert.match((await refusal(ask())).rawMessage, /lock targeting User/);
  await auth.admin.client.deleteResource({ kind: 'lock', name: 'l1' });
  await ask();
  const before = (await auth.admin.client.getResource({ kind: 'user', name: 'alice' })).resource?.json ?? '';
  const put = (json: string) => auth.admin.client.putResource({ json, mode: PutResourceRequest_Mode.UPSERT });
  await put(before.replace('"access"', '"auditor"'));
  assert.match((await refusal(ask())).rawMessage, /access to db denied/);
  await put(before.replace('"reader"', '"writer"'));
  assert.match((await refusal(ask())).rawMessage, /access to db denied/);
  assert.match((await refusal(ask({ user: 'writer' }))).rawMessage, /access to db denied/);
  await put(before);
  await ask();
});

test('presence belongs to the certificate: names and hosts that a caller claims do not count', async () => {
  const { client } = other.connection;
  const stolen = (name: string, host: string) =>
    JSON.stringify({
      kind: 'db_server',
      version: 'v3',
      metadata: { name: `${host}/${name}` },
      spec: {
        host_id: host,
        host_name: 'x',
        origin: 'config',
        health: { status: 'healthy' },
        database: {
          kind: 'db',
          version: 'v3',
          metadata: { name, labels: {} },
          spec: { protocol: 'postgres', uri: 'evil:5432' },
        },
      },
    });
  await client.heartbeat({ resources: [stolen('more', agent.hostId)] });
  const { resources } = await auth.admin.client.listResources({ kind: 'db_server' });
  const names = resources.map((one) => JSON.parse(one.json).metadata.name);
  assert.ok(names.includes(`${other.hostId}/more`));
  assert.ok(!names.includes(`${agent.hostId}/more`));
  await client.heartbeat({ resources: [], removed: [`${agent.hostId}/orders`, 'orders'] });
  await ask();
  const proxyRecord = JSON.stringify({
    kind: 'proxy_server',
    version: 'v2',
    metadata: { name: 'x' },
    spec: { host_id: 'x', host_name: 'x', public_addr: 'evil:443' },
  });
  assert.match(
    (await refusal(client.heartbeat({ resources: [proxyRecord] }))).rawMessage,
    /may not announce proxy_server/,
  );
  assert.match(
    (await refusal(client.heartbeat({ resources: Array.from({ length: 1001 }, () => '{}') }))).rawMessage,
    /maxPresenceResources/,
  );
});

test('no agent can make a list that nobody can read: a database may have the longest name', async () => {
  const long = 'd'.repeat(128);
  const far = await auth.join('database', 'h'.repeat(253));
  await auth.serve(far, [{ name: long }]);
  const person = auth.connect(await auth.signIn(alice)).client;
  await auth.serve(far, [{ name: long }]);
  const { databases } = await person.listDatabases({});
  assert.ok(databases.some((one) => JSON.parse(one.json).metadata.name === long));
  await far.connection.client.heartbeat({ removed: [long] });
});

test("an agent's file can not take the name of a db resource, nor describe it", async () => {
  const db = {
    kind: 'db',
    version: 'v3',
    metadata: { name: 'ledger', labels: { env: 'prod' } },
    spec: { protocol: 'postgres', uri: 'ledger:5432' },
  };
  await auth.admin.client.putResource({ json: JSON.stringify(db), mode: PutResourceRequest_Mode.CREATE });
  assert.match(
    (await refusal(auth.serve(other, [{ name: 'ledger', labels: { env: 'dev' } }]))).rawMessage,
    /rename one of them/,
  );
  const claimed = JSON.stringify({
    kind: 'db_server',
    version: 'v3',
    metadata: { name: `${other.hostId}/ledger` },
    spec: {
      host_id: other.hostId,
      host_name: 'x',
      origin: 'dynamic',
      health: { status: 'healthy' },
      database: { ...db, metadata: { name: 'ledger', labels: { env: 'dev' } } },
    },
  });
  await other.connection.client.heartbeat({ resources: [claimed] });
  const kept =
    (await auth.admin.client.getResource({ kind: 'db_server', name: `${other.hostId}/ledger` })).resource?.json ?? '';
  assert.deepEqual(JSON.parse(kept).spec.database.metadata.labels, { env: 'prod' });
  await auth.admin.client.deleteResource({ kind: 'db', name: 'ledger' });
});

test('a join token: uses are counted, also at once; expired, unknown and wrong-role ones are refused and told', async () => {
  const join = (token: string, role = 'database', more = {}) =>
    auth.anonymous.client.join({ token, role, hostName: 'h', publicKey: newKeys().publicKey, ...more });
  const once = await auth.admin.client.addToken({ roles: ['db'], uses: 1 });
  // What is wrong with the wish costs no use.
  await refusal(join(once.token, 'database', { publicKey: new Uint8Array(91) }));
  await refusal(join(once.token, 'database', { dnsNames: ['db.example.com'] }));
  await refusal(join(once.token, 'proxy'));
  const outcomes = await Promise.allSettled([join(once.token), join(once.token), join(once.token)]);
  assert.equal(outcomes.filter((one) => one.status === 'fulfilled').length, 1);
  assert.match((await refusal(join(once.token))).rawMessage, /used up/);
  const twice = await auth.admin.client.addToken({ roles: ['db'], uses: 2, value: 'a-token-of-some-length' });
  await join(twice.token);
  await join(twice.token);
  await refusal(join(twice.token));
  const short = await auth.admin.client.addToken({ roles: ['db', 'proxy'], ttlSeconds: 60 });
  await join(short.token);
  await join(short.token, 'proxy', { dnsNames: ['access.example.com'] });
  assert.match(
    (await refusal(join(short.token, 'proxy', { dnsNames: ['auth.tessera.internal'] }))).rawMessage,
    /reserved/,
  );
  auth.clock.offsetMs += 61_000;
  assert.match((await refusal(join(short.token))).rawMessage, /expired/);
  await refusal(join('', 'database'));
  await refusal(join(short.token, 'auth'));
  await refusal(join(short.token, 'admin'));
  assert.ok((await auth.events('TJ001W')).length >= 8);
  assert.ok((await auth.events('TJT00I')).every((event) => !JSON.stringify(event).includes(short.token)));
});

test('a service renews its own identity and nothing else', async () => {
  const keys = newKeys();
  const { certificate, authorities } = await agent.connection.client.renewHostCertificate({
    publicKey: keys.publicKey,
  });
  assert.match(new X509Certificate(certificate).subject, new RegExp(agent.hostId));
  assert.equal(authorities.length, 4);
  await auth.connect({ certificate, privateKey: keys.privateKey }).client.heartbeat({});
  assert.match(
    (
      await refusal(
        agent.connection.client.renewHostCertificate({ publicKey: keys.publicKey, dnsNames: ['x.example.com'] }),
      )
    ).rawMessage,
    /no names of its choice/,
  );
});

test('one host does not take the watches of the others', async () => {
  const greedy = await auth.join('database');
  const stop = new AbortController();
  const opened: AsyncIterator<unknown>[] = [];
  const watch = async (as: TestHost): Promise<void> => {
    const stream = as.connection.client.watch({ kinds: ['lock'] }, { signal: stop.signal })[Symbol.asyncIterator]();
    await stream.next();
    opened.push(stream);
  };
  for (let count = 0; count < 16; count += 1) await watch(greedy);
  assert.match((await refusal(watch(greedy))).rawMessage, /maxWatchesPerHost/);
  await watch(agent);
  stop.abort();
  await Promise.allSettled(opened.map((stream) => stream.next()));
});

test('a locked service is refused', async () => {
  const lock = { kind: 'lock', version: 'v2', metadata: { name: 'l2' }, spec: { target: { server_id: other.hostId } } };
  await auth.admin.client.putResource({ json: JSON.stringify(lock), mode: PutResourceRequest_Mode.CREATE });
  assert.match(
    (await refusal(other.connection.client.renewHostCertificate({ publicKey: newKeys().publicKey }))).rawMessage,
    /lock targeting ServerID/,
  );
  await auth.admin.client.deleteResource({ kind: 'lock', name: 'l2' });
});

test('audit: a service writes in its own name, only its own kinds; repeats are stored once', async () => {
  const event = (change: object = {}) => ({
    event: 'client.disconnect',
    code: 'T3006I',
    reason: 'idle',
    time: new Date(auth.clock.now()).toISOString(),
    uid: randomUUID(),
    ei: 1,
    cluster_name: 'test',
    server_id: agent.hostId,
    ...change,
  });
  const send = (events: readonly object[], as = agent) =>
    as.connection.client.ingestAudit({
      eventsZstd: new Uint8Array(
        zstdCompressSync(Buffer.from(events.map((one) => `${JSON.stringify(one)}\n`).join(''))),
      ),
      count: events.length,
    });
  const mine = event();
  assert.equal((await send([mine])).stored, 1);
  assert.equal((await send([mine])).stored, 0);
  const forged = [
    event({ server_id: other.hostId }),
    event({ cluster_name: 'elsewhere' }),
    event({ event: 'user.create', code: 'T1002I', name: 'x' }),
    event({ uid: 'x' }),
  ];
  for (const one of forged) assert.equal((await refusal(send([one]))).code, Code.InvalidArgument, JSON.stringify(one));
  await refusal(agent.connection.client.ingestAudit({ eventsZstd: new Uint8Array([1, 2, 3]), count: 1 }));
  const bomb = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024));
  assert.match(
    (await refusal(agent.connection.client.ingestAudit({ eventsZstd: new Uint8Array(bomb), count: 1 }))).rawMessage,
    /maxBatchBytes/,
  );
});

test('an oversized request ends that call only', async () => {
  const huge = await refusal(agent.connection.client.heartbeat({ resources: ['x'.repeat(5 * 1024 * 1024)] }));
  assert.equal(huge.code, Code.ResourceExhausted);
  await agent.connection.client.heartbeat({});
});
