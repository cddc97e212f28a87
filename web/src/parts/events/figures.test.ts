import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printCount, printMs, printTime } from './figures.ts';

for (const [ms, want] of [
  [Number.NaN, '0 ms'],
  [0.42, '0.4 ms'],
  [9.98, '10 ms'],
  [12.4, '12 ms'],
  [999, '999 ms'],
  [3210, '3.2 s'],
  [45_000, '45 s'],
  [250_000, '4 min 10 s'],
  [3_600_000, '1 h'],
  [7_500_000, '2 h 5 min'],
  [273_600_000, '3 d 4 h'],
] as const)
  test(`${ms} ms is ${want}`, () => assert.equal(printMs(ms), want));

test('counts', () => {
  assert.equal(printCount(1, 'row'), '1 row');
  assert.equal(printCount(12_345, 'row'), '12,345 rows');
  assert.equal(printCount(2, 'match', 'matches'), '2 matches');
});

test('times', () => {
  const ms = Date.UTC(2026, 2, 1, 4, 5, 6, 7);
  assert.equal(printTime(ms, 'milliseconds', 'UTC'), '2026-03-01 04:05:06.007');
  assert.equal(printTime(0), '—');
});
