import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { returnPath } from './return-to.ts';

const good = [
  '/web/',
  '/web/databases',
  '/web/databases/',
  '/web/roles/a%20b',
  '/web/users/alice@example.com',
  '/web/audit?user=alice&from=1h',
  '/web/audit?q=%22select%201%22&next=/web/x',
  '/web/roles/%C3%A4',
];
for (const path of good) test(`goes back to ${path}`, () => assert.equal(returnPath(path), path));

const bad = [
  '',
  '/',
  '/web',
  'web/x',
  '//evil.example.com/web/',
  '/\\evil.example.com',
  '/web//evil.example.com',
  '/web/\\evil.example.com',
  '/web/..//evil.example.com',
  '/web/../v1/webapi/x',
  '/web/./x',
  '/web/%2e%2e/x',
  '/web/%2E./x',
  '/web/%2f%2fevil.example.com',
  '/web/%5cevil',
  '/web/%252e%252e/x',
  '/web/a%00b',
  '/web/a%0d%0aset-cookie:x',
  '/web/a\r\nx',
  '/web/a\tb',
  '/web/a b',
  '/web/%ff',
  '/web/%zz',
  '/web/x#//evil',
  '/web/x?a=%0a',
  '/web/x?a=\u2028',
  '/web/ä',
  '/web/login',
  '/web/login/x',
  '/web/login?error=X',
  'https://evil.example.com/web/',
  'javascript:alert(1)',
  '/webevil/',
  `/web/${'x'.repeat(1100)}`,
];
for (const path of bad)
  test(`does not go to ${JSON.stringify(path.slice(0, 60))}`, () => assert.equal(returnPath(path), '/web/'));

test('whatever was asked, the browser stays below /web/ of this very host', () => {
  const piece = fc.constantFrom(
    '/',
    '\\',
    '..',
    '.',
    '%2f',
    '%5c',
    '%2e',
    'web',
    '//',
    '?',
    '#',
    '@',
    ':',
    'evil.com',
    '%',
    '%25',
    '\t',
    '%0a',
    'a',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const url = new URL(returnPath(`/web/${pieces.join('')}`), 'https://access.example.com');
      assert.equal(url.origin, 'https://access.example.com');
      assert.ok(url.pathname.startsWith('/web/'));
      assert.doesNotMatch(decodeURIComponent(url.pathname), /\\|\/\/|\/\.\.?(?:\/|$)/);
    }),
  );
});
