// Every event that a conversation can make, with every field it can have; the recorder holds each against the table of events.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryRecorder } from '../../../test/kit/engine.ts';
import type {
  BoundValues,
  Prepared,
  Request,
  Result,
  ServerError,
  StatementText,
} from '../../protocol/mysql/records.ts';
import { StatementEvents } from './statement-events.ts';

const sha256 = 'a'.repeat(64);
const text: StatementText = { text: 'select "ü"', bytes: 11 };
const cutText: StatementText = { text: 'select ü', encoding: 'latin1', bytes: 100_000, sha256 };
const truncated = { bytes: 100_000, sha256 };
const values: BoundValues = {
  values: [{ value: '1' }, { value: null }, { name: 'n', value: { value: 'x', bytes: 9, sha256 } }],
  count: 5,
  sha256,
  bytes: 100_000,
};
const attributes: BoundValues = { values: [{ name: 'traceparent', value: '00' }, { value: null }], count: 2 };
const error: ServerError = { code: 1146, sqlState: '42S02', message: 'Table "t" does not exist' };
const prepared = (of: StatementText = text): Prepared => ({
  text: of,
  state: 'accepted',
  id: 7,
  parameterCount: 3,
  cache: undefined,
});
const asked = (request: Partial<Request> & Pick<Request, 'command'>): Request => ({
  id: 1,
  startedAtMs: 0,
  ...request,
});
const done: Omit<Result, 'request'> = {
  outcome: 'completed',
  rows: 3,
  resultCount: 1,
  affected: undefined,
  lastInsertId: undefined,
  warnings: 0,
  info: '',
  error: undefined,
  bytes: 120,
  cursor: false,
  firstByteMs: 0.25,
  totalMs: 1.5,
};

const shownValues = ['1', null, { value: 'x', bytes: 9, sha256 }];
const valuesCut = { bytes: 100_000, sha256, count: 5 };
const shownAttributes = [
  { name: 'traceparent', value: '00' },
  { name: '', value: null },
];
const requests: readonly { readonly request: Request; readonly code: string; readonly fields: object }[] = [
  { request: asked({ command: 'COM_QUERY', text }), code: 'TDB02I', fields: { db_query: text.text } },
  {
    request: asked({ command: 'COM_QUERY', text: cutText, attributes, kill: { shownId: 2 ** 30 + 5, realId: 12 } }),
    code: 'TDB02I',
    fields: {
      db_query: cutText.text,
      db_query_truncated: truncated,
      db_query_encoding: 'latin1',
      query_attributes: shownAttributes,
      process_id: 2 ** 30 + 5,
      process_id_in_database: 12,
    },
  },
  {
    request: asked({ command: 'COM_STMT_PREPARE', text: cutText, prepared: prepared(cutText) }),
    code: 'TMY00I',
    fields: { query: cutText.text, query_truncated: truncated, query_encoding: 'latin1' },
  },
  {
    request: asked({ command: 'COM_STMT_EXECUTE', statementId: 7, prepared: prepared(), values, attributes }),
    code: 'TMY01I',
    fields: {
      statement_id: 7,
      db_query: text.text,
      parameters: shownValues,
      parameters_truncated: valuesCut,
      query_attributes: shownAttributes,
    },
  },
  {
    request: asked({ command: 'COM_STMT_EXECUTE', statementId: 9, unknownStatement: true }),
    code: 'TMY01I',
    fields: { statement_id: 9, db_query_unknown: 'statement' },
  },
  {
    request: asked({ command: 'COM_STMT_SEND_LONG_DATA', statementId: 7, longData: { parameter: 2, bytes: 4096 } }),
    code: 'TMY02I',
    fields: { statement_id: 7, parameter_id: 2, data_size: 4096 },
  },
  { request: asked({ command: 'COM_STMT_CLOSE', statementId: 7 }), code: 'TMY03I', fields: { statement_id: 7 } },
  { request: asked({ command: 'COM_STMT_RESET', statementId: 7 }), code: 'TMY04I', fields: { statement_id: 7 } },
  {
    request: asked({ command: 'COM_STMT_FETCH', statementId: 7, rowsAsked: 50 }),
    code: 'TMY05I',
    fields: { statement_id: 7, rows_count: 50 },
  },
  {
    request: asked({ command: 'COM_STMT_BULK_EXECUTE', statementId: 0xffff_ffff, prepared: prepared() }),
    code: 'TMY06I',
    fields: { statement_id: 0xffff_ffff, db_query: text.text },
  },
  { request: asked({ command: 'COM_INIT_DB', databaseName: 'a"b' }), code: 'TMY07I', fields: { schema_name: 'a"b' } },
  { request: asked({ command: 'COM_CREATE_DB', databaseName: 'x' }), code: 'TMY08I', fields: { schema_name: 'x' } },
  { request: asked({ command: 'COM_DROP_DB', databaseName: 'x' }), code: 'TMY09I', fields: { schema_name: 'x' } },
  { request: asked({ command: 'COM_SHUTDOWN' }), code: 'TMY10I', fields: {} },
  {
    request: asked({ command: 'COM_PROCESS_KILL', kill: { shownId: 5, realId: 5 } }),
    code: 'TMY11I',
    fields: { process_id: 5, process_id_in_database: 5 },
  },
  {
    request: asked({ command: 'COM_PROCESS_KILL', argument: '6' }),
    code: 'TMY11I',
    fields: { process_id: 6 },
  },
  { request: asked({ command: 'COM_DEBUG' }), code: 'TMY12I', fields: {} },
  { request: asked({ command: 'COM_REFRESH', argument: '1' }), code: 'TMY13I', fields: { subcommand: '1' } },
  { request: asked({ command: 'COM_REFRESH' }), code: 'TMY13I', fields: {} },
  {
    request: asked({ command: 'COM_FIELD_LIST', argument: 'orders' }),
    code: 'TMY14I',
    fields: { command: 'COM_FIELD_LIST', argument: 'orders' },
  },
  { request: asked({ command: 'COM_STATISTICS' }), code: 'TMY14I', fields: { command: 'COM_STATISTICS' } },
  {
    request: asked({ command: 'COM_RESET_CONNECTION' }),
    code: 'TMY14I',
    fields: { command: 'COM_RESET_CONNECTION' },
  },
];

const plain = { query_ei: 0, outcome: 'completed', rows: 3, bytes: 120, duration_ms: 1.5, database_ms: 0.25 };
const told = { error: error.message, error_code: '1146', sql_state: '42S02' };
const results: readonly { readonly name: string; readonly result: Partial<Result>; readonly fields: object }[] = [
  { name: 'completed', result: {}, fields: plain },
  {
    name: 'with all that an OK can say',
    result: { affected: 2, lastInsertId: 2n ** 63n, warnings: 1, info: 'Rows matched: 2', resultCount: 2 },
    fields: {
      ...plain,
      affected_records: 2,
      last_insert_id: '9223372036854775808',
      warnings: 1,
      info: 'Rows matched: 2',
      result_count: 2,
    },
  },
  { name: 'a cursor', result: { cursor: true }, fields: { ...plain, partial: true } },
  {
    name: 'a file of the client',
    result: { localInfile: { fileName: '/etc/pass"wd', bytes: 0, refused: true } },
    fields: { ...plain, local_infile: { file_name: '/etc/pass"wd', bytes: 0, refused: true } },
  },
  { name: 'failed', result: { outcome: 'failed', error }, fields: { ...plain, outcome: 'failed', ...told } },
  { name: 'unanswered', result: { outcome: 'unanswered' }, fields: { ...plain, outcome: 'unanswered' } },
];

function eventsOf(act: (events: StatementEvents) => void) {
  const recorder = new MemoryRecorder();
  const events = new StatementEvents(recorder);
  act(events);
  recorder.commit();
  return { events, written: recorder.events };
}

test('the current statement is the one asked last, until it is answered; commands that run nothing are none', () => {
  const { events } = eventsOf(() => {});
  const first = asked({ command: 'COM_QUERY', text });
  events.request(first);
  assert.equal(events.current, text.text);
  const execute = asked({ id: 2, command: 'COM_STMT_EXECUTE', prepared: prepared(cutText), statementId: 7 });
  events.request(execute);
  events.result({ ...done, request: first });
  assert.equal(events.current, cutText.text);
  events.request(asked({ id: 3, command: 'COM_STMT_PREPARE', text }));
  assert.equal(events.current, cutText.text);
  events.result({ ...done, request: execute });
  assert.equal(events.current, undefined);
});

for (const { request, code, fields } of requests) {
  const { command } = request;
  const name = `${code} ${command}${request.unknownStatement === true ? ' of an unknown statement' : ''}`;
  test(`an event before it is forwarded: ${name}`, () => {
    const { written, events } = eventsOf((into) => into.request(request));
    const [{ event, ...rest } = { event: '' }] = written;
    assert.deepEqual(rest, { code, ei: 0, ...fields });
    assert.match(event, /^db\.session\.(query|mysql\.[a-z_.]+)$/);
    assert.equal(written.length, 1);
    assert.equal(events.dirty, true);
    assert.equal(events.statements, /QUERY|EXECUTE/.test(command) ? 1 : 0);
  });

  for (const row of results) {
    test(`a result each: ${name}, ${row.name}`, () => {
      const { written } = eventsOf((into) => {
        into.request(request);
        into.result({ ...done, ...row.result, request });
      });
      const { event, ei, code: resultCode, ...rest } = written.at(-1) ?? assert.fail();
      assert.equal(event, 'db.session.result');
      assert.deepEqual(rest, row.fields);
      const good = (row.result.outcome ?? 'completed') === 'completed';
      assert.equal(resultCode, good ? 'TDB10I' : 'TDB10W');
      assert.equal(written.length, row.result.error === undefined ? 2 : 3);
      assert.equal(ei, written.length - 1);
    });
  }

  test(`refused here: ${name}`, () => {
    const { written, events } = eventsOf((into) => into.refused(request, error));
    const [refused] = written;
    assert.equal(written.length, 1, 'no request and no result');
    assert.equal(refused?.code, 'TDB02W');
    assert.equal(refused['refused'], true);
    assert.equal(refused['error_code'], '1146');
    assert.equal(refused['db_query'], (request.prepared?.text ?? request.text)?.text ?? '');
    assert.equal(refused['command'], command === 'COM_QUERY' ? undefined : command);
    assert.equal(refused['schema_name'], request.databaseName);
    assert.equal(refused['process_id'], request.kill?.shownId);
    assert.equal(refused['argument'], request.argument);
    assert.equal(events.statements, 0);
  });
}

test('what has no answer has no result', () => {
  const request = asked({ command: 'COM_STMT_CLOSE', statementId: 7 });
  const { written } = eventsOf((events) => {
    events.request(request);
    events.result({ ...done, outcome: 'no-answer', request });
  });
  assert.deepEqual(
    written.map((event) => event.code),
    ['TMY03I'],
  );
});

test('what ran in place of a request is told with its result', () => {
  const request = asked({ command: 'COM_STMT_EXECUTE', statementId: 0xffff_ffff, text });
  const { written } = eventsOf((events) => {
    events.request(request);
    events.result({ ...done, ranInstead: cutText, request });
    events.result({ ...done, ranInstead: 'unknown', request });
  });
  const [, known, unknown] = written;
  assert.deepEqual(
    [known?.code, known?.['db_query'], known?.['db_query_truncated']],
    ['TDB10W', cutText.text, truncated],
  );
  assert.deepEqual([unknown?.code, unknown?.['db_query_unknown']], ['TDB10W', 'statement']);
});

test('results name their own request, in whatever order they come', () => {
  const first = asked({ command: 'COM_QUERY', text });
  const second = asked({ id: 2, command: 'COM_INIT_DB', databaseName: 'x' });
  const { written } = eventsOf((events) => {
    events.request(first);
    events.request(second);
    events.result({ ...done, request: second });
    events.result({ ...done, outcome: 'failed', error, request: first });
  });
  assert.deepEqual(
    written.map((event) => [event.code, event['query_ei'], event['db_query']]),
    [
      ['TDB02I', undefined, text.text],
      ['TMY07I', undefined, undefined],
      ['TDB10I', 1, undefined],
      ['TDB02W', undefined, text.text],
      ['TDB10W', 0, undefined],
    ],
  );
});

test("a prepared statement's text is escaped once", () => {
  const statement = prepared();
  eventsOf((events) => {
    events.request(asked({ command: 'COM_STMT_PREPARE', text, prepared: statement }));
    const { cache } = statement;
    assert.ok(cache);
    events.request(asked({ command: 'COM_STMT_EXECUTE', statementId: 7, prepared: statement }));
    assert.equal(statement.cache, cache);
  });
});

test('events after a change name the other database', () => {
  const request = asked({ command: 'COM_QUERY', text: { text: 'use other', bytes: 9 } });
  const { written } = eventsOf((events) => {
    events.request(request);
    events.databaseChanged('other');
    events.result({ ...done, request });
  });
  assert.deepEqual(
    written.map((event) => event['db_name']),
    [undefined, 'other'],
  );
});

test('COM_QUIT is not an event', () => {
  const { events, written } = eventsOf((into) => into.quit());
  assert.equal(events.terminated, true);
  assert.deepEqual(written, []);
});
