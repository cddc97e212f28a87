import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from './clock.ts';
import { ManualClock } from './manual-clock.ts';

test('manual clock: timers run in order of time, then of making, also those made on the way', () => {
  const clock = new ManualClock(0);
  const seen: string[] = [];
  const say = (name: string) => () => void seen.push(`${name}@${clock.now()}`);
  clock.after(20, say('late'));
  clock.after(10, () => {
    say('first')();
    clock.after(5, say('made on the way'));
  });
  clock.after(10, say('second'));
  clock.after(15, say('never')).cancel();
  clock.advance(20);
  assert.deepEqual(seen, ['first@10', 'second@10', 'made on the way@15', 'late@20']);
  assert.equal(clock.pendingTimers, 0);
});

test('manual clock: the wall clock may jump without timers noticing', () => {
  const clock = new ManualClock(1000);
  let ran = false;
  clock.after(10, () => (ran = true));
  clock.setWallClock(1_000_000);
  assert.equal(ran, false);
  clock.advance(10);
  assert.equal(ran, true);
  assert.equal(clock.now(), 1_000_010);
});

test('clock: an aborted sleep rejects with the reason and leaves no timer', async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const sleeping = clock.sleep(1000, controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(sleeping, /enough/);
  assert.equal(clock.pendingTimers, 0);
  await assert.rejects(clock.sleep(1, controller.signal), /enough/);
});

test('system clock: a delay beyond 24 days does not run at once', async () => {
  let ran = false;
  const timer = systemClock.after(2 ** 31 + 5, () => (ran = true), { background: true });
  await systemClock.sleep(5);
  timer.cancel();
  assert.equal(ran, false);
});
