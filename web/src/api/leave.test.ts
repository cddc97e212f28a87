import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loopbackUrl, providerUrl } from './leave.ts';

test('a provider may be any page over http or https, and nothing else', () => {
  assert.equal(providerUrl('https://id.example.com/auth?x=1'), 'https://id.example.com/auth?x=1');
  assert.equal(providerUrl('http://127.0.0.1:9000/auth'), 'http://127.0.0.1:9000/auth');
  for (const bad of ['javascript:alert(1)', 'data:text/html,x', 'https://a:b@id.example.com/', '/web/', '', 'blob:x'])
    assert.throws(() => providerUrl(bad), { code: 'REDIRECT_REFUSED' }, bad);
});

test('the answer for tsh goes to this machine only', () => {
  for (const good of ['http://127.0.0.1:41234/abc?x=1', 'http://[::1]:5000/a', 'http://localhost:8080/'])
    assert.equal(loopbackUrl(good), good);
  for (const bad of [
    'https://127.0.0.1:1/',
    'http://127.0.0.1/',
    'http://127.0.0.1.evil.example:80/',
    'http://evil.example:1/',
    'http://localhost@evil.example:1/',
    'http://user@localhost:1/',
    'javascript:1',
    '',
  ])
    assert.throws(() => loopbackUrl(bad), { code: 'REDIRECT_REFUSED' }, bad);
});
