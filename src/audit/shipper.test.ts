import assert from 'node:assert/strict';
import { readFileSync, renameSync, rmSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { silentLog } from '../telemetry/log.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import type { Batch } from './batch.ts';
import { openJournal, temporaryDirectory } from './fixtures.ts';
import type { Journal, JournalOptions } from './journal.ts';
import { type Delivery, Shipper, type ShipperOptions } from './shipper.ts';

const acknowledged: Delivery = { type: 'acknowledged' };
const numbersOf = (batch: Batch) => batch.bytes.toString().split('\n').filter(Boolean).map((line) => Number(JSON.parse(line).n)); // prettier-ignore

type Setup = {
  readonly journal: Journal;
  readonly shipper: Shipper;
  readonly clock: ManualClock;
  readonly received: number[];
  readonly directory: string;
};

function setUp(
  t: TestContext,
  deliver: (numbers: number[], signal: AbortSignal) => Promise<Delivery>,
  options: Partial<ShipperOptions & JournalOptions> = {},
  directory = temporaryDirectory(t),
): Setup {
  const clock = new ManualClock();
  const journal = openJournal(directory, options, clock);
  const received: number[] = [];
  const shipper = new Shipper(journal, options, {
    clock,
    log: silentLog,
    random: () => 0.5,
    deliver: async (batch, signal) => {
      const numbers = numbersOf(batch);
      const delivery = await deliver(numbers, signal);
      if (delivery.type === 'acknowledged') received.push(...numbers);
      return delivery;
    },
  });
  return { journal, shipper, clock, received, directory };
}

function append(journal: Journal, from: number, to: number): void {
  for (let n = from; n < to; n += 1) assert.equal(journal.append(`{"n":${n}}\n`, false), 'written');
}

async function until(clock: ManualClock, condition: () => boolean): Promise<void> {
  // By the real clock: how many turns a file operation takes depends on who else uses the disk.
  const deadline = performance.now() + 20_000;
  while (performance.now() < deadline) {
    if (condition()) return;
    await clock.advanceSettling(50);
    // One turn through the thread pool, so that file operations under way get as many turns as the clock.
    await stat(import.meta.dirname);
  }
  assert.fail('did not happen');
}

async function end({ shipper, journal }: Setup): Promise<void> {
  await shipper.stop();
  await journal.close();
}

const range = (count: number) => Array.from({ length: count }, (_, n) => n);

test('shipper: everything in order, segments deleted after acknowledgement', async (t) => {
  const setup = setUp(t, async () => acknowledged, { maxBatchBytes: 100, segmentBytes: 250, maxBytes: 10_000 });
  append(setup.journal, 0, 50);
  setup.shipper.start();
  await until(setup.clock, () => setup.received.length === 50);
  append(setup.journal, 50, 100);
  assert.ok(setup.shipper.backlogBytes > 0);
  await until(setup.clock, () => setup.shipper.backlogBytes === 0);
  assert.deepEqual(setup.received, range(100));
  assert.ok(setup.journal.segments.length <= 1);
  await end(setup);
});

test('shipper: failures delay, with growing pauses; nothing is lost or reordered; the lag is told', async (t) => {
  let calls = 0;
  const setup = setUp(t, async () => {
    calls += 1;
    if (calls <= 5) throw new Error('auth is away');
    return acknowledged;
  });
  append(setup.journal, 0, 10);
  setup.shipper.start();
  await until(setup.clock, () => calls === 3);
  assert.ok(setup.shipper.lagMs > 0);
  await until(setup.clock, () => setup.received.length === 10);
  assert.deepEqual(setup.received, range(10));
  assert.equal(setup.shipper.lagMs, 0);
  await end(setup);
});

test('shipper: a delivery without an answer is given up after the time and repeated', async (t) => {
  let calls = 0;
  const setup = setUp(
    t,
    () => {
      calls += 1;
      return calls === 1 ? new Promise<Delivery>(() => {}) : Promise.resolve(acknowledged);
    },
    { deliverTimeoutMs: 1000 },
  );
  append(setup.journal, 0, 3);
  setup.shipper.start();
  await until(setup.clock, () => setup.received.length === 3);
  assert.equal(calls, 2);
  await end(setup);
});

test('shipper: poison is singled out, kept in quarantine, and does not hold up the rest', async (t) => {
  const setup = setUp(t, async (numbers) =>
    numbers.some((n) => n === 3 || n === 7) ? { type: 'refused', message: 'bad' } : acknowledged,
  );
  append(setup.journal, 0, 10);
  setup.shipper.start();
  await until(setup.clock, () => setup.shipper.backlogBytes === 0);
  assert.deepEqual(setup.received, [0, 1, 2, 4, 5, 6, 8, 9]);
  const kept = join(setup.directory, 'quarantine', '000000000001.ndjson');
  assert.equal(readFileSync(kept, 'utf8'), '{"n":3}\n{"n":7}\n');
  assert.equal(setup.shipper.quarantinedBytes, 16);
  await end(setup);
  // A person wants it delivered again after the cause is gone.
  renameSync(kept, `${kept}.again`);
  const again = setUp(t, async () => acknowledged, {}, setup.directory);
  again.shipper.start();
  await until(again.clock, () => again.received.length === 2);
  assert.deepEqual(again.received, [3, 7]);
  assert.equal(again.shipper.quarantinedBytes, 0);
  await end(again);
});

test('shipper: when all is refused, the number of attempts is bounded', async (t) => {
  let calls = 0;
  const setup = setUp(
    t,
    async () => {
      calls += 1;
      return { type: 'refused', message: 'unknown cluster' };
    },
    { maxSingledOut: 4 },
  );
  append(setup.journal, 0, 1000);
  setup.shipper.start();
  await until(setup.clock, () => setup.shipper.backlogBytes === 0);
  assert.ok(calls < 60, `${calls} calls`);
  assert.equal(
    readFileSync(join(setup.directory, 'quarantine', '000000000001.ndjson'), 'utf8').split('\n').length,
    1001,
  );
  await end(setup);
});

test('shipper: a restart resumes where the last acknowledgement was', async (t) => {
  const directory = temporaryDirectory(t);
  const first = setUp(
    t,
    async (numbers) => {
      if (numbers.includes(5)) throw new Error('away');
      return acknowledged;
    },
    { maxBatchEvents: 5 },
    directory,
  );
  append(first.journal, 0, 10);
  first.shipper.start();
  await until(first.clock, () => first.received.length === 5);
  await end(first);
  const second = setUp(t, async () => acknowledged, {}, directory);
  second.shipper.start();
  append(second.journal, 10, 12);
  await until(second.clock, () => second.received.length === 7);
  assert.deepEqual(second.received, [5, 6, 7, 8, 9, 10, 11]);
  await end(second);
});

test('shipper: drain does not gather, and tells when the time was not enough', async (t) => {
  let away = true;
  const setup = setUp(t, async () => {
    if (away) throw new Error('away');
    return acknowledged;
  });
  setup.shipper.start();
  append(setup.journal, 0, 3);
  const early = setup.shipper.drain(500);
  await setup.clock.advanceSettling(600);
  assert.equal(await early, false);
  away = false;
  const late = setup.shipper.drain(600_000);
  await until(setup.clock, () => setup.received.length === 3);
  assert.equal(await late, true);
  await end(setup);
});

test('shipper: a segment that somebody removed does not block the ones after it', async (t) => {
  const setup = setUp(t, async () => acknowledged, { segmentBytes: 20, maxBytes: 1000 });
  append(setup.journal, 0, 9);
  rmSync(setup.journal.segments[0]!.path);
  setup.shipper.start();
  await until(setup.clock, () => setup.shipper.backlogBytes === 0);
  assert.deepEqual(setup.received, [3, 4, 5, 6, 7, 8]);
  await end(setup);
});

test('shipper: a full journal gets room without ever restarting', async (t) => {
  const setup = setUp(t, async () => acknowledged, { segmentBytes: 100, maxBytes: 400 });
  let n = 0;
  while (setup.journal.append(`{"n":${n}}\n`, false) === 'written') n += 1;
  setup.shipper.start();
  await until(setup.clock, () => setup.received.length === n);
  assert.equal(setup.journal.append(`{"n":${n}}\n`, false), 'written');
  await end(setup);
});
