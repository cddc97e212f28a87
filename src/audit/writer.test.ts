import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BugError, LimitError } from '../errors.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import { auditEvent } from './event.ts';
import { openJournal, SESSION, temporaryDirectory } from './fixtures.ts';
import type { Journal } from './journal.ts';
import { checkLine } from './stored-event.ts';
import { INGEST_DEFAULTS } from './ingest.ts';
import { AuditWriter, UidSource, type WriterLimits } from './writer.ts';

const HOST = { cluster_name: 'staging', server_id: 'host-1' };

function writerOn(journal: Journal, clock = new ManualClock(), limits: Partial<WriterLimits> = {}): AuditWriter {
  return new AuditWriter(journal, HOST, { clock }, limits);
}

function written(journal: Journal): Record<string, unknown>[] {
  return journal.segments.flatMap(({ path }) => readFileSync(path, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line))); // prettier-ignore
}

test('recorder: a query event has the documented shape, and Auth takes it', async (t) => {
  const journal = openJournal(temporaryDirectory(t));
  const recorder = writerOn(journal, new ManualClock(Date.UTC(2021, 2, 11, 21, 42, 38, 485))).openSession(SESSION);
  recorder.write('db.session.start', 'TDB00I', { postgres_pid: 42 });
  assert.equal(recorder.writeSerialized('db.session.query', 'TDB02I', '"db_query":"SELECT * FROM test;"'), 1);
  assert.equal(written(journal).length, 0);
  assert.equal(recorder.commit(), 'written');
  const [, query] = written(journal);
  const { uid, ...rest } = query!;
  assert.deepEqual(rest, {
    event: 'db.session.query',
    code: 'TDB02I',
    time: '2021-03-11T21:42:38.485Z',
    ei: 1,
    ...SESSION,
    db_query: 'SELECT * FROM test;',
  });
  assert.match(String(uid), /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-000000000002$/);
  const nowMs = Date.UTC(2021, 2, 12);
  const context = { clusterName: 'staging', hostId: 'host-1', role: 'database', nowMs, ...INGEST_DEFAULTS } as const;
  for (const event of written(journal)) checkLine(JSON.stringify(event), context);
  await journal.close();
});

test('recorder: a field may replace a session constant, never what the recorder sets', async (t) => {
  const journal = openJournal(temporaryDirectory(t));
  const recorder = writerOn(journal).openSession(SESSION);
  recorder.write('db.session.query', 'TDB02I', { db_query: 'x', db_name: 'other' });
  recorder.commit();
  assert.equal(written(journal)[0]?.['db_name'], 'other');
  assert.throws(() => recorder.write('db.session.query', 'TDB02I', { uid: 'mine' }), BugError);
  await journal.close();
});

test('recorder: from a change of the database on, events name the other one', async (t) => {
  const journal = openJournal(temporaryDirectory(t));
  const recorder = writerOn(journal).openSession(SESSION);
  recorder.write('db.session.query', 'TDB02I', { db_query: 'use other' });
  recorder.useDatabase('other');
  recorder.writeSerialized('db.session.result', 'TDB10I', '"query_ei":0');
  recorder.write('db.session.query', 'TDB02I', { db_query: 'drop database other' });
  recorder.useDatabase('');
  recorder.write('db.session.result', 'TDB10I', { query_ei: 2 });
  recorder.commit();
  assert.deepEqual(
    written(journal).map((event) => event['db_name']),
    [SESSION.db_name, 'other', 'other', ''],
  );
  for (const event of written(journal)) assert.equal(event['sid'], SESSION.sid);
  await journal.close();
});

test('recorder: full: what waited is dropped at giving up, results and the end are written from the reserve', async (t) => {
  const clock = new ManualClock();
  const journal = openJournal(temporaryDirectory(t), { maxBytes: 4000, segmentBytes: 1000, reserveBytes: 4000 }, clock);
  const recorder = writerOn(journal, clock, { fullWaitMs: 1000 }).openSession(SESSION);
  let queries = 0;
  for (; ; queries += 1) {
    recorder.write('db.session.query', 'TDB02I', { db_query: `select ${queries}` });
    if (recorder.commit() === 'full') break;
  }
  const outcomes: string[] = [];
  recorder.onSpace((outcome) => outcomes.push(outcome));
  recorder.write('db.session.result', 'TDB10I', { query_ei: queries - 1 });
  assert.equal(recorder.commit(), 'full');
  clock.advance(600);
  recorder.onSpace((outcome) => outcomes.push(outcome));
  clock.advance(400);
  assert.deepEqual(outcomes, ['gave-up', 'gave-up'], 'the wait is counted from the first refusal');
  recorder.write('db.session.end', 'TDB01I', { start_time: 'x', end_time: 'y', reason: 'audit-unavailable' });
  assert.equal(recorder.commit(), 'written');
  const events = written(journal).map(({ event }) => event);
  assert.equal(events.filter((event) => event === 'db.session.query').length, queries);
  assert.deepEqual(events.slice(-2), ['db.session.result', 'db.session.end']);
  await journal.close();
});

test('recorder: an event or a buffer that is too large is refused, in bytes', async (t) => {
  const journal = openJournal(temporaryDirectory(t));
  const recorder = writerOn(journal, new ManualClock(), { maxEventBytes: 2000, maxBufferedBytes: 5000 }).openSession(
    SESSION,
  );
  assert.throws(() => recorder.write('db.session.query', 'TDB02I', { db_query: '語'.repeat(600) }), LimitError);
  const many = (): void => {
    for (;;) recorder.write('db.session.query', 'TDB02I', { db_query: 'x'.repeat(500) });
  };
  assert.throws(many, (error) => error instanceof LimitError && error.code === 'AUDIT_BUFFER_FULL');
  await journal.close();
});

test('writer: an event without a session is in the journal when emit returns', async (t) => {
  const journal = openJournal(temporaryDirectory(t));
  const outcome = writerOn(journal).emit(
    auditEvent('T3007W', { error: 'no certificate', 'addr.remote': '192.0.2.1:1' }),
  );
  assert.equal(outcome, 'written');
  const [event] = written(journal);
  assert.equal(event?.['event'], 'auth');
  assert.equal(event?.['server_id'], 'host-1');
  await journal.close();
});

test('uids: unique, and in order within a source', () => {
  const all = new Set<string>();
  for (let source = 0; source < 100; source += 1) {
    const uids = new UidSource();
    let last = '';
    for (let index = 0; index < 100; index += 1) {
      const uid = uids.next();
      assert.ok(uid > last);
      last = uid;
      all.add(uid);
    }
  }
  assert.equal(all.size, 10_000);
});
