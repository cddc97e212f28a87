import assert from 'node:assert/strict';
import { test } from 'node:test';
import { syntheticLines, SYNTHETIC } from '../../../test/kit/synthetic-audit.ts';
import { silentLog } from '../../telemetry/log.ts';
import { type CountRequest, parseCount } from '../count.ts';
import { temporaryDirectory } from '../fixtures.ts';
import { matches, parseSearch, type SearchRequest } from '../search.ts';
import { readStoredLine, type StoredEvent } from '../stored-event.ts';
import { FileStore } from './file-store.ts';

/** What the index answers is what a look at every event answers: over blocks, the unpacked tail, days open for writing and days open for reading alone. */

const from = Date.UTC(2026, 2, 1);
const events = [...syntheticLines(20_000, { untilMs: from + 3 * 86_400_000 - 1, spanMs: 3 * 86_400_000 - 1, seed: 7 })]
  .map((line) => readStoredLine(line))
  .filter((event): event is StoredEvent => event !== undefined);
const at = (hours: number): string => new Date(from + hours * 3_600_000).toISOString();
const sessionOf = (index: number): string => events[index]?.session ?? '';
const [user = ''] = SYNTHETIC.users;
const rare = SYNTHETIC.users[30] ?? '';

const filters: { name: string; filter: SearchRequest }[] = [
  { name: 'everything', filter: {} },
  { name: 'a time', filter: { from: at(10), to: at(30.5) } },
  { name: 'a time of nothing', filter: { from: at(100), to: at(200) } },
  { name: 'a frequent user', filter: { user } },
  { name: 'a rare user and a time', filter: { user: rare, from: at(5), to: at(60) } },
  {
    name: 'user, database and event',
    filter: { user, database: 'database01', events: ['db.session.query', 'TDB00W'] },
  },
  { name: 'events that are rare', filter: { events: ['TDB00W', 'TDB10W'] } },
  { name: 'a session', filter: { session: sessionOf(12_345) } },
  { name: 'a session and words', filter: { session: sessionOf(4321), text: 'select' } },
  { name: 'a frequent word', filter: { text: SYNTHETIC.frequentWord } },
  { name: 'a rare word', filter: { text: SYNTHETIC.rareWord } },
  { name: 'a phrase', filter: { text: 'delete from orders' } },
  { name: 'a phrase of frequent words that is nowhere', filter: { text: SYNTHETIC.absentPhrase } },
  { name: 'a phrase, a time and a user', filter: { text: 'order by', user: rare, from: at(20), to: at(50) } },
  { name: 'a word and another kind of event', filter: { text: SYNTHETIC.frequentWord, events: ['db.session.result'] } },
];

async function openFilled(directory: string): Promise<FileStore> {
  const store = FileStore.open(directory, silentLog);
  for (let start = 0; start < events.length; start += 3000) await store.write(events.slice(start, start + 3000));
  return store;
}

/** In the store's order: by time, then as they came. */
function expected(filter: SearchRequest): StoredEvent[] {
  const query = parseSearch(filter);
  return events.filter((event) => matches(query, event)).toSorted((a, b) => a.timeMs - b.timeMs);
}

async function pages(store: FileStore, request: SearchRequest): Promise<string[]> {
  const lines: string[] = [];
  for (let cursor = ''; ;) {
    const page = await store.search(parseSearch({ ...request, cursor }));
    lines.push(...page.events);
    if (page.nextCursor === undefined) return lines;
    cursor = page.nextCursor;
  }
}

async function check(store: FileStore): Promise<void> {
  for (const { name, filter } of filters) {
    const want = expected(filter);
    const lines = want.map(({ line }) => line);
    assert.deepEqual(await pages(store, { ...filter, limit: 7000 }), lines, name);
    assert.deepEqual(await pages(store, { ...filter, limit: 7000, descending: true }), lines.toReversed(), `${name}, newest first`); // prettier-ignore
    const first = await store.search(parseSearch({ ...filter, limit: 50, descending: true }));
    assert.deepEqual(first.events, lines.toReversed().slice(0, 50), `${name}, first page`);
    await checkCounts(store, name, { filter }, want);
    const bounded = { ...filter, from: filter.from ?? at(0), to: filter.to ?? at(72) };
    await checkCounts(store, name, { filter: bounded, buckets: 37, groupBy: 'user', top: 5 }, expected(bounded));
    await checkCounts(store, name, { filter, groupBy: 'code' }, want);
  }
}

async function checkCounts(store: FileStore, name: string, request: CountRequest, want: StoredEvent[]): Promise<void> {
  const query = parseCount(request);
  const counts = await store.count(query);
  assert.equal(counts.total, want.length, name);
  const refused = (list: readonly StoredEvent[]): number => list.filter(({ code }) => /[WE]$/.test(code)).length;
  const groups = [...Map.groupBy(want, (event) => (query.groupBy === 'user' ? event.user : event.code) ?? '')]
    .map(([value, list]) => ({ value, count: list.length, refused: refused(list) }))
    .toSorted((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
    .slice(0, query.top);
  assert.deepEqual(counts.groups, query.groupBy === undefined ? [] : groups, name);
  const begins = counts.buckets.map(({ fromMs }) => fromMs);
  for (const [index, bucket] of counts.buckets.entries()) {
    const end = begins[index + 1] ?? query.filter.toMs ?? 0;
    const inside = want.filter(({ timeMs }) => timeMs >= bucket.fromMs && timeMs < end);
    assert.deepEqual([bucket.count, bucket.refused], [inside.length, refused(inside)], `${name}, span ${index}`);
  }
}

test('file store: searches and figures are those of a look at every event', { timeout: 120_000 }, async (t) => {
  const directory = temporaryDirectory(t);
  const written = await openFilled(directory);
  await check(written);
  await written.close();
  const reopened = FileStore.open(directory, silentLog);
  await check(reopened);
  await reopened.close();
});

test('file store: late events of a day that is open for reading are found, whoever reads meanwhile', async (t) => {
  const directory = temporaryDirectory(t);
  const before = FileStore.open(directory, silentLog);
  await before.write(events.slice(0, 9000));
  await before.close();
  const store = FileStore.open(directory, silentLog);
  let seen = 0;
  let busy = true;
  const reading = (async () => {
    while (busy) {
      const { total } = await store.count(parseCount({ filter: {} }));
      assert.ok(total >= seen, 'nothing vanishes');
      seen = total;
      await store.search(parseSearch({ text: 'select', limit: 20 }));
    }
  })();
  for (let start = 9000; start < 12_000; start += 100) await store.write(events.slice(start, start + 100));
  busy = false;
  await reading;
  assert.equal((await store.count(parseCount({ filter: {} }))).total, 12_000);
  await store.close();
});

const wrong: { name: string; request: CountRequest; says: RegExp }[] = [
  { name: 'too many spans', request: { filter: {}, buckets: 501 }, says: /buckets: expected 0 to 500/ },
  { name: 'spans without a time', request: { filter: { from: at(0) }, buckets: 5 }, says: /expected filter\.from and filter\.to/ },
  { name: 'spans of a time that goes back', request: { filter: { from: at(2), to: at(1) }, buckets: 5 }, says: /first before/ },
  { name: 'too many groups', request: { filter: {}, top: 101 }, says: /top: expected 0 to 100/ },
  { name: 'groups by something else', request: { filter: {}, groupBy: 'password' }, says: /group_by: expected one of event, code, user, database/ },
]; // prettier-ignore
for (const row of wrong) {
  test(`count: refused: ${row.name}`, () => {
    assert.throws(() => parseCount(row.request), row.says);
  });
}
