import assert from 'node:assert/strict';
import { closeSync, openSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { syntheticLines } from '../../../test/kit/synthetic-audit.ts';
import { silentLog } from '../../telemetry/log.ts';
import { parseCount } from '../count.ts';
import { temporaryDirectory } from '../fixtures.ts';
import { matches, parseSearch } from '../search.ts';
import { readStoredLine, type StoredEvent } from '../stored-event.ts';
import { FileStore } from './file-store.ts';
import { isIndexDamage } from './index-damage.ts';

/** A disk that gives back other bytes than were written: the index is only a convenience, so neither searching nor recording may end by it. */

const untilMs = Date.UTC(2026, 2, 2) - 1;
const events = [...syntheticLines(9000, { untilMs, spanMs: 86_400_000 - 1, seed: 3 })]
  .map((line) => readStoredLine(line))
  .filter((event): event is StoredEvent => event !== undefined);
const [recorded, late] = [events.slice(0, -1), events.slice(-1)];

async function search(store: FileStore): Promise<void> {
  const lines: string[] = [];
  const query = { text: 'select', limit: 10_000 };
  for (let cursor: string | undefined = ''; cursor !== undefined;) {
    const page = await store.search(parseSearch({ ...query, cursor }));
    lines.push(...page.events);
    cursor = page.nextCursor;
  }
  const want = recorded.filter((event) => matches(parseSearch(query), event)).map(({ line }) => line);
  // Not deepEqual: its words about thousands of lines take longer than the test.
  assert.equal(lines.length, want.length);
  assert.equal(new Set([...lines, ...want]).size, want.length);
}

async function count(store: FileStore): Promise<void> {
  assert.equal((await store.count(parseCount({ filter: {}, groupBy: 'user' }))).total, recorded.length);
}

async function write(store: FileStore): Promise<void> {
  assert.equal((await store.write(recorded.slice(0, 500))).length, 0, 'what is there is known');
}

for (const [name, first] of Object.entries({ search, count, write }))
  for (const from of [0.1, 0.45])
    test(`a damaged index is made anew: ${name} comes first, damage from ${from}`, async (t) => {
      const directory = temporaryDirectory(t);
      const before = FileStore.open(directory, silentLog);
      await before.write(recorded);
      await count(before);
      await before.close();
      const path = join(directory, '2026-03-01.index');
      const { size } = statSync(path);
      const file = openSync(path, 'r+');
      writeSync(file, Buffer.alloc(Math.floor(size / 2), 0x5a), 0, undefined, Math.floor((size * from) / 4096) * 4096);
      closeSync(file);

      const store = FileStore.open(directory, silentLog);
      t.after(() => store.close());
      await first(store);
      await search(store);
      await count(store);
      assert.equal((await store.write(late)).length, 1);
      assert.equal((await store.count(parseCount({ filter: {} }))).total, events.length);
    });

test('searches at the same time over one damaged index all get their answer', async (t) => {
  const directory = temporaryDirectory(t);
  const before = FileStore.open(directory, silentLog);
  await before.write(recorded);
  await count(before);
  await before.close();
  const path = join(directory, '2026-03-01.index');
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(Math.floor(statSync(path).size * 0.8), 0x5a), 0, undefined, 4096);
  closeSync(file);
  const store = FileStore.open(directory, silentLog);
  t.after(() => store.close());
  await Promise.all([search(store), count(store), search(store), write(store), count(store)]);
});

test('a full disk, a closed index and a bug are no damage', () => {
  for (const error of [
    new Error('x'),
    Object.assign(new Error('full'), { errcode: 13 }),
    new Error('outer', { cause: Object.assign(new Error('busy'), { errcode: 5 }) }),
    'text',
  ])
    assert.equal(isIndexDamage(error), false);
  assert.ok(isIndexDamage(new Error('outer', { cause: Object.assign(new Error('vtab'), { errcode: 267 }) })));
});
