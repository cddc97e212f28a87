import assert from 'node:assert/strict';
import { test } from 'node:test';
import { figuresOf, isThere, lagOf, lastDay } from './figures.ts';

test('the last day ends at the next full five minutes and is the same question until then', () => {
  const at = Date.UTC(2026, 0, 1, 12, 1);
  assert.deepEqual(lastDay(at), { from: '2025-12-31T12:05:00.000Z', to: '2026-01-01T12:05:00.000Z' });
  assert.deepEqual(lastDay(at + 200_000), lastDay(at));
  assert.notDeepEqual(lastDay(at + 300_000), lastDay(at));
});

test('figures add up what belongs together and know zero', () => {
  const groups = [
    { value: 'T1000I', count: 3n },
    { value: 'T1001I', count: 4n },
    { value: 'T1000W', count: 2n },
    { value: 'TDB00W', count: 5n },
    { value: 'TDB02I', count: 99n },
  ];
  assert.deepEqual(figuresOf(groups), { signIns: 7, signInsRefused: 2, sessions: 0, sessionsRefused: 5 });
});

test('lag is the worst, backlog the sum; away after a minute of silence', () => {
  const services = [
    { auditBacklogBytes: 10n, auditLagMilliseconds: 400n },
    { auditBacklogBytes: 5n, auditLagMilliseconds: 900n },
  ];
  assert.deepEqual(lagOf(services), { milliseconds: 900, backlogBytes: 15n });
  assert.deepEqual(lagOf([]), { milliseconds: 0, backlogBytes: 0n });
  const now = Date.UTC(2026, 0, 1);
  assert.ok(isThere(new Date(now - 59_000).toISOString(), now));
  assert.ok(!isThere(new Date(now - 61_000).toISOString(), now));
  assert.ok(!isThere('', now));
});
