import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { openCallback, type Callback } from './browser-callback.ts';

type Answer = { readonly status: number; readonly headers: NodeJS.Dict<string | string[]>; readonly body: string };

function get(url: string, options: { readonly method?: string; readonly host?: string } = {}): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = options.host === undefined ? {} : { Host: options.host };
  const sent = request(url, { method: options.method ?? 'GET', headers, agent: false }, (response) => {
    let body = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => (body += chunk));
    response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
  });
  sent.on('error', reject).end();
  return promise;
}

function answerOf(query: URLSearchParams): string {
  const response = query.get('response');
  if (response === null) throw new Error('no response');
  return response;
}

const open = (): Promise<Callback<string>> => openCallback(answerOf);

test('one answer is taken, and the person is told to go back', async () => {
  using callback = await open();
  const page = await get(`${callback.url}?response=abc`);
  assert.equal(await callback.answer, 'abc');
  assert.equal(page.status, 200);
  assert.match(page.body, /Go back to the terminal/);
  assert.equal((await get(`${callback.url}?response=other`)).status, 410);
  assert.equal(await callback.answer, 'abc');
});

test('the page loads nothing, runs nothing, and shows nothing of the address', async () => {
  using callback = await open();
  const { headers, body } = await get(`${callback.url}?response=<script>alert(1)</script>`);
  const policy = String(headers['content-security-policy']);
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /frame-ancestors 'none'/);
  assert.doesNotMatch(policy, /unsafe|script-src/);
  assert.deepEqual(
    [headers['cache-control'], headers['referrer-policy'], headers['x-content-type-options']],
    ['no-store', 'no-referrer', 'nosniff'],
  );
  assert.doesNotMatch(body, /script|https?:|src=|alert/);
});

test('an answer that is none fails, and says so on the page', async () => {
  using callback = await open();
  const { status, body } = await get(`${callback.url}?nothing=1`);
  assert.equal(status, 400);
  assert.match(body, /The terminal says why/);
  await assert.rejects(callback.answer, /no response/);
});

const strangers = [
  { name: 'another path', url: (url: string) => new URL('/other?response=x', url).href },
  { name: 'the top', url: (url: string) => new URL('/?response=x', url).href },
  { name: 'a longer path', url: (url: string) => `${url}/x?response=x` },
  { name: 'the icon that browsers ask for', url: (url: string) => new URL('/favicon.ico', url).href },
  { name: 'another method', url: (url: string) => `${url}?response=x`, method: 'POST' },
  {
    name: 'a name of somebody else that points here',
    url: (url: string) => `${url}?response=x`,
    host: 'evil.example.com',
  },
  { name: 'localhost by name', url: (url: string) => `${url}?response=x`, host: 'localhost' },
  { name: 'the right host with another port', url: (url: string) => `${url}?response=x`, host: '127.0.0.1:1' },
];
for (const row of strangers) {
  test(`not answered: ${row.name}`, async () => {
    using callback = await open();
    const { url: address, name: _name, ...options } = row;
    assert.equal((await get(address(callback.url), options)).status, 404);
    await get(`${callback.url}?response=right`);
    assert.equal(await callback.answer, 'right', 'the right one still counts');
  });
}

test('it listens on 127.0.0.1 alone, on a path that nobody guesses, and not after its end', async () => {
  const callback = await open();
  const { port, pathname, hostname } = new URL(callback.url);
  assert.equal(hostname, '127.0.0.1');
  assert.match(pathname, /^\/[\w-]{32}$/);
  for (const host of ['127.0.0.2', '::1']) await assert.rejects(reached(host, Number(port)));
  callback[Symbol.dispose]();
  await assert.rejects(get(`${callback.url}?response=x`));
});

test('a large sealed certificate fits', async () => {
  using callback = await open();
  const response = 'x'.repeat(90 * 1024);
  assert.equal((await get(`${callback.url}?response=${response}`)).status, 200);
  assert.equal(await callback.answer, response);
});

function reached(host: string, port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(port, host, resolve).once('error', reject);
  return promise.finally(() => socket.destroy());
}

test('connections that say nothing keep the browser out as little as they stay', async () => {
  using callback = await open();
  const { hostname, port } = new URL(callback.url);
  let closed = 0;
  const silent = Array.from({ length: 60 }, () =>
    connect({ host: hostname, port: Number(port) })
      .on('error', () => {})
      .on('close', () => (closed += 1)),
  );
  await Promise.all(silent.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
  assert.equal((await get(`${callback.url}?response=abc`)).status, 200);
  assert.equal(await callback.answer, 'abc');
  assert.ok(closed >= 44, 'no more than a few are held');
  for (const socket of silent) socket.destroy();
});
