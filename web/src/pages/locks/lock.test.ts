import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResourceJson } from '../../../../src/resource/parse.ts';
import { itemOf } from '../../parts/resources/item.ts';
import {
  holds,
  isOfSession,
  isTermination,
  lockEnds,
  lockJson,
  lockProblems,
  locksOfUser,
  targetsOf,
  TARGETS,
  type LockForm,
} from './lock.ts';

const NOW = Date.parse('2030-01-01T00:00:00Z');
const VALUES: Readonly<Record<LockForm['kind'], string>> = {
  user: 'alice',
  role: 'dba',
  db_service: 'orders',
  server_id: 'abc',
  certificate: 'a'.repeat(64),
  session_id: 'c31c3969-39fc-4ce4-8cd6-683fa188e001',
};
const lockOf = (form: Partial<LockForm>) =>
  itemOf({
    json: lockJson({ kind: 'user', value: 'alice', message: '', forMs: 0, ...form }, 'x', NOW),
    revision: 0n,
  });

for (const { kind } of TARGETS)
  test(`lock: what the form writes about ${kind} is what the server takes`, () => {
    const form: LockForm = { kind, value: ` ${VALUES[kind]} `, message: 'why', forMs: 3_600_000 };
    assert.deepEqual(lockProblems(form), {});
    const resource = parseResourceJson(lockJson(form, 'x', NOW));
    assert.ok(resource.kind === 'lock');
    assert.deepEqual(resource.spec, {
      target: { [kind]: VALUES[kind] },
      message: 'why',
      expires: '2030-01-01T01:00:00.000Z',
    });
  });

test('lock: what is not such an id is told beside the field', () => {
  const form = { message: '', forMs: 0 };
  for (const [kind, value] of [
    ['user', '  '],
    ['certificate', 'AB'],
    ['session_id', 'x'],
  ] as const)
    assert.ok(lockProblems({ ...form, kind, value }).value !== undefined, kind);
});

test('lock: without an end it holds until it is removed', () => {
  assert.equal(lockEnds(lockOf({})), '');
  assert.ok(holds(lockOf({}), NOW));
  assert.ok(holds(lockOf({ forMs: 1000 }), NOW));
  assert.ok(!holds(lockOf({ forMs: 1000 }), NOW + 1000));
});

test('lock: of a user are those about the user alone', () => {
  const both = itemOf({ json: '{"spec":{"target":{"user":"alice","db_service":"orders"}}}', revision: 0n });
  const locks = [lockOf({}), lockOf({ value: 'bob' }), lockOf({ forMs: -5 }), both];
  assert.equal(locksOfUser(locks, 'alice', NOW).length, 1);
  assert.deepEqual(
    targetsOf(both).map(({ label, value }) => `${label} ${value}`),
    ['User alice', 'Database orders'],
  );
  assert.deepEqual(targetsOf(itemOf({ json: '{}', revision: 0n })), []);
});

test('lock: of a session, and by "terminate"', () => {
  const origin = { metadata: { labels: { 'tessera.dev/origin': 'terminate' } }, spec: { target: { session_id: 's' } } };
  const made = itemOf({ json: JSON.stringify(origin), revision: 0n });
  const own = lockOf({ kind: 'session_id', value: VALUES.session_id });
  assert.deepEqual([made, own, lockOf({})].map(isOfSession), [true, true, false]);
  assert.deepEqual([made, own, lockOf({})].map(isTermination), [true, false, false]);
});
