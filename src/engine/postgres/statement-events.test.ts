// Every event that a conversation can make, with every field it can have; the recorder holds each against the table of events.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryRecorder } from '../../../test/kit/engine.ts';
import type {
  BoundValues,
  Definition,
  ServerError,
  Statement,
  StatementResult,
  StatementText,
} from '../../protocol/postgres/records.ts';
import { StatementEvents } from './statement-events.ts';

const sha256 = 'a'.repeat(64);
const cutText: StatementText = { text: 'select ü', encoding: 'latin1', bodyBytes: 100_000, sha256 };
const values: BoundValues = {
  values: ['1', null, { value: 'x', bytes: 9, sha256 }],
  count: 5,
  sha256,
  bodyBytes: 100_000,
};
const error: ServerError = { severity: 'ERROR', code: '22012', message: 'division by zero' };
const definition: Definition = { name: 's', text: cutText, parameterTypes: [23], state: 'accepted', cache: undefined };
const query: Statement = {
  id: 1,
  kind: 'query',
  text: cutText,
  definition: undefined,
  statementName: '',
  portalName: '',
  values: undefined,
  unknown: undefined,
  uncertain: false,
  otherTexts: [],
  continued: false,
  functionOid: undefined,
  startedAtMs: 0,
};
const execute: Statement = {
  ...query,
  kind: 'execute',
  text: undefined,
  definition,
  statementName: 's',
  portalName: 'p',
  values,
  uncertain: true,
  otherTexts: [{ text: 'select 2', bodyBytes: 10 }],
};
const done: Omit<StatementResult, 'statement'> = {
  outcome: 'completed',
  rows: 3,
  affected: 3,
  tag: 'SELECT 3',
  commandCount: 1,
  commands: [],
  error: undefined,
  bytes: 120,
  copyBytes: 0,
  uncertain: false,
  textRejected: false,
  firstByteMs: 0.25,
  totalMs: 1.5,
  transaction: 'I',
};
const several = {
  commandCount: 2,
  commands: [
    { tag: 'INSERT 0 1', rows: 0, affected: 1 },
    { tag: 'BEGIN', rows: 0, affected: undefined },
  ],
};

const statements: readonly { readonly name: string; readonly statement: Statement }[] = [
  { name: 'a Query whose text was cut', statement: query },
  { name: 'Execute with values, of a name that may mean another text', statement: execute },
  { name: 'Execute of an unknown portal', statement: { ...execute, definition: undefined, unknown: 'portal' } },
  { name: 'a further Execute', statement: { ...execute, continued: true } },
  { name: 'a FunctionCall', statement: { ...query, kind: 'function', text: undefined, functionOid: 1598, values } },
];
const results: readonly { readonly name: string; readonly result: Partial<StatementResult>; readonly code: string }[] =
  [
    { name: 'completed', result: {}, code: 'TDB10I' },
    { name: 'several commands', result: several, code: 'TDB10I' },
    { name: 'COPY', result: { tag: 'COPY 9', copyBytes: 900 }, code: 'TDB10I' },
    { name: 'suspended', result: { outcome: 'suspended', affected: undefined, tag: '' }, code: 'TDB10I' },
    { name: 'failed', result: { outcome: 'failed', error }, code: 'TDB10W' },
    { name: 'skipped', result: { outcome: 'skipped', error }, code: 'TDB10W' },
    { name: 'doubtful', result: { uncertain: true, textRejected: true }, code: 'TDB10I' },
  ];

for (const { name, statement } of statements) {
  for (const row of results) {
    test(`events are as the table says: ${name}, ${row.name}`, () => {
      const recorder = new MemoryRecorder();
      const events = new StatementEvents(recorder);
      events.statement(statement);
      events.result({ ...done, ...row.result, statement });
      recorder.commit();
      assert.equal(recorder.events.at(-1)?.code, row.code);
      assert.equal(recorder.events.length, row.result.outcome === 'failed' ? 3 : 2);
    });
  }
}

test('the current statement is the one asked last, until it is answered', () => {
  const events = new StatementEvents(new MemoryRecorder());
  assert.equal(events.current, undefined);
  const first = { ...query, text: { text: 'select 1', bodyBytes: 9 } };
  events.statement(first);
  assert.equal(events.current, 'select 1');
  events.statement({ ...execute, id: 2 });
  assert.equal(events.current, cutText.text, 'of the prepared statement');
  events.result({ ...done, statement: first });
  assert.equal(events.current, cutText.text, 'an earlier answer changes nothing');
  const unknown = { ...query, id: 3, text: undefined };
  events.statement(unknown);
  assert.equal(events.current, undefined, 'not known');
  events.statement(first);
  events.result({ ...done, statement: first });
  assert.equal(events.current, undefined, 'idle');
});

test('events are as the table says: Parse, Bind, Close, errors outside of statements', () => {
  const recorder = new MemoryRecorder();
  const events = new StatementEvents(recorder);
  events.parse(definition);
  events.bind({ name: 'p', statementName: 's', definition, values });
  events.close('statement', 's');
  events.close('portal', 'p');
  for (const during of ['parse', 'bind', 'describe', 'close', 'sync', 'idle'] as const) events.error(error, during);
  recorder.commit();
  assert.equal(recorder.events.length, 10);
});

test('the check itself: a field that the table does not list fails', () => {
  const recorder = new MemoryRecorder();
  assert.throws(() => recorder.writeSerialized('db.session.query', 'TDB02I', '"db_query":"","surprise":1'), /surprise/);
  assert.throws(() => recorder.writeSerialized('db.session.query', 'TDB02I', '"db_query":1'), /says text/);
  assert.throws(() => recorder.writeSerialized('db.session.query', 'TDB02I', ''), /db_query is missing/);
});
