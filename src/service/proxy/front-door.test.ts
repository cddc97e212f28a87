import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import tls from 'node:tls';
import {
  dialPostgres,
  dialRaw,
  errorFields,
  gssRequest,
  readAll,
  secure,
  sslRequest,
  startup,
  TestCluster,
  TestGateway,
  until,
} from '../../../test/kit/gateway.ts';
import { encodeProxyV2 } from '../../protocol/proxy-protocol/proxy-protocol.ts';

let cluster: TestCluster;
let here: TestGateway;
before(async () => {
  cluster = await TestCluster.create();
  here = await TestGateway.start(cluster, { limits: { handshakeTimeoutMs: 400 } });
});
after(() => here.close());

async function said(...pieces: readonly Buffer[]): Promise<Buffer> {
  const socket = await dialRaw(here.port);
  const answer = readAll(socket);
  for (const piece of pieces) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return answer;
}

test('a start-up packet in clear is told that TLS is required', async () => {
  const fields = errorFields(await said(startup()));
  assert.equal(fields['C'], '28000');
  assert.match(fields['M'] ?? '', /TLS is required/);
});

test('GSSENCRequest is answered N, and the same connection goes on with a start-up packet in clear', async () => {
  const socket = await dialRaw(here.port);
  const answer = readAll(socket);
  socket.write(gssRequest);
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.write(startup());
  const bytes = await answer;
  assert.equal(bytes.toString('latin1', 0, 1), 'N');
  assert.equal(errorFields(bytes.subarray(1))['C'], '28000');
});

const CLOSED: readonly [name: string, pieces: readonly Buffer[], expected: string][] = [
  ['garbage', [Buffer.from('hello')], ''],
  ['SSH', [Buffer.from('SSH-2.0-x\r\n')], ''],
  ['a TLS alert record', [Buffer.from('15030100020100', 'hex')], ''],
  ['a handshake record that is no ClientHello', [Buffer.from('1603010004020000ff', 'hex')], ''],
  [
    'a ClientHello that claims 16 MiB',
    [Buffer.concat([Buffer.from('160301400001ffffff', 'hex'), Buffer.alloc(0x4000)])],
    '',
  ],
  ['bytes behind SSLRequest', [Buffer.concat([sslRequest, Buffer.from([0x16])])], ''],
  ['bytes behind GSSENCRequest', [Buffer.concat([gssRequest, sslRequest])], ''],
  ['a start-up packet in clear behind S', [sslRequest, Buffer.alloc(0)], 'S'],
  ['a packet with a wrong length for SSLRequest', [Buffer.from('0000000904d2162f', 'hex')], ''],
  ['a cancel request of 1 MiB', [Buffer.from('0010000004d2162e', 'hex')], ''],
  ['a PROXY header from nobody we know', [Buffer.from('PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n')], ''],
  ['a MongoDB message', [Buffer.from('3a0000000100000000000000d4070000', 'hex')], ''],
  ['TDS', [Buffer.from('1201002f00000100', 'hex')], ''],
];
for (const [name, pieces, expected] of CLOSED) {
  test(`closes without a word: ${name}`, async () => {
    assert.equal((await said(...pieces)).toString('latin1'), expected);
  });
}

test('SSLRequest twice, GSSENCRequest twice and a start-up packet after S are refused', async () => {
  for (const second of [
    sslRequest,
    startup(),
    Buffer.concat([Buffer.from('0000001004d2162e', 'hex'), Buffer.alloc(8)]),
  ]) {
    const socket = await dialRaw(here.port);
    const answer = readAll(socket);
    socket.write(sslRequest);
    await new Promise((resolve) => setTimeout(resolve, 30));
    socket.write(second);
    assert.equal((await answer).toString('latin1'), 'S');
  }
  const socket = await dialRaw(here.port);
  const answer = readAll(socket);
  socket.write(gssRequest);
  await new Promise((resolve) => setTimeout(resolve, 30));
  socket.write(gssRequest);
  assert.equal((await answer).toString('latin1'), 'N');
});

test('HTTP in clear gets 400', async () => {
  const answer = await said(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'));
  assert.match(answer.toString(), /^HTTP\/1\.1 400 Bad Request\r\n/);
});

test('a start-up packet of 10 MB is refused before it is kept', async () => {
  const head = Buffer.from('00a0000000030000', 'hex');
  const socket = await dialRaw(here.port);
  const answer = readAll(socket);
  socket.write(head);
  const junk = Buffer.alloc(64 * 1024, 0x61);
  for (let n = 0; n < 160 && !socket.destroyed; n += 1)
    if (!socket.write(junk)) await Promise.race([once(socket, 'drain'), once(socket, 'close')]);
  assert.match((await answer).toString('latin1'), /28000|^$/);
});

test('whoever says nothing, or too little, is closed at handshake_timeout', async () => {
  for (const start of [Buffer.alloc(0), Buffer.from([0x16]), sslRequest.subarray(0, 5), sslRequest]) {
    const beginMs = performance.now();
    await said(start);
    assert.ok(performance.now() - beginMs < 3000);
  }
  const socket = await dialRaw(here.port);
  const closed = readAll(socket);
  const hello = await clientHello(['postgresql']);
  const beginMs = performance.now();
  for (let at = 0; at < hello.length && !socket.destroyed; at += 1) {
    socket.write(hello.subarray(at, at + 1));
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await closed;
  assert.ok(performance.now() - beginMs < 3000, 'a slow sender gains no time');
});

test('after TLS a client that says nothing is closed at handshake_timeout too', async () => {
  const secured = await dialPostgres(here.port, undefined);
  const beginMs = performance.now();
  await once(secured, 'close');
  assert.ok(performance.now() - beginMs < 3000);
});

/** The first flight of a Node client. */
async function clientHello(alpn: readonly string[]): Promise<Buffer> {
  const server = net.createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const client = tls.connect({ port: address.port, host: '127.0.0.1', ALPNProtocols: [...alpn] });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [net.Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return bytes;
}

test('a ClientHello byte by byte, and cut over two records, is understood', async () => {
  const relay = net.createServer((from) => {
    const to = net.connect(here.port, '127.0.0.1');
    to.setNoDelay(true);
    let first = true;
    from.on('data', (chunk: Buffer) => {
      if (first) for (const byte of chunk) to.write(Buffer.from([byte]));
      else to.write(chunk);
      first = false;
    });
    to.on('data', (chunk: Buffer) => from.write(chunk));
    to.on('close', () => from.destroy());
    from.on('close', () => to.destroy());
    for (const socket of [from, to]) socket.on('error', () => undefined);
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const address = relay.address();
  assert.ok(typeof address === 'object' && address !== null);
  const secured = await secure(await dialRaw(address.port), { ALPNProtocols: ['http/1.1'] });
  assert.equal(secured.alpnProtocol, 'http/1.1');
  secured.destroy();
  relay.close();
});

type Answer = { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: string };

async function request(path: string, options: { method?: string; alpn?: readonly string[] } = {}): Promise<Answer> {
  const trust = { ca: cluster.host.certificatePem, rejectUnauthorized: true, servername: 'localhost' };
  const alpn = options.alpn === undefined ? {} : { ALPNProtocols: [...options.alpn] };
  const socket = await secure(await dialRaw(here.port), { ...trust, ...alpn });
  const answer = readAll(socket);
  socket.write(`${options.method ?? 'GET'} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  const [head = '', body = ''] = (await answer).toString().split('\r\n\r\n');
  const [first = '', ...lines] = head.split('\r\n');
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
  );
  return { status: Number(first.split(' ')[1]), headers, body };
}

test('HTTPS: ping, health, 404, 405, security headers; with and without ALPN', async () => {
  const ping = await request('/webapi/ping?x=1', { alpn: ['http/1.1'] });
  assert.equal(ping.status, 200);
  const picture = JSON.parse(ping.body) as Record<string, unknown>;
  assert.deepEqual(Object.keys(picture), [
    'cluster_name',
    'server_version',
    'proxy',
    'auth',
    'host_authorities',
    'ca_pins',
  ]);
  assert.equal(ping.headers['x-content-type-options'], 'nosniff');
  assert.match(String(ping.headers['strict-transport-security']), /max-age/);
  assert.equal((await request('/healthz')).status, 200);
  assert.deepEqual([(await request('/')).status, (await request('/')).headers['location']], [302, '/web/']);
  assert.deepEqual(JSON.parse((await request('/etc/passwd')).body), { error: { message: 'not found' } });
  assert.equal((await request('/webapi/ping', { method: 'POST' })).status, 405);
});

test('no connection is left behind', () => until(() => here.gateway.connectionCount === 0));

test('connections per client and in total are bounded, and freed', async () => {
  for (const limits of [{ maxConnectionsPerClient: 2 }, { maxConnections: 2 }]) {
    const small = await TestGateway.start(cluster, { limits });
    const open = [await dialRaw(small.port), await dialRaw(small.port)];
    for (const socket of open) socket.write(Buffer.from([0x16]));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const third = await dialRaw(small.port);
    const closed = readAll(third);
    third.write(Buffer.from([0x16]));
    assert.equal((await closed).length, 0);
    assert.equal(small.instruments.rateLimited.of({ listener: 'public' }).value, 1);
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const again = await dialRaw(small.port);
    const answer = readAll(again);
    again.write(startup());
    assert.equal(errorFields(await answer)['C'], '28000');
    await small.close();
  }
});

test('a trusted source must send a PROXY header, once; what it says is the client', async () => {
  const behind = await TestGateway.start(cluster, {
    trustedSources: ['127.0.0.0/8'],
    limits: { maxConnectionsPerClient: 1 },
  });
  const pinned = await cluster.person({ pinnedAddress: '198.51.100.7' });
  const v1 = Buffer.from('PROXY TCP4 198.51.100.7 10.0.0.1 4444 3080\r\n');
  const v2 = encodeProxyV2({
    source: { address: '::ffff:198.51.100.7', port: 4444 },
    destination: { address: '10.0.0.1', port: 3080 },
  });
  for (const [header, expected] of [
    [v1, '3D000'],
    [v2, '3D000'],
    [Buffer.from('PROXY TCP4 198.51.100.8 10.0.0.1 4444 3080\r\n'), '28000'],
  ] as const) {
    const raw = await dialRaw(behind.port);
    raw.write(header);
    raw.write(sslRequest);
    await once(raw, 'readable');
    assert.equal(String(raw.read(1)), 'S');
    const secured = await secure(raw, {
      ALPNProtocols: ['postgresql'],
      cert: pinned.certificate,
      key: pinned.privateKey,
    });
    const answer = readAll(secured);
    secured.write(startup());
    assert.equal(errorFields(await answer)['C'], expected, header.toString('latin1'));
    await until(() => raw.destroyed);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const bad of [
    sslRequest,
    Buffer.concat([v1, v1]),
    Buffer.from('PROXY TCP4 x y 1 2\r\n'),
    Buffer.alloc(300, 'PROXY A'),
  ]) {
    const socket = await dialRaw(behind.port);
    const closed = readAll(socket);
    socket.write(bad);
    assert.equal((await closed).length, 0);
  }
  await behind.close();
});
