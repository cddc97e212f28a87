import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isJsonObject, stepOutcome, stepTitle } from './steps.ts';

test('steps: known names have titles, others stand as they are', () => {
  assert.equal(stepTitle('username'), 'The user name');
  assert.equal(stepTitle('new step'), 'New step');
  assert.equal(stepTitle(''), '');
});

test('steps: only objects and lists of JSON are shown as such', () => {
  assert.deepEqual(['{"a":1}', '[1]', '{', 'text', '"x"', '7', ''].map(isJsonObject), [
    true,
    true,
    false,
    false,
    false,
    false,
    false,
  ]);
});

test('steps: a rule that does not match is missed, not failed', () => {
  for (const [name, ok, succeeded, want] of [
    ['mapping', true, true, 'in order'],
    ['mapping', false, true, 'missed'],
    ['mapping', false, false, 'missed'],
    ['userinfo', false, true, 'note'],
    ['token', false, false, 'failed'],
  ] as const)
    assert.equal(stepOutcome({ name, ok }, succeeded), want, `${name} ${ok} ${succeeded}`);
});
