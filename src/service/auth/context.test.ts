import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Slots } from './context.ts';

const full = (): Error => new Error('full');

test('take: refused beyond the limit, a slot is given back once', () => {
  const slots = new Slots(2, full);
  const first = slots.take();
  slots.take();
  assert.throws(() => slots.take(), /full/);
  first();
  first();
  slots.take();
  assert.throws(() => slots.take(), /full/);
});

test('run: waits in line, never more at once than the limit, also after failures', async () => {
  const slots = new Slots(2, full, 3);
  let running = 0;
  let most = 0;
  const work = async (index: number): Promise<number> => {
    running += 1;
    most = Math.max(most, running);
    await Promise.resolve();
    running -= 1;
    if (index === 0) throw new Error('broken');
    return index;
  };
  const outcomes = await Promise.allSettled([0, 1, 2, 3, 4, 5].map((index) => slots.run(() => work(index))));
  assert.equal(most, 2);
  assert.deepEqual(
    outcomes.map((one) => (one.status === 'fulfilled' ? one.value : String(one.reason.message))),
    ['broken', 1, 2, 3, 4, 'full'],
  );
  assert.equal(await slots.run(() => work(6)), 6);
});
