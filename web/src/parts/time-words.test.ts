import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesWords, countWords, durationWords, relativeWords } from './time-words.ts';

const now = Date.UTC(2026, 0, 15, 12);
const relative: readonly (readonly [offsetMs: number, words: string])[] = [
  [0, 'now'],
  [-9000, 'now'],
  [-20_000, '20 seconds ago'],
  [-60_000, '1 minute ago'],
  [-119_000, '1 minute ago'],
  [7_200_000, 'in 2 hours'],
  [-86_400_000, 'yesterday'],
  [-40 * 86_400_000, 'last month'],
  [-800 * 86_400_000, '2 years ago'],
];
for (const [offset, words] of relative)
  test(`relative: ${offset} ms is "${words}"`, () => assert.equal(relativeWords(now + offset, now), words));

const durations: readonly (readonly [ms: number, words: string])[] = [
  [0, '0 ms'],
  [340, '340 ms'],
  [1500, '1.5 s'],
  [42_000, '42 s'],
  [61_000, '1 min 1 s'],
  [3_600_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [90_000_000, '1 d 1 h'],
  [-1, '–'],
  [Number.NaN, '–'],
];
for (const [ms, words] of durations)
  test(`duration: ${ms} ms is "${words}"`, () => assert.equal(durationWords(ms), words));

test('bytes and counts', () => {
  assert.equal(bytesWords(0), '0 B');
  assert.equal(bytesWords(1023n), '1023 B');
  assert.equal(bytesWords(1536), '1.5 KiB');
  assert.equal(bytesWords(300 * 1024 * 1024), '300 MiB');
  assert.equal(bytesWords(5n * 1024n ** 5n), '5120 TiB');
  assert.equal(countWords(12_034n), '12,034');
});
