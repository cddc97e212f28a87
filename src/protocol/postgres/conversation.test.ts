import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { cutAt } from '../../../test/kit/codec.ts';
import { encodeClientMessage } from './client-messages.ts';
import { Conversation } from './conversation.ts';
import {
  type ConversationLimits,
  DEFAULT_CONVERSATION_LIMITS,
  type Statement,
  type StatementResult,
  type StatementText,
} from './records.ts';
import { clientBytes, serverBytes } from './trace.ts';

/** `F` lines are the client's, `B` lines the database's; `want` is what the observer heard, one line each. */
const rows: readonly { readonly name: string; readonly talk: readonly string[]; readonly want: readonly string[] }[] = [
  {
    name: 'one query',
    talk: ['F Q(select 1)', 'B T D C(SELECT 1) Z(I)'],
    want: ['#1 query "select 1"', '#1 completed rows=1 affected=1 SELECT 1'],
  },
  {
    name: 'several statements in one query',
    talk: [
      'F Q(select 1; select 2; create; insert)',
      'B T D C(SELECT 1) T D D C(SELECT 2) C(CREATE TABLE) C(INSERT 0 2) Z(T)',
    ],
    want: [
      '#1 query "select 1; select 2; create; insert"',
      '#1 completed rows=3 affected=2 INSERT 0 2 [SELECT 1:1|SELECT 2:2|CREATE TABLE:0|INSERT 0 2:0]',
      'tx T',
    ],
  },
  { name: 'empty query', talk: ['F Q()', 'B I Z(I)'], want: ['#1 query ""', '#1 empty rows=0'] },
  {
    name: 'failed query, second of three',
    talk: ['F Q(a; b; c)', 'B C(SELECT 0) E(22012:boom) Z(E)'],
    want: ['#1 query "a; b; c"', '#1 failed rows=0 affected=0 SELECT 0 !22012', 'tx E'],
  },
  {
    name: 'pipeline with an error: what follows is skipped to the Sync',
    talk: ['F P(:a) B(::) E() P(:b) B(::1) E() P(:c) B(::) E() S', 'B 1 2 D D D C(SELECT 3) 1 E(22012:boom) Z(I)'],
    want: [
      '#1 execute "a" ""',
      '#2 execute "b" "" [1]',
      '#3 execute "c" ""',
      '#1 completed rows=3 affected=3 SELECT 3',
      'error bind 22012',
      '#2 skipped rows=0 !22012',
      '#3 skipped rows=0 !22012',
    ],
  },
  {
    name: 'what the client sends after the error arrived is skipped too, Query included',
    talk: ['F P(:a) H', 'B E(42601:syntax)', 'F B(::) E() Q(drop)', 'F S', 'B Z(I)', 'F Q(next)', 'B C(NEXT) Z(I)'],
    want: [
      'error parse 42601',
      '#1 execute ? "" unknown=portal',
      '#1 skipped rows=0 !42601',
      '#2 query "drop"',
      '#2 skipped rows=0 !42601',
      '#3 query "next"',
      '#3 completed rows=0 NEXT',
    ],
  },
  {
    name: 'portal suspension counts rows from DataRow',
    talk: ['F P(s:q) B(p:s:) E(p/2) S', 'B 1 2 D D s Z(T)', 'F E(p/2) S', 'B D C(SELECT 1) Z(T)'],
    want: [
      '#1 execute "q" "p"',
      '#1 suspended rows=2',
      'tx T',
      '#2 execute "q" "p" continued',
      '#2 completed rows=1 affected=1 SELECT 1',
    ],
  },
  {
    name: 'copy in',
    talk: ['F Q(copy t from stdin)', 'B G', 'F d(abc) d(de) c', 'B C(COPY 2) Z(I)'],
    want: ['#1 query "copy t from stdin"', '#1 completed rows=0 affected=2 COPY 2 copy=5'],
  },
  {
    name: 'two copies in one query',
    talk: [
      'F Q(copy a; copy b)',
      'B G',
      'F d(abc) c',
      'B C(COPY 1) G',
      'F d(de) c',
      'B C(COPY 2) Z(I)',
      'F Q(x)',
      'B C(X) Z(I)',
    ],
    want: [
      '#1 query "copy a; copy b"',
      '#1 completed rows=0 affected=2 COPY 2 [COPY 1:0|COPY 2:0] copy=5',
      '#2 query "x"',
      '#2 completed rows=0 X',
    ],
  },
  {
    name: 'copy in fails while the client still sends',
    talk: [
      'F Q(copy t from stdin)',
      'B G',
      'F d(abc)',
      'B E(22P02:bad) Z(I)',
      'F d(de) d(fg) c',
      'F Q(select 1)',
      'B T D C(SELECT 1) Z(I)',
    ],
    want: [
      '#1 query "copy t from stdin"',
      '#1 failed rows=0 !22P02 copy=3',
      '#2 query "select 1"',
      '#2 completed rows=1 affected=1 SELECT 1',
    ],
  },
  {
    name: 'copy in, extended, Sync pipelined behind Execute is ignored by the database',
    talk: ['F P(:copy) B(::) E() S', 'B 1 2 G', 'F d(abc) c S', 'B C(COPY 1) Z(I)', 'F Q(x)', 'B C(X) Z(I)'],
    want: [
      '#1 execute "copy" ""',
      '#1 completed rows=0 affected=1 COPY 1 copy=3',
      '#2 query "x"',
      '#2 completed rows=0 X',
    ],
  },
  {
    name: 'copy in, extended, fails: the queue starts again at the Sync behind',
    talk: ['F P(:copy) B(::) E() S', 'B 1 2 G', 'F d(abc) c S', 'B E(22P02:bad) Z(I)', 'F Q(x)', 'B C(X) Z(I)'],
    want: [
      '#1 execute "copy" ""',
      '#1 failed rows=0 !22P02 copy=3 IN-DOUBT',
      '#2 query "x"',
      '#2 completed rows=0 X IN-DOUBT',
    ],
  },
  {
    name: 'copy in, extended, fails, and no Sync was sent before its end: nothing is in doubt',
    talk: ['F P(:copy) B(::) E() H', 'B 1 2 G', 'F d(abc) c S', 'B E(22P02:bad) Z(I)', 'F Q(x)', 'B C(X) Z(I)'],
    want: ['#1 execute "copy" ""', '#1 failed rows=0 !22P02 copy=3', '#2 query "x"', '#2 completed rows=0 X'],
  },
  {
    name: 'copy in, a Sync during the data is ignored, and the copy fails',
    talk: [
      'F P(:copy) B(::) E()',
      'F H',
      'B 1 2 G',
      'F d(a) S d(b) c S',
      'B E(22P02:bad) Z(I)',
      'F Q(x)',
      'B T D C(X 1) Z(I)',
      'F Q(y)',
      'B C(Y) Z(I)',
    ],
    want: [
      '#1 execute "copy" ""',
      '#1 failed rows=0 !22P02 copy=2 IN-DOUBT',
      '#2 query "x"',
      '#2 completed rows=1 affected=1 X 1 IN-DOUBT',
      '#3 query "y"',
      '#3 completed rows=0 Y IN-DOUBT',
    ],
  },
  {
    name: 'another message during copy in fails it and is lost',
    talk: ['F Q(copy)', 'B G', 'F d(a) Q(lost)', 'B E(08P01:unexpected) Z(I)', 'F Q(x)', 'B C(X) Z(I)'],
    want: [
      '#1 query "copy"',
      '#2 query "lost"',
      '#2 unanswered rows=0 !08P01 IN-DOUBT',
      '#1 failed rows=0 !08P01 copy=1 IN-DOUBT',
      '#3 query "x"',
      '#3 completed rows=0 X IN-DOUBT',
    ],
  },
  {
    name: 'copy out with notices and parameters inside',
    talk: ['F Q(copy t to stdout)', 'B H d(abc) N(hello) d(de) S(TimeZone=UTC) A(7:ch:pay) c C(COPY 2) Z(I)'],
    want: ['#1 query "copy t to stdout"', 'param TimeZone=UTC', '#1 completed rows=0 affected=2 COPY 2 copy=5'],
  },
  {
    name: 'copy both',
    talk: ['F Q(START_REPLICATION)', 'B W d(xx)', 'F d(y)', 'B d(zz)', 'F c', 'B c C(COPY 0) Z(I)'],
    want: ['#1 query "START_REPLICATION"', '#1 completed rows=0 affected=0 COPY 0 copy=5'],
  },
  {
    name: 'function call',
    talk: ['F F(1598:a,null)', 'B V Z(I)'],
    want: ['#1 function oid=1598 [a,null]', '#1 completed rows=0'],
  },
  {
    name: 'function call fails',
    talk: ['F F(1:)', 'B E(42883:no) Z(I)'],
    want: ['#1 function oid=1', '#1 failed rows=0 !42883'],
  },
  {
    name: 'commit fails at Sync',
    talk: ['F P(:a) B(::) E() S', 'B 1 2 C(INSERT 0 1) E(23503:fk) Z(I)', 'F Q(x)', 'B C(X) Z(I)'],
    want: [
      '#1 execute "a" ""',
      '#1 completed rows=0 affected=1 INSERT 0 1',
      'error sync 23503',
      '#2 query "x"',
      '#2 completed rows=0 X',
    ],
  },
  { name: 'shutdown while idle', talk: ['B E(57P01:terminating)'], want: ['error idle 57P01'] },
  {
    name: 'session ends first',
    talk: ['F Q(select pg_sleep)'],
    want: ['#1 query "select pg_sleep"', '#1 unanswered rows=0'],
  },
  {
    name: 'describe of statement and portal',
    talk: ['F P(s:q) DS(s) B(p:s:) DP(p) E(p) S', 'B 1 t(23) T 2 n C(DO) Z(I)'],
    want: ['#1 execute "q" "p"', '#1 completed rows=0 DO'],
  },
  {
    name: 'unnamed statement is destroyed by a simple query',
    talk: ['F P(:q) S', 'B 1 Z(I)', 'F Q(x)', 'B C(X) Z(I)', 'F B(::) E() S', 'B E(26000:none) Z(I)'],
    want: [
      '#1 query "x"',
      '#1 completed rows=0 X',
      '#2 execute ? "" unknown=statement',
      'error bind 26000',
      '#2 skipped rows=0 !26000',
    ],
  },
  {
    name: 'a refused Parse over an existing name leaves the old text',
    talk: [
      'F P(s:evil) S',
      'B 1 Z(I)',
      'F P(s:innocent) S',
      'B E(42P05:exists) Z(I)',
      'F B(:s:) E() S',
      'B 2 C(SELECT 1) Z(I)',
    ],
    want: ['error parse 42P05', '#1 execute "evil" ""', '#1 completed rows=0 affected=1 SELECT 1'],
  },
  {
    name: 'the same, pipelined: uncertain, with the candidate, and the result tells',
    talk: ['F P(s:evil) S', 'B 1 Z(I)', 'F P(s:innocent) S B(:s:) E() S', 'B E(42P05:exists) Z(I) 2 C(SELECT 1) Z(I)'],
    want: [
      '#1 execute "innocent" "" uncertain others=evil',
      'error parse 42P05',
      '#1 completed rows=0 affected=1 SELECT 1 TEXT-REJECTED',
    ],
  },
  {
    name: 'a skipped Close leaves the statement',
    talk: [
      'F P(s:q) S',
      'B 1 Z(I)',
      'F P(:bad) CS(s) S',
      'B E(42601:syntax) Z(I)',
      'F B(:s:) E() S',
      'B 2 C(SELECT 1) Z(I)',
    ],
    want: ['error parse 42601', '#1 execute "q" ""', '#1 completed rows=0 affected=1 SELECT 1'],
  },
  {
    name: 'close forgets',
    talk: ['F P(s:q) CS(s) CS(never) S', 'B 1 3 3 Z(I)', 'F B(:s:) E() S', 'B E(26000:none) Z(I)'],
    want: ['#1 execute ? "" unknown=statement', 'error bind 26000', '#1 skipped rows=0 !26000'],
  },
  {
    name: 'portals end with their transaction',
    talk: ['F P(s:q) B(p:s:) S', 'B 1 2 Z(I)', 'F E(p) S', 'B E(34000:none) Z(I)'],
    want: ['#1 execute ? "p" unknown=portal', '#1 failed rows=0 !34000'],
  },
  {
    name: 'DEALLOCATE ALL forgets, PREPARE turns uncertain',
    talk: [
      'F P(a:x) P(b:y) S',
      'B 1 1 Z(I)',
      'F Q(prepare b)',
      'B C(PREPARE) Z(I)',
      'F B(:b:) E() S',
      'B 2 C(SELECT 1) Z(I)',
      'F Q(deallocate all)',
      'B C(DEALLOCATE ALL) Z(I)',
      'F B(:a:) E() S',
      'B E(26000:none) Z(I)',
    ],
    want: [
      '#1 query "prepare b"',
      '#1 completed rows=0 PREPARE',
      '#2 execute "y" "" uncertain',
      '#2 completed rows=0 affected=1 SELECT 1',
      '#3 query "deallocate all"',
      '#3 completed rows=0 DEALLOCATE ALL',
      '#4 execute ? "" unknown=statement',
      'error bind 26000',
      '#4 skipped rows=0 !26000',
    ],
  },
  { name: 'goodbye', talk: ['F X'], want: ['terminate'] },
];

for (const row of rows) {
  test(`conversation: ${row.name}`, () => {
    assert.deepEqual(
      hear(row.talk, (bytes) => [bytes]),
      row.want,
      'fed line by line',
    );
    assert.deepEqual(
      hear(row.talk, (bytes) => Array.from(bytes, (byte) => Buffer.from([byte]))),
      row.want,
      'fed byte by byte',
    );
    assert.deepEqual(
      hear(row.talk, (bytes) => cutAt(bytes, [3, 7, 8, 21])),
      row.want,
      'fed cut',
    );
  });
}

test('conversation: all bytes come out again, and notification process ids are replaced however the chunk is cut', () => {
  const bytes = serverBytes('A(4711:ch:pay) N(x) A(5:ch:) D*3 A(4711:c:p)');
  const want = serverBytes('A(99:ch:pay) N(x) A(5:ch:) D*3 A(99:c:p)');
  for (let cut = 1; cut < bytes.length; cut += 1) {
    const conversation = new Conversation(
      { statement() {}, result() {} },
      { limits: DEFAULT_CONVERSATION_LIMITS, now: () => 0, mapNotificationPid: (pid) => (pid === 4711 ? 99 : pid) },
    );
    const out = cutAt(bytes, [cut, cut + 2]).map((chunk) => conversation.fromDatabase(chunk));
    assert.deepEqual(Buffer.concat(out), want, `cut at ${cut}`);
    assert.equal(conversation.atDatabaseBoundary, true);
  }
});

test('conversation: a text above the limit is cut, with length and digest of the whole body, and nothing is held back', () => {
  const sql = `select '${'x'.repeat(100_000)}'`;
  const heard: Statement[] = [];
  const conversation = started(
    { maxStatementBytes: 1000 },
    { statement: (statement) => heard.push(statement), result() {} },
  );
  const bytes = clientBytes(`Q(${sql})`);
  for (const chunk of cutAt(bytes, [5, 4096, 70_000])) conversation.fromClient(chunk);
  assert.equal(heard.length, 1);
  assert.deepEqual(heard[0]!.text, { text: sql.slice(0, 1000), bodyBytes: sql.length + 1, sha256: sha(`${sql}\0`) });
});

test('conversation: the last byte of a statement reports it, not an earlier one', () => {
  let heard = 0;
  const conversation = started({}, { statement: () => (heard += 1), result() {} });
  const bytes = clientBytes('Q(delete from t)');
  conversation.fromClient(bytes.subarray(0, -1));
  assert.equal(heard, 0);
  conversation.fromClient(bytes.subarray(-1));
  assert.equal(heard, 1);
});

test('conversation: values by format and type, cut ones with length and digest', () => {
  const heard: Statement[] = [];
  const conversation = started(
    { maxValuesBytes: 40 },
    { statement: (statement) => heard.push(statement), result() {} },
  );
  const types = [23, 16, 25, 17, 2950, 0];
  const uuid = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
  conversation.fromClient(encodeClientMessage({ type: 'Parse', statement: '', sql: 'x', parameterTypes: types }));
  const values = [Buffer.from([0, 0, 1, 0]), Buffer.from([1]), null, Buffer.from([0xab]), uuid, Buffer.alloc(30, 7)];
  conversation.fromClient(
    encodeClientMessage({ type: 'Bind', portal: '', statement: '', formats: [1], values, resultFormats: [] }),
  );
  conversation.fromClient(clientBytes('E() S'));
  assert.deepEqual(heard[0]!.values, {
    values: [
      '256',
      't',
      null,
      '\\xab',
      '00112233-4455-6677-8899-aabbccddeeff',
      { value: `\\x${'07'.repeat(18)}`, bytes: 30, sha256: sha(Buffer.alloc(30, 7)) },
    ],
    count: 6,
  });
});

test('conversation: a Bind above the limit tells the values that fit, how many there were and the digest', () => {
  const heard: Statement[] = [];
  const conversation = started({ maxBindBytes: 64 }, { statement: (statement) => heard.push(statement), result() {} });
  const bind = encodeClientMessage({
    type: 'Bind',
    portal: '',
    statement: '',
    formats: [],
    values: [Buffer.from('a'), Buffer.from('b'), Buffer.alloc(500, 0x63)],
    resultFormats: [],
  });
  conversation.fromClient(Buffer.concat([clientBytes('P(:q)'), bind, clientBytes('E()')]));
  assert.deepEqual(heard[0]!.values, {
    values: ['a', 'b'],
    count: 3,
    sha256: sha(bind.subarray(5)),
    bodyBytes: bind.length - 5,
  });
});

test('conversation: a text that is not UTF-8 loses nothing', () => {
  const heard: Statement[] = [];
  const conversation = started({}, { statement: (statement) => heard.push(statement), result() {} });
  conversation.fromClient(Buffer.concat([Buffer.from([0x51, 0, 0, 0, 8]), Buffer.from([0x61, 0xe4, 0x62, 0])]));
  assert.deepEqual(heard[0]!.text, { text: 'a\u00e4b', encoding: 'latin1', bodyBytes: 4 });
});

test('conversation: above maxPreparedStatements names are not remembered, and none is forgotten for it', () => {
  const heard: string[] = [];
  const conversation = started(
    { maxPreparedStatements: 2 },
    { statement: (statement) => heard.push(statement.unknown ?? statement.text?.text ?? ''), result() {} },
  );
  conversation.fromClient(clientBytes('P(a:one) P(b:two) P(c:three) B(:a:) E() B(:c:) E() S'));
  assert.deepEqual(heard, ['one', 'statement']);
});

test('conversation: memory of remembered texts is bounded and given back', () => {
  const heard: (string | undefined)[] = [];
  const conversation = started(
    { maxRememberedBytes: 20_000 },
    { statement: (statement) => heard.push(statement.unknown), result() {} },
  );
  for (let round = 0; round < 50; round += 1) {
    conversation.fromClient(clientBytes(`P(s:${'x'.repeat(4000)}) B(:s:) E() CS(s) S`));
    conversation.fromDatabase(serverBytes('1 2 C(SELECT 1) 3 Z(I)'));
  }
  assert.deepEqual([...new Set(heard)], [undefined]);
  conversation.fromClient(clientBytes(`P(a:${'x'.repeat(8000)}) P(b:${'x'.repeat(8000)}) B(:b:) E() S`));
  assert.equal(heard.at(-1), 'statement');
});

test('conversation: too many unanswered messages saturate, then are refused', () => {
  const conversation = started({ maxPipelined: 1 }, { statement() {}, result() {} });
  conversation.fromClient(clientBytes('S '.repeat(4096)));
  assert.equal(conversation.saturated, true);
  assert.throws(() => conversation.fromClient(clientBytes('S '.repeat(65_537))), { code: 'PG_PIPELINE_TOO_LONG' });
});

test('conversation: a deep pipeline is answered in order', () => {
  const results: number[] = [];
  const conversation = started({}, { statement() {}, result: (result) => results.push(result.statement.id) });
  conversation.fromClient(clientBytes(`P(s:q) ${'B(:s:1) E() '.repeat(5000)} S`));
  assert.equal(conversation.running, 5000);
  conversation.fromDatabase(serverBytes(`1 ${'2 C(INSERT 0 1) '.repeat(5000)} Z(I)`));
  assert.deepEqual(
    [results.length, results[0], results.at(-1), conversation.idle, conversation.unmatchedAnswers],
    [5000, 1, 5000, true, 0],
  );
});

test('conversation: durations and bytes', () => {
  let now = 100;
  const results: StatementResult[] = [];
  const conversation = new Conversation(
    { statement() {}, result: (result) => results.push(result) },
    { limits: DEFAULT_CONVERSATION_LIMITS, now: () => now },
  );
  conversation.fromClient(clientBytes('P(:q) B(::) E() S'));
  now = 103;
  conversation.fromDatabase(serverBytes('1 2'));
  now = 105;
  conversation.fromDatabase(serverBytes('D'));
  now = 109;
  conversation.fromDatabase(serverBytes('D C(SELECT 2) Z(I)'));
  const want = serverBytes('D D C(SELECT 2)').length;
  assert.deepEqual([results[0]!.firstByteMs, results[0]!.totalMs, results[0]!.bytes], [5, 9, want]);
});

const faults: readonly {
  readonly name: string;
  readonly side: 'client' | 'database';
  readonly hex: string;
  readonly code: string;
}[] = [
  { name: 'a password message', side: 'client', hex: '70 00000005 00', code: 'PG_UNKNOWN_MESSAGE' },
  { name: 'an unknown type', side: 'client', hex: '21 00000004', code: 'PG_UNKNOWN_MESSAGE' },
  { name: 'a length below four', side: 'client', hex: '51 00000003', code: 'PG_BAD_LENGTH' },
  { name: 'a negative length', side: 'client', hex: '64 ffffffff', code: 'PG_BAD_LENGTH' },
  { name: 'a length above one GiB', side: 'client', hex: '64 40000000', code: 'PG_BAD_LENGTH' },
  { name: 'a query without zero', side: 'client', hex: '51 00000006 6162', code: 'PG_QUERY_UNTERMINATED' },
  { name: 'a query with a tail', side: 'client', hex: '51 00000007 610062', code: 'PG_QUERY_TRAILING' },
  {
    name: 'a bind whose value lies about its length',
    side: 'client',
    hex: '42 00000010 0000 0000 0001 00000063 6161',
    code: 'PG_BIND_TOO_SHORT',
  },
  {
    name: 'a bind with a negative value length',
    side: 'client',
    hex: '42 00000010 0000 0000 0001 fffffffe 0000',
    code: 'PG_BIND_BAD_LENGTH',
  },
  { name: 'a close of neither', side: 'client', hex: '43 00000006 5800', code: 'PG_CLOSE_BAD_TARGET' },
  { name: 'authentication in mid-session', side: 'database', hex: '52 00000008 00000000', code: 'PG_UNKNOWN_MESSAGE' },
  {
    name: 'key data in mid-session',
    side: 'database',
    hex: '4b 0000000c 0000000000000000',
    code: 'PG_UNKNOWN_MESSAGE',
  },
];
for (const row of faults) {
  test(`conversation refuses ${row.name} from the ${row.side}`, () => {
    const conversation = started({}, { statement() {}, result() {} });
    const bytes = Buffer.from(row.hex.replaceAll(' ', ''), 'hex');
    assert.throws(() => (row.side === 'client' ? conversation.fromClient(bytes) : conversation.fromDatabase(bytes)), {
      code: row.code,
    });
  });
}

test('conversation: a Parse that is long by its parameter types tells its text alone', () => {
  const heard: StatementText[] = [];
  const conversation = new Conversation(
    { statement() {}, result() {}, parse: ({ text }) => heard.push(text) },
    { limits: DEFAULT_CONVERSATION_LIMITS, now: () => 0 },
  );
  const parameterTypes = Array.from({ length: 17_000 }, () => 23);
  const bytes = encodeClientMessage({ type: 'Parse', statement: 's', sql: 'select 1', parameterTypes });
  conversation.fromClient(bytes);
  assert.deepEqual(heard, [{ text: 'select 1', bodyBytes: bytes.length - 5, sha256: sha(bytes.subarray(5)) }]);
});

function started(
  limits: Partial<ConversationLimits>,
  observer: { statement(statement: Statement): unknown; result(result: StatementResult): unknown },
): Conversation {
  const { statement, result } = observer;
  return new Conversation(
    { statement: (s) => void statement(s), result: (r) => void result(r) },
    { limits: { ...DEFAULT_CONVERSATION_LIMITS, ...limits }, now: () => 0 },
  );
}

function hear(talk: readonly string[], cut: (bytes: Buffer) => readonly Buffer[]): readonly string[] {
  const heard: string[] = [];
  const conversation = new Conversation(
    {
      statement: (statement) => heard.push(sayStatement(statement)),
      result: (result) => heard.push(sayResult(result)),
      error: (error, during) => heard.push(`error ${during} ${error.code}`),
      parameterStatus: (name, value) => heard.push(`param ${name}=${value}`),
      transaction: (status) => heard.push(`tx ${status}`),
      terminate: () => heard.push('terminate'),
    },
    { limits: DEFAULT_CONVERSATION_LIMITS, now: () => 0 },
  );
  for (const line of talk) {
    const fromClient = line.startsWith('F ');
    const bytes = fromClient ? clientBytes(line.slice(2)) : serverBytes(line.slice(2));
    for (const chunk of cut(bytes)) {
      if (fromClient) conversation.fromClient(chunk);
      else conversation.fromDatabase(chunk);
    }
  }
  assert.equal(conversation.unmatchedAnswers, 0);
  conversation.finish();
  assert.equal(conversation.running, 0);
  return heard;
}

function sayStatement(statement: Statement): string {
  const text =
    statement.kind === 'function'
      ? `oid=${statement.functionOid}`
      : statement.text === undefined
        ? '?'
        : JSON.stringify(statement.text.text);
  const values =
    statement.values === undefined || statement.values.count === 0
      ? ''
      : `[${statement.values.values.map(String).join(',')}]`;
  return [
    `#${statement.id}`,
    statement.kind,
    text,
    statement.kind === 'execute' ? JSON.stringify(statement.portalName) : '',
    values,
    statement.unknown === undefined ? '' : `unknown=${statement.unknown}`,
    statement.uncertain ? 'uncertain' : '',
    statement.otherTexts.length === 0 ? '' : `others=${statement.otherTexts.map((other) => other.text).join('|')}`,
    statement.continued ? 'continued' : '',
  ]
    .filter((word) => word !== '')
    .join(' ');
}

function sayResult(result: StatementResult): string {
  return [
    `#${result.statement.id}`,
    result.outcome,
    `rows=${result.rows}`,
    result.affected === undefined ? '' : `affected=${result.affected}`,
    result.tag,
    result.commands.length === 0
      ? ''
      : `[${result.commands.map((command) => `${command.tag}:${command.rows}`).join('|')}]`,
    result.error === undefined ? '' : `!${result.error.code}`,
    result.copyBytes === 0 ? '' : `copy=${result.copyBytes}`,
    result.uncertain && !result.statement.uncertain ? 'IN-DOUBT' : '',
    result.textRejected ? 'TEXT-REJECTED' : '',
  ]
    .filter((word) => word !== '')
    .join(' ');
}

function sha(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
