import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printAgo, printBytes, printCount, printMs, printTime } from './figures.ts';

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

for (const [bytes, want] of [
  [0, '0 B'],
  [1023, '1023 B'],
  [1229, '1.2 KiB'],
  [35_651_584, '34 MiB'],
  [160 * 1024 * 1024, '160 MiB'],
] as const)
  test(`${bytes} bytes are ${want}`, () => assert.equal(printBytes(bytes), want));

test('counts', () => {
  assert.equal(printCount(1, 'row'), '1 row');
  assert.equal(printCount(12_345, 'row'), '12,345 rows');
  assert.equal(printCount(2, 'match', 'matches'), '2 matches');
});

test('times', () => {
  const ms = Date.UTC(2026, 2, 1, 4, 5, 6, 7);
  assert.equal(printTime(ms, 'milliseconds', 'UTC'), '2026-03-01 04:05:06.007');
  assert.equal(printTime(0), '—');
  for (const [ago, want] of [
    [-1, 'just now'],
    [12, '12 s ago'],
    [240, '4 min ago'],
    [7200, '2 h ago'],
    [432_000, '5 d ago'],
  ] as const)
    assert.equal(printAgo(ms - ago * 1000, ms), want);
});
