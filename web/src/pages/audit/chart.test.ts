import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEvent } from '../../parts/events/event.ts';
import { barsOf, brushOf, brushSpan, edgeAt, heightsOf, moveEdge, ticksOf, topOf } from './chart.ts';
import { EMPTY_TAIL, joined, MOST_SHOWN, MOST_WAITING, tailReducer } from './tail.ts';

const bars = barsOf(
  [
    { from: '2026-01-01T00:00:00Z', count: 3n, refused: 9n },
    { from: '2026-01-01T01:00:00Z', count: 0n, refused: 0n },
    { from: '2026-01-01T02:00:00Z', count: 17n, refused: 1n },
  ],
  Date.UTC(2026, 0, 1, 3),
);

test('bars join, and never hold more refusals than events', () => {
  assert.deepEqual(
    bars.map(({ fromMs, toMs, refused }) => [toMs - fromMs, refused]),
    [
      [3_600_000, 3],
      [3_600_000, 0],
      [3_600_000, 1],
    ],
  );
  assert.equal(topOf(bars), 20);
  assert.equal(topOf([]), 1);
  const bar = (count: number, refused: number) => ({ fromMs: 0, toMs: 1, count, refused });
  assert.deepEqual(heightsOf(bar(0, 0), 20, 100), { all: 0, refused: 0 });
  assert.deepEqual(heightsOf(bar(10, 5), 20, 100), { all: 50, refused: 25 });
  assert.deepEqual(heightsOf(bar(2, 1), 20_000, 100), { all: 3, refused: 1.5 });
  assert.deepEqual(heightsOf(bar(10, 10), 20, 100), { all: 50, refused: 50 });
});

test('a brush by the mouse takes every bar that it touches, in either direction', () => {
  assert.deepEqual(brushOf(0.1, 0.4, 3), { from: 0, to: 2 });
  assert.deepEqual(brushOf(0.9, 0.5, 3), { from: 1, to: 3 });
  assert.deepEqual(brushOf(0.5, 0.5, 3), { from: 1, to: 2 });
  assert.deepEqual(brushOf(-1, 4, 3), { from: 0, to: 3 });
  assert.deepEqual(brushOf(1, 1, 3), { from: 2, to: 3 });
  assert.deepEqual([edgeAt(-1, 3), edgeAt(0.5, 3), edgeAt(9, 3)], [0, 2, 3]);
  assert.deepEqual(brushSpan({ from: 1, to: 3 }, bars), {
    fromMs: Date.UTC(2026, 0, 1, 1),
    toMs: Date.UTC(2026, 0, 1, 3),
  });
});

test('a brush by the keyboard never becomes empty or leaves the chart', () => {
  assert.deepEqual(moveEdge({ from: 0, to: 3 }, 'from', 9, 3), { from: 2, to: 3 });
  assert.deepEqual(moveEdge({ from: 1, to: 3 }, 'from', -9, 3), { from: 0, to: 3 });
  assert.deepEqual(moveEdge({ from: 1, to: 3 }, 'to', -9, 3), { from: 1, to: 2 });
  assert.deepEqual(moveEdge({ from: 1, to: 2 }, 'to', 9, 3), { from: 1, to: 3 });
});

test('ticks are round, few, and inside', () => {
  for (const span of [10_000, 900_000, 3_600_000, 86_400_000, 7 * 86_400_000, 400 * 86_400_000]) {
    const from = Date.UTC(2026, 0, 5, 7, 8, 9);
    const ticks = ticksOf(from, from + span, 8);
    assert.ok(ticks.length >= 1 && ticks.length <= 9, `${span}: ${ticks.length}`);
    for (const { ms, label } of ticks) assert.ok(ms >= from && ms < from + span && label !== '');
  }
  assert.deepEqual(ticksOf(5, 5, 8), []);
});

const events = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => parseEvent(JSON.stringify({ event: 'x', uid: `${from + index}` })));

test('a live view is newest first, tells each event once, and stays bounded', () => {
  let tail = tailReducer(EMPTY_TAIL, { type: 'events', events: events(0, 3) });
  tail = tailReducer(tail, { type: 'events', events: events(2, 2) });
  assert.deepEqual(
    tail.shown.map(({ uid }) => uid),
    ['3', '2', '1', '0'],
  );
  tail = tailReducer(tail, { type: 'events', events: events(4, MOST_SHOWN) });
  assert.deepEqual([tail.shown.length, tail.dropped, tail.shown[0]?.uid], [MOST_SHOWN, 4, String(MOST_SHOWN + 3)]);
});

test('a paused live view keeps what comes, up to a limit, and shows it when it goes on', () => {
  let tail = tailReducer(tailReducer(EMPTY_TAIL, { type: 'events', events: events(0, 1) }), { type: 'pause' });
  tail = tailReducer(tail, { type: 'events', events: events(1, MOST_WAITING + 5) });
  assert.deepEqual([tail.shown.length, tail.waiting.length, tail.dropped], [1, MOST_WAITING, 5]);
  tail = tailReducer(tail, { type: 'resume' });
  assert.deepEqual([tail.waiting.length, tail.paused, tail.shown[0]?.uid], [0, false, String(MOST_WAITING + 5)]);
  assert.deepEqual(tailReducer(tail, { type: 'clear' }), EMPTY_TAIL);
});

test('live and loaded events join without repeats', () => {
  assert.deepEqual(
    joined(events(2, 2), events(1, 2)).map(({ uid }) => uid),
    ['2', '3', '1'],
  );
});
