import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changedParts, lineChanges } from './changed-lines.ts';

const SIGNS = { same: ' ', added: '+', removed: '-' } as const;
const shown = (before: string, after: string): string =>
  lineChanges(before, after)
    .map(({ kind, text }) => SIGNS[kind] + text)
    .join('|');

const rows: readonly (readonly [name: string, before: string, after: string, expected: string])[] = [
  ['nothing', '', '', ''],
  ['all new', '', 'a\nb\n', '+a|+b'],
  ['all gone', 'a\nb\n', '', '-a|-b'],
  ['equal', 'a\nb', 'a\nb\n', ' a| b'],
  ['one line changed', 'a\nb\nc', 'a\nx\nc', ' a|-b|+x| c'],
  ['one line added at the end', 'a\n', 'a\nb\n', ' a|+b'],
  ['moved', 'a\nb\nc', 'b\nc\na', '-a| b| c|+a'],
  ['a line that stands twice', 'a\na\nb', 'a\nb', ' a|-a| b'],
];
for (const [name, before, after, expected] of rows)
  test(`changed lines: ${name}`, () => assert.equal(shown(before, after), expected));

test('changed lines: both texts can be read from the changes, whatever they are', () => {
  for (let seed = 1; seed < 200; seed += 1) {
    const before = pseudoText(seed);
    const after = pseudoText(seed * 7 + 3);
    const changes = lineChanges(before, after);
    const join = (not: string): string =>
      changes
        .filter(({ kind }) => kind !== not)
        .map(({ text }) => text)
        .join('\n');
    assert.equal(join('added'), before);
    assert.equal(join('removed'), after);
  }
});

test('changed lines: texts too long to compare are replaced as a whole', () => {
  const lines = (word: string): string => Array.from({ length: 3000 }, (_line, index) => `${word}${index}`).join('\n');
  assert.equal(lineChanges(lines('a'), lines('b')).length, 6000);
});

test('parts: what is far from a change is left out and counted', () => {
  const before = Array.from({ length: 30 }, (_line, index) => `line ${index}`);
  const after = before.with(5, 'changed').with(20, 'changed too');
  const parts = changedParts(lineChanges(before.join('\n'), after.join('\n')), 2);
  assert.deepEqual(
    parts.map(({ skipped, lines }) => [skipped, lines.length]),
    [
      [3, 6],
      [10, 6],
    ],
  );
  assert.deepEqual(changedParts(lineChanges('a', 'a')), []);
});

function pseudoText(seed: number): string {
  return Array.from({ length: 1 + (seed % 9) }, (_line, index) => 'abcd'.charAt((seed * (index + 3)) % 4)).join('\n');
}
