// Who is kept out of MySQL, and who is put out of it: in the protocol's words, at once, and on record.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createAuthority } from '../../src/pki/authority.ts';
import { issueCertificate } from '../../src/pki/issue.ts';
import { generateKeyPair } from '../../src/pki/keys.ts';
import { userProfile } from '../../src/pki/profiles.ts';
import { type LoggedEvent, waitForAudit } from '../kit/audit-log.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { mysqlAddress, wireAddress } from '../kit/mysql-client.ts';
import { MysqlWire, packet, type WireAddress, type WirePacket, WireRefusal } from '../kit/mysql-wire.ts';
import type { Person } from '../kit/person.ts';
import { mariadb1011, type MysqlBinaries } from '../servers/mysql-binaries.ts';

/** Bob's certificate outlives the tests before the one that waits for its end. */
const bobsTtl = '25s';
const atOnceMs = 1000;
const roles = `kind: role
version: v7
metadata: {name: narrow}
spec:
  options: {max_connections: 2, client_idle_timeout: 2s, disconnect_expired_cert: true}
  allow: {db_labels: {'*': '*'}, db_users: [bob], db_names: [shop, spare]}
---
kind: role
version: v7
metadata: {name: nameless}
spec:
  allow: {db_labels: {'*': '*'}, db_users: [reader]}
`;

/** Addresses of one listener, each with a certificate. */
type Addresses = {
  /** May use every database as `reader`. */
  readonly alice: WireAddress;
  /** Has the role `narrow`. */
  readonly bob: WireAddress;
  /** Has the role `nameless`. */
  readonly carol: WireAddress;
  /** Alice's for a PostgreSQL. */
  readonly postgres: WireAddress;
  /** Alice's for a database that was taken away since. */
  readonly gone: WireAddress;
  /** Says that it is alice's, by an authority of somebody else. */
  readonly foreign: WireAddress;
};

type Row = {
  readonly name: string;
  readonly who: (addresses: Addresses) => WireAddress;
  /** Error number, SQLSTATE and what the text must have in it. */
  readonly words: readonly [code: number, sqlState: string, text: RegExp];
  /** Fields of its audit event. */
  readonly audit: Readonly<Record<string, unknown>>;
};

const noCertificate = { code: 'T3007W', listener: 'database', db_protocol: 'mysql' };
const denied = { code: 'TDB00W', event: 'db.session.start', success: false };
const rows: readonly Row[] = [
  {
    name: 'no certificate',
    who: ({ alice }) => ({ ...alice, cert: '', key: '' }),
    words: [1045, '28000', /a client certificate is required/],
    audit: { ...noCertificate, reason: 'NO_CERTIFICATE' },
  },
  {
    name: 'a certificate of a foreign authority',
    who: ({ foreign }) => foreign,
    words: [1045, '28000', /certificate/],
    audit: { ...noCertificate, reason: 'CERT_FOREIGN_AUTHORITY', user: undefined },
  },
  {
    name: 'a certificate for PostgreSQL',
    who: ({ postgres }) => postgres,
    words: [1045, '28000', /for a postgres database, and the client speaks mysql/],
    audit: { ...noCertificate, reason: 'WRONG_PROTOCOL', user: 'alice', db_service: 'ledger' },
  },
  {
    name: "another database user than the certificate's",
    who: ({ alice }) => ({ ...alice, user: 'bob' }),
    words: [1045, '28000', /for the database user "reader", the client asked for "bob"/],
    audit: { ...denied, reason: 'wrong-route', user: 'alice', db_user: 'bob' },
  },
  {
    name: 'a role without db_names',
    who: ({ carol }) => carol,
    words: [1045, '28000', /shop/],
    audit: { ...denied, reason: 'access-denied', user: 'carol', db_name: 'shop' },
  },
  {
    name: 'a name that is not among db_names',
    who: ({ bob }) => ({ ...bob, database: 'other' }),
    words: [1045, '28000', /other/],
    audit: { ...denied, reason: 'access-denied', user: 'bob', db_name: 'other' },
  },
  {
    name: 'a name that the server itself refuses',
    who: ({ alice }) => ({ ...alice, database: 'nowhere' }),
    words: [1044, '42000', /Access denied for user 'reader'@'%' to database 'nowhere'/],
    audit: { ...denied, reason: 'database-refused', user: 'alice', db_name: 'nowhere' },
  },
  {
    name: 'a database that is no longer there',
    who: ({ gone }) => gone,
    words: [1049, '42000', /there is no database "gone"/],
    audit: { ...denied, reason: 'unknown-database', user: 'alice', db_service: 'gone' },
  },
];

const binaries = mariadb1011();
if (typeof binaries === 'string') test('refusals in MySQL', { skip: binaries }, () => undefined);
else suite('refusals in MySQL', () => refusals(binaries));

function refusals(of: MysqlBinaries): void {
  let cluster: Cluster;
  let addresses: Addresses;

  before(async () => {
    cluster = await startCluster({
      mysql: [{ name: 'goods', binaries: of }],
      dbService: entry('ledger', 'postgres') + entry('gone', 'mysql'),
      agentTop: '  shutdown_timeout: 1s\n',
    });
    addresses = await signIn(cluster);
    const [agent] = cluster.agents;
    writeFileSync(
      agent?.configFile ?? '',
      readFileSync(agent?.configFile ?? '', 'utf8').replace(entry('gone', 'mysql'), ''),
    );
    agent?.kill('SIGHUP');
  });
  after(() => cluster?.close());

  const recorded = (wanted: Readonly<Record<string, unknown>>): Promise<LoggedEvent> =>
    waitForAudit(cluster, JSON.stringify(wanted), (events) =>
      events.findLast((one) => Object.entries(wanted).every(([name, value]) => one[name] === value)),
    );

  test('a client in clear', async () => {
    const { code, text, sequence } = await inClear(addresses.alice.port);
    assert.deepEqual([code, sequence], [3159, 2]);
    assert.match(text, /TLS is required/);
    await recorded({ ...noCertificate, reason: 'NO_TLS' });
  });

  for (const { name, who, words, audit } of rows) {
    test(name, async () => {
      const [code, sqlState, text] = words;
      const said = await refusalOf(who(addresses));
      assert.deepEqual([said.code, said.sqlState, said.sequence], [code, sqlState, 3], said.text);
      assert.match(said.text, text);
      await recorded(audit);
    });
  }

  test('USE of a name that is not among db_names: refused, and the session goes on where it was', async () => {
    const wire = await MysqlWire.open(addresses.bob);
    for (const change of [
      Buffer.from('\x02other'),
      wire.queryPayload('use other'),
      wire.queryPayload('select 1; use other'),
    ]) {
      const [said] = await wire.ask(change, 'ok');
      assert.deepEqual(said === undefined ? undefined : errorOf(said).code, 1044);
    }
    assert.equal(rowOf(await wire.query('select database()')), 'shop');
    const [unlike] = await wire.query('use shop');
    assert.equal(unlike?.payload[0], 0);
    wire.close();
    await recorded({ code: 'TDB02W', db_query: 'use other', refused: true, error_code: '1044', user: 'bob' });
  });

  test('more sessions than max_connections', async () => {
    const open = [await MysqlWire.open(addresses.bob), await MysqlWire.open(addresses.bob)];
    const said = await refusalOf(addresses.bob);
    assert.deepEqual([said.code, said.sqlState], [1040, '08004']);
    assert.match(said.text, /you have 2 sessions open/);
    for (const wire of open) wire.close();
    await recorded({ code: 'T1006W', user: 'bob', maximum: 2 });
    await recorded({ ...denied, reason: 'too-many-connections', user: 'bob' });
    await sleep(100);
    (await MysqlWire.open(addresses.bob)).close();
  });

  test('an idle session ends, one whose statement runs does not', async () => {
    const [idle, busy] = [await MysqlWire.open(addresses.bob), await MysqlWire.open(addresses.bob)];
    const slept = busy.query('select sleep(3)');
    const said = await ended(idle);
    // 1: the client reads it as the answer to what it says next.
    assert.deepEqual([said.code, said.sequence], [4031, 1]);
    assert.match(said.text, /ended after 2 s without activity/);
    assert.equal(rowOf(await slept), '0');
    busy.close();
    await recorded({ code: 'T3006I', event: 'client.disconnect', user: 'bob', reason: 'idle' });
  });

  test('a lock ends sessions at once, with words for who waits and for who is at work, and keeps the next ones out', async () => {
    const [waiting, working] = [await MysqlWire.open(addresses.alice), await MysqlWire.open(addresses.alice)];
    working.send(working.queryPayload('select sleep(30)'));
    const ends = Promise.all([waiting, working].map(ended));
    await sleep(200);
    await cluster.tessera('lock', '--user=alice', '--message=moving house', '--ttl=10m');
    const startedMs = performance.now();
    const said = await ends;
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < atOnceMs, `${tookMs} ms`);
    assert.deepEqual(said.map(({ code, sequence }) => [code, sequence]), [[1045, 1], [1045, 1]]); // prettier-ignore
    for (const { text } of said) assert.match(text, /moving house/);
    await recorded({ code: 'T3006I', user: 'alice', reason: 'locked' });
    await recorded({ code: 'TDB01I', user: 'alice', closed_by: 'refusal', reason: 'locked' });
    const next = await refusalOf(addresses.alice);
    assert.deepEqual([next.code, next.sequence], [1045, 3]);
    assert.match(next.text, /moving house/);
    await recorded({ ...denied, user: 'alice', reason: 'locked' });
    assert.equal(await sleeping(cluster), 0, 'the statement ended in the database too');
    await unlock(cluster);
  });

  test('an expired certificate ends the session when a role says so, and opens no other', async () => {
    const live = await MysqlWire.open(addresses.bob);
    live.send(live.queryPayload('select sleep(60)'));
    const said = await ended(live);
    assert.deepEqual([said.code, said.sequence], [1045, 1]);
    assert.match(said.text, /certificate expired/);
    assert.ok(Date.now() - Date.parse(new X509Certificate(addresses.bob.cert).validTo) < atOnceMs);
    await recorded({ code: 'T3006I', user: 'bob', reason: 'certificate-expired' });
    const next = await refusalOf(addresses.bob);
    assert.equal(next.code, 1045);
    assert.match(next.text, /has expired/);
    await recorded({ ...noCertificate, user: 'bob', reason: 'CERT_EXPIRED', db_service: 'goods' });
  });

  test('an agent that stops says so; after one that was killed nobody serves the database', async () => {
    const [waiting, working] = [await MysqlWire.open(addresses.alice), await MysqlWire.open(addresses.alice)];
    working.send(working.queryPayload('select sleep(30)'));
    const ends = Promise.all([waiting, working].map(ended));
    const stopped = cluster.agents[0]?.stop('SIGTERM');
    for (const { code, text } of await ends) {
      assert.equal(code, 1053);
      assert.match(text, /stopping/);
    }
    assert.equal(await stopped, 0);
    const [agent] = cluster.agents;
    agent?.start();
    await agent?.ready();
    await openAgain(addresses.alice);
    await agent?.stop('SIGKILL');
    await recorded({ code: 'TDB01I', user: 'alice', reason: 'shutdown' });
    const next = await refusalOf(addresses.alice);
    assert.deepEqual([next.code, next.sqlState], [1053, '08S01']);
    assert.match(next.text, /no database service that serves "goods"/);
    await recorded({ ...denied, user: 'alice', reason: 'no-agent' });
  });
}

function entry(name: string, protocol: string): string {
  return `    - {name: ${name}, protocol: ${protocol}, uri: "localhost:1", static_labels: {env: test}}\n`;
}

async function signIn(cluster: Cluster): Promise<Addresses> {
  writeFileSync(join(cluster.folder, 'roles.yaml'), roles);
  await cluster.tessera('create', '-f', join(cluster.folder, 'roles.yaml'));
  const [alice, bob, carol] = await Promise.all([
    cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=*']),
    cluster.addPerson('bob', ['--roles=narrow']),
    cluster.addPerson('carol', ['--roles=nameless']),
  ]);
  await Promise.all([alice.login(), carol.login()]);
  const goods = await addressOf(alice, 'goods', 'reader');
  const some = {
    alice: goods,
    postgres: { ...(await addressOf(alice, 'ledger', 'reader')), port: goods.port },
    gone: await addressOf(alice, 'gone', 'reader'),
    carol: await addressOf(carol, 'goods', 'reader'),
    foreign: { ...goods, ...(await foreignCertificate()) },
  };
  await bob.login(`--ttl=${bobsTtl}`);
  return { ...some, bob: await addressOf(bob, 'goods', 'bob') };
}

async function addressOf(person: Person, service: string, user: string): Promise<WireAddress> {
  return { ...wireAddress(await mysqlAddress(person, service, user)), database: 'shop' };
}

async function foreignCertificate(): Promise<Pick<WireAddress, 'cert' | 'key'>> {
  const nowMs = Date.now();
  const authority = await createAuthority('user', 'test', () => nowMs);
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const route = { service: 'goods', protocol: 'mysql' } as const;
  const identity = { kind: 'user', user: 'alice', userKind: 'local', roles: ['access'], traits: {}, route } as const;
  const { pem } = await issueCertificate(authority, userProfile(identity), { publicKeyDer, ttlMs: 60_000, nowMs });
  return { cert: pem, key: privateKeyPem };
}

/** As pools do: 1053 means try again. */
async function openAgain(address: WireAddress): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      (await MysqlWire.open(address)).close();
      return;
    } catch (error) {
      if (tries === 100 || !(error instanceof WireRefusal) || error.code !== 1053) throw error;
      await sleep(50);
    }
  }
}

type Said = { readonly code: number; readonly sqlState: string; readonly text: string; readonly sequence: number };

async function refusalOf(address: WireAddress): Promise<Said> {
  try {
    (await MysqlWire.open(address)).close();
  } catch (error) {
    if (!(error instanceof WireRefusal)) throw error;
    const { code, sequence, message } = error;
    return { code, sequence, sqlState: message.slice(1, 6), text: message.slice(6) };
  }
  return assert.fail('it was let in');
}

function errorOf({ payload, sequence }: WirePacket): Said {
  assert.equal(payload[0], 0xff, `expected an ERR, got ${payload.toString('hex')}`);
  return {
    code: payload.readUInt16LE(1),
    sqlState: payload.toString('latin1', 4, 9),
    text: payload.toString('utf8', 9),
    sequence,
  };
}

/** What a session that sent nothing more is told last; then its connection ends. */
async function ended(wire: MysqlWire): Promise<Said> {
  const said = errorOf(await wire.next());
  await assert.rejects(wire.next());
  return said;
}

/** A client that does not ask for TLS. */
async function inClear(port: number): Promise<Said> {
  const socket = connect(port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'data');
  const head = Buffer.alloc(32);
  head.writeUInt32LE(0x8_8200, 0);
  socket.write(packet(1, Buffer.concat([head, Buffer.from('reader\0\0')])));
  await once(socket, 'close');
  const bytes = Buffer.concat(chunks);
  const answer = bytes.subarray(4 + bytes.readUIntLE(0, 3));
  return errorOf({ sequence: answer.readUInt8(3), payload: answer.subarray(4), parts: 1 });
}

/** The one value of a result with one row and one column. */
function rowOf(packets: readonly WirePacket[]): string {
  const row = packets.at(-2)?.payload ?? Buffer.alloc(1);
  return row.toString('utf8', 1);
}

async function sleeping(cluster: Cluster): Promise<number> {
  return Number(
    await cluster
      .mysql('goods')
      .run("select count(*) from information_schema.processlist where info like '%sleep(%' and id <> connection_id()"),
  );
}

async function unlock(cluster: Cluster): Promise<void> {
  const locks = JSON.parse(await cluster.tessera('get', 'locks', '--format=json')) as { metadata: { name: string } }[];
  for (const lock of locks) await cluster.tessera('rm', `lock/${lock.metadata.name}`);
}
