import assert from 'node:assert/strict';
import { test } from 'node:test';
import { safeNext, signInPath } from './next-path.ts';

const kept = [
  '/web/databases',
  '/web/audit?user=alice&range=7d',
  '/web/sessions/c31c3969-39fc-4ce4-8cd6-683fa188e001',
  '/web/roles/a%20b#rules',
  '/web/confirm/abc',
];
for (const path of kept) test(`next: ${path} is kept`, () => assert.equal(safeNext(path), path));

const ignored: readonly (readonly [name: string, next: unknown])[] = [
  ['nothing', null],
  ['no text', 7],
  ['empty', ''],
  ['another host', 'https://evil.example/web/'],
  ['another host without a scheme', '//evil.example/web/'],
  ['two slashes after our prefix', '/web//evil.example'],
  ['a backslash, which browsers turn', String.raw`/web/\evil.example`],
  ['a backslash first', String.raw`\\evil.example/web/`],
  ['a tab, which browsers drop', '/\t/evil.example/web/'],
  ['a line feed inside', '/web/\n/x'],
  ['a path beside ours', '/webapi/rpc/x'],
  ['a prefix that only looks like ours', '/website'],
  ['climbing out', '/web/../webapi/ping'],
  ['climbing out, encoded', '/web/%2e%2e/webapi/ping'],
  ['a script', 'javascript:alert(1)'],
  ['data', 'data:text/html,x'],
  ['the sign-in page itself', '/web/login?next=/web/audit'],
  ['an invitation', '/web/invite/abc'],
  ['too long', `/web/${'a'.repeat(3000)}`],
];
for (const [name, next] of ignored) test(`next: ${name} leads home`, () => assert.equal(safeNext(next), '/web/'));

test('the address of the sign-in page brings back, and says nothing for the first page', () => {
  assert.equal(signInPath('/web/audit?user=a&x=1'), '/web/login?next=%2Fweb%2Faudit%3Fuser%3Da%26x%3D1');
  assert.equal(signInPath('/web/'), '/web/login');
  assert.equal(signInPath('//evil.example'), '/web/login');
});
