import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problemRange, problemWords } from './place.ts';

const text = 'kind: role\nspec:\n  allow: 7\n\n';
const rows: readonly (readonly [name: string, line: number, column: number, marked: string])[] = [
  ['a word', 1, 7, 'role'],
  ['a key', 2, 1, 'spec'],
  ['inside a line', 3, 10, '7'],
  ['after the end of a line', 2, 99, 'spec:'],
  ['a line that is not there', 99, 1, ''],
  ['the whole text', 0, 0, 'kind: role'],
  ['a colon', 1, 5, ':'],
];
for (const [name, line, column, marked] of rows)
  test(`place: ${name}`, () => {
    const { from, to } = problemRange(text, { line, column, message: '' });
    assert.equal(text.slice(from, to), marked);
    assert.ok(from >= 0 && to <= text.length && from <= to);
  });

test('place: in words', () => {
  assert.equal(problemWords({ line: 4, column: 2, message: 'spec: is missing' }), 'Line 4: spec: is missing');
  assert.equal(problemWords({ line: 0, column: 0, message: 'too large' }), 'too large');
});
