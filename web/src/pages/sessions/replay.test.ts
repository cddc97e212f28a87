import assert from 'node:assert/strict';
import { test } from 'node:test';
import { advance, neighbour, offsetAt, samePlace, shownAt, timelineOf, toggle } from './replay.ts';

const entries = [
  { offsetMs: 100, durationMs: 50 },
  { offsetMs: 60_000, durationMs: 2000 },
  { offsetMs: 61_000, durationMs: undefined },
];
const whole = timelineOf(entries, { readable: false });
const short = timelineOf(entries, { readable: true });

test('a replay at its own pace keeps every wait, at a readable pace none is long and no statement falls on another', () => {
  assert.deepEqual(
    whole.moments.map(({ atMs }) => atMs),
    [100, 150, 60_000, 61_000, 62_000],
  );
  assert.deepEqual(
    short.moments.map(({ atMs }) => atMs),
    [250, 300, 1800, 2800, 3800],
  );
  assert.deepEqual([whole.lengthMs, short.lengthMs], [62_500, 4300]);
  assert.deepEqual(timelineOf([], { readable: true }), { moments: [], lengthMs: 0 });
});

for (const [at, shown, last] of [
  [0, ['ahead', 'ahead', 'ahead'], -1],
  [270, ['running', 'ahead', 'ahead'], 0],
  [300, ['over', 'ahead', 'ahead'], 0],
  [2850, ['over', 'running', 'over'], 2],
  [4300, ['over', 'over', 'over'], 2],
] as const)
  test(`what is to be seen at ${at} ms`, () => assert.deepEqual(shownAt(short, 3, at), { shown, last }));

test('a position is a moment of the session, in both paces the same', () => {
  assert.equal(offsetAt(whole, 1000), 1000);
  assert.equal(offsetAt(short, 1800), 60_000);
  assert.equal(offsetAt(short, 9999), 62_000);
  assert.equal(samePlace(short, whole, 1800), 60_000);
  assert.equal(samePlace(whole, short, 60_500), 2300);
  assert.equal(samePlace(whole, short, whole.lengthMs), short.lengthMs);
  assert.equal(samePlace(short, whole, 0), 0);
});

test('from statement to statement', () => {
  assert.equal(neighbour(short, 0, 1), 250);
  assert.equal(neighbour(short, 250, 1), 1800);
  assert.equal(neighbour(short, 2800, 1), short.lengthMs);
  assert.equal(neighbour(short, 1800, -1), 250);
  assert.equal(neighbour(short, 50, -1), 0);
});

test('playing goes on by the speed, stops at the end, and begins again', () => {
  const playing = { positionMs: 0, playing: true, speed: 2 };
  assert.deepEqual(advance(playing, 100, 1000), { ...playing, positionMs: 200 });
  assert.deepEqual(advance(playing, 900, 1000), { positionMs: 1000, playing: false, speed: 2 });
  const paused = { ...playing, playing: false };
  assert.equal(advance(paused, 100, 1000), paused);
  assert.deepEqual(toggle({ ...paused, positionMs: 1000 }, 1000), { positionMs: 0, playing: true, speed: 2 });
  assert.equal(toggle(playing, 1000).playing, false);
  assert.equal(toggle(paused, 0).playing, false);
});

test('a long script is stretched by a minute at most', () => {
  const many = Array.from({ length: 6000 }, () => ({ offsetMs: 5, durationMs: undefined }));
  assert.ok(timelineOf(many, { readable: true }).lengthMs <= 61_000);
});
