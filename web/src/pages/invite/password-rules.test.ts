import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAcceptable, passwordRules } from './password-rules.ts';

const rows: readonly (readonly [name: string, password: string, repeated: string, ok: boolean])[] = [
  ['nothing', '', '', false],
  ['11 characters', 'x'.repeat(11), 'x'.repeat(11), false],
  ['12 characters', 'x'.repeat(12), 'x'.repeat(12), true],
  ['12 emoji count as 12', '😀'.repeat(12), '😀'.repeat(12), true],
  ['not the same twice', 'x'.repeat(12), 'x'.repeat(13), false],
  ['128 characters', 'x'.repeat(128), 'x'.repeat(128), true],
  ['129 characters', 'x'.repeat(129), 'x'.repeat(129), false],
];
for (const [name, password, repeated, ok] of rows)
  test(`password: ${name}`, () => assert.equal(isAcceptable(password, repeated), ok));

test('the longest is spoken of only when it is passed', () => {
  assert.equal(passwordRules('x', 'x').length, 2);
  assert.equal(passwordRules('x'.repeat(200), '').length, 3);
});
