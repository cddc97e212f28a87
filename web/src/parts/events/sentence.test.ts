import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseEvent } from './event.ts';
import { kindGroup, kindLabel, knownEvents, refusalCodes } from './kinds.ts';
import { plainSentence, sentenceOf } from './sentence.ts';

const base = { user: 'alice', db_service: 'orders' };
const rows = [
  {
    of: { ...base, event: 'db.session.start', code: 'TDB00I', db_user: 'reader', db_name: 'shop' },
    want: 'alice opened orders as reader, database shop',
  },
  { of: { ...base, event: 'db.session.start', code: 'TDB00I' }, want: 'alice opened orders' },
  {
    of: {
      ...base,
      event: 'db.session.start',
      code: 'TDB00W',
      db_user: 'root',
      error: 'no role',
      message: 'access denied',
    },
    want: 'alice was not let into orders as root: access denied',
  },
  {
    of: {
      ...base,
      event: 'db.session.end',
      code: 'TDB01I',
      start_time: '2026-01-01T00:00:00Z',
      end_time: '2026-01-01T00:01:05Z',
      statements: 1,
      reason: 'idle',
    },
    want: 'alice’s session with orders ended after 1 min 5 s: 1 statement, idle',
  },
  {
    of: { ...base, event: 'db.session.query', code: 'TDB02I', db_query: 'x' },
    want: 'alice ran a statement on orders',
  },
  {
    of: { ...base, event: 'db.session.query.failed', code: 'TDB02W', error_code: '42P01', error: 'no relation' },
    want: 'The database refused a statement of alice on orders: 42P01 no relation',
  },
  {
    of: { ...base, event: 'db.session.query.failed', code: 'TDB02W', error: 'denied', refused: true },
    want: 'Tessera refused a statement of alice on orders: denied',
  },
  {
    of: { ...base, event: 'db.session.result', code: 'TDB10I', command: 'SELECT 2', rows: 2, duration_ms: 3.25 },
    want: 'orders answered alice: SELECT, 2 rows, 3.3 ms',
  },
  {
    of: { ...base, event: 'db.session.result', code: 'TDB10I', command: 'BEGIN', rows: 0, duration_ms: 0.3 },
    want: 'orders answered alice: BEGIN, 0.3 ms',
  },
  {
    of: { ...base, event: 'db.session.result', code: 'TDB10W', outcome: 'unanswered' },
    want: 'A statement of alice on orders was not answered before the session ended',
  },
  {
    of: { event: 'user.login', code: 'T1000W', user: 'bob', error: 'wrong' },
    want: 'Sign-in of bob was refused: wrong',
  },
  {
    of: { event: 'user.login', code: 'T1000I', user: 'bob', method: 'local', 'addr.remote': '10.0.0.1:55' },
    want: 'bob signed in with a password from 10.0.0.1',
  },
  {
    of: { event: 'lock.created', code: 'TLK00I', user: 'root', name: 'x', target: { user: 'eve' }, message: 'lost' },
    want: 'root locked user eve: lost',
  },
  {
    of: {
      event: 'cert.create',
      code: 'TC000I',
      cert_type: 'user',
      identity: { user: 'alice', route_to_database: { service_name: 'orders', username: 'reader' } },
    },
    want: 'A user certificate was issued for alice for orders as reader',
  },
  { of: { event: 'new.thing', code: 'T9I', user: 'a', message: 'm' }, want: 'new.thing by a: m' },
  { of: { event: 'new.thing', code: 'T9W' }, want: 'new.thing: no reason was told' },
  // Names from outside never reach what objects inherit.
  { of: { event: 'toString', code: 'constructor', outcome: 'valueOf' }, want: 'toString' },
];
for (const { of, want } of rows)
  test(`a sentence: ${want}`, () => assert.equal(plainSentence(parseEvent(JSON.stringify(of))), want));

test('a line that is no event is told, not dropped', () => {
  for (const line of ['', 'null', '[1]', '{', '"x"'])
    assert.equal(plainSentence(parseEvent(line)), 'A line of the log that could not be read');
});

test('what comes from outside is a part of its own, never words of ours', () => {
  const event = parseEvent(
    JSON.stringify({ event: 'db.session.query', code: 'TDB02I', user: '<b>{db}', db_service: '[x]' }),
  );
  assert.deepEqual(sentenceOf(event), [
    { kind: 'user', text: '<b>{db}' },
    { kind: 'words', text: ' ran a statement on ' },
    { kind: 'database', text: '[x]' },
  ]);
});

test('every event of the reference has a label and a sentence of its own', () => {
  const page = readFileSync(join(import.meta.dirname, '../../../../docs/reference/events.md'), 'utf8');
  const documented = [...page.matchAll(/^\| `(\w+)` \| `([\w.]+)` \|/gm)];
  assert.ok(documented.length > 60);
  const known = new Set(knownEvents());
  for (const [, code = '', event = ''] of documented) {
    assert.ok(known.has(event), `${event} is not in kinds.ts`);
    const sentence = plainSentence(parseEvent(JSON.stringify({ event, code })));
    assert.ok(
      !sentence.startsWith(event) || sentence.length > event.length + 20,
      `${code} ${event} has no sentence: ${sentence}`,
    );
    assert.ok(kindLabel(event) !== event);
    assert.notEqual(kindGroup(event), 'Other');
    assert.equal(refusalCodes([event]).includes(code), code.endsWith('W'), `${code} in kinds.ts`);
  }
});
