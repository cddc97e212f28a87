import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError } from '../../errors.ts';
import { silentLog } from '../../telemetry/log.ts';
import { eventFields, temporaryDirectory } from '../fixtures.ts';
import { parseSearch, type SearchRequest } from '../search.ts';
import { readStoredLine, type StoredEvent } from '../stored-event.ts';
import { FileStore } from './file-store.ts';

function event(fields: Readonly<Record<string, unknown>> = {}): StoredEvent {
  const stored = readStoredLine(JSON.stringify(eventFields(fields)));
  assert.ok(stored);
  return stored;
}

async function found(store: FileStore, request: SearchRequest): Promise<unknown[]> {
  const all: unknown[] = [];
  let cursor = '';
  for (let page = 0; page < 1000; page += 1) {
    const result = await store.search(parseSearch({ ...request, cursor }));
    all.push(...result.events.map((line) => JSON.parse(line).ei));
    if (result.nextCursor === undefined) return all;
    cursor = result.nextCursor;
  }
  assert.fail('pages without end');
}

test('file store: a line an event in the file of its day, 0600; a repeat is not stored again', async (t) => {
  const directory = temporaryDirectory(t);
  const store = FileStore.open(directory, silentLog);
  const first = event({ time: '2026-01-01T23:59:59.999Z' });
  const second = event({ time: '2026-01-02T00:00:00.000Z' });
  assert.equal((await store.write([first, second])).length, 2);
  assert.deepEqual(await store.write([second, first]), []);
  const third = event();
  assert.deepEqual(await store.write([third, third, first]), [third]);
  await store.close();
  assert.equal(readFileSync(join(directory, '2026-01-01.log'), 'utf8'), `${first.line}\n${third.line}\n`);
  assert.equal(readFileSync(join(directory, '2026-01-02.log'), 'utf8'), `${second.line}\n`);
  for (const name of readdirSync(directory).filter((each) => each.startsWith('2026')))
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600, name);
});

test('file store: writes at the same time share a sync and each hears of its own events', async (t) => {
  const store = FileStore.open(temporaryDirectory(t), silentLog);
  const same = event();
  const results = await Promise.all(Array.from({ length: 50 }, () => store.write([event(), same])));
  assert.equal(results.flat().length, 51);
  await store.close();
});

const damages: { name: string; damage: (directory: string) => void; lost?: number }[] = [
  { name: 'the index is gone', damage: (directory) => rmSync(join(directory, '2026-01-01.index')) },
  {
    name: 'the index is no database',
    damage: (directory) => writeFileSync(join(directory, '2026-01-01.index'), 'x'.repeat(10_000)),
  },
  { name: 'the index is of another version', damage: (directory) => sql(directory, 'PRAGMA user_version = 99') },
  {
    name: 'the index is behind (crash between write and commit)',
    damage: (directory) => appendFileSync(join(directory, '2026-01-01.log'), `${event({ ei: 4 }).line}\n`),
  },
  {
    name: 'the index is ahead of the file',
    damage: (directory) =>
      truncateSync(
        join(directory, '2026-01-01.log'),
        readFileSync(join(directory, '2026-01-01.log'), 'utf8').indexOf('\n') + 1,
      ),
    lost: 3,
  },
  {
    name: 'the file was replaced',
    damage: (directory) =>
      writeFileSync(
        join(directory, '2026-01-01.log'),
        [0, 1, 2, 3].map((ei) => `${event({ ei, extra: 'longer than before' }).line}\n`).join(''),
      ),
  },
  {
    name: 'the last line is torn',
    damage: (directory) => appendFileSync(join(directory, '2026-01-01.log'), '{"event":"db.ses'),
  },
  {
    name: 'a line in between is no event',
    damage: (directory) => appendFileSync(join(directory, '2026-01-01.log'), `garbage\n${event({ ei: 4 }).line}\n`),
  },
];
for (const row of damages) {
  test(`file store: after a crash: ${row.name}`, async (t) => {
    const directory = temporaryDirectory(t);
    const before = FileStore.open(directory, silentLog);
    const events = [0, 1, 2, 3].map((ei) => event({ ei, db_query: `select word${ei}` }));
    await before.write(events);
    await before.close();
    row.damage(directory);
    const store = FileStore.open(directory, silentLog);
    const inFile = readFileSync(join(directory, '2026-01-01.log'), 'utf8')
      .split('\n')
      .filter((line) => readStoredLine(line) !== undefined);
    assert.deepEqual(await found(store, {}), inFile.map((line) => JSON.parse(line).ei)); // prettier-ignore
    // Repeats of what the file has are known; what it lost is taken again.
    const again = inFile.map((line) => readStoredLine(line)).filter((stored) => stored !== undefined);
    assert.deepEqual(await store.write(again), []);
    assert.equal((await store.write([event({ ei: 9 })])).length, 1);
    assert.equal((await found(store, {})).length, inFile.length + 1);
    await store.close();
  });
}

function sql(directory: string, text: string): void {
  const database = new DatabaseSync(join(directory, '2026-01-01.index'));
  database.exec(text);
  database.close();
}

const stored = [
  { ei: 0, time: '2026-01-01T00:00:00.000Z', user: 'alice', db_service: 'orders', db_query: 'SELECT * FROM accounts WHERE name = \'O\'\'Brien\'' },
  { ei: 1, time: '2026-01-01T12:00:00.000Z', user: 'bob', db_service: 'orders', db_query: 'delete from "Größe" -- 100%' },
  { ei: 2, time: '2026-01-01T12:00:00.000Z', user: 'alice', db_service: 'billing', sid: 'c31c3969-39fc-4ce4-8cd6-683fa188e002', event: 'db.session.end', code: 'TDB01I', reason: 'client closed' },
  { ei: 3, time: '2026-01-02T00:00:00.000Z', user: 'alice', db_service: 'orders', db_query: 'insert into t values ($1)', db_query_parameters: ['needle in parameters', 4711] },
  { ei: 4, time: '2026-01-03T00:00:00.000Z', user: 'carol', db_service: 'orders', event: 'db.session.start', code: 'TDB00W', error: 'access denied', db_query: undefined },
]; // prettier-ignore
const searches: { name: string; request: SearchRequest; want: number[] }[] = [
  { name: 'everything, oldest first', request: {}, want: [0, 1, 2, 3, 4] },
  { name: 'everything, newest first', request: { descending: true }, want: [4, 3, 2, 1, 0] },
  { name: 'from is inclusive', request: { from: '2026-01-02T00:00:00Z' }, want: [3, 4] },
  { name: 'to is exclusive', request: { to: '2026-01-02' }, want: [0, 1, 2] },
  { name: 'an offset of the time zone counts', request: { from: '2026-01-01T14:00:00+02:00', to: '2026-01-02' }, want: [1, 2] },
  { name: 'user', request: { user: 'alice' }, want: [0, 2, 3] },
  { name: 'user and database', request: { user: 'alice', database: 'orders' }, want: [0, 3] },
  { name: 'session', request: { session: 'c31c3969-39fc-4ce4-8cd6-683fa188e002' }, want: [2] },
  { name: 'session and user of another', request: { session: 'c31c3969-39fc-4ce4-8cd6-683fa188e002', user: 'bob' }, want: [] },
  { name: 'a session that is not there', request: { session: 'x' }, want: [] },
  { name: 'a name of another kind is not mixed up', request: { user: 'orders' }, want: [] },
  { name: 'event by name', request: { events: ['db.session.end'] }, want: [2] },
  { name: 'event by code', request: { events: ['TDB00W'] }, want: [4] },
  { name: 'any of several events', request: { events: ['db.session.end', 'TDB00W'] }, want: [2, 4] },
  { name: 'a word, whatever its case', request: { text: 'ACCOUNTS' }, want: [0] },
  { name: 'a phrase', request: { text: 'from accounts' }, want: [0] },
  { name: 'words in another order are no phrase', request: { text: 'accounts from' }, want: [] },
  { name: 'a word with accents, written without', request: { text: 'große' }, want: [1] },
  { name: 'bind values', request: { text: 'needle in parameters' }, want: [3] },
  { name: 'a number among bind values', request: { text: '4711' }, want: [3] },
  { name: 'other fields', request: { text: 'access denied' }, want: [4] },
  { name: 'words and user, newest first', request: { text: 'orders', user: 'alice', descending: true }, want: [3, 0] },
  { name: 'quotes are no syntax', request: { text: 'name = \'O\'\'Brien\'' }, want: [0] },
  { name: 'an operator is a word', request: { text: 'accounts OR delete' }, want: [] },
  { name: 'NEAR is a word', request: { text: 'NEAR(select accounts)' }, want: [] },
  { name: 'a column filter is words', request: { text: 'body: select' }, want: [] },
  { name: 'a prefix star is nothing', request: { text: 'acc*' }, want: [] },
  { name: 'a double quote does not end the phrase', request: { text: 'accounts" OR body:"delete' }, want: [] },
  { name: 'a zero byte is nothing', request: { text: 'from\0 accounts' }, want: [0] },
  { name: 'SQL in a user is a name', request: { user: "alice' OR '1'='1" }, want: [] },
  { name: 'SQL in an event is a name', request: { events: ["x') OR ('1'='1"] }, want: [] },
]; // prettier-ignore
test('file store: search', async (t) => {
  const store = FileStore.open(temporaryDirectory(t), silentLog);
  await store.write(stored.map(event));
  for (const row of searches) {
    await t.test(row.name, async () => {
      assert.deepEqual(await found(store, row.request), row.want);
      assert.deepEqual(await found(store, { ...row.request, limit: 1 }), row.want, 'the same a page at a time');
      assert.deepEqual(await found(store, { ...row.request, limit: 2 }), row.want, 'the same two at a time');
    });
  }
  await store.close();
});

test('file store: search over more than one window and page, all in order', async (t) => {
  const store = FileStore.open(temporaryDirectory(t), silentLog);
  const events = Array.from({ length: 21_000 }, (_, ei) => event({ ei, time: new Date(Date.UTC(2026, 0, 1) + (ei * 7919) % 21_000).toISOString(), db_query: ei % 1000 === 0 ? 'rare' : 'usual' })); // prettier-ignore
  for (let start = 0; start < events.length; start += 7000) await store.write(events.slice(start, start + 7000));
  const inOrder = events.toSorted((a, b) => a.timeMs - b.timeMs).map(({ line }) => JSON.parse(line).ei);
  assert.deepEqual(await found(store, { limit: 10_000 }), inOrder);
  assert.deepEqual(await found(store, { limit: 10_000, descending: true }), inOrder.toReversed());
  const rare = inOrder.filter((ei) => ei % 1000 === 0);
  assert.deepEqual(await found(store, { text: 'rare' }), rare);
  assert.deepEqual(await found(store, { text: 'rare', limit: 7, descending: true }), rare.toReversed());
  await store.close();
});

test('file store: a page is bounded in bytes, a single large line still comes', async (t) => {
  const store = FileStore.open(temporaryDirectory(t), silentLog);
  const large = Array.from({ length: 9 }, (_, ei) => event({ ei, db_query: 'x'.repeat(900_000) }));
  await store.write([...large, event({ ei: 9, db_query: 'y'.repeat(5_000_000) })]);
  const page = await store.search(parseSearch({}));
  assert.equal(page.events.length, 4);
  assert.deepEqual(await found(store, {}), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await store.close();
});

test('file store: any text is a search, never a syntax error', async (t) => {
  const store = FileStore.open(temporaryDirectory(t), silentLog);
  await store.write([event({ ei: 1, db_query: 'select 1' })]);
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 40 }), async (text) => {
      try {
        await store.search(parseSearch({ text }));
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
      }
    }),
  );
  await store.close();
});
