import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { silentLog } from '../../telemetry/log.ts';
import { temporaryDirectory } from '../fixtures.ts';
import { DayIndex } from './day-index.ts';
import { DayIndexer } from './day-indexer.ts';

const SOURCES = ['00000000-0000-8000-8000-', 'ffffffff-ffff-8fff-bfff-'];

test('what is stored is known and nothing else, whatever the order of uids and however far the index is', async (t) => {
  const steps = fc.array(
    fc.record({ source: fc.nat({ max: 1 }), count: fc.nat({ max: 30 }), catchUp: fc.boolean(), restart: fc.boolean() }),
    { maxLength: 40 },
  );
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const directory = temporaryDirectory(t);
      const file = await open(join(directory, 'day.log'), 'a+');
      const index = DayIndex.open(join(directory, 'day.index'));
      let size = 0;
      let indexer = new DayIndexer(index, file, size, { path: 'day.log', log: silentLog });
      const stored = new Set<string>();
      for (const { source, count, catchUp, restart } of list) {
        const uid = `${SOURCES[source]}${count.toString(16).padStart(12, '0')}`;
        assert.equal(indexer.has(uid), stored.has(uid), uid);
        if (!stored.has(uid)) {
          const line = `{"uid":"${uid}","time":"2026-01-01T00:00:00.000Z","event":"e","code":"c"}\n`;
          await file.appendFile(line);
          size += line.length;
          stored.add(uid);
          await indexer.appended([uid], size);
        }
        if (catchUp || restart) await indexer.caughtUp();
        if (!restart) continue;
        await indexer.close();
        indexer = new DayIndexer(index, file, size, { path: 'day.log', log: silentLog });
      }
      await indexer.caughtUp();
      for (const uid of stored) assert.ok(indexer.has(uid));
      await indexer.close();
      index.close();
      await file.close();
    }),
    { numRuns: 40 },
  );
});

test('an index that fails forgets no uid, and is tried again', async (t) => {
  const directory = temporaryDirectory(t);
  const file = await open(join(directory, 'day.log'), 'a+');
  const index = DayIndex.open(join(directory, 'day.index'));
  const indexer = new DayIndexer(index, file, 0, { path: 'day.log', log: silentLog });
  const uids = [1, 2, 3].map((count) => `${SOURCES[0]}${count.toString(16).padStart(12, '0')}`);
  const lines = uids
    .map((uid) => `{"uid":"${uid}","time":"2026-01-01T00:00:00.000Z","event":"e","code":"c"}\n`)
    .join('');
  assert.deepEqual(
    uids.map((uid) => indexer.has(uid)),
    [false, false, false],
  );
  await file.appendFile(lines);
  const commit = index.commit.bind(index);
  index.commit = () => {
    throw new Error('disk full');
  };
  await indexer.appended(uids, lines.length);
  await assert.rejects(indexer.caughtUp(), /disk full/);
  assert.deepEqual(
    uids.map((uid) => indexer.has(uid)),
    [true, true, true],
  );
  index.commit = commit;
  await indexer.caughtUp();
  assert.deepEqual(
    uids.map((uid) => indexer.has(uid)),
    [true, true, true],
  );
  await indexer.close();
  index.close();
  await file.close();
});
