import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventSummary } from './event-summary.ts';

const rows = [
  { event: { event: 'db.session.query', db_query: 'select 1\n  from t' }, want: 'select 1 from t' },
  { event: { event: 'db.session.query.failed', db_query: 'drop', error: 'denied' }, want: 'drop: denied' },
  {
    event: { event: 'db.session.result', command: 'SELECT 1', rows: 1, duration_ms: 1.234 },
    want: 'SELECT, 1 row, 1.2 ms',
  },
  {
    event: { event: 'db.session.result', outcome: 'unanswered', rows: 0, duration_ms: 2415 },
    want: 'unanswered, 0 rows, 2415 ms',
  },
  {
    event: { event: 'db.session.result', rows: 0, local_infile: { file_name: '/etc/x', bytes: 17, refused: false } },
    want: 'file /etc/x (17 bytes), 0 rows',
  },
  {
    event: { event: 'db.session.result', rows: 0, local_infile: { file_name: '/etc/x', bytes: 0, refused: true } },
    want: 'file /etc/x (refused), 0 rows',
  },
  { event: { event: 'db.session.result', error: 'relation', error_code: '42P01' }, want: '42P01: relation' },
  { event: { event: 'db.session.start', error: 'access denied' }, want: 'access denied' },
  { event: { event: 'lock.created', target: { user: 'alice' }, message: 'lost' }, want: 'user=alice lost' },
  { event: { event: 'cert.create', cert_type: 'db', identity: { hosts: ['a', 'b'] } }, want: 'db a, b' },
  {
    event: {
      event: 'cert.create',
      cert_type: 'user',
      identity: { user: 'alice', route_to_database: { service_name: 'orders', username: 'reader' } },
    },
    want: 'user alice for orders as reader',
  },
  { event: { event: 'join_token.create', roles: ['Db'] }, want: 'for Db' },
  { event: { event: 'client.disconnect', reason: 'idle' }, want: 'idle' },
  { event: 'not an event', want: '' },
];
for (const row of rows)
  test(`what an event is about: ${row.want}`, () => assert.equal(eventSummary(row.event), row.want));
