// A port whose server speaks first, with a protocol of three words: the greeting, "TLS!" (then TLS), "CLR\n" (a client in clear).
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { afterEach, test } from 'node:test';
import tls from 'node:tls';
import fc from 'fast-check';
import { dialRaw, readAll, until } from '../../../test/kit/gateway.ts';
import { defaultProxyLimits } from '../../config/defaults.ts';
import type { ProxyLimits } from '../../config/schema.ts';
import type { ServerFirstAnswer } from '../../engine/engine.ts';
import { systemClock } from '../../telemetry/clock.ts';
import { silentLog } from '../../telemetry/log.ts';
import { FrontDoor } from './front-door.ts';
import { publicPort } from './public-port.ts';
import { serverFirstPort } from './server-first-port.ts';
import type { Doors, Visit } from './visit.ts';

const request = Buffer.from('TLS!');

function understand(bytes: Buffer): ServerFirstAnswer {
  if (bytes.length < 4) return { type: 'more', need: 4 };
  const word = bytes.toString('latin1', 0, 4);
  if (word === 'TLS!') return { type: 'tls', length: 4 };
  if (word === 'CLR\n') return { type: 'plaintext', answer: Buffer.from('no\n') };
  if (word === 'BUG!') throw new Error('a bug');
  // As an engine that asks for no more than it has would.
  if (word === 'SAME') return { type: 'more', need: 1 };
  return { type: 'malformed', reason: 'not a word of ours' };
}

type Handed = { readonly to: 'tls' | 'plaintext'; readonly socket: net.Socket; readonly visit: Visit; answer?: Buffer };

class Ports {
  readonly handed: Handed[] = [];
  readonly door: FrontDoor;
  limited: string[] = [];
  greetings = 0;
  readonly #servers: net.Server[] = [];

  constructor(options: { readonly limits?: Partial<ProxyLimits>; readonly trusted?: boolean } = {}) {
    const trustedSources = new net.BlockList();
    trustedSources.addSubnet('127.0.0.0', 8, 'ipv4');
    const others = (): never => assert.fail('another door');
    const doors: Doors = {
      database: (socket, visit) => void this.handed.push({ to: 'tls', socket, visit }),
      plaintext: (socket, visit, { protocol, answer }) => {
        assert.equal(protocol, 'mysql');
        this.handed.push({ to: 'plaintext', socket, visit, ...(answer === undefined ? {} : { answer }) });
      },
      tunnel: others,
      https: others,
      auth: others,
      cancel: others,
    };
    this.door = new FrontDoor({
      limits: { ...defaultProxyLimits, handshakeTimeoutMs: 5000, ...options.limits },
      trustedSources: options.trusted === true ? trustedSources : undefined,
      doors,
      clock: systemClock,
      log: silentLog,
      onLimited: (port) => this.limited.push(port),
    });
  }

  async listen(which: 'mysql' | 'public' = 'mysql'): Promise<number> {
    const greet = (): Buffer => Buffer.from(`hello ${++this.greetings}\n`);
    const port =
      which === 'public' ? publicPort : serverFirstPort({ protocol: 'mysql', serverFirst: { understand }, greet });
    const server = net.createServer((socket) => this.door.accept(socket, port));
    this.#servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    return address.port;
  }

  close(): void {
    this.door.destroyAll();
    for (const server of this.#servers) server.close();
  }
}

const open: Ports[] = [];
afterEach(() => {
  for (const ports of open.splice(0)) ports.close();
});

function setUp(options: ConstructorParameters<typeof Ports>[0] = {}): Ports {
  const ports = new Ports(options);
  open.push(ports);
  return ports;
}

let hello: Buffer;
/** The first flight of a client without ALPN, as MySQL's are. */
async function clientHello(): Promise<Buffer> {
  if (hello !== undefined) return hello;
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const client = tls.connect({ port: address.port, host: '127.0.0.1' });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

test('the server speaks first, and a look at its greeting is nothing to anybody', async () => {
  const ports = setUp();
  const port = await ports.listen();
  for (const leave of [(socket: net.Socket) => socket.end(), (socket: net.Socket) => socket.resetAndDestroy()]) {
    const socket = await dialRaw(port);
    const [greeting] = (await once(socket, 'data')) as [Buffer];
    assert.match(greeting.toString(), /^hello \d\n$/);
    leave(socket);
    await until(() => ports.door.connectionCount === 0);
  }
  assert.deepEqual(ports.handed, []);
  assert.deepEqual(ports.limited, []);
});

test('TLS begins behind the request for it, however the two are cut: what is handed on is the ClientHello, whole', async () => {
  const ports = setUp();
  const port = await ports.listen();
  const whole = Buffer.concat([request, await clientHello()]);
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(fc.nat(whole.length - 1), { maxLength: 4 }), async (cuts) => {
      const socket = await dialRaw(port);
      socket.resume();
      const ends = [...cuts.filter((cut) => cut > 0).sort((a, b) => a - b), whole.length];
      let at = 0;
      for (const end of ends) {
        socket.write(whole.subarray(at, end));
        at = end;
        await new Promise((resolve) => setImmediate(resolve));
      }
      await until(() => ports.handed.length > 0);
      const one = ports.handed.pop();
      assert.ok(one?.to === 'tls');
      assert.deepEqual(one.visit.inClear?.protocol, 'mysql');
      assert.equal(one.visit.inClear?.greeting?.toString(), `hello ${ports.greetings}\n`);
      assert.ok((await firstBytes(one.socket, hello.length)).equals(hello));
      socket.destroy();
    }),
    { numRuns: 50, examples: [[[]], [[4]]] },
  );
});

async function firstBytes(socket: net.Socket, count: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await until(() => chunks.reduce((sum, chunk) => sum + chunk.length, 0) >= count);
  return Buffer.concat(chunks);
}

test('one byte at a time', async () => {
  const ports = setUp();
  const socket = await dialRaw(await ports.listen());
  for (const byte of Buffer.concat([request, await clientHello()])) {
    socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => ports.handed.length === 1);
  socket.destroy();
});

test('a client in clear is handed on with the words for it', async () => {
  const ports = setUp();
  const socket = await dialRaw(await ports.listen());
  socket.write('CLR\n and a secret');
  await until(() => ports.handed.length === 1);
  assert.equal(ports.handed[0]?.to, 'plaintext');
  assert.equal(ports.handed[0]?.answer?.toString(), 'no\n');
});

const stuffed: readonly [name: string, between: string | Buffer][] = [
  ['words in clear', 'CLR\n'],
  ['the request again', request],
  ['a zero', Buffer.alloc(1)],
  [
    'the beginning of a TLS record, then words',
    Buffer.concat([Buffer.from('16030100', 'hex'), Buffer.from('CLR\nCLR\n')]),
  ],
  ['a whole record that is no ClientHello', Buffer.from('160301000402000000', 'hex')],
  ['a TLS alert', Buffer.from('15030100020100', 'hex')],
  ['a ClientHello that claims 16 MiB', Buffer.concat([Buffer.from('160301400001ffffff', 'hex'), Buffer.alloc(0x4000)])],
  ['an SSLRequest of PostgreSQL', Buffer.from('0000000804d2162f', 'hex')],
  ['HTTP', 'GET / HTTP/1.1\r\n\r\n'],
];
for (const [name, between] of stuffed) {
  test(`closed without a word: between the request for TLS and TLS came ${name}`, async () => {
    const ports = setUp({ limits: { handshakeTimeoutMs: 300 } });
    const socket = await dialRaw(await ports.listen());
    const answer = readAll(socket);
    socket.write(Buffer.concat([request, Buffer.from(between), await clientHello()]));
    assert.equal((await answer).toString(), 'hello 1\n');
    assert.deepEqual(ports.handed, []);
  });
}

const hostile: readonly [name: string, bytes: Buffer][] = [
  ['garbage', Buffer.from('garbage')],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
  ['a PROXY header from nobody we know', Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n')],
  ['TLS without the request for it', Buffer.from('1603010200010001fc0303', 'hex')],
];
for (const [name, bytes] of hostile) {
  test(`closed without a word: ${name}`, async () => {
    const ports = setUp();
    const socket = await dialRaw(await ports.listen());
    const answer = readAll(socket);
    socket.write(bytes);
    assert.equal((await answer).toString(), 'hello 1\n');
    assert.deepEqual(ports.handed, []);
  });
}

test('a fault inside ends its connection and no other', async () => {
  const ports = setUp();
  const port = await ports.listen();
  const other = await dialRaw(port);
  await once(other, 'data');
  const socket = await dialRaw(port);
  const answer = readAll(socket);
  socket.write('BUG!');
  assert.equal((await answer).toString(), 'hello 2\n');
  other.write('CLR\n');
  await until(() => ports.handed.length === 1);
});

test('slow, silent and stuck clients end at handshake_timeout', async () => {
  const ports = setUp({ limits: { handshakeTimeoutMs: 200 } });
  const port = await ports.listen();
  const first = await clientHello();
  for (const start of [
    Buffer.alloc(0),
    Buffer.from('TL'),
    Buffer.from('SAME'),
    request,
    Buffer.concat([request, first.subarray(0, 99)]),
  ]) {
    const beginMs = performance.now();
    const socket = await dialRaw(port);
    const answer = readAll(socket);
    socket.write(start);
    await answer;
    assert.ok(performance.now() - beginMs < 3000, start.toString('latin1', 0, 4));
  }
  await until(() => ports.door.connectionCount === 0);
});

test('first bytes without end stop at max_client_hello_bytes', async () => {
  const ports = setUp({ limits: { maxClientHelloBytes: 2048 } });
  const socket = await dialRaw(await ports.listen());
  const closed = readAll(socket);
  socket.write('SAME');
  while (!socket.destroyed) {
    socket.write(Buffer.alloc(1024));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
});

test('a trusted source says who the client is before anybody is greeted', async () => {
  const ports = setUp({ trusted: true });
  const port = await ports.listen();
  const header = Buffer.from('PROXY TCP4 198.51.100.7 10.0.0.1 4444 3036\r\n');
  const socket = await dialRaw(port);
  const answer = readAll(socket);
  socket.write(header.subarray(0, 20));
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(ports.greetings, 0);
  socket.write(Buffer.concat([header.subarray(20), request, await clientHello()]));
  await until(() => ports.handed.length === 1);
  assert.deepEqual(ports.handed[0]?.visit.client, { ip: '198.51.100.7', port: 4444 });
  socket.destroy();
  await answer;
  for (const bad of [request, Buffer.from('PROXY TCP4 x y 1 2\r\n')]) {
    const other = await dialRaw(port);
    const nothing = readAll(other);
    other.write(bad);
    assert.equal((await nothing).length, 0);
  }
  assert.equal(ports.greetings, 1);
});

test('a client has as many places on all ports together as on one, and they are freed', async () => {
  const ports = setUp({ limits: { maxConnectionsPerClient: 2 } });
  const [mysql, other] = [await ports.listen(), await ports.listen('public')];
  const two = [await dialRaw(mysql), await dialRaw(other)];
  await until(() => ports.greetings === 1 && ports.door.connectionCount === 2);
  assert.equal((await readAll(await dialRaw(mysql))).length, 0);
  assert.deepEqual(ports.limited, ['mysql']);
  for (const socket of two) socket.destroy();
  await until(() => ports.door.connectionCount === 0);
  const again = await dialRaw(mysql);
  await once(again, 'data');
  again.destroy();
});
