import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { after, afterEach, before, test } from 'node:test';
import { createAuthority } from '../../pki/authority.ts';
import { decodeErrorFields } from '../../protocol/postgres/error-fields.ts';
import { encodeStartupPacket } from '../../protocol/postgres/startup.ts';
import type { Clock } from '../../telemetry/clock.ts';
import { systemClock } from '../../telemetry/clock.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import type { FakeCluster } from '../cluster.fake.ts';
import { CODE, PASSWORD, startFakeCluster, testIo } from '../cluster.fake.ts';
import { runTsh } from './program.ts';
import type { ProxyDbOptions } from './proxy-db.ts';
import { proxyDb } from './proxy-db.ts';

let cluster: FakeCluster;
const homes: string[] = [];
before(async () => {
  cluster = await startFakeCluster();
});
after(() => {
  cluster.close();
  for (const home of homes) rmSync(home, { recursive: true, force: true });
});
afterEach(() => {
  delete cluster.tunnel;
});

async function signedIn(at: FakeCluster = cluster, home?: string): Promise<string> {
  const folder = home ?? mkdtempSync(join(tmpdir(), 'tsh-proxy-'));
  homes.push(folder);
  const io = testIo(folder, `${PASSWORD}\n${CODE}\n`);
  const args = ['login', `--proxy=${at.proxy}`, '--user=alice', `--ca-pin=${at.pin}`];
  assert.equal(await runTsh(io, args), 0, io.err());
  return folder;
}

type Running = {
  readonly port: number;
  readonly value: Record<string, unknown>;
  readonly err: () => string;
  /** Ctrl-C; gives the exit code. */
  end(): Promise<number>;
  cut(): void;
};

async function tunnel(
  home: string,
  name: string,
  options: Partial<ProxyDbOptions> = {},
  clock: Clock = systemClock,
): Promise<Running> {
  const io = testIo(home);
  const [ends, cuts] = [new AbortController(), new AbortController()];
  const printed = once(io.stdout, 'data');
  const given: ProxyDbOptions = { tunnel: true, format: 'json', ...options };
  const running = proxyDb(io, name, given, { ends: ends.signal, cuts: cuts.signal, clock });
  await Promise.race([printed, running]);
  const value = JSON.parse(io.out()) as Record<string, unknown>;
  return {
    port: Number(value['port']),
    value,
    err: io.err,
    async end() {
      ends.abort();
      return Number(await running);
    },
    cut: () => cuts.abort(),
  };
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  await once(socket, 'connect');
  return socket;
}

/** Everything until the far side ends. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks);
}

async function readSome(socket: Socket | TLSSocket): Promise<Buffer> {
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk;
}

const startup = encodeStartupPacket({
  type: 'StartupMessage',
  major: 3,
  minor: 0,
  parameters: new Map([['user', 'reader']]),
  protocolOptions: [],
});
const SSL_REQUEST = encodeStartupPacket({ type: 'SSLRequest' });
const GSSENC_REQUEST = encodeStartupPacket({ type: 'GSSENCRequest' });

function errorFields(bytes: Buffer): Record<string, string> {
  assert.equal(bytes[0], 0x45);
  assert.equal(bytes.readInt32BE(1), bytes.length - 1);
  return Object.fromEntries(decodeErrorFields(bytes, 5));
}

test('mysql: the far side speaks first, megabytes pass both ways, ends pass, and what it was is told', async () => {
  const seen: { protocol: string; subject: string }[] = [];
  cluster.tunnel = (socket, protocol) => {
    seen.push({ protocol, subject: socket.getPeerX509Certificate()?.subject ?? '' });
    socket.write('greeting');
    // Nothing but the end of the client lets it answer.
    void readAll(socket).then((all) => socket.end(Buffer.concat([Buffer.from('!'), all])));
  };
  const running = await tunnel(await signedIn(), 'shop');
  assert.deepEqual(Object.keys(running.value), [
    'name',
    'protocol',
    'host',
    'port',
    'user',
    'database',
    'commands',
    'jdbc',
    'dsn',
  ]);
  assert.deepEqual(
    [running.value['host'], running.value['user'], running.value['database']],
    ['127.0.0.1', 'reader', 'shop'],
  );
  const client = await dial(running.port);
  assert.equal((await readSome(client)).toString(), 'greeting');
  const bulk = Buffer.alloc(3_000_000, 'x');
  client.end(bulk);
  const answer = await readAll(client);
  assert.equal(answer.length, bulk.length + 1);
  assert.deepEqual(seen, [{ protocol: 'mysql', subject: 'CN=alice' }]);
  assert.equal(await running.end(), 0);
  assert.match(
    running.err(),
    / connection 1 from 127\.0\.0\.1:\d+ opened\n.* connection 1 closed after 0s: 2\.8 MiB in, 2\.8 MiB out\n/,
  );
  assert.match(running.err(), /\ntunnel closed\n$/);
});

test('postgres: encryption is declined here, start-up and cancel requests pass as they are', async () => {
  const heard: Buffer[] = [];
  cluster.tunnel = (socket) => {
    void readSome(socket).then((bytes) => {
      heard.push(bytes);
      socket.end(bytes.equals(startup) ? 'welcome' : '');
    });
  };
  const running = await tunnel(await signedIn(), 'orders');
  const client = await dial(running.port);
  client.write(GSSENC_REQUEST);
  assert.equal((await readSome(client)).toString(), 'N');
  client.write(SSL_REQUEST);
  assert.equal((await readSome(client)).toString(), 'N');
  // Cut anywhere.
  client.write(startup.subarray(0, 5));
  await new Promise((resolve) => setImmediate(resolve));
  client.write(startup.subarray(5));
  assert.equal((await readAll(client)).toString(), 'welcome');
  client.end();
  const cancel = encodeStartupPacket({ type: 'CancelRequest', processId: 7, key: Buffer.from('0102030405', 'hex') });
  const second = await dial(running.port);
  second.write(cancel);
  assert.equal((await readAll(second)).length, 0, 'a cancel request is answered by nothing but the end');
  second.end();
  assert.deepEqual(heard, [startup, cancel]);
  assert.equal(await running.end(), 0);
  assert.doesNotMatch(running.err(), /refused/);
});

test('postgres: a client that begins with TLS, or with nonsense, is let go with a word to the person', async () => {
  const running = await tunnel(await signedIn(), 'orders');
  for (const bytes of ['160301', '00000003', '7fffffff00030000']) {
    const client = await dial(running.port);
    client.end(Buffer.from(bytes, 'hex'));
    assert.equal((await readAll(client)).length, 0);
  }
  await running.end();
  assert.match(
    running.err(),
    /connection 1 refused: a client began with TLS, this endpoint is in clear: set sslmode=disable\n/,
  );
  assert.match(running.err(), /connection 3 refused: .*maxStartupBytes/);
});

test('the proxy is away: each client hears it in its own protocol, the port stays', async () => {
  const away = await startFakeCluster();
  const home = await signedIn(away);
  const [postgres, mysql] = [await tunnel(home, 'orders'), await tunnel(home, 'shop')];
  away.close();
  const first = await dial(postgres.port);
  first.write(startup);
  const fields = errorFields(await readAll(first));
  assert.deepEqual([fields['S'], fields['C']], ['FATAL', '08001']);
  assert.match(fields['M'] ?? '', /^proxy localhost:\d+ does not answer: /);
  assert.match(fields['H'] ?? '', /the tunnel goes on listening/);
  first.end();
  const second = await dial(mysql.port);
  const packet = await readAll(second);
  second.end();
  assert.equal(packet.readUIntLE(0, 3), packet.length - 4);
  assert.deepEqual([packet[3], packet[4], packet.readUInt16LE(5)], [0, 0xff, 1105]);
  assert.match(packet.subarray(7).toString(), /^proxy localhost:\d+ does not answer: .*\ncheck the network/);
  await postgres.end();
  assert.match(postgres.err(), /connection 1 refused: proxy localhost:\d+ does not answer/);
  await mysql.end();
});

test('a proxy that can not be proved hears nothing of the client', async () => {
  const home = await signedIn();
  let reached = 0;
  cluster.tunnel = (socket) => {
    reached += 1;
    socket.end();
  };
  // Read again with each certificate, so it is there before the tunnel begins.
  const stranger = await createAuthority('host', 'stranger', () => Date.now());
  await runTsh(testIo(home), ['db', 'login', 'orders']);
  writeFileSync(join(home, '.tsh/keys', cluster.proxy.replace(':', '_'), 'certs.pem'), stranger.certificatePem);
  const running = await tunnel(home, 'orders');
  const client = await dial(running.port);
  client.write(startup);
  const fields = errorFields(await readAll(client));
  client.end();
  assert.equal(fields['C'], '28000');
  assert.match(fields['M'] ?? '', /its certificate is not trusted/);
  assert.equal(reached, 0);
  await running.end();
});

/** Says hello, then echoes. */
function greeter(serials: string[]): (socket: TLSSocket) => void {
  return (socket) => {
    serials.push(socket.getPeerX509Certificate()?.serialNumber ?? '');
    socket.write('hello');
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
    socket.once('end', () => socket.end());
  };
}

test('sign-out refuses new connections and touches no open one; the next sign-in is taken up', async () => {
  cluster.tunnel = greeter([]);
  const home = await signedIn();
  const running = await tunnel(home, 'shop');
  const first = await dial(running.port);
  await readSome(first);
  await runTsh(testIo(home), ['logout']);
  const second = await dial(running.port);
  const packet = await readAll(second);
  second.end();
  assert.deepEqual([packet[4], packet.readUInt16LE(5)], [0xff, 1045]);
  assert.equal(
    packet.subarray(7).toString(),
    `the sign-in has ended\nin a terminal: tsh login --proxy=${cluster.proxy} --user=alice`,
  );
  assert.match(
    running.err(),
    /the sign-in has ended; new connections are refused until somebody types: tsh login --proxy=/,
  );
  first.write('still here');
  assert.equal((await readSome(first)).toString(), 'still here');
  await signedIn(cluster, home);
  const third = await dial(running.port);
  assert.equal((await readSome(third)).toString(), 'hello');
  for (const open of [first, third]) open.end().resume();
  assert.equal(await running.end(), 0);
});

test('the certificate is renewed under connections that are open; new ones show the new one', async () => {
  const serials: string[] = [];
  cluster.tunnel = greeter(serials);
  cluster.ttlMs = 7_200_000;
  const home = await signedIn();
  cluster.ttlMs = 3_600_000;
  const clock = new ManualClock(Date.now());
  const running = await tunnel(home, 'shop', {}, clock);
  const first = await dial(running.port);
  await readSome(first);
  clock.advance(2_800_000);
  await until(() => /certificate for shop renewed, good until/.test(running.err()));
  const second = await dial(running.port);
  await readSome(second);
  assert.equal(serials.length, 2);
  assert.notEqual(serials[0], serials[1]);
  first.write('still here');
  assert.equal((await readSome(first)).toString(), 'still here');
  for (const open of [first, second]) open.end().resume();
  assert.equal(await running.end(), 0);
  assert.equal(clock.pendingTimers, 0);
});

test('one more than --max-connections is told so, and a place that became free is free', async () => {
  cluster.tunnel = (socket) => {
    socket.write('hello');
    socket.resume().once('end', () => socket.end());
  };
  const running = await tunnel(await signedIn(), 'shop', { maxConnections: 1 });
  const first = await dial(running.port);
  await readSome(first);
  const second = await dial(running.port);
  const packet = await readAll(second);
  second.end();
  assert.equal(packet.readUInt16LE(5), 1040);
  assert.match(packet.subarray(7).toString(), /this tunnel has 1 connections open \(--max-connections\)/);
  first.end().resume();
  await once(first, 'close');
  await until(() => /connection 1 closed/.test(running.err()) && /connection 2 closed/.test(running.err()));
  const third = await dial(running.port);
  assert.equal((await readSome(third)).toString(), 'hello');
  third.destroy();
  await running.end();
});

test('a proxy that closes without a word is told to the client', async () => {
  const running = await tunnel(await signedIn(), 'shop');
  const client = await dial(running.port);
  const packet = await readAll(client);
  client.end();
  assert.match(
    packet.subarray(7).toString(),
    /^the proxy closed the connection before it answered\nsee whether you may still/,
  );
  await running.end();
});

test('a client that does not read stops the database, not the memory of tsh; a client that dies takes its connection along', async () => {
  const gone = Promise.withResolvers<void>();
  let sent = 0;
  cluster.tunnel = (socket) => {
    const chunk = Buffer.alloc(1 << 20);
    const more = (): void => {
      while (sent < 200 && socket.write(chunk)) sent += 1;
    };
    socket.on('drain', () => {
      sent += 1;
      more();
    });
    socket.on('close', () => gone.resolve());
    more();
  };
  const running = await tunnel(await signedIn(), 'shop');
  const client = await dial(running.port);
  client.pause();
  let before = -1;
  // Until it moves no more: sockets' own buffers are all that may fill.
  while (before !== sent) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  assert.ok(sent < 40, `${sent} MiB were taken`);
  client.resetAndDestroy();
  await gone.promise;
  await until(() => /connection 1 closed/.test(running.err()));
  assert.equal(await running.end(), 0);
  assert.match(running.err(), /\ntunnel closed\n$/);
});

test('Ctrl-C ends open connections in order; a second one at once', async () => {
  const ended = Promise.withResolvers<void>();
  cluster.tunnel = (socket) => {
    socket.write('hello');
    socket.resume().once('end', () => ended.resolve());
  };
  const running = await tunnel(await signedIn(), 'shop');
  const client = await dial(running.port);
  await readSome(client);
  const code = running.end();
  await ended.promise;
  assert.match(running.err(), /closing 1 connection; Ctrl-C again cuts\n$/);
  await assert.rejects(dial(running.port), { code: 'ECONNREFUSED' });
  running.cut();
  assert.equal(await code, 130);
  client.on('error', () => {}).destroy();
});

for (const signal of ['SIGINT', 'SIGHUP'] as const) {
  test(`the program itself ends in order on ${signal}`, async () => {
    const home = await signedIn();
    const program = join(import.meta.dirname, '../../../bin/tsh.ts');
    const args = [
      '--disable-warning=ExperimentalWarning',
      program,
      'proxy',
      'db',
      '--tunnel',
      'orders',
      '--format=json',
    ];
    const child = spawn(process.execPath, args, { env: { HOME: home }, stdio: ['ignore', 'pipe', 'pipe'] });
    let err = '';
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    await once(child.stdout, 'data');
    child.kill(signal);
    assert.deepEqual(await once(child, 'close'), [0, null]);
    assert.match(err, /\ntunnel closed\n$/);
  });
}

test('text: what to paste, the certificate, and how to keep the port', async () => {
  const running = await tunnelText(await signedIn(), 'orders');
  assert.match(
    running.out,
    /^Tunnel to orders \(postgres\) as reader, database shop listens on 127\.0\.0\.1:(\d+), without password, until Ctrl-C\.\nNext, in another terminal or program, one of:\n {2}psql {13}psql 'postgresql:\/\/reader@127\.0\.0\.1:\1\/shop\?sslmode=disable'\n {2}JDBC postgresql {2}jdbc:postgresql:\/\/127\.0\.0\.1:\1\/shop\?user=reader&sslmode=disable\n {2}DSN uri {10}postgresql:.*\n {2}DSN libpq {8}host=127\.0\.0\.1 port=\1 .*\n$/,
  );
  assert.match(
    running.err,
    /^another time on the same port: --port=\d+\ncertificate good until .* UTC, renewed while the sign-in lasts\n/,
  );
});

async function tunnelText(home: string, name: string): Promise<{ out: string; err: string }> {
  const io = testIo(home);
  const ends = new AbortController();
  io.stdout.once('data', () => setImmediate(() => ends.abort()));
  const code = await proxyDb(
    io,
    name,
    { tunnel: true, format: 'text' },
    { ends: ends.signal, cuts: new AbortController().signal, clock: systemClock },
  );
  assert.equal(code, 0);
  return { out: io.out(), err: io.err() };
}

test('another user than the login has gets a certificate of the tunnel alone', async () => {
  const home = await signedIn();
  await runTsh(testIo(home), ['db', 'login', 'orders']);
  cluster.calls.length = 0;
  const same = await tunnel(home, 'orders');
  assert.deepEqual(cluster.calls, [], 'a login that fits is used');
  await same.end();
  const other = await tunnel(home, 'orders', { dbUser: 'writer' });
  assert.equal(other.value['user'], 'writer');
  await other.end();
  const config = testIo(home);
  await runTsh(config, ['db', 'config', 'orders', '--format=json']);
  assert.equal((JSON.parse(config.out()) as { user: string }).user, 'reader', 'and changes nothing on disk');
});

test('a port that is taken is said', async () => {
  const home = await signedIn();
  const first = await tunnel(home, 'orders');
  const io = testIo(home);
  assert.equal(await runTsh(io, ['proxy', 'db', '--tunnel', 'orders', `--port=${first.port}`]), 1);
  assert.match(io.err(), /can not listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*\n {2}choose another port/);
  await first.end();
});

const usage = [
  {
    args: ['orders'],
    err: /only the tunnel is offered.*tsh proxy db --tunnel orders\n {2}without one, .*tsh db login orders/,
  },
  { args: ['--tunnel', 'orders', '--port=1', '--listen=127.0.0.1:1'], err: /--port or --listen, not both/ },
  {
    args: ['--tunnel', 'orders', '--listen=0.0.0.0:1'],
    err: /whoever reaches the tunnel is you on the database\n.*--insecure-listen-anywhere/,
  },
  { args: ['--tunnel', 'orders', '--listen=[::ffff:127.0.0.1]:1'], err: /whoever reaches the tunnel is you/ },
  { args: ['--tunnel', 'orders', '--listen=db.example.com:1'], err: /expected address:port/ },
  { args: ['--tunnel', 'orders', '--listen=127.0.0.1'], err: /expected address:port/ },
  { args: ['--tunnel', 'orders', '--port=70000'], err: /Expected a port/ },
  { args: ['--tunnel', 'orders', '--max-connections=0'], err: /whole number from 1 to 10000/ },
];
for (const row of usage) {
  test(`usage: tsh proxy db ${row.args.join(' ')}`, async () => {
    const io = testIo('/nowhere');
    assert.equal(await runTsh(io, ['proxy', 'db', ...row.args]), 2);
    assert.match(io.err(), row.err);
  });
}

test('listening for others is possible, and loud', async () => {
  const home = await signedIn();
  const running = await tunnel(home, 'orders', { listen: '0.0.0.0:0', insecureListenAnywhere: true });
  assert.equal(running.value['host'], '127.0.0.1');
  await running.end();
  assert.match(running.err(), /^WARNING: --insecure-listen-anywhere: whoever can reach 0\.0\.0\.0 connects as you/);
});

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 200 && !condition(); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  assert.ok(condition());
}
