import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, test } from 'node:test';
import http2 from 'node:http2';
import { AuthStandIn, respondStream } from '../../../test/kit/auth-stand-in.ts';
import { dialRaw, readAll, secure, TestCluster, TestGateway, until } from '../../../test/kit/gateway.ts';
import {
  answerOf,
  closeOf,
  envelope,
  envelopes,
  pageHeaders,
  rpcPath,
  WebClient,
} from '../../../test/kit/web-client.ts';

let cluster: TestCluster;
before(async () => {
  cluster = await TestCluster.create();
});

const big = new Map([
  ['index.html', Buffer.from('x')],
  ['big.png', Buffer.alloc(8_000_000, 1)],
]);

test('both HTTPs are offered, the newer one preferred; without ALPN it is HTTP/1.1', async () => {
  const here = await TestGateway.start(cluster);
  for (const [offered, chosen] of [
    [['http/1.1', 'h2'], 'h2'],
    [['http/1.1'], 'http/1.1'],
    [[], false],
  ] as const) {
    const socket = await secure(await dialRaw(here.port), offered.length === 0 ? {} : { ALPNProtocols: [...offered] });
    assert.equal(socket.alpnProtocol, chosen);
    socket.destroy();
  }
  await here.close();
});

test('HTTP/2 that says nothing, or only pings, is closed in time', async () => {
  const here = await TestGateway.start(cluster, { limits: { handshakeTimeoutMs: 300, webIdleTimeoutMs: 300 } });
  const silent = await secure(await dialRaw(here.port), { ALPNProtocols: ['h2'] });
  const pinging = new WebClient(here.port);
  const closed = closeOf(pinging.session);
  let pings = 0;
  const ping = (): void => {
    if (pinging.session.destroyed || pinging.session.closed) return;
    pings += 1;
    pinging.session.ping(() => setTimeout(ping, 20));
  };
  pinging.session.once('connect', ping);
  await Promise.all([closed, once(silent.resume(), 'close')]);
  assert.ok(pings > 2);
  const used = new WebClient(here.port);
  assert.equal((await used.request('/healthz')).status, 200);
  await closeOf(used.session);
  await until(() => here.gateway.connectionCount === 0);
  await here.close();
});

test('a live view holds its connection while the far end answers pings', async () => {
  const auth = await AuthStandIn.start(cluster);
  const here = await TestGateway.start(cluster, { authPort: auth.port, limits: { webIdleTimeoutMs: 150 } });
  auth.answer = (call) => void respondStream(call).write(envelope('{}'));
  const client = new WebClient(here.port);
  const stream = client.open(rpcPath('WatchSessions'), {
    method: 'POST',
    headers: {
      ...pageHeaders(here.port, `__Host-tessera_session=${'A'.repeat(43)}`),
      'content-type': 'application/connect+json',
    },
  });
  stream.end(envelope('{}'));
  await once(stream, 'data');
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.equal(stream.destroyed, false);
  const ended = answerOf(stream);
  const drained = here.gateway.drain(1000);
  const answer = await ended;
  assert.deepEqual(envelopes(answer.body).at(-1)?.flags, 2);
  assert.match(envelopes(answer.body).at(-1)?.body ?? '', /"code":"unavailable"/);
  await closeOf(client.session);
  await drained;
  const late = new WebClient(here.port);
  assert.equal((await late.call('Ping')).status, 503);
  assert.equal((await late.request('/webapi/ping')).status, 200);
  late.close();
  await here.close();
  await auth.close();
});

test('a client that does not read its answer is left, over both HTTPs', async () => {
  const here = await TestGateway.start(cluster, { webFiles: big, limits: { webStallTimeoutMs: 300 } });
  const client = new WebClient(here.port, { initialWindowSize: 1000 });
  const stream = client.open('/web/big.png');
  stream.pause();
  await once(stream, 'response');
  await closeOf(stream);
  assert.notEqual(stream.rstCode, 0);
  client.close();
  const socket = await secure(await dialRaw(here.port), { ALPNProtocols: ['http/1.1'] });
  socket.pause();
  socket.write('GET /web/big.png HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await until(() => here.gateway.connectionCount === 1);
  await until(() => here.gateway.connectionCount === 0);
  socket.destroy();
  await here.close();
});

test('a slow reader that does read gets all of it', async () => {
  const here = await TestGateway.start(cluster, { webFiles: big, limits: { webStallTimeoutMs: 400 } });
  const client = new WebClient(here.port);
  const stream = client.open('/web/big.png');
  let got = 0;
  stream.on('data', (chunk: Buffer) => {
    got += chunk.length;
    stream.pause();
    setTimeout(() => stream.resume(), 2);
  });
  await closeOf(stream);
  assert.equal(got, 8_000_000);
  client.close();
  await here.close();
});

test('streams at once are bounded; headers by size and by number', async () => {
  const auth = await AuthStandIn.start(cluster);
  auth.answer = () => undefined;
  const here = await TestGateway.start(cluster, {
    authPort: auth.port,
    limits: { maxWebStreams: 10, webCallTimeoutMs: 500 },
  });
  const client = new WebClient(here.port);
  const answers = Array.from({ length: 40 }, () => client.call('Ping'));
  await until(() => auth.calls.length >= 10);
  assert.equal(client.session.remoteSettings.maxConcurrentStreams, 10);
  assert.equal(auth.calls.length, 10);
  client.close();
  await Promise.all(answers);
  for (const headers of [
    { 'x-long': 'a'.repeat(40_000) },
    Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`x-${n}`, '1'])),
  ]) {
    const other = new WebClient(here.port);
    const answer = await other.request('/healthz', { headers });
    assert.notEqual(answer.status, 200);
    other.close();
  }
  await until(() => here.webCalls() === 0);
  await here.close();
  await auth.close();
});

test('streams that are begun and left by the hundred end their connection', async () => {
  const here = await TestGateway.start(cluster);
  const client = new WebClient(here.port);
  let begun = 0;
  for (; begun < 5000 && !client.session.destroyed && !client.session.closed; begun += 1) {
    client.open('/healthz').close(http2.constants.NGHTTP2_CANCEL);
    if (begun % 50 === 49) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await closeOf(client.session);
  assert.ok(begun < 5000, 'it went on for ever');
  const next = new WebClient(here.port);
  assert.equal((await next.request('/healthz')).status, 200);
  next.close();
  await here.close();
});

test('bytes that are no HTTP end the connection and nothing else', async () => {
  const here = await TestGateway.start(cluster, { limits: { handshakeTimeoutMs: 500 } });
  for (const [alpn, bytes] of [
    ['h2', 'GET / HTTP/1.1\r\n\r\n'],
    ['h2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\u00ff'.repeat(100)}`],
    ['http/1.1', `\u0000\u0001\u0002${'x'.repeat(100)}\r\n\r\n`],
    [
      'http/1.1',
      'GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\nzz\r\n',
    ],
  ] as const) {
    const socket = await secure(await dialRaw(here.port), { ALPNProtocols: [alpn] });
    const all = readAll(socket);
    socket.write(Buffer.from(bytes, 'latin1'));
    await all;
  }
  await until(() => here.gateway.connectionCount === 0);
  await here.close();
});
