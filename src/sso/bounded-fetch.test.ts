import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { boundedFetch, isSecure } from './bounded-fetch.ts';

async function serving(handle: RequestListener, run: (url: string) => Promise<void>): Promise<void> {
  const server = createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await run(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const limits = { maxBytes: 1000, timeoutMs: 200 };

test('an answer is read, also a compressed one', () =>
  serving(
    (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"a":1}')),
    async (url) => assert.deepEqual(await (await boundedFetch(limits)(url)).json(), { a: 1 }),
  ));

test('a small answer that becomes a large one is refused', () =>
  serving(
    (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(5000))),
    (url) => assert.rejects(boundedFetch(limits)(url), { code: 'PROVIDER_ANSWER_TOO_LARGE' }),
  ));

test('an answer that never ends is given up', () =>
  serving(
    (_, response) => void response.writeHead(200).write('x'),
    (url) =>
      assert.rejects(boundedFetch(limits)(`${url}/?code=s3cret`), (error: Error) => {
        assert.match(error.message, /providerTimeoutMs 200/);
        assert.doesNotMatch(error.message, /s3cret/);
        return true;
      }),
  ));

test('a redirect is not followed: secrets in a request stay with whom it is for', () =>
  serving(
    (_, response) => response.writeHead(307, { location: 'http://127.0.0.1:1/' }).end(),
    async (url) => assert.equal((await boundedFetch(limits)(url, { method: 'POST', body: 'x' })).status, 307),
  ));

test('in clear only on this machine', async () => {
  await assert.rejects(boundedFetch()('http://id.example.com/'), { code: 'PROVIDER_URL_NOT_SECURE' });
  const urls = [
    'https://x.example',
    'http://localhost:1',
    'http://127.9.9.9',
    'http://[::1]:2',
    'http://127.0.0.1.evil.example',
    'http://10.0.0.1',
    'ftp://localhost',
  ];
  assert.deepEqual(
    urls.filter((url) => isSecure(new URL(url))),
    urls.slice(0, 4),
  );
});
