// Hostile bytes of clients at MySQL's listener: before TLS, inside it, and after sign-in. Words or a clean end for the sender, bounded memory, everyone else's sessions untouched.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { residentMb, untilEnd, untilQuiet } from '../kit/hostile.ts';
import { mysqlAddress, wireAddress } from '../kit/mysql-client.ts';
import { FLAG, MysqlWire, packet, type WireAddress } from '../kit/mysql-wire.ts';
import { dialMysql, type MysqlDial, mysqlResponse, mysqlSslRequest } from '../kit/raw-mysql.ts';
import { waitForAudit } from '../kit/audit-log.ts';
import { mariadb1011, type MysqlBinaries } from '../servers/mysql-binaries.ts';

/** Stands in every statement and password here, and must stand in no log of a service. */
const marker = 'do-not-log-me';
const maxGrowthMb = 150;

type Row = { readonly name: string; readonly bytes: Buffer };
/** `code`: of the ERR that it must get; without it the end is enough. */
type Said = Row & { readonly code?: number };

const garbage: readonly Row[] = [
  { name: 'zeros', bytes: Buffer.alloc(1000) },
  { name: 'ones', bytes: Buffer.alloc(1000, 0xff) },
  { name: 'HTTP', bytes: Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n') },
  { name: 'SSH', bytes: Buffer.from('SSH-2.0-x\r\n') },
  { name: "PostgreSQL's request for TLS", bytes: Buffer.from([0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f]) },
  {
    name: 'a ClientHello without asking',
    bytes: Buffer.concat([Buffer.from([0x16, 3, 1, 1, 0]), Buffer.alloc(256, 7)]),
  },
  { name: 'a PROXY header from nobody', bytes: Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n') },
  { name: 'a header that claims 16 MB', bytes: Buffer.from([0xff, 0xff, 0xff, 1, 0x61]) },
  { name: '16 MB of handshake response in clear', bytes: packet(1, Buffer.alloc(16 * 2 ** 20, 0x61)) },
  { name: 'an empty packet', bytes: packet(1, Buffer.alloc(0)) },
  {
    name: 'a request for TLS with another number',
    bytes: Buffer.concat([Buffer.from([32, 0, 0, 0]), mysqlSslRequest.subarray(4)]),
  },
  {
    name: 'the request for TLS over and over',
    bytes: Buffer.concat(Array.from({ length: 1000 }, () => mysqlSslRequest)),
  },
  {
    name: 'bytes stuffed behind the request for TLS',
    bytes: Buffer.concat([mysqlSslRequest, packet(2, Buffer.from('stuffed'))]),
  },
  {
    name: 'nonsense of TLS behind the request for it',
    bytes: Buffer.concat([mysqlSslRequest, Buffer.from([0x16, 3, 1, 0xff, 0xff, 1, 0, 0, 1])]),
  },
  { name: 'a statement before any sign-in', bytes: packet(0, Buffer.from(`\x03select '${marker}'`)) },
  { name: 'a password in clear', bytes: mysqlResponse(1, { password: marker }) },
  { name: 'half a request for TLS, for too long', bytes: mysqlSslRequest.subarray(0, 17) },
  { name: 'a request for TLS and nothing else, for too long', bytes: mysqlSslRequest },
  { name: 'nothing, for too long', bytes: Buffer.alloc(0) },
];

const inside: readonly Said[] = [
  { name: 'zeros', bytes: Buffer.alloc(1000), code: 1835 },
  { name: 'HTTP', bytes: Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'), code: 1835 },
  { name: 'a response of 1 MB', bytes: mysqlResponse(2, { user: marker.repeat(80_000) }), code: 1835 },
  { name: 'a user of 64 KB', bytes: mysqlResponse(2, { user: 'x'.repeat(65_536) }), code: 1835 },
  { name: 'a header that claims 16 MB', bytes: Buffer.from([0xff, 0xff, 0xff, 2, 0x61]), code: 1835 },
  { name: 'a response with the number of a request for TLS', bytes: mysqlResponse(1), code: 1835 },
  { name: 'a second request for TLS', bytes: packet(2, mysqlSslRequest.subarray(4)), code: 1835 },
  { name: 'a response cut short', bytes: packet(2, mysqlResponse(2).subarray(4, 40)), code: 1835 },
  { name: 'a response of a client before 4.1', bytes: packet(2, Buffer.from([5, 0, 0, 0, 0x61, 0])), code: 1235 },
  { name: 'a statement in place of a response', bytes: packet(0, Buffer.from(`\x03select '${marker}'`)), code: 1835 },
  { name: 'nothing, for too long', bytes: Buffer.alloc(0) },
];

const command = (byte: number, rest: string | Buffer = ''): Buffer =>
  packet(0, Buffer.concat([Buffer.from([byte]), Buffer.from(rest)]));

/** Sent by a session; the answer is an ERR with `code` and the session goes on, or (`ends`) it was the last. */
const afterSignIn: readonly (Said & { readonly ends?: true })[] = [
  { name: 'an empty packet', bytes: packet(0, Buffer.alloc(0)), code: 1047 },
  {
    name: 'a statement with number 5',
    bytes: packet(5, Buffer.from(`\x03select '${marker}'`)),
    code: 1835,
    ends: true,
  },
  { name: 'a command that nobody knows', bytes: command(0x7f, marker), code: 1047 },
  { name: 'COM_CHANGE_USER', bytes: command(0x11, `root\0\x14${marker}\0`), code: 1047 },
  { name: 'COM_BINLOG_DUMP', bytes: command(0x12, Buffer.alloc(10)), code: 1227 },
  { name: 'COM_REGISTER_SLAVE', bytes: command(0x15, Buffer.alloc(18)), code: 1227 },
  { name: 'COM_BINLOG_DUMP_GTID', bytes: command(0x1e, Buffer.alloc(20)), code: 1227 },
  { name: 'COM_CLONE', bytes: command(0x20), code: 1227 },
  { name: 'COM_MULTI', bytes: command(0xfe, marker), code: 1047 },
  { name: 'COM_CONNECT, the inside of a server', bytes: command(0x0b), code: 1047 },
  { name: 'an execution of nothing', bytes: command(0x17, Buffer.from([0xee, 0, 0, 0, 0, 1, 0, 0, 0])), code: 1243 },
  { name: 'a fetch of nothing', bytes: command(0x1c, Buffer.from([0xee, 0, 0, 0, 1, 0, 0, 0])), code: 1243 },
  { name: "a KILL of a number that is nobody's", bytes: command(0x03, 'kill 777777'), code: 1094 },
  { name: 'a USE of 64 KB', bytes: command(0x02, 'x'.repeat(65_536)), code: 1044 },
  {
    name: 'LOAD DATA LOCAL',
    bytes: command(0x03, "load data local infile '/etc/passwd' into table products"),
    code: 4166,
  },
  {
    name: 'LOAD DATA LOCAL in a comment that runs',
    bytes: command(0x03, "/*!50000 load data */ /*M! local*/ infile '/etc/passwd' into table products"),
    code: 4166,
  },
  {
    name: 'LOAD DATA LOCAL behind another statement',
    bytes: command(0x03, "do 1; load data local infile '/etc/passwd' into table products"),
    code: 4166,
  },
];

const binaries = mariadb1011();
if (typeof binaries === 'string') test('bad input for MySQL', { skip: binaries }, () => undefined);
else suite('bad input for MySQL', () => attacks(binaries));

function attacks(of: MysqlBinaries): void {
  let cluster: Cluster;
  let alice: WireAddress;
  let bystander: MysqlWire;
  let port = 0;
  let beforeMb: number[] = [];
  let turn = Promise.resolve();
  /** Ends when the agent has waited long enough. */
  let halfResponse: Promise<Buffer>;

  before(async () => {
    cluster = await startCluster({
      mysql: [{ name: 'goods', binaries: of }],
      proxyService: '  limits: {handshake_timeout: 2s}\n',
    });
    const person = await cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=shop']);
    await person.login();
    alice = { ...wireAddress(await mysqlAddress(person, 'goods', 'reader')), database: 'shop' };
    port = alice.port;
    bystander = await MysqlWire.open(alice);
    await bystanderLives();
    beforeMb = residentMb(cluster);
    const { socket } = await dial();
    socket.write(mysqlResponse(2).subarray(0, 30));
    halfResponse = untilEnd(socket, 60_000);
  });
  after(async () => {
    bystander?.close();
    await cluster?.close();
  });

  /** One after the other, as it is one session. */
  function bystanderLives(): Promise<void> {
    turn = turn.then(() => alive(bystander));
    return turn;
  }

  function dial(): Promise<MysqlDial> {
    return dialMysql(port, { certificate: alice.cert, privateKey: alice.key });
  }

  suite('before sign-in', { concurrency: 8 }, () => {
    for (const { name, bytes } of garbage) {
      test(`the listener gets ${name}`, async () => {
        const socket = connect(port, '127.0.0.1');
        socket.write(bytes);
        const answer = await untilEnd(socket);
        // A reset takes the greeting away before it was read.
        assert.ok(answer.length === 0 || answer[4] === 10, 'a greeting of protocol 10');
        await bystanderLives();
      });
    }

    for (const { name, bytes, code } of inside) {
      test(`inside TLS the listener gets ${name}`, async () => {
        const { socket } = await dial();
        socket.write(bytes);
        const answer = await untilEnd(socket);
        if (code !== undefined) assert.equal(errorCode(answer), code);
        await bystanderLives();
      });
    }
  });

  for (const { name, bytes, code, ends } of afterSignIn) {
    test(`a session sends ${name}`, async () => {
      const wire = await MysqlWire.open({ ...alice, flags: FLAG.localFiles });
      wire.sendRaw(bytes);
      const { payload } = await wire.next();
      assert.deepEqual([payload[0], payload.readUInt16LE(1)], [0xff, code], payload.toString('latin1'));
      if (ends === true) await assert.rejects(wire.next(), /closed/);
      else await alive(wire);
      wire.close();
      await bystanderLives();
    });
  }

  test('one byte at a time, everything works', async () => {
    const raw = connect(port, '127.0.0.1').setNoDelay();
    await once(raw, 'data');
    for (const byte of mysqlSslRequest) {
      raw.write(Buffer.from([byte]));
      await sleep(1);
    }
    raw.destroy();
    const wire = await MysqlWire.open(alice);
    for (const byte of packet(0, wire.queryPayload('select 7'))) wire.sendRaw(Buffer.from([byte]));
    assert.deepEqual((await wire.answer('result')).at(-2)?.payload, Buffer.from('\x017'));
    wire.close();
  });

  test('a request for TLS that drips in slower than handshake_timeout', async () => {
    const socket = connect(port, '127.0.0.1').setNoDelay();
    const end = untilEnd(socket, 6000);
    const startedMs = performance.now();
    for (const byte of mysqlSslRequest) {
      if (socket.destroyed) break;
      socket.write(Buffer.from([byte]));
      await sleep(150);
    }
    await end;
    assert.ok(performance.now() - startedMs < 4000);
    await bystanderLives();
  });

  test('500 slow clients do not keep others out', async () => {
    const slow = Array.from({ length: 500 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    const wire = await MysqlWire.open(alice);
    await alive(wire);
    wire.close();
    for (const socket of slow) if (!socket.destroyed) await once(socket.resume(), 'close');
  });

  test('a file that nobody asked for', async () => {
    const wire = await MysqlWire.open(alice);
    wire.sendRaw(
      Buffer.concat([packet(0, wire.queryPayload('do 0')), packet(2, Buffer.from(marker)), packet(3, Buffer.alloc(0))]),
    );
    const first = await wire.next();
    assert.ok(first.payload[0] === 0 || first.payload[0] === 0xff);
    if (first.payload[0] === 0) assert.equal((await wire.next()).payload[0], 0xff);
    await assert.rejects(wire.next(), /closed/);
    await bystanderLives();
  });

  test('every command with nonsense behind it', async () => {
    const random = seeded(20261122);
    for (let round = 0; round < 4; round++) {
      for (let from = 0; from < 256; from += 32) {
        const { socket, wire } = await raw();
        const commands = Array.from({ length: 32 }, (_, index) => command(from + index, randomBytes(random)));
        // COM_QUIT would end it early; the order differs from round to round.
        const order = commands.filter((bytes) => bytes[4] !== 1).sort(() => random() - 0.5);
        wire(Buffer.concat(order));
        const answer = await untilQuiet(socket, 100);
        assert.ok(answer.length > 0 || socket.destroyed);
        socket.destroy();
      }
    }
    await bystanderLives();
  });

  test('ten statements of 64 MB each, and ten readers of a big result that stop reading', async () => {
    const big = packet(0, Buffer.concat([Buffer.from("\x03do '"), Buffer.alloc(64 * 2 ** 20, 0x61)]));
    const senders = await Promise.all(Array.from({ length: 10 }, raw));
    for (const { wire } of senders) wire(big);
    const readers = await Promise.all(Array.from({ length: 10 }, raw));
    for (const { socket, wire } of readers) {
      wire(packet(0, Buffer.from(`\x03select repeat('x', 1000) from seq_1_to_1000000`)));
      socket.pause();
    }
    await sleep(2000);
    await bystanderLives();
    for (const [index, mb] of residentMb(cluster).entries())
      assert.ok(mb - (beforeMb[index] ?? 0) < maxGrowthMb, `grew from ${beforeMb[index]} to ${mb} MB`);
    for (const { socket } of [...senders, ...readers]) socket.destroy();
  });

  test('who said half of a handshake response was ended too', async () => {
    await halfResponse;
  });

  test('all services live, and nobody logged a bug, a statement or a password', () => {
    for (const service of [cluster.auth, ...cluster.proxies, ...cluster.agents]) {
      const log = service.log();
      assert.doesNotMatch(log, /uncaught|unhandled|"code":"BUG"|please report/i, service.name);
      assert.ok(!log.includes(marker), `${service.name} logged what a client sent`);
    }
  });

  test('what did not keep to the protocol is on record', async () => {
    await waitForAudit(cluster, 'a malformed packet', (events) => events.find(({ code }) => code === 'TDB06I'));
  });

  /** A signed-in session whose bytes are nobody's but the test's. */
  async function raw(): Promise<{ readonly socket: Socket; readonly wire: (bytes: Buffer) => void }> {
    const { socket } = await dial();
    socket.write(mysqlResponse(2, { user: 'reader', database: 'shop' }));
    const [ok] = (await once(socket, 'data')) as [Buffer];
    assert.equal(ok[4], 0, ok.toString('latin1'));
    return { socket, wire: (bytes) => void socket.write(bytes) };
  }
}

async function alive(wire: MysqlWire): Promise<void> {
  const answer = await wire.query('select 1');
  assert.deepEqual(answer.at(-2)?.payload, Buffer.from('\x011'));
}

/** The number of the ERR that these bytes begin with. */
function errorCode(bytes: Buffer): number {
  assert.equal(bytes[4], 0xff, `expected an ERR, got ${bytes.toString('latin1')}`);
  return bytes.readUInt16LE(5);
}

/** 0 to 1, the same each time (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function randomBytes(random: () => number): Buffer {
  return Buffer.from(Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)));
}
