import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPasswordRules, Passwords } from './password.ts';

const cheap = { memory: 64, passes: 1, lanes: 1 };
const passwords = new Passwords({ maxConcurrent: 2, cost: cheap });

test('a hash verifies its own password and no other', async () => {
  const phc = await passwords.hash('correct horse battery');
  assert.match(phc, /^\$argon2id\$v=19\$m=64,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.deepEqual(await passwords.verify('correct horse battery', phc), { matches: true, outdated: false });
  assert.equal((await passwords.verify('correct horse batterY', phc)).matches, false);
  assert.notEqual(await passwords.hash('correct horse battery'), phc);
});

test('no stored hash never matches', async () => {
  assert.equal((await passwords.verify('', undefined)).matches, false);
  assert.equal((await passwords.verify('x', undefined)).matches, false);
});

test('a hash of another cost verifies and is outdated', async () => {
  const old = await new Passwords({ maxConcurrent: 1, cost: { memory: 32, passes: 1, lanes: 1 } }).hash(
    'correct horse battery',
  );
  assert.deepEqual(await passwords.verify('correct horse battery', old), { matches: true, outdated: true });
});

test('composed and decomposed letters are one password', async () => {
  const phc = await passwords.hash('\u00e9l\u00e8ve \u00e0 l\u2019\u00e9cole');
  assert.equal((await passwords.verify('e\u0301le\u0300ve a\u0300 l\u2019e\u0301cole', phc)).matches, true);
});

for (const phc of [
  '',
  'plain',
  '$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  '$argon2id$v=19$m=99999999,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAA',
]) {
  test(`a stored text that is no hash of ours is a fault: ${phc.slice(0, 24)}`, async () => {
    await assert.rejects(passwords.verify('x', phc), { code: 'PASSWORD_HASH_INVALID' });
  });
}

const rules = [
  { name: '11 characters', password: 'x'.repeat(11), ok: false },
  { name: '12 characters', password: 'x'.repeat(12), ok: true },
  { name: '12 emoji count as 12', password: '😀'.repeat(12), ok: true },
  { name: '128 characters', password: 'x'.repeat(128), ok: true },
  { name: '129 characters', password: 'x'.repeat(129), ok: false },
];
for (const row of rules) {
  test(`rules: ${row.name}`, () => {
    if (row.ok) checkPasswordRules(row.password);
    else assert.throws(() => checkPasswordRules(row.password), /expected 12 to 128 characters/);
  });
}

test('more waiting than allowed are refused at once, and turns are given back', async () => {
  const narrow = new Passwords({ maxConcurrent: 1, maxWaiting: 1, cost: cheap });
  const outcomes = await Promise.allSettled([narrow.hash('a'), narrow.hash('b'), narrow.hash('c')]);
  assert.deepEqual(
    outcomes.map((one) => one.status),
    ['fulfilled', 'fulfilled', 'rejected'],
  );
  await narrow.hash('d');
});

test('the default cost is what is promised', async () => {
  assert.match(await new Passwords({ maxConcurrent: 1 }).hash('password'), /\$m=19456,t=2,p=1\$/);
});
