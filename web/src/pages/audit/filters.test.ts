import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AuditFilters,
  endsNow,
  filterCount,
  filtersOf,
  NO_FILTERS,
  requestOf,
  searchOf,
  spanOf,
  withSpan,
} from './filters.ts';

const now = Date.UTC(2026, 5, 1, 12);

const kept: readonly {
  readonly name: string;
  readonly filters: Partial<AuditFilters>;
  readonly search: Record<string, string>;
}[] = [
  { name: 'the usual view', filters: {}, search: {} },
  { name: 'a preset', filters: { range: '7d' }, search: { range: '7d' } },
  {
    name: 'a span',
    filters: { range: '', from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T00:00:00.000Z' },
    search: { from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T00:00:00.000Z' },
  },
  {
    name: 'everything else',
    filters: { user: 'a&b=c', database: 'orders', text: 'drop table', events: ['user.login', 'auth'], refused: true },
    search: { user: 'a&b=c', database: 'orders', text: 'drop table', events: 'user.login,auth', refused: 'yes' },
  },
  { name: 'a session, of all time', filters: { range: 'all', session: 's-1' }, search: { session: 's-1' } },
  { name: 'a session, of a day', filters: { range: '24h', session: 's-1' }, search: { range: '24h', session: 's-1' } },
];
for (const { name, filters, search } of kept)
  test(`to the address and back: ${name}`, () => {
    const whole = { ...NO_FILTERS, ...filters };
    assert.deepEqual(searchOf(whole), search);
    assert.deepEqual(filtersOf(search), whole);
  });

test('an address that somebody wrote by hand', () => {
  const filters = filtersOf({
    range: 'eternity',
    from: 'yesterday',
    user: 42,
    text: { $: 1 },
    events: 'user.login,<script>,user.login,,',
    refused: 'perhaps',
    other: 'x',
  });
  assert.deepEqual(filters, { ...NO_FILTERS, user: '42', events: ['user.login'] });
  assert.equal(filtersOf({ refused: true }).refused, true);
  assert.equal(filtersOf({ text: 'x'.repeat(5000) }).text.length, 1000);
  assert.equal(filtersOf({ from: '2026-03-01' }).from, '2026-03-01T00:00:00.000Z');
});

test('what the server is asked', () => {
  const request = requestOf({ ...NO_FILTERS, range: '1h', user: 'alice' }, now);
  assert.deepEqual(request, {
    from: '2026-06-01T11:00:00.000Z',
    to: '',
    user: 'alice',
    database: '',
    text: '',
    sessionId: '',
    events: [],
  });
  assert.deepEqual(requestOf({ ...NO_FILTERS, events: ['user.login'], refused: true }, now)?.events, [
    'T1000W',
    'T1001W',
  ]);
  assert.equal(requestOf({ ...NO_FILTERS, events: ['user.create'], refused: true }, now), undefined);
  assert.ok((requestOf({ ...NO_FILTERS, refused: true }, now)?.events.length ?? 0) > 10);
});

test('spans', () => {
  assert.deepEqual(spanOf({ ...NO_FILTERS, range: 'all' }, now), {});
  assert.deepEqual(spanOf({ ...NO_FILTERS, range: '', to: '2026-01-01T00:00:00.000Z' }, now), {
    toMs: Date.UTC(2026, 0, 1),
  });
  const span = withSpan({ ...NO_FILTERS, user: 'x' }, 10_700, 5300);
  assert.deepEqual(
    [span.range, span.from, span.to, span.user],
    ['', '1970-01-01T00:00:05.000Z', '1970-01-01T00:00:11.000Z', 'x'],
  );
  assert.equal(withSpan(NO_FILTERS, 5000, 5000).to, '1970-01-01T00:00:06.000Z');
  assert.equal(endsNow(NO_FILTERS, now), true);
  assert.equal(endsNow({ ...NO_FILTERS, range: '', to: '2026-01-01T00:00:00Z' }, now), false);
  assert.equal(filterCount({ ...NO_FILTERS, user: 'x', refused: true }), 2);
});
