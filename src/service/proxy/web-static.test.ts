import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { TestCluster, TestGateway } from '../../../test/kit/gateway.ts';
import { rawHttp, WebClient } from '../../../test/kit/web-client.ts';
import { folderSource } from './web-files.ts';

const SCRIPT = `console.log(${JSON.stringify('x'.repeat(5000))})`;
const FILES = new Map([
  ['index.html', Buffer.from('<!doctype html><title>ui</title>')],
  ['assets/main-3fA2_b-1.js', Buffer.from(SCRIPT)],
  ['assets/plain.js', Buffer.from('1')],
  ['favicon.svg', Buffer.from('<svg/>')],
]);

let cluster: TestCluster;
let here: TestGateway;
let client: WebClient;
before(async () => {
  cluster = await TestCluster.create();
  here = await TestGateway.start(cluster, { webFiles: FILES });
  client = new WebClient(here.port);
});
after(async () => {
  client.close();
  await here.close();
});

test('the page is never kept, its assets for ever, and both say what they are', async () => {
  for (const path of [
    '/web/',
    '/web/index.html',
    '/web/login',
    '/web/databases/orders.prod',
    '/web/users/a%40b.example',
  ]) {
    const page = await client.request(path);
    assert.equal(page.status, 200, path);
    assert.equal(page.body.toString(), '<!doctype html><title>ui</title>');
    assert.equal(page.headers['cache-control'], 'no-store');
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  }
  const script = await client.request('/web/assets/main-3fA2_b-1.js');
  assert.equal(script.headers['cache-control'], 'public, max-age=31536000, immutable');
  assert.equal(script.headers['content-type'], 'text/javascript; charset=utf-8');
  assert.equal((await client.request('/web/assets/plain.js')).headers['cache-control'], 'no-cache');
});

test('packed as the browser takes it, with a tag for each form', async () => {
  const path = '/web/assets/main-3fA2_b-1.js';
  const tags = new Set<unknown>();
  for (const [accepted, encoding, unpack] of [
    ['gzip, deflate, br', 'br', brotliDecompressSync],
    ['gzip;q=0.5, br;q=0', 'gzip', gunzipSync],
    ['', undefined, (bytes: Buffer) => bytes],
    ['x-br', undefined, (bytes: Buffer) => bytes],
  ] as const) {
    const answer = await client.request(path, { headers: { 'accept-encoding': accepted } });
    assert.equal(answer.headers['content-encoding'], encoding);
    assert.equal(answer.headers['vary'], 'Accept-Encoding');
    assert.equal(unpack(answer.body).toString(), SCRIPT);
    assert.equal(Number(answer.headers['content-length']), answer.body.length);
    tags.add(answer.headers['etag']);
    const again = await client.request(path, {
      headers: { 'accept-encoding': accepted, 'if-none-match': `"other", W/${String(answer.headers['etag'])}` },
    });
    assert.deepEqual([again.status, again.body.length], [304, 0]);
  }
  assert.equal(tags.size, 3);
});

test('HEAD has the headers alone; other methods are refused; the top leads to the UI', async () => {
  const head = await client.request('/web/assets/plain.js', { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '1', 0]);
  for (const method of ['POST', 'PUT', 'DELETE', 'PROPFIND']) {
    const answer = await client.request('/web/', { method });
    assert.deepEqual([answer.status, answer.headers['allow']], [405, 'GET, HEAD']);
  }
  for (const path of ['/', '/web', '/?next=//evil.example'])
    assert.deepEqual(
      [(await client.request(path)).status, (await client.request(path)).headers['location']],
      [302, '/web/'],
    );
});

const TRICKS = [
  '/web/../package.json',
  '/web/..%2fpackage.json',
  '/web/%2e%2e/package.json',
  '/web/%2E%2E%2Fetc%2Fpasswd',
  '/web/..\\package.json',
  '/web/%5c..%5cpackage',
  '/web/a%00',
  '/web/assets/../index.html',
  '/web/./login',
  '/web/.../x',
  '/web//etc/passwd',
  '//web/',
  '/web/%2fetc%2fpasswd',
  '/web/assets/',
  '/web/assets/none',
  '/web/none.js',
  '/web/.env',
  '/web/index.php',
  '/web/%',
  '/web/%zz',
  '/web/a\u0001b',
  '/web/a"b',
  `/web/${'a'.repeat(2000)}`,
  '/WEB/',
  '/webs/',
  '/etc/passwd',
  '/web/a%0d%0aSet-Cookie:x=1',
];
for (const path of TRICKS) {
  test(`no trick of a path gets a file: ${JSON.stringify(path).slice(0, 60)}`, async () => {
    const answer = await client.request(path);
    // 0: a byte that no path may have ends the stream before anybody looks.
    assert.equal(answer.status, path.includes('\u0001') ? 0 : 404);
    assert.doesNotMatch(answer.body.toString(), /<!doctype|root:|"name"/);
    assert.equal(answer.headers['set-cookie'], undefined);
  });
}

test('HTTP/1.1: absolute addresses, broken targets and endless ones get nothing', async () => {
  const of = (target: string): Promise<string> =>
    rawHttp(here.port, `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  assert.match(await of('https://evil.example/web/'), /^HTTP\/1\.1 404 /);
  assert.match(await of('https://localhost/web/../etc/passwd'), /^HTTP\/1\.1 404 /);
  assert.match(await of('*'), /^(HTTP\/1\.1 40\d [^]*)?$/);
  assert.match(await of(`/web/${'a'.repeat(20_000)}`), /^(HTTP\/1\.1 4\d\d [^]*)?$/);
  assert.match(await of('/web/\\..\\x'), /^HTTP\/1\.1 404 /);
  assert.match(
    await rawHttp(here.port, 'GET /web/\0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'),
    /^(HTTP\/1\.1 40\d [^]*)?$/,
  );
});

test('security headers are on everything', async () => {
  for (const path of [
    '/',
    '/web/',
    '/web/assets/plain.js',
    '/web/none.js',
    '/webapi/ping',
    '/healthz',
    '/nothing',
    '/v1/webapi/oidc/callback',
    '/webapi/rpc/tessera.auth.v1.AuthService/Ping',
  ]) {
    const { headers } = await client.request(path);
    assert.equal(
      headers['content-security-policy'],
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      path,
    );
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['x-frame-options'], 'DENY');
    assert.equal(headers['referrer-policy'], 'no-referrer');
    assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    assert.match(String(headers['strict-transport-security']), /^max-age=\d{8}/);
    assert.match(String(headers['permissions-policy']), /publickey-credentials-get=\(self\)/);
    assert.match(String(headers['permissions-policy']), /camera=\(\)/);
  }
});

test('a UI that was not built says what to do; one that is off is not there', async () => {
  const bare = await TestGateway.start(cluster);
  const off = await TestGateway.start(cluster, { webFiles: FILES, web: false });
  const toBare = new WebClient(bare.port);
  const toOff = new WebClient(off.port);
  const page = await toBare.request('/web/login');
  assert.equal(page.status, 503);
  assert.match(page.body.toString(), /npm run build/);
  for (const path of ['/', '/web/', '/web/assets/plain.js']) assert.equal((await toOff.request(path)).status, 404);
  assert.equal((await toOff.call('Ping')).status, 404);
  assert.equal((await toOff.request('/webapi/ping')).status, 200);
  for (const one of [toBare, toOff]) one.close();
  for (const one of [bare, off]) await one.close();
});

test('a folder is read with what lies below it; links out of it and a missing one give nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-web-'));
  await mkdir(join(folder, 'dist/assets'), { recursive: true });
  await writeFile(join(folder, 'dist/index.html'), 'x');
  await writeFile(join(folder, 'dist/assets/a.js'), 'y');
  await mkdir(join(folder, 'dist/.vite'));
  await writeFile(join(folder, 'dist/.vite/manifest.json'), '{}');
  await writeFile(join(folder, 'secret'), 'z');
  await symlink(join(folder, 'secret'), join(folder, 'dist/assets/b.js'));
  assert.deepEqual([...(await folderSource(join(folder, 'dist'))()).keys()], ['assets/a.js', 'index.html']);
  assert.equal((await folderSource(join(folder, 'none'))()).size, 0);
  await rm(folder, { recursive: true });
});
