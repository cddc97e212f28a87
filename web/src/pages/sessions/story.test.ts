import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AuditEvent, parseEvent } from '../../parts/events/event.ts';
import { pastSessions } from './past.ts';
import { rateWords, sparkline, withRates } from './rates.ts';
import { stateOf, storyOf } from './story.ts';

const began = Date.UTC(2026, 0, 1);
function event(
  ei: number,
  name: string,
  code: string,
  fields: Readonly<Record<string, unknown>> = {},
  ms = ei * 100,
): AuditEvent {
  return parseEvent(
    JSON.stringify({
      event: name,
      code,
      ei,
      uid: `u${ei}`,
      sid: 's',
      user: 'alice',
      db_service: 'orders',
      time: new Date(began + ms).toISOString(),
      ...fields,
    }),
  );
}
const start = event(0, 'db.session.start', 'TDB00I', {
  db_user: 'reader',
  db_name: 'shop',
  'addr.remote': '10.0.0.1:1',
});
const query = (ei: number, text: string) => event(ei, 'db.session.query', 'TDB02I', { db_query: text });
const good = (ei: number, of: number, more: object = {}) =>
  event(ei, 'db.session.result', 'TDB10I', { query_ei: of, outcome: 'completed', rows: 2, duration_ms: 5, ...more });

test('a session: answers stand beside their statements, whatever order the events come in', () => {
  const events = [
    event(5, 'db.session.end', 'TDB01I', {
      statements: 2,
      bytes_from_client: 10,
      bytes_from_database: 20,
      closed_by: 'client',
    }),
    good(4, 2, { affected_records: 7, command: 'UPDATE 7' }),
    query(2, 'update t'),
    query(1, 'select 1'),
    good(3, 1),
    start,
    start,
  ];
  const story = storyOf(events);
  assert.equal(story?.entries.length, 2);
  assert.deepEqual(
    story?.entries.map(({ sql, offsetMs, answer }) => [sql, offsetMs, answer?.rows, answer?.command]),
    [
      ['select 1', 100, 2, ''],
      ['update t', 200, 7, 'UPDATE'],
    ],
  );
  assert.deepEqual(
    [story?.databaseUser, story?.databaseName, story?.reason],
    ['reader', 'shop', 'closed by the client'],
  );
  assert.deepEqual(story?.totals, {
    statements: 2,
    failed: 0,
    rows: 9,
    databaseMs: 10,
    bytesFromClient: 10,
    bytesFromDatabase: 20,
  });
});

test('a statement that failed is one entry, with the error of its result', () => {
  const story = storyOf([
    start,
    query(1, 'selec'),
    event(2, 'db.session.query.failed', 'TDB02W', { db_query: 'selec', error: 'syntax', error_code: '42601' }),
    event(3, 'db.session.result', 'TDB10W', { query_ei: 1, outcome: 'failed', error: 'syntax', error_code: '42601' }),
  ]);
  assert.equal(story?.entries.length, 1);
  assert.equal(story?.entries[0]?.answer?.error, 'syntax');
  assert.deepEqual(story?.entries.map(stateOf), ['failed']);
  assert.equal(story?.totals.failed, 1);
  assert.equal(story?.endedMs, undefined);
});

test('what is refused, what fails while it is prepared, and what has no answer are told too', () => {
  const story = storyOf([
    start,
    event(1, 'db.session.query.failed', 'TDB02W', { db_query: 'LOAD DATA', error: 'denied', refused: true }),
    event(2, 'db.session.postgres.statements.parse', 'TPG00I', { query: 'select $1' }),
    event(3, 'db.session.query.failed', 'TDB02W', { db_query: '', message: 'during parse', error: 'no table' }),
    query(4, 'select pg_sleep(9)'),
    event(5, 'client.disconnect', 'T3006I', { reason: 'locked' }),
  ]);
  assert.deepEqual(story?.entries.map(stateOf), ['refused', 'note', 'failed', 'waiting', 'note']);
});

test('sessions without a beginning, or with nothing', () => {
  assert.equal(storyOf([]), undefined);
  const tail = storyOf([event(9, 'db.session.end', 'TDB01I', { start_time: new Date(began).toISOString() })]);
  assert.equal(tail?.startedMs, began);
  const refused = storyOf([event(0, 'db.session.start', 'TDB00W', { error: 'x', message: 'access denied' })]);
  assert.deepEqual([refused?.refused, refused?.reason], [true, 'access denied']);
  const byDatabase = storyOf([
    start,
    event(1, 'db.session.start', 'TDB00W', { message: 'database "x" does not exist' }),
    event(2, 'db.session.end', 'TDB01I', { reason: 'database-refused' }),
  ]);
  assert.deepEqual([byDatabase?.refused, byDatabase?.reason], [true, 'database "x" does not exist']);
});

test('a lock stands where its time falls, although nobody numbered it', () => {
  const lock = { ...event(0, 'lock.created', 'TLK00I', {}, 150), uid: 'lock' };
  const story = storyOf([query(1, 'a'), query(2, 'b'), start, lock, event(3, 'db.session.end', 'TDB01I')]);
  assert.deepEqual(
    story?.entries.map((entry) => entry.event.uid),
    ['u1', 'lock', 'u2'],
  );
});

test('who ended a session, and what they said', () => {
  const lock = (user: string, message: string) => event(7, 'lock.created', 'TLK00I', { user, message });
  const end = event(8, 'db.session.end', 'TDB01I', { reason: 'locked' });
  assert.deepEqual(storyOf([start, lock('root', 'go home'), end])?.terminated, { by: 'root', message: 'go home' });
  assert.equal(storyOf([start, lock('', 'x'), end])?.terminated?.by, 'the Auth machine');
  assert.equal(storyOf([start, lock('root', 'ended by root'), end])?.terminated?.message, '');
  assert.equal(storyOf([start, end])?.terminated, undefined);
});

test('past sessions; a connection that the database refused is one of them, not two', () => {
  const end = event(9, 'db.session.end', 'TDB01I', {
    start_time: new Date(began).toISOString(),
    statements: 3,
    bytes_from_client: 1,
    reason: 'idle',
  });
  const refusal = event(1, 'db.session.start', 'TDB00W', { error: 'no role', sid: 'other' });
  const [ended, refused, ...more] = pastSessions([
    end,
    event(2, 'db.session.end', 'TDB01I', { reason: 'database-refused', sid: 'other' }),
    refusal,
  ]);
  assert.deepEqual(
    [ended?.how, ended?.durationMs, ended?.statements, ended?.bytes, ended?.reason],
    ['cut', 900, 3, 1, 'idle'],
  );
  assert.deepEqual([refused?.how, refused?.durationMs, refused?.reason], ['refused', undefined, 'no role']);
  assert.equal(more.length, 0);
});

test('rates are kept for what is live, and no more than fit', () => {
  let rates = withRates(new Map(), [{ sessionId: 'a', statementsPerSecond: Number.NaN }]);
  for (let index = 0; index < 60; index += 1)
    rates = withRates(rates, [{ sessionId: 'b', statementsPerSecond: index }]);
  assert.deepEqual([...rates.keys()], ['b']);
  assert.equal(rates.get('b')?.length, 40);
  assert.equal(sparkline([1], 10, 10), '');
  assert.equal(sparkline([0, 2], 39, 10), '38,9 39,1');
  assert.deepEqual([0, 0.04, 0.5, 3, 1234].map(rateWords), ['0 / s', '< 0.1 / s', '0.5 / s', '3 / s', '1,234 / s']);
});
