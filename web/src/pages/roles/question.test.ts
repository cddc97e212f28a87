import assert from 'node:assert/strict';
import { test } from 'node:test';
import { itemOf } from '../../parts/resources/item.ts';
import { questionOf, reachWords } from './question.ts';

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
