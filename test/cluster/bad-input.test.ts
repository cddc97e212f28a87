// Hostile bytes on every listener and from the database's side: a clear end for the sender, bounded memory, everyone else's sessions untouched.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { Client } from 'pg';
import { startCluster, type Cluster } from '../kit/cluster.ts';
import { residentMb, untilEnd } from '../kit/hostile.ts';
import { field, message, RawPostgres, startup, upgrade, type RawMessage } from '../kit/raw-postgres.ts';
import { databaseConfig, openClient, type DatabaseConfig } from '../kit/writers.ts';
import { npmPostgres } from '../servers/postgres-binaries.ts';

const sslRequest = Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]);
const gssRequest = Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x30]);

suite('bad input', () => {
  let cluster: Cluster;
  let config: DatabaseConfig;
  let bystander: Client;
  let hostile: HostileDatabase;

  before(async () => {
    hostile = await openHostileDatabase();
    cluster = await startCluster({
      postgres: npmPostgres(),
      proxyService: '  limits: {handshake_timeout: 2s}\n',
      dbService: `    - name: hostile\n      protocol: postgres\n      uri: localhost:${hostile.port}\n  limits: {connect_timeout: 2s}\n`,
    });
    await cluster.postgres.sql('create role reader login');
    const alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=*']);
    await alice.login();
    config = await databaseConfig(alice, 'reader', 'postgres');
    bystander = await openClient(config);
    await alice.tsh('db', 'login', 'hostile', '--db-user=reader', '--db-name=postgres');
    const other = JSON.parse(await alice.tsh('db', 'config', 'hostile', '--format=json')) as {
      cert: string;
      key: string;
    };
    hostile.config = { ...config, cert: readFileSync(other.cert, 'utf8'), key: readFileSync(other.key, 'utf8') };
  });
  after(async () => {
    await bystander?.end().catch(() => undefined);
    hostile?.close();
    await cluster?.close();
  });

  async function bystanderLives(): Promise<void> {
    const { rows } = await bystander.query<{ x: number }>('select 1 as x');
    assert.deepEqual(rows, [{ x: 1 }]);
  }

  const garbage: readonly { readonly name: string; readonly bytes: Buffer }[] = [
    { name: 'zeros', bytes: Buffer.alloc(1000) },
    { name: 'ones', bytes: Buffer.alloc(1000, 0xff) },
    { name: 'HTTP in clear', bytes: Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n') },
    { name: 'SSH', bytes: Buffer.from('SSH-2.0-x\r\n') },
    { name: 'a TLS record that lies about its length', bytes: Buffer.from([0x16, 3, 1, 0xff, 0xff, 1, 0, 0, 1]) },
    {
      name: 'a ClientHello of nonsense',
      bytes: Buffer.concat([Buffer.from([0x16, 3, 1, 1, 0]), Buffer.alloc(256, 7)]),
    },
    { name: 'a start-up packet in clear that claims 1 GB', bytes: Buffer.from([0x3f, 0xff, 0xff, 0xff, 0, 3, 0, 0]) },
    {
      name: '10 MB of start-up packet in clear',
      bytes: Buffer.concat([Buffer.from([0, 0xa0, 0, 0, 0, 3, 0, 0]), Buffer.alloc(10 * 2 ** 20, 0x61)]),
    },
    {
      name: 'a cancel request with a foreign key',
      bytes: Buffer.from([0, 0, 0, 16, 4, 0xd2, 0x16, 0x2e, 0, 0, 0, 1, 0, 0, 0, 2]),
    },
    {
      name: 'a cancel request that is too long',
      bytes: Buffer.concat([Buffer.from([0, 0, 2, 0, 4, 0xd2, 0x16, 0x2e]), Buffer.alloc(504)]),
    },
    { name: 'bytes stuffed behind SSLRequest', bytes: Buffer.concat([sslRequest, Buffer.from('stuffed')]) },
    { name: 'SSLRequest over and over', bytes: Buffer.concat(Array.from({ length: 1000 }, () => sslRequest)) },
    { name: 'GSSENCRequest over and over', bytes: Buffer.concat(Array.from({ length: 1000 }, () => gssRequest)) },
    { name: 'a PROXY header from nobody', bytes: Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n') },
    {
      name: 'a PROXY v2 header that never ends',
      bytes: Buffer.concat([Buffer.from('0d0a0d0a000d0a515549540a2111ffff', 'hex'), Buffer.alloc(70_000)]),
    },
    { name: 'nothing, for too long', bytes: Buffer.alloc(0) },
    { name: 'half an SSLRequest, for too long', bytes: sslRequest.subarray(0, 5) },
  ];
  for (const { name, bytes } of garbage) {
    test(`the public port gets ${name}`, async () => {
      await endsSoon(cluster.proxies[0]?.port ?? 0, bytes);
      await bystanderLives();
    });
  }

  test('the Auth port gets the same', async () => {
    const port = Number(/listen_addr: 127\.0\.0\.1:(\d+)/.exec(readFileSync(cluster.auth.configFile, 'utf8'))?.[1]);
    await Promise.all(garbage.filter(({ bytes }) => bytes.length > 5).map(({ bytes }) => endsSoon(port, bytes)));
    await bystanderLives();
  });

  test('500 slow clients do not keep others out', async () => {
    const port = cluster.proxies[0]?.port ?? 0;
    const slow = Array.from({ length: 500 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    const client = await openClient(config);
    await client.query('select 1');
    await client.end();
    for (const socket of slow) if (!socket.destroyed) await once(socket.resume(), 'close');
  });

  test('TLS without a client certificate is refused in words', async () => {
    const socket = await upgrade(connect(cluster.proxies[0]?.port ?? 0, '127.0.0.1'), { ca: config.ca });
    socket.write(startup({ user: 'reader', database: 'postgres' }));
    const reply = Buffer.concat(await socket.toArray().catch(() => [])) as Buffer;
    assert.match(reply.toString('latin1'), /FATAL[\s\S]*certificate/);
  });

  const afterSignIn: readonly { readonly name: string; readonly bytes: Buffer }[] = [
    { name: 'a length of zero', bytes: Buffer.from([0x51, 0, 0, 0, 0]) },
    { name: 'a negative length', bytes: Buffer.from([0x51, 0xff, 0xff, 0xff, 0xff]) },
    { name: 'an unknown type', bytes: message('!', Buffer.from('x')) },
    { name: 'a password out of place', bytes: message('p', Buffer.from('secret\0')) },
    { name: 'a Query without its zero', bytes: message('Q', Buffer.from('select 1')) },
    { name: 'a Bind that lies about its parameters', bytes: message('B', Buffer.from([0, 0, 0, 0, 0x7f, 0xff])) },
    { name: 'a Parse cut short', bytes: message('P', Buffer.from('x')) },
    { name: 'a Query that claims 2 GB', bytes: Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff, 0x61]) },
  ];
  for (const { name, bytes } of afterSignIn) {
    test(`a session sends ${name}: FATAL, and the others live`, async () => {
      const { client } = await RawPostgres.open({ ...config });
      client.send(bytes);
      const reply = await client.until(['never']);
      assert.match(fatal(reply), /^08P01 /);
      assert.ok(client.closed);
      await bystanderLives();
    });
  }

  for (const [name, behave] of Object.entries(hostileBehaviours())) {
    test(`a hostile database: ${name}`, async () => {
      hostile.behave = behave;
      const { greeting } = await RawPostgres.open({ ...hostile.config });
      assert.match(fatal(greeting), /^(57P03|08006|08P01|58000|28000) /);
      await bystanderLives();
    });
  }

  test('a stalled reader of a big result does not grow the relays', async () => {
    const before = residentMb(cluster);
    const stalled = await Promise.all(
      Array.from({ length: 10 }, async () => (await RawPostgres.open({ ...config })).client),
    );
    const raw = await stalledReaders(config, 10);
    await bystanderLives();
    const after = residentMb(cluster);
    for (const client of stalled) client.close();
    for (const socket of raw) socket.destroy();
    for (const [index, mb] of after.entries())
      assert.ok(mb - (before[index] ?? 0) < 120, `grew from ${before[index]} to ${mb} MB`);
  });

  test('all services are alive and nobody logged a bug', () => {
    for (const service of [cluster.auth, ...cluster.proxies, ...cluster.agents]) {
      assert.doesNotMatch(service.log(), /uncaught|unhandled|"code":"BUG"|please report/i, service.name);
    }
  });
});

function fatal(messages: readonly RawMessage[]): string {
  const error = messages.find(({ type }) => type === 'E');
  assert.ok(error, `no ErrorResponse among ${messages.map(({ type }) => type).join('')}`);
  assert.equal(field(error.body, 'V'), 'FATAL');
  return `${field(error.body, 'C')} ${field(error.body, 'M')}`;
}

function endsSoon(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connect(port, '127.0.0.1');
  socket.write(bytes);
  return untilEnd(socket);
}

async function stalledReaders(config: DatabaseConfig, count: number): Promise<Socket[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const tcp = connect(config.port, '127.0.0.1');
      const socket = await upgrade(tcp, config);
      socket.on('error', () => undefined);
      socket.write(
        Buffer.concat([
          startup(config),
          message('Q', Buffer.from("select repeat('x', 1000) from generate_series(1, 1000000)\0")),
        ]),
      );
      socket.pause();
      return tcp;
    }),
  ).then(async (sockets) => {
    await new Promise((done) => setTimeout(done, 2000));
    return sockets;
  });
}

type Behaviour = (socket: Socket) => void;
type HostileDatabase = { readonly port: number; config: DatabaseConfig; behave: Behaviour; close(): void };

/** Stands in for a database that has been taken over or is none at all. */
async function openHostileDatabase(): Promise<HostileDatabase> {
  const server: Server = createServer((socket) => {
    socket.on('error', () => undefined);
    database.behave(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const database: HostileDatabase = {
    port: address.port,
    config: undefined as unknown as DatabaseConfig,
    behave: (socket) => socket.destroy(),
    close: () => server.close(),
  };
  return database;
}

function hostileBehaviours(): Readonly<Record<string, Behaviour>> {
  return {
    'closes at once': (socket) => socket.destroy(),
    'says nothing': (socket) => socket.resume(),
    'wants no TLS': (socket) => socket.once('data', () => socket.write('N')),
    'answers SSLRequest with an error in clear': (socket) =>
      socket.once('data', () => socket.end(message('E', Buffer.from('SFATAL\0Mtrust me\0\0')))),
    'stuffs bytes behind S': (socket) =>
      socket.once('data', () => socket.write(Buffer.concat([Buffer.from('S'), message('R', Buffer.alloc(4))]))),
    'sends garbage instead of TLS': (socket) =>
      socket.once('data', () =>
        socket.write('S', () => socket.once('data', () => socket.write(Buffer.alloc(5000, 9)))),
      ),
    floods: (socket) => {
      const more = (): void => {
        while (socket.writable && socket.write(Buffer.alloc(65_536, 0x53)));
      };
      socket.on('drain', more);
      more();
    },
    'is another TLS server': (socket) => {
      socket.once('data', () => {
        socket.write('S');
        // A TLS client instead of a server: its ClientHello is no ServerHello.
        connectTls({ socket }).on('error', () => undefined);
      });
    },
  };
}
