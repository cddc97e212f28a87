import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkedCallback } from './callback-url.ts';

const good = ['http://127.0.0.1:41234/secret', 'http://[::1]:41234/secret', 'http://localhost:41234/secret/deeper'];
for (const url of good) test(`taken: ${url}`, () => assert.equal(checkedCallback(url), url));

const bad = [
  { name: 'another host', url: 'http://example.com:80/x' },
  { name: 'a name that begins like loopback', url: 'http://127.0.0.1.example.com:8080/x' },
  { name: 'a host behind an account', url: 'http://127.0.0.1:80@example.com:8080/x' },
  { name: 'an account', url: 'http://user@127.0.0.1:8080/x' },
  { name: 'another loopback address', url: 'http://127.0.0.2:8080/x' },
  { name: 'all addresses', url: 'http://0.0.0.0:8080/x' },
  { name: 'loopback as a number', url: 'http://2130706433:8080/x' },
  { name: 'loopback in short', url: 'http://127.1:8080/x' },
  { name: 'loopback as mapped IPv6', url: 'http://[::ffff:127.0.0.1]:8080/x' },
  { name: 'no port', url: 'http://127.0.0.1/x' },
  { name: 'no path', url: 'http://127.0.0.1:8080/' },
  { name: 'https on loopback', url: 'https://127.0.0.1:8080/x' },
  { name: 'a query', url: 'http://127.0.0.1:8080/x?y=1' },
  { name: 'a fragment', url: 'http://127.0.0.1:8080/x#y' },
  { name: 'backslashes', url: 'http:\\\\127.0.0.1:8080\\x' },
  { name: 'line feeds', url: 'http://127.0.0.1:8080/x\n' },
  { name: 'a script', url: 'javascript:alert(1)//127.0.0.1:8080/x' },
  { name: 'https elsewhere', url: 'https://evil.example.com/back' },
  { name: 'too long', url: `http://127.0.0.1:8080/${'x'.repeat(1100)}` },
  { name: 'nothing', url: '' },
];
for (const { name, url } of bad)
  test(`refused: ${name}`, () => assert.throws(() => checkedCallback(url), { code: 'CONFIG_INVALID' }));
