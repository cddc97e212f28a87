// Clients of MySQL at a proxy, by both ways in: the port where it greets (A), and TLS with the name of a tunnel's local end (B).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, before, test } from 'node:test';
import {
  clusterName,
  type Credentials,
  dialPostgres,
  dialRaw,
  errorFields,
  type GatewayOptions,
  readAll,
  secure,
  startup,
  TestCluster,
  TestGateway,
  until,
} from '../../../test/kit/gateway.ts';
import {
  dialMysql,
  dialTunnelled,
  errorOfPacket,
  mysqlResponse,
  mysqlSslRequest,
  readGreeting,
  readPacket,
} from '../../../test/kit/raw-mysql.ts';
import { defaultMysqlServerVersion } from '../../config/defaults.ts';
import { SHOWN_ID_BIT } from '../../engine/session-ids.ts';
import { verifyOpening } from '../../pki/opening.ts';
import { TrustedAuthorities } from '../../pki/trust.ts';
import { CLIENT, has } from '../../protocol/mysql/capabilities.ts';
import type { UserIdentity } from '../../resource/identity.ts';
import { createLog } from '../../telemetry/log.ts';
import type { IncomingSession } from '../../tunnel/dialer.ts';

let cluster: TestCluster;
before(async () => {
  cluster = await TestCluster.create();
});

const running: TestGateway[] = [];
afterEach(async () => {
  for (const here of running.splice(0)) await here.close();
});

async function start(options: GatewayOptions): Promise<TestGateway> {
  const here = await TestGateway.start(cluster, options);
  running.push(here);
  return here;
}

const route: UserIdentity['route'] = {
  service: 'orders',
  protocol: 'mysql',
  databaseUser: 'app',
  databaseName: 'shop',
};
const person = (change: Partial<UserIdentity> = {}, options: Parameters<TestCluster['person']>[1] = {}) =>
  cluster.person({ route, ...change }, options);

type Said = { readonly code: number; readonly sqlState: string; readonly message: string; readonly sequence: number };

/** Tries to open a session; the refusal. */
const ways: Readonly<Record<'A' | 'B', (here: TestGateway, who: Credentials | undefined) => Promise<Said>>> = {
  A: async (here, who) => {
    const { socket } = await dialMysql(here.mysqlPort, who);
    socket.write(mysqlResponse(2));
    return errorOfPacket(await readPacket(socket));
  },
  B: async (here, who) => {
    const socket = await dialTunnelled(here.port, who);
    const { greeting } = await readGreeting(socket);
    assert.ok(!has(greeting.capabilities, CLIENT.SSL), 'TLS is there already');
    socket.write(mysqlResponse(1));
    return errorOfPacket(await readPacket(socket));
  },
};
/** Greeting 0, request for TLS 1, response 2; without the request one less. */
const sequences = { A: 3, B: 2 } as const;

const hourMs = 3_600_000;
type Row = {
  readonly name: string;
  readonly who: () => Promise<Credentials | undefined>;
  readonly code: number;
  readonly message: RegExp;
  readonly audit: readonly [code: string, reason: string, user: string | undefined];
  readonly locked?: boolean;
};
const rows: readonly Row[] = [
  {
    name: 'no certificate',
    who: async () => undefined,
    code: 1045,
    message: /client certificate is required/,
    audit: ['T3007W', 'NO_CERTIFICATE', undefined],
  },
  {
    name: 'an expired certificate',
    who: () => person({}, { atMs: Date.now() - hourMs, ttlMs: 60_000 }),
    code: 1045,
    message: /has expired[\s\S]*tsh db login/,
    audit: ['T3007W', 'CERT_EXPIRED', 'alice'],
  },
  {
    name: 'one that is not valid yet',
    who: () => person({}, { atMs: Date.now() + hourMs }),
    code: 1045,
    message: /not valid yet/,
    audit: ['T3007W', 'CERT_NOT_YET_VALID', 'alice'],
  },
  {
    name: 'one of a foreign authority',
    who: () => person({}, { authority: cluster.foreign }),
    code: 1045,
    message: /certificate: /,
    audit: ['T3007W', 'CERT_FOREIGN_AUTHORITY', undefined],
  },
  {
    name: "a service's",
    who: () => cluster.service('database'),
    code: 1045,
    message: /certificate: /,
    audit: ['T3007W', 'CERT_FOREIGN_AUTHORITY', undefined],
  },
  {
    name: 'one for PostgreSQL',
    who: () => cluster.person(),
    code: 1045,
    message: /for a postgres database, and the client speaks mysql/,
    audit: ['T3007W', 'WRONG_PROTOCOL', 'alice'],
  },
  {
    name: 'one that is pinned to another address',
    who: () => person({ pinnedAddress: '203.0.113.9' }),
    code: 1045,
    message: /one other address/,
    audit: ['TDB00W', 'wrong-source-address', 'alice'],
  },
  {
    name: "a locked person's",
    who: () => person(),
    code: 1045,
    message: /stolen laptop/,
    audit: ['TDB00W', 'locked', 'alice'],
    locked: true,
  },
  {
    name: 'a database that is not there',
    who: () => person({ route: { service: 'nothing', protocol: 'mysql' } }),
    code: 1049,
    message: /no database "nothing"/,
    audit: ['TDB00W', 'unknown-database', 'alice'],
  },
  {
    name: 'a database without agent',
    who: () => person({ route: { service: 'known', protocol: 'mysql' } }),
    code: 1053,
    message: /serves "known"/,
    audit: ['TDB00W', 'no-agent', 'alice'],
  },
];
for (const way of ['A', 'B'] as const) {
  for (const row of rows) {
    test(`${way}: refused in MySQL's words and recorded: ${row.name}`, async () => {
      const here = await start({ mysql: {}, knownDatabases: ['known'] });
      await here.agent(() => assert.fail('the agent was asked'));
      if (row.locked === true) {
        const spec = { target: { user: 'alice' }, message: 'stolen laptop' };
        here.locks.push({ kind: 'lock', version: 'v2', metadata: { name: 'l' }, spec });
      }
      const said = await ways[way](here, await row.who());
      assert.equal(said.code, row.code);
      assert.match(said.message, row.message);
      assert.equal(said.sequence, sequences[way]);
      assert.deepEqual(
        here.audited.map(({ code, fields }) => [code, fields['reason'], fields['user'], fields['db_protocol']]),
        [[...row.audit, 'mysql']],
      );
    });
  }

  test(`${way}: an agent that says no, none that has room, and a proxy that drains`, async () => {
    const here = await start({ mysql: {} });
    const agent = await here.agent((session) => session.reject('refused', 'inner words'), { protocol: 'mysql' });
    const refused = await ways[way](here, await person());
    assert.deepEqual([refused.code, refused.sequence], [1105, sequences[way]]);
    assert.doesNotMatch(refused.message, /inner words/);
    agent.dialer.close();
    await until(() => here.gateway.hub.agents().length === 0);
    await here.agent((session) => session.reject('limit', ''), { protocol: 'mysql' });
    const full = await ways[way](here, await person());
    assert.deepEqual([full.code, full.sequence], [1053, sequences[way]]);
    const drained = here.gateway.drain(0);
    assert.match((await ways[way](here, await person())).message, /shutting down/);
    await drained;
  });
}

/** Greets when it was told to, says what it heard, and keeps the opening. */
function speakFirst(openings: Buffer[], greeting?: Buffer): (session: IncomingSession) => void {
  return (session) => {
    openings.push(session.opening);
    const stream = session.accept();
    if (greeting !== undefined) stream.write(greeting);
    stream.receive({
      data(chunk) {
        stream.write(Buffer.from(chunk));
        stream.consumed(chunk.length);
      },
      end: () => stream.end(),
      close: () => undefined,
    });
  };
}

function openingOf(bytes: Buffer | undefined, agentHostId: string) {
  assert.ok(bytes !== undefined);
  return verifyOpening(bytes, {
    hostAuthorities: new TrustedAuthorities('host', clusterName, [cluster.host.certificatePem]),
    userAuthorities: new TrustedAuthorities('user', clusterName, [cluster.user.certificatePem]),
    nowMs: Date.now(),
    agentHostId,
  }).opening;
}

test('A: what the client was told in clear reaches the agent, signed; its answer follows at once', async () => {
  const here = await start({ mysql: {} });
  const openings: Buffer[] = [];
  const agent = await here.agent(speakFirst(openings), { protocol: 'mysql' });
  const seen = new Set<number>();
  for (let n = 0; n < 10; n += 1) {
    const { socket, packet, greeting } = await dialMysql(here.mysqlPort, await person());
    const response = mysqlResponse(2);
    socket.write(response);
    assert.ok((await readPacket(socket)).equals(response));
    const { protocol, greeting: told } = openingOf(openings.at(-1), agent.hostId);
    assert.equal(protocol, 'mysql');
    assert.deepEqual(told, packet);
    assert.ok((greeting.connectionId & SHOWN_ID_BIT) !== 0 && greeting.connectionId < 2 ** 31);
    seen.add(greeting.connectionId);
    socket.destroy();
  }
  assert.equal(seen.size, 10, 'every client gets a number of its own');
  await until(() => here.gateway.sessions.count === 0);
});

test('B: the agent speaks first, before the client said a byte; the opening has no greeting', async () => {
  const here = await start({ mysql: {} });
  const openings: Buffer[] = [];
  const greeting = Buffer.from('050000000a38002d00', 'hex');
  const agent = await here.agent(speakFirst(openings, greeting), { protocol: 'mysql' });
  const socket = await dialTunnelled(here.port, await person());
  assert.ok((await readPacket(socket)).equals(greeting));
  socket.write(mysqlResponse(1));
  assert.ok((await readPacket(socket)).equals(mysqlResponse(1)));
  assert.equal(openingOf(openings[0], agent.hostId).greeting, undefined);
  socket.destroy();
});

test('B: a client that takes the greeting and says nothing is ended at handshake_timeout', async () => {
  const here = await start({ mysql: {}, limits: { handshakeTimeoutMs: 400 } });
  await here.agent(speakFirst([], Buffer.from('050000000a38002d00', 'hex')), { protocol: 'mysql' });
  const socket = await dialTunnelled(here.port, await person());
  await readPacket(socket);
  const beginMs = performance.now();
  socket.resume();
  await once(socket, 'close');
  assert.ok(performance.now() - beginMs < 3000);
  await until(() => here.gateway.sessions.count === 0);
});

test('the next agent is tried with what the client had sent', async () => {
  const here = await start({ mysql: {}, limits: { agentAcceptTimeoutMs: 200 } });
  await here.agent(() => undefined, { protocol: 'mysql' });
  await here.agent(speakFirst([]), { protocol: 'mysql', health: 'unhealthy' });
  const { socket } = await dialMysql(here.mysqlPort, await person());
  socket.write(mysqlResponse(2));
  assert.ok((await readPacket(socket)).equals(mysqlResponse(2)));
  socket.destroy();
});

/** With certificates for MySQL and for PostgreSQL. */
const whichProtocol: readonly {
  readonly name: string;
  readonly run: (here: TestGateway, mysql: Credentials, postgres: Credentials) => Promise<void>;
}[] = [
  {
    name: 'tessera-postgres with a certificate for MySQL: refused in words of PostgreSQL',
    run: async (here, mysql) => {
      const socket = await dialTunnelled(here.port, mysql, 'tessera-postgres');
      assert.match(await saidInPostgres(socket), /for a mysql database, and the client speaks postgres/);
    },
  },
  {
    name: 'tessera-postgres and postgresql are one protocol',
    run: async (here, _mysql, postgres) => {
      for (const alpn of ['tessera-postgres', 'postgresql'])
        assert.match(await saidInPostgres(await dialTunnelled(here.port, postgres, alpn)), /no database "orders"/);
    },
  },
  {
    name: 'behind an SSLRequest it is PostgreSQL, whatever is agreed on',
    run: async (here, _mysql, postgres) => {
      const socket = await dialPostgres(here.port, postgres, ['tessera-mysql']);
      assert.equal(socket.alpnProtocol, 'tessera-mysql');
      assert.match(await saidInPostgres(socket), /no database "orders"/);
    },
  },
  {
    name: 'behind a greeting it is MySQL, whatever is agreed on',
    run: async (here, mysql) => {
      const { socket } = await dialMysql(here.mysqlPort, mysql, ['tessera-postgres']);
      socket.write(mysqlResponse(2));
      assert.match(errorOfPacket(await readPacket(socket)).message, /no database "orders"/);
    },
  },
  {
    name: 'behind a greeting no other door opens',
    run: async (here, mysql) => {
      for (const alpn of ['tessera-tunnel', 'tessera-auth', 'http/1.1'])
        await assert.rejects(dialMysql(here.mysqlPort, mysql, [alpn]), /closed|no application protocol/);
      assert.equal(here.gateway.hub.agents().length, 0);
    },
  },
  {
    name: 'of several names the one that was agreed on counts',
    run: async (here, mysql) => {
      const socket = await secure(await dialRaw(here.port), {
        ALPNProtocols: ['http/1.1', 'tessera-mysql', 'tessera-postgres'],
        cert: mysql.certificate,
        key: mysql.privateKey,
      });
      assert.equal(socket.alpnProtocol, 'tessera-postgres');
      assert.match(await saidInPostgres(socket), /speaks postgres/);
    },
  },
];
for (const { name, run } of whichProtocol) {
  test(`which protocol it is: ${name}`, async () => {
    await run(await start({ mysql: {} }), await person(), await cluster.person());
  });
}

async function saidInPostgres(socket: net.Socket): Promise<string> {
  const answer = readAll(socket);
  socket.write(startup());
  return errorFields(await answer)['M'] ?? '';
}

test('a client in clear: words, an event, and its password nowhere', async () => {
  const lines: string[] = [];
  const log = createLog({ level: 'debug', write: (line) => lines.push(line) });
  const here = await start({ mysql: {}, log });
  const secret = 'hunter2-hunter2';
  for (const more of ['', ' and a query behind it']) {
    const socket = await dialRaw(here.mysqlPort);
    await readGreeting(socket);
    socket.write(Buffer.concat([mysqlResponse(1, { user: 'somebody', password: secret }), Buffer.from(more)]));
    const said = errorOfPacket(await readPacket(socket));
    assert.deepEqual([said.code, said.sequence], [3159, 2]);
    assert.match(said.message, /TLS is required[\s\S]*tsh db login/);
    socket.resume();
    await once(socket, 'close');
  }
  assert.deepEqual(
    here.audited.map(({ code, fields }) => [code, fields['reason'], fields['listener'], fields['db_protocol']]),
    [
      ['T3007W', 'NO_TLS', 'database', 'mysql'],
      ['T3007W', 'NO_TLS', 'database', 'mysql'],
    ],
  );
  assert.ok(lines.some((line) => line.includes('no-tls')));
  const told = `${lines.join('')}${JSON.stringify(here.audited)}`;
  for (const hidden of [secret, 'somebody', 'a query']) assert.ok(!told.includes(hidden), hidden);
  assert.equal(here.instruments.dbErrors.of({ component: 'proxy', db_protocol: 'mysql', reason: 'no-tls' }).value, 2);
});

test("no client of MySQL tries again in clear by itself: it is told apart from PostgreSQL's", async () => {
  const here = await start({ mysql: {} });
  await ways.A(here, undefined);
  const socket = await dialRaw(here.mysqlPort);
  await readGreeting(socket);
  socket.write(mysqlResponse(1));
  await readPacket(socket);
  socket.destroy();
  assert.deepEqual(
    here.audited.map((event) => event.fields['reason']),
    ['NO_CERTIFICATE', 'NO_TLS'],
  );
});

test('looks at the port are no refusals: the greeting and away; TLS and away; a bad certificate without a word is one', async () => {
  const here = await start({ mysql: {} });
  const look = await dialRaw(here.mysqlPort);
  await readGreeting(look);
  look.end();
  await until(() => here.gateway.connectionCount === 0);
  (await dialMysql(here.mysqlPort, undefined)).socket.destroy();
  (await dialTunnelled(here.port, undefined)).destroy();
  await until(() => here.gateway.connectionCount === 0);
  assert.equal(here.audited.length, 0);
  (await dialMysql(here.mysqlPort, await person({}, { authority: cluster.foreign }))).socket.end();
  await until(() => here.audited.length === 1);
  assert.equal(here.audited[0]?.fields['reason'], 'CERT_FOREIGN_AUTHORITY');
});

const CLOSED: readonly [name: string, bytes: Buffer][] = [
  ['garbage', Buffer.alloc(1000, 0xff)],
  ['zeros', Buffer.alloc(1000)],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['an SSLRequest of PostgreSQL', Buffer.from('0000000804d2162f', 'hex')],
  ['a packet that claims 16 MiB', Buffer.concat([Buffer.from('ffffff01', 'hex'), Buffer.alloc(100_000, 0x61)])],
  ['a packet with a wrong sequence', mysqlResponse(0)],
  ['an empty packet', Buffer.from('00000001', 'hex')],
  ['half a request for TLS', mysqlSslRequest.subarray(0, 20)],
  ['half a response in clear', mysqlResponse(1).subarray(0, 40)],
  [
    'a request for TLS of another length',
    Buffer.concat([Buffer.from('21000001', 'hex'), mysqlSslRequest.subarray(4), Buffer.alloc(1)]),
  ],
  ['the request for TLS twice', Buffer.concat([mysqlSslRequest, mysqlSslRequest])],
  ['a response in clear behind the request for TLS', Buffer.concat([mysqlSslRequest, mysqlResponse(2)])],
  [
    'a COM_QUERY behind the request for TLS',
    Buffer.concat([mysqlSslRequest, Buffer.from('0900000003', 'hex'), Buffer.from('select 1')]),
  ],
  ['a COM_QUIT', Buffer.from('0100000001', 'hex')],
];
for (const [name, bytes] of CLOSED) {
  test(`closed without a word, and nobody is recorded: ${name}`, async () => {
    const here = await start({ mysql: {}, limits: { handshakeTimeoutMs: 300 } });
    const socket = await dialRaw(here.mysqlPort);
    await readGreeting(socket);
    const rest = readAll(socket);
    socket.write(bytes);
    assert.equal((await rest).length, 0);
    await until(() => here.gateway.connectionCount === 0);
    assert.equal(here.audited.length, 0);
  });
}

test('inside TLS the handshake begins anew: nothing said before counts, and half of it is not enough', async () => {
  const here = await start({ mysql: {}, limits: { handshakeTimeoutMs: 400 } });
  await here.agent(() => assert.fail('the agent was asked'), { protocol: 'mysql' });
  for (const inside of [Buffer.alloc(0), mysqlResponse(2).subarray(0, 30), mysqlSslRequest]) {
    const { socket } = await dialMysql(here.mysqlPort, undefined);
    const rest = readAll(socket);
    socket.write(inside);
    const bytes = await rest;
    assert.ok(bytes.length === 0 || errorOfPacket(bytes).code > 0);
  }
});

const modern = { serverVersion: '9.7.0', capabilities: '00000000dfffffff' };
const maria = { serverVersion: '11.8.3-MariaDB', capabilities: '0000001dfffffffe' };
async function versionAt(here: TestGateway): Promise<string> {
  const socket = await dialRaw(here.mysqlPort);
  const { greeting } = await readGreeting(socket);
  socket.destroy();
  return greeting.serverVersion;
}

test('the version that is said: theirs when they agree, else the default; a configured one always', async () => {
  const here = await start({ mysql: {} });
  assert.equal(await versionAt(here), defaultMysqlServerVersion);
  const first = await here.agent(() => undefined, { protocol: 'mysql', databases: ['a', 'b'], server: maria });
  assert.equal(await versionAt(here), '11.8.3-MariaDB');
  await here.agent(() => undefined, { protocol: 'mysql', databases: ['c'], server: modern });
  assert.equal(await versionAt(here), defaultMysqlServerVersion);
  first.dialer.close();
  await until(() => here.gateway.hub.agents().length === 1);
  assert.equal(await versionAt(here), '9.7.0');
  here.gateway.use({ ...here.config, mysqlServerVersion: '8.4.5' }, []);
  assert.equal(await versionAt(here), '8.4.5');
  here.gateway.use(here.config, []);
  assert.equal(await versionAt(here), '9.7.0');
});

test('a configured version does not widen what is offered', async () => {
  const here = await start({ mysql: { serverVersion: '9.9.9' } });
  const offered = async (): Promise<number> => {
    const socket = await dialRaw(here.mysqlPort);
    const { greeting } = await readGreeting(socket);
    socket.destroy();
    assert.equal(greeting.serverVersion, '9.9.9');
    return greeting.capabilities;
  };
  await here.agent(() => undefined, { protocol: 'mysql', databases: ['a'], server: modern });
  assert.ok(has(await offered(), CLIENT.QUERY_ATTRIBUTES));
  const old = {
    serverVersion: '5.7.44',
    capabilities: ((0xdfff_ffff & ~CLIENT.QUERY_ATTRIBUTES) >>> 0).toString(16).padStart(16, '0'),
  };
  await here.agent(() => undefined, { protocol: 'mysql', databases: ['b'], server: old });
  assert.ok(!has(await offered(), CLIENT.QUERY_ATTRIBUTES));
});

test('an agent that announces nonsense of its servers changes no more than what is offered', async () => {
  const here = await start({ mysql: {} });
  for (const capabilities of ['0000000000000000', 'ffffffffffffffff']) {
    const agent = await here.agent(speakFirst([]), {
      protocol: 'mysql',
      server: { serverVersion: '~'.repeat(128), capabilities },
    });
    const { socket, packet, greeting } = await dialMysql(here.mysqlPort, await person());
    assert.ok(packet.length <= 512, 'it fits into an opening');
    for (const never of [CLIENT.COMPRESS, CLIENT.ZSTD_COMPRESSION_ALGORITHM, CLIENT.MULTI_FACTOR_AUTHENTICATION])
      assert.ok(!has(greeting.capabilities, never));
    for (const always of [CLIENT.PROTOCOL_41, CLIENT.SSL, CLIENT.PLUGIN_AUTH])
      assert.ok(has(greeting.capabilities, always));
    socket.write(mysqlResponse(2));
    assert.ok((await readPacket(socket)).equals(mysqlResponse(2)));
    socket.destroy();
    agent.dialer.close();
    await until(() => here.gateway.hub.agents().length === 0);
  }
});

test('a port that is taken: told by its setting, and the public one is closed again', async () => {
  const taken = net.createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const address = taken.address();
  assert.ok(typeof address === 'object' && address !== null);
  await assert.rejects(start({ mysql: { port: address.port } }), {
    code: 'PROXY_LISTEN',
    message: new RegExp(`^proxy_service\\.mysql_listen_addr: .*127\\.0\\.0\\.1:${address.port}.*EADDRINUSE`),
  });
  taken.close();
});
