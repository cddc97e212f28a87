import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseEvent } from '../../parts/events/event.ts';
import { cell, csvHeader, csvLine } from './csv.ts';
import { exportEvents, exportName, type Page } from './export.ts';

for (const [value, want] of [
  ['plain', '"plain"'],
  ['', '""'],
  ['say "hi", then\nleave', '"say ""hi"", then\nleave"'],
  ['=HYPERLINK("http://x")', `"'=HYPERLINK(""http://x"")"`],
  ['+1', `"'+1"`],
  ['-1', `"'-1"`],
  ['@SUM(A1)', `"'@SUM(A1)"`],
  ['\t=1', `"'\t=1"`],
  ['  =1', `"'  =1"`],
  ['\r\n=cmd|x', `"'\r\n=cmd|x"`],
  ['|calc', `"'|calc"`],
  ['＝1', `"'＝1"`],
  ['a=b', '"a=b"'],
] as const)
  test(`a cell: ${JSON.stringify(value)}`, () => assert.equal(cell(value), want));

test('a line has as many cells as the header, whatever the event holds', () => {
  const event = parseEvent(
    JSON.stringify({
      event: 'db.session.query',
      code: 'TDB02I',
      db_query: '=1,2\n"x"',
      db_query_parameters: ['a', null, 3],
      user: '@x',
    }),
  );
  const line = csvLine(event);
  assert.equal(line.match(/(?:^|,)"(?:[^"]|"")*"/g)?.length, csvHeader().split(',').length);
  assert.ok(line.includes(`"'=1,2\n""x"""`));
  assert.ok(line.includes(`"[""a"",""NULL"",""3""]"`));
  assert.ok(line.endsWith('\r\n'));
});

const line = (n: number): string =>
  JSON.stringify({ event: 'user.login', code: 'T1000I', uid: String(n), time: `2026-01-01T00:00:0${n}Z` });

function source(pages: readonly Page[]): { search: (cursor: string) => Promise<Page>; asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    search: async (cursor) => {
      asked.push(cursor);
      return pages[asked.length - 1] ?? { events: [], nextCursor: '' };
    },
  };
}

async function run(
  pages: readonly Page[],
  limits: { maxEvents?: number; maxBytes?: number; format?: 'csv' | 'jsonl' } = {},
) {
  const { search, asked } = source(pages);
  let text = '';
  const progress: number[] = [];
  const result = await exportEvents(
    search,
    { write: async (more) => void (text += more) },
    {
      format: limits.format ?? 'jsonl',
      maxEvents: limits.maxEvents ?? 100,
      maxBytes: limits.maxBytes ?? 10_000,
      signal: AbortSignal.timeout(5000),
      onProgress: ({ events }) => void progress.push(events),
    },
  );
  return { result, text, asked, progress };
}

test('an export takes page after page', async () => {
  const { result, text, asked, progress } = await run([
    { events: [line(1), line(2)], nextCursor: 'a' },
    { events: [], nextCursor: 'b' },
    { events: [line(3)], nextCursor: '' },
  ]);
  assert.equal(text, `${line(1)}\n${line(2)}\n${line(3)}\n`);
  assert.deepEqual(asked, ['', 'a', 'b']);
  assert.deepEqual(progress, [2, 2, 3]);
  assert.deepEqual([result.events, result.cut, result.lastTime], [3, false, '2026-01-01T00:00:03Z']);
});

test('an export says when it was cut, and only then', async () => {
  const pages = [{ events: [line(1), line(2)], nextCursor: 'a' }];
  assert.equal((await run([{ events: [line(1), line(2)], nextCursor: '' }], { maxEvents: 2 })).result.cut, false);
  assert.equal((await run(pages, { maxEvents: 2 })).result.cut, true);
  const inside = await run([{ events: [line(1), line(2)], nextCursor: '' }], { maxEvents: 1 });
  assert.deepEqual([inside.result.cut, inside.result.events, inside.text], [true, 1, `${line(1)}\n`]);
  assert.equal((await run(pages, { maxBytes: 10 })).result.cut, true);
});

test('an export can be stopped, and a failing page is an error', async () => {
  const sink = { write: async () => {} };
  const options = { format: 'csv', maxEvents: 10, maxBytes: 1000, onProgress: () => {} } as const;
  const stopped = AbortSignal.abort(new Error('stopped'));
  await assert.rejects(exportEvents(source([]).search, sink, { ...options, signal: stopped }), /stopped/);
  const failing = async (): Promise<Page> => Promise.reject(new Error('away'));
  await assert.rejects(exportEvents(failing, sink, { ...options, signal: new AbortController().signal }), /away/);
});

test('the name of the file', () => {
  assert.equal(
    exportName('prod/../x', '2026-01-01T00:00:00.000Z', '', 'csv'),
    'tessera-audit_prod-..-x_2026-01-01T00-00-00Z.csv',
  );
});
