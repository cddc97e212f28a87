import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import { withQuiet } from './quiet.ts';

/** A source that is fed by hand. */
class Source implements AsyncIterator<{ n: number }> {
  readonly waiting: PromiseWithResolvers<IteratorResult<{ n: number }>>[] = [];
  left = false;
  next(): Promise<IteratorResult<{ n: number }>> {
    const one = Promise.withResolvers<IteratorResult<{ n: number }>>();
    this.waiting.push(one);
    return one.promise;
  }
  async return(): Promise<IteratorResult<{ n: number }>> {
    this.left = true;
    return { done: true, value: undefined };
  }
  [Symbol.asyncIterator](): this {
    return this;
  }
}

test('items pass, silence is said, and the read under way is not lost by it', async () => {
  const clock = new ManualClock();
  const source = new Source();
  const stream = withQuiet(source, { quietMs: () => 100, signal: new AbortController().signal, clock });
  const first = stream.next();
  await clock.advanceSettling(100);
  assert.deepEqual((await first).value, { type: 'quiet' });
  const second = stream.next();
  source.waiting[0]?.resolve({ done: false, value: { n: 1 } });
  assert.deepEqual((await second).value, { n: 1 });
  assert.equal(source.waiting.length, 2);
  await stream.return(undefined);
  assert.equal(source.left, true);
  // A read that fails after we left disturbs nobody.
  source.waiting[1]?.reject(new Error('late'));
  await clock.advanceSettling(0);
  assert.equal(clock.pendingTimers, 0);
});

test('the signal ends it, a fault of the source passes', async () => {
  const clock = new ManualClock();
  const stop = new AbortController();
  const ended = withQuiet(new Source(), { quietMs: () => 100, signal: stop.signal, clock }).next();
  stop.abort();
  assert.equal((await ended).done, true);
  const source = new Source();
  const failed = withQuiet(source, { quietMs: () => 100, signal: new AbortController().signal, clock }).next();
  source.waiting[0]?.reject(new Error('broken'));
  await assert.rejects(failed, /broken/);
  assert.equal(clock.pendingTimers, 0);
});
