import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { itemOf } from '../../parts/resources/item.ts';
import { joinConfig, tokenCommand, tokenHint, tokenRoles, usesWords } from './token.ts';

const tokenOf = (name: string, spec: object) =>
  itemOf({ json: JSON.stringify({ kind: 'token', metadata: { name }, spec }), revision: 0n });

test('token: the secret is never shown, of a short one nothing', () => {
  const secret = '0123456789abcdef'.repeat(4);
  assert.equal(tokenHint(tokenOf(secret, {})), '01234567…');
  assert.doesNotMatch(tokenHint(tokenOf('short-secret', {})), /short/);
});

test('token: for whom and how often', () => {
  assert.equal(tokenRoles(tokenOf('x', { roles: ['Db', 'Proxy'] })), 'agents and proxies');
  assert.equal(usesWords(tokenOf('x', { uses_left: 1 })), 'once');
  assert.equal(usesWords(tokenOf('x', { uses_left: 3 })), '3 times');
  assert.equal(usesWords(tokenOf('x', {})), 'until it expires');
});

test('token: what is pasted holds the values as they are, whatever they are', () => {
  const strange = 'a: "b"\n#';
  const config: unknown = parse(joinConfig({ role: 'db', caPins: ['sha256:aa', strange], proxy: 'p.example:443' }));
  assert.deepEqual(Reflect.get(Object(config), 'tessera'), {
    proxy_server: 'p.example:443',
    join_token_file: '/etc/tessera/join-token',
    ca_pin: ['sha256:aa', strange],
  });
  assert.match(joinConfig({ role: 'proxy', caPins: [], proxy: '' }), /proxy_service/);
  assert.ok(tokenCommand("a'b").startsWith(`printf %s 'a'\\''b' |`));
});
