import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResourceJson } from '../../../../src/resource/parse.ts';
import { itemOf } from '../../parts/resources/item.ts';
import {
  changedUserJson,
  connectorOf,
  createdAt,
  lockoutOf,
  newUserJson,
  newUserProblems,
  rolesOf,
  unlockedUserJson,
} from './user.ts';

const NOW = Date.parse('2030-01-01T00:00:00Z');
const stored = JSON.stringify({
  kind: 'user',
  version: 'v2',
  metadata: { name: 'alice', labels: { a: 'b' } },
  spec: {
    roles: ['dba'],
    traits: { teams: ['x'] },
    created_by: {
      user: 'ada',
      time: '2029-01-01T00:00:00.000Z',
      connector: { type: 'oidc', id: 'okta', identity: 'i' },
    },
    status: { is_locked: true, lock_expires: '2030-01-01T00:10:00.000Z' },
  },
});
const alice = itemOf({ json: stored, revision: 3n });

test('user: a new one is what the server takes', () => {
  const user = parseResourceJson(newUserJson(' bob ', ['dba'], [{ id: 1, name: 'db_users', values: ['a'] }]));
  assert.ok(user.kind === 'user');
  assert.equal(user.metadata.name, 'bob');
  assert.deepEqual([user.spec.roles, user.spec.traits], [['dba'], { db_users: ['a'] }]);
});

test('user: other roles and traits leave everything else as it was', () => {
  const before = parseResourceJson(stored);
  const after = parseResourceJson(changedUserJson(stored, ['x'], []));
  assert.ok(before.kind === 'user' && after.kind === 'user');
  assert.deepEqual(after, { ...before, spec: { ...before.spec, roles: ['x'], traits: {} } });
});

test('user: unlocking drops the status alone', () => {
  const { status: _gone, ...spec } = JSON.parse(stored).spec;
  assert.deepEqual(JSON.parse(unlockedUserJson(stored)).spec, spec);
});

test('user: what lists show', () => {
  assert.deepEqual(rolesOf(alice), ['dba']);
  assert.equal(createdAt(alice), '2029-01-01T00:00:00.000Z');
  assert.deepEqual(connectorOf(alice), { kind: 'oidc', name: 'okta' });
  assert.equal(lockoutOf(alice, NOW), '2030-01-01T00:10:00.000Z');
  assert.equal(lockoutOf(alice, NOW + 3_600_000), undefined);
  const empty = itemOf({ json: '{}', revision: 0n });
  assert.equal(connectorOf(empty), undefined);
  assert.equal(lockoutOf(empty, NOW), undefined);
});

const names: readonly (readonly [name: string, fits: boolean])[] = [
  ['alice', true],
  ['alice@example.com', true],
  ['', false],
  ['a b', false],
  ['a/b', false],
  ['.a', false],
  ['a..b', false],
  ['taken', false],
  ['x'.repeat(129), false],
];
for (const [name, fits] of names)
  test(`user: the name ${JSON.stringify(name.slice(0, 20))} ${fits ? 'fits' : 'does not fit'}`, () => {
    assert.equal(newUserProblems(name, ['r'], ['taken']).name === undefined, fits);
    if (fits) parseResourceJson(newUserJson(name, ['r'], []));
  });
