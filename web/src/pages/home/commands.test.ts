import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectCommand, describeDatabase, loginCommand, nothingToConnectAs, shellWord } from './commands.ts';

test('sign-in: the usual port goes without saying', () => {
  const alice = { user: 'alice', connector: '' };
  assert.equal(
    loginCommand('access.example.com:443', { user: 'erin@example.com', connector: 'corp' }),
    'tsh login --proxy=access.example.com --auth=corp',
  );
  assert.equal(loginCommand('access.example.com:443', alice), 'tsh login --proxy=access.example.com --user=alice');
  assert.equal(
    loginCommand('10.0.0.1:8443', { user: 'al ice', connector: '' }),
    "tsh login --proxy=10.0.0.1:8443 --user='al ice'",
  );
  assert.equal(
    loginCommand('access.example.com:443', alice, 'sha256:ab'),
    'tsh login --proxy=access.example.com --user=alice --ca-pin=sha256:ab',
  );
});

test('connect: only what the roles leave open is asked for', () => {
  assert.equal(connectCommand('orders', ['reader'], ['orders']), 'tsh db connect orders');
  assert.equal(connectCommand('orders', ['reader', 'writer'], ['orders']), 'tsh db connect orders --db-user=reader');
  assert.equal(connectCommand('orders', ['*'], ['*']), 'tsh db connect orders --db-user=USER --db-name=NAME');
  assert.equal(connectCommand('orders', ['*', 'reader'], ['shop']), 'tsh db connect orders --db-user=reader');
});

test('connect: without a user or a needed name there is nothing to type', () => {
  assert.match(nothingToConnectAs('postgres', [], ['*']), /no database user/);
  assert.match(nothingToConnectAs('postgres', ['a'], []), /no database name/);
  assert.equal(nothingToConnectAs('postgres', ['a'], ['*']), '');
  assert.equal(nothingToConnectAs('mysql', ['a'], []), '');
  assert.equal(connectCommand('orders', ['a'], []), 'tsh db connect orders');
});

test('a name can not become a second command', () => {
  for (const name of ['a; rm -rf ~', '$(id)', '`id`', "it's", 'a\nb', '', '~', 'a&b', '#'])
    assert.match(shellWord(name), /^'.*'$/s, name);
  assert.equal(shellWord("it's"), String.raw`'it'\''s'`);
  assert.equal(shellWord('db.prod-1_a@x'), 'db.prod-1_a@x');
});

test('a database document in few words', () => {
  const json = JSON.stringify({ metadata: { name: 'a', description: 'd' }, spec: { protocol: 'postgres' } });
  assert.deepEqual(describeDatabase(json), { name: 'a', protocol: 'postgres', description: 'd' });
  assert.deepEqual(describeDatabase('{}'), { name: '', protocol: '', description: '' });
});
