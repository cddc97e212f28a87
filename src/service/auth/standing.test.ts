import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import { RECHECK_INTERVAL_MS, whileStanding } from './standing.ts';

test('a caller who lost what allowed a stream loses the stream, once', async () => {
  const clock = new ManualClock();
  const told: string[] = [];
  let allowed = true;
  whileStanding(
    () => (allowed ? Promise.resolve() : Promise.reject(new Error('locked'))),
    () => void told.push('ended'),
    clock,
  );
  await clock.advanceSettling(5 * RECHECK_INTERVAL_MS);
  assert.deepEqual(told, []);
  allowed = false;
  await clock.advanceSettling(RECHECK_INTERVAL_MS);
  assert.deepEqual(told, ['ended']);
  await clock.advanceSettling(5 * RECHECK_INTERVAL_MS);
  assert.deepEqual(told, ['ended']);
  assert.equal(clock.pendingTimers, 0);
});

test('a stream that ended is asked about no more, also by a check under way', async () => {
  const clock = new ManualClock();
  const told: string[] = [];
  const { promise, reject } = Promise.withResolvers<void>();
  const standing = whileStanding(
    () => promise,
    () => void told.push('ended'),
    clock,
  );
  await clock.advanceSettling(RECHECK_INTERVAL_MS);
  standing.cancel();
  reject(new Error('too late'));
  await clock.advanceSettling(2 * RECHECK_INTERVAL_MS);
  assert.deepEqual([told, clock.pendingTimers], [[], 0]);
});
