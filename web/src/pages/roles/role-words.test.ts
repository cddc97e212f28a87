import assert from 'node:assert/strict';
import { test } from 'node:test';
import { roleLine, roleWords } from './role-words.ts';

const rows: readonly (readonly [name: string, spec: unknown, expected: string])[] = [
  ['nothing', {}, 'Allows nothing by itself'],
  ['no object', 'x', 'Allows nothing by itself'],
  [
    'databases',
    { allow: { db_labels: { env: ['dev', 'stage'] }, db_users: ['reader'], db_names: ['shop'] } },
    'Opens databases with env=dev or stage as reader, database shop',
  ],
  [
    'everything',
    { allow: { db_labels: { '*': ['*'] }, db_users: ['*'], db_names: ['*'] } },
    'Opens every database as any user, every database name',
  ],
  [
    'a single text instead of a list',
    { allow: { db_labels: { env: 'dev' }, db_users: ['a'], db_names: ['*'] } },
    'Opens databases with env=dev as a, every database name',
  ],
  [
    'labels without a user',
    { allow: { db_labels: { env: ['dev'] } } },
    'Matches databases with env=dev, but no database user: it opens nothing',
  ],
  ['only denies', { deny: { db_users: ['postgres', 'root'] } }, 'Never as postgres or root'],
  [
    'rules',
    { allow: { rules: [{ resources: ['event', 'session'], verbs: ['list', 'read'] }] } },
    'Reads the audit log and sessions',
  ],
  [
    'all verbs',
    {
      allow: { rules: [{ resources: ['role'], verbs: ['*'] }] },
      deny: { rules: [{ resources: ['lock'], verbs: ['*'] }] },
    },
    'Administers roles. Never administers locks',
  ],
  [
    'one verb and a condition',
    { allow: { rules: [{ resources: ['lock'], verbs: ['create'], where: 'x' }] } },
    'May create locks where x',
  ],
  [
    'limits',
    { options: { max_session_ttl: '8h', client_idle_timeout: '15m', require_session_mfa: true, pin_source_ip: false } },
    'Sign-ins last 8h at most. Idle sessions end after 15m. A second factor for each session',
  ],
  [
    'an expression',
    { allow: { db_labels_expression: 'labels["a"] == "b"', db_users: ['u'], db_names: ['n'] } },
    'Opens databases with labels that match labels["a"] == "b" as u, database n',
  ],
];
for (const [name, spec, expected] of rows) test(`role in words: ${name}`, () => assert.equal(roleLine(spec), expected));

test('role in words: allowed, denied and limits stand apart', () => {
  const words = roleWords({
    allow: { db_labels: { '*': '*' }, db_users: ['a'], db_names: ['b'] },
    deny: { db_names: ['c'] },
    options: { lock: 'strict' },
  });
  assert.deepEqual(words.denies, ['Never database c']);
  assert.deepEqual(words.limits, ['No new session while locks are not known']);
  assert.equal(words.allows.length, 1);
});

test('role in words: long lists are counted', () => {
  const line = roleLine({ deny: { db_users: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] } });
  assert.equal(line, 'Never as a, b, c, d, e, f or 2 more');
});
