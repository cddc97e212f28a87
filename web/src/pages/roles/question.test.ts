import assert from 'node:assert/strict';
import { test } from 'node:test';
import { itemOf } from '../../parts/resources/item.ts';
import { openingOf, questionOf, reachWords } from './question.ts';

const user = itemOf({
  json: JSON.stringify({ kind: 'user', metadata: { name: 'alice' }, spec: { roles: ['dba'] } }),
  revision: 1n,
});
const wanted = { databaseUser: '', databaseName: '' };

test('question: somebody with the role alone, and their traits', () => {
  const traits = [{ id: 1, name: 'db_users', values: ['a'] }];
  const question = questionOf({ kind: 'role', traits }, { name: 'new', json: '{}' }, wanted);
  assert.deepEqual(question.roles, ['new']);
  assert.equal(question.traitsJson, '{"db_users":["a"]}');
  assert.equal(question.user, '');
});

test('question: a user who has the role keeps their own list of roles', () => {
  const question = questionOf({ kind: 'user', user }, { name: 'dba', json: '{}' }, wanted);
  assert.deepEqual([question.user, question.roles, question.draftRolesJson], ['alice', [], ['{}']]);
});

test('question: a user who has not is asked about as if', () => {
  assert.deepEqual(questionOf({ kind: 'user', user }, { name: 'new', json: '{}' }, wanted).roles, ['dba', 'new']);
  assert.deepEqual(questionOf({ kind: 'user', user }, undefined, wanted).roles, []);
});

test('question: what is reached in words', () => {
  assert.equal(reachWords('user', ['*'], ['postgres']), 'any user, but not postgres');
  assert.equal(reachWords('user', ['a', 'b'], []), 'user a, b');
  assert.equal(reachWords('name', [], ['x']), 'no name');
});

const enough = {
  allowed: true,
  protocol: 'postgres',
  allowedUsers: ['a'],
  deniedUsers: [],
  allowedNames: ['*'],
  deniedNames: [],
};
for (const { name, change, open, not } of [
  { name: 'a user and a name', change: {}, open: true, not: /^$/ },
  { name: 'refused', change: { allowed: false, allowedUsers: [] }, open: false, not: /^$/ },
  { name: 'no user', change: { allowedUsers: [] }, open: false, not: /give no database user\.$/ },
  { name: 'no name', change: { allowedNames: [] }, open: false, not: /give no database name\.$/ },
  {
    name: 'neither',
    change: { allowedUsers: [], allowedNames: [] },
    open: false,
    not: /no database user and no database name/,
  },
  { name: 'every user is denied', change: { deniedUsers: ['a'] }, open: false, not: /no database user/ },
  { name: 'any name is denied', change: { deniedNames: ['*'] }, open: false, not: /no database name/ },
  { name: 'some names are denied', change: { deniedNames: ['x'] }, open: true, not: /^$/ },
  { name: 'mysql without a name', change: { protocol: 'mysql', allowedNames: [] }, open: true, not: /^$/ },
])
  test(`opening: ${name}`, () => {
    const answer = openingOf({ ...enough, ...change });
    assert.equal(answer.open, open);
    assert.match(answer.not, not);
  });
