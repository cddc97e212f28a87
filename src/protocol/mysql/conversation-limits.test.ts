import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { cutAt, neverBreaks } from '../../../test/kit/codec.ts';
import {
  hold,
  LEGS,
  listener,
  optionsOf,
  testDialogues,
  type LegName,
  type Setting,
} from '../../../test/kit/mysql-dialogue.ts';
import { COM } from './capabilities.ts';
import { Conversation } from './conversation.ts';
import { encodePacket, HEADER_BYTES, MAX_PAYLOAD } from './packet.ts';
import type { Request, Result } from './records.ts';
import { clientBytes, serverBytes } from './trace.ts';

const small = { maxHeldBytes: 64, maxStatementBytes: 16, maxValuesBytes: 16 };
const long = 'x'.repeat(200);

testDialogues('conversation, long commands', [
  {
    name: 'a long text streams, its beginning is kept and its digest told',
    legs: ['new', 'maria'],
    limits: small,
    talk: [`F c(03:${long}) N`, 'B ok | ok'],
    want: ['#1 COM_QUERY "xxxxxxxxxxxxxxxx" cut of 200', '#1 completed rows=0 results=1 affected=0'],
  },
  {
    name: 'a long text behind query attributes, and attributes that are too long themselves',
    legs: ['attributes'],
    limits: small,
    talk: [
      `F c(03:\x01\x01\0\x01\xfd\0\x02id\x03abc${long}) c(03:\x01\x01\0\x01\xfd\0\x02id\xc8${long}sql)`,
      `D c(03:\x01\x01\0\x01\xfd\0\x02id\x03abc${long})`,
      'B ok',
      'C ok | err(1835:HY000:Malformed communication packet: COM_QUERY)',
    ],
    want: [
      '#1 COM_QUERY "xxxxxxxxxxxxxxxx" cut of 200 {id=abc}',
      '#2 COM_QUERY refused 1835',
      '#1 completed rows=0 results=1 affected=0',
    ],
  },
  {
    name: 'a long text that is refused by its beginning is swallowed and answered in its turn',
    legs: ['new'],
    limits: small,
    talk: [
      `F Q(a) Q(use nope; ${long}) Q(b) c(02:${long}) Q(kill 1073741825 # ${long})`,
      'D Q(a) Q(b)',
      'B ok | ok',
      'C ok | err(1044:42000:Access denied to nope) | ok | err(1153:08S01:Got a packet bigger than allowed: COM_INIT_DB of more than maxHeldBytes 64 bytes can not be checked)',
      'C err(1153:08S01:Got a packet bigger than allowed: KILL of more than maxHeldBytes 64 bytes can not be checked)',
    ],
    want: [
      '#1 COM_QUERY "a"',
      '#2 COM_QUERY "use nope; xxxxxx" cut of 210 refused 1044',
      '#3 COM_QUERY "b"',
      '#4 COM_INIT_DB refused 1153',
      '#5 COM_QUERY "kill 1073741825 " cut of 218 kill=1073741825>77 refused 1153',
      '#1 completed rows=0 results=1 affected=0',
      '#3 completed rows=0 results=1 affected=0',
    ],
  },
  {
    name: 'long data and long values are counted, not kept',
    legs: ['new'],
    limits: small,
    talk: [
      'F P(insert ?, ?)',
      'B prep(1,0,2) def*2',
      `F L(1/1:${long}) E(1:${long},long)`,
      'B ok(a=1)',
      `F E(1:a,b,=) E(1:a,${long})`,
      'B ok(a=1) | ok(a=1)',
    ],
    want: [
      '#1 COM_STMT_PREPARE "insert ?, ?"',
      '#1 completed rows=0 results=1',
      '#2 COM_STMT_SEND_LONG_DATA 1 "insert ?, ?" long=1+200',
      '#2 no-answer rows=0 results=0',
      '#3 COM_STMT_EXECUTE 1 "insert ?, ?" [of 2]',
      '#3 completed rows=0 results=1 affected=1',
      '#4 COM_STMT_EXECUTE 1 "insert ?, ?" [a,b]',
      '#5 COM_STMT_EXECUTE 1 "insert ?, ?" [a,of 2]',
      '#4 completed rows=0 results=1 affected=1',
      '#5 completed rows=0 results=1 affected=1',
    ],
  },
]);

test('conversation: M5 a text of 40 MiB goes through in its packets, in bounded memory, and is one request', () => {
  const sql = Buffer.alloc(40 * 1024 * 1024, 'a');
  const { conversation, requests, results } = heard('new');
  const sent = encodePacket(0, Buffer.concat([Buffer.from([COM.COM_QUERY]), sql]));
  let got = 0;
  for (const [index, chunk] of chunksOf(sent, 64 * 1024).entries()) {
    assert.equal(requests.length, 0, `told before its last byte, chunk ${index}`);
    got += conversation.fromClient(chunk).length;
  }
  assert.equal(got, sent.length);
  assert.equal(requests[0]?.text?.bytes, sql.length);
  assert.equal(requests[0]?.text?.sha256, createHash('sha256').update(sql).digest('hex'));
  conversation.fromDatabase(serverBytes('@3 ok(a=1)', LEGS.new));
  assert.equal(results[0]?.outcome, 'completed');
});

for (const extra of [-1, 0, 1]) {
  test(`conversation: M5 a command and a row of 2 * (16 MiB - 1) ${extra} bytes end where they end`, () => {
    const size = 2 * MAX_PAYLOAD + extra;
    const { conversation, requests, results } = heard('new');
    const command = Buffer.alloc(size, 0x20);
    command[0] = COM.COM_QUERY;
    const sent = encodePacket(0, command);
    const next = clientBytes('Q(show warnings)');
    assert.equal(
      pushed(Buffer.concat([sent, next]), (chunk) => conversation.fromClient(chunk)),
      sent.length + next.length,
    );
    assert.deepEqual(
      requests.map(({ text }) => text?.bytes),
      [size - 1, 13],
    );
    const row = Buffer.alloc(size, 0xff);
    row[0] = 0xfe;
    const packets = Math.floor(size / MAX_PAYLOAD) + 1;
    const first = packets;
    const answer = Buffer.concat([
      serverBytes('n(1) def', LEGS.new, first),
      encodePacket(first + 2, row),
      serverBytes('row end | ok', LEGS.new, first + 2 + packets),
    ]);
    assert.equal(
      pushed(answer, (chunk) => conversation.fromDatabase(chunk)),
      answer.length,
    );
    assert.deepEqual(
      results.map(({ rows, outcome }) => [rows, outcome]),
      [
        [2, 'completed'],
        [0, 'completed'],
      ],
    );
    assert.equal(results[0]?.bytes, answer.length - (HEADER_BYTES + 7));
  });
}

test('conversation: a whole chunk that changes nothing goes on as the same Buffer', () => {
  const { conversation } = heard('new');
  const chunk = clientBytes('Q(a) Q(b) N');
  assert.equal(conversation.fromClient(chunk), chunk);
  const answer = serverBytes('n(1) def row*1000 end | ok | ok', LEGS.new);
  assert.equal(conversation.fromDatabase(answer), answer);
});

test('conversation: what the client gets never stands in the middle of a packet when it says so', () => {
  const { conversation } = heard('new');
  conversation.fromClient(clientBytes('Q(a)'));
  let given = Buffer.alloc(0);
  for (const byte of serverBytes('n(1) def row*3 end', LEGS.new)) {
    given = Buffer.concat([given, conversation.fromDatabase(Buffer.from([byte]))]);
    const [whole, next] = wholePackets(given);
    assert.equal(conversation.atDatabaseBoundary, whole);
    if (whole) assert.equal(conversation.nextSequence, next);
  }
});

test('conversation: saturated when too much is unanswered, and a limit above it', () => {
  const { conversation } = heard('new', { limits: { maxPipelined: 3 } });
  conversation.fromClient(clientBytes('N N'));
  assert.equal(conversation.saturated, false);
  conversation.fromClient(clientBytes('c(55)'));
  assert.equal(conversation.saturated, true);
  conversation.fromDatabase(serverBytes('ok', LEGS.new));
  assert.equal(conversation.saturated, false);
  const ping = clientBytes('N');
  assert.throws(() => conversation.fromClient(Buffer.concat(Array.from({ length: 70_000 }, () => ping))), {
    code: 'MYSQL_PIPELINE_TOO_LONG',
  });
});

test('conversation: saturated by the texts of what is unanswered', () => {
  const { conversation } = heard('new', { limits: { maxRememberedBytes: 4096 } });
  conversation.fromClient(clientBytes(`Q(${'a'.repeat(2500)})`));
  assert.equal(conversation.saturated, true);
});

test('conversation: statements above the limits are told as unknown, and closing makes room', () => {
  for (const limits of [{ maxPreparedStatements: 2 }, { maxRememberedBytes: 1024 }]) {
    const { conversation, requests } = heard('new', { limits });
    for (const id of [1, 2, 3, 4]) {
      conversation.fromClient(clientBytes(`P(select ${'x'.repeat(100)} ${id})`));
      conversation.fromDatabase(serverBytes(`prep(${id},0,0)`, LEGS.new));
    }
    conversation.fromClient(clientBytes('C(1) P(again)'));
    conversation.fromDatabase(serverBytes('prep(5,0,0)', LEGS.new));
    requests.length = 0;
    conversation.fromClient(clientBytes('E(2) E(3) E(4) E(5)'));
    assert.deepEqual(
      requests.map(({ unknownStatement }) => unknownStatement ?? false),
      [false, true, true, false],
    );
  }
});

test('conversation: parameters sent ahead are remembered within the budget, and then not believed', () => {
  const { conversation, requests } = heard('new', { limits: { maxRememberedBytes: 2048 } });
  conversation.fromClient(clientBytes('P(p)'));
  conversation.fromDatabase(serverBytes('prep(1,0,100) def*100', LEGS.new));
  for (let index = 0; index < 100; index += 1) conversation.fromClient(clientBytes(`L(1/${index}:x)`));
  requests.length = 0;
  conversation.fromClient(clientBytes(`E(1:${'long,'.repeat(99)}long)`));
  assert.deepEqual(requests[0]?.values?.values, []);
  assert.equal(requests[0]?.values?.count, 100);
});

test('conversation: a million rows cost little', () => {
  const { conversation, results } = heard('new');
  conversation.fromClient(clientBytes('Q(a)'));
  conversation.fromDatabase(serverBytes('n(1) def', LEGS.new));
  // 256 rows number round once, so the same bytes may be sent again and again.
  const block = serverBytes('@3 row*16384', LEGS.new);
  const started = process.cpuUsage();
  for (let index = 0; index < 61; index += 1) conversation.fromDatabase(block);
  const { user } = process.cpuUsage(started);
  conversation.fromDatabase(serverBytes('@3 end', LEGS.new));
  assert.equal(results[0]?.rows, 61 * 16_384);
  assert.ok(user < 1_000_000, `took ${user} microseconds`);
});

const faults: readonly {
  readonly name: string;
  readonly talk: readonly string[];
  readonly code: string;
  readonly leg?: LegName;
}[] = [
  { name: 'a command that does not begin with 0', talk: ['F raw 01000001 0e'], code: 'MYSQL_CLIENT_SEQUENCE' },
  { name: 'a command too short for its fields', talk: ['F raw 02000000 1a01'], code: 'MYSQL_COMMAND_TOO_SHORT' },
  { name: 'an answer to nothing', talk: ['B ok'], code: 'MYSQL_ANSWER_UNASKED' },
  { name: 'a second answer', talk: ['F N', 'B ok | ok'], code: 'MYSQL_ANSWER_UNASKED' },
  { name: 'an answer with a wrong number', talk: ['F N', 'B @2 ok'], code: 'MYSQL_ANSWER_SEQUENCE' },
  { name: 'a row with a wrong number', talk: ['F Q(a)', 'B n(1) def row @9 row'], code: 'MYSQL_ANSWER_SEQUENCE' },
  { name: 'an empty packet for an answer', talk: ['F Q(a)', 'B raw()'], code: 'MYSQL_ANSWER_EMPTY' },
  { name: 'an empty packet among rows', talk: ['F Q(a)', 'B n(1) def row raw()'], code: 'MYSQL_ANSWER_EMPTY' },
  { name: 'a result set without columns', talk: ['F Q(a)', 'B raw(fc0000)'], code: 'MYSQL_COLUMN_COUNT_BAD_COUNT' },
  {
    name: 'a result set of a billion columns',
    talk: ['F Q(a)', 'B raw(fe00ca9a3b00000000)'],
    code: 'MYSQL_COLUMN_COUNT_BAD_COUNT',
  },
  { name: 'a column count with a tail', talk: ['F Q(a)', 'B raw(0101)'], code: 'MYSQL_COLUMN_COUNT_TRAILING' },
  {
    name: 'a column count without its flag',
    talk: ['F Q(a)', 'B n(1)'],
    code: 'MYSQL_COLUMN_COUNT_TOO_SHORT',
    leg: 'maria',
  },
  { name: 'definitions without an EOF', talk: ['F Q(a)', 'B n(1) def row'], code: 'MYSQL_ANSWER_NO_EOF', leg: 'old' },
  {
    name: 'an EOF of three bytes',
    talk: ['F Q(a)', 'B n(1) def eof raw(fe0000)'],
    code: 'MYSQL_ANSWER_BAD_EOF',
    leg: 'old',
  },
  { name: 'rows for a PING', talk: ['F N', 'B n(1)'], code: 'MYSQL_ANSWER_BAD_HEADER' },
  { name: 'an OK cut short', talk: ['F N', 'B raw(0000)'], code: 'MYSQL_OK_TOO_SHORT' },
  { name: 'an error cut short', talk: ['F N', 'B raw(ff)'], code: 'MYSQL_ERR_TOO_SHORT' },
  {
    name: 'a track that lies about its length',
    talk: ['F N', 'B raw(0000000240000000020140)'],
    code: 'MYSQL_TRACK_TOO_SHORT',
  },
  { name: 'a PREPARE answered by rows', talk: ['F P(a)', 'B n(1)'], code: 'MYSQL_PREPARE_OK_BAD_HEADER' },
  {
    name: 'an answer before the end of a file',
    talk: ['F Q(load data local infile 1)', 'B fb(f)', 'B ok'],
    code: 'MYSQL_ANSWER_SEQUENCE',
  },
  {
    name: 'a command behind LOAD DATA LOCAL',
    talk: ['F Q(load data local infile 1) N', 'B fb(f)'],
    code: 'MYSQL_EARLY_COMMAND',
  },
  {
    name: 'half a command behind LOAD DATA LOCAL',
    talk: ['F Q(load data local infile 1)', 'F raw 0100', 'B fb(f)'],
    code: 'MYSQL_EARLY_COMMAND',
  },
  {
    name: 'a file that does not go on counting',
    talk: ['F Q(load data local infile 1)', 'B fb(f)', 'F @3 f(x)'],
    code: 'MYSQL_CLIENT_SEQUENCE',
  },
  { name: 'an answer of 16 MiB', talk: ['F Q(a)', 'B raw-header ffffff01 0a'], code: 'MYSQL_ANSWER_TOO_LONG' },
];
for (const row of faults) {
  test(`conversation: ${row.name} ends the session`, () => {
    const leg = row.leg ?? 'new';
    const setting = { localInfile: true };
    for (const single of [false, true]) {
      const { conversation } = heard(leg, setting);
      const feed = (): void => {
        for (const line of row.talk) {
          const bytes = bytesOf(line, leg);
          for (const chunk of single ? chunksOf(bytes, 1) : [bytes])
            if (line.startsWith('F')) conversation.fromClient(chunk);
            else conversation.fromDatabase(chunk);
        }
      };
      assert.throws(feed, { code: row.code });
      conversation.finish();
    }
  });
}

test('conversation: capabilities under which nothing could be read are refused', () => {
  for (const flags of [0, LEGS.new.flags | 0x20, LEGS.new.flags | (1 << 25)]) {
    const options = { ...optionsOf({}, 'new'), client: { flags, extended: 0 } };
    assert.throws(() => new Conversation(listener([]), options), { code: 'BUG' });
  }
});

test('conversation: random bytes from either side only ever throw the errors of peers', () => {
  const limits = { maxHeldBytes: 128, maxStatementBytes: 32, maxValuesBytes: 32, maxPreparedStatements: 3 };
  const asked = 'Q(a) P(b ?) E(1:x) T(t) S N Q(load data local infile 1)';
  for (const leg of ['old', 'new', 'maria', 'attributes'] as const) {
    const seeds = [clientBytes('Q(use a) I(b) P(select ?) E(1:a,b) L(1/0:x) C(1) K(1073741825) c(11:x) X')];
    neverBreaks((bytes) => drive(leg, { limits }, bytes, Buffer.alloc(0)), { seeds, runs: 150 });
    const answers = [
      serverBytes('n(1) def row end | prep(1,1,1) def*2 | ok(db=a) | def*2 end | text(x) | ok | fb(f)', LEGS[leg]),
      serverBytes(
        'n(1+) def eof row eof(s=8) ok(db=nope,var=redirect_url:x) | prep(1,0,0) | err(1:HY000:x)',
        LEGS[leg],
      ),
    ];
    neverBreaks((bytes) => drive(leg, { limits, localInfile: true }, clientBytes(asked), bytes), {
      seeds: answers,
      runs: 150,
    });
  }
});

test('conversation: any cut of any of two pipelined streams gives the same', () => {
  const talk = [
    'F Q(a) c(11:x) I(nope) P(b) E(1) C(1) N',
    'B n(1) def row*9 end | err(1:HY000:x) | err(2:HY000:y) | ok',
  ];
  const row = { name: 'cuts', talk, want: [] };
  const whole = hold(row, 'new', (bytes) => [bytes]);
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 300 }), { maxLength: 30 }), (cuts) =>
      assert.deepEqual(
        hold(row, 'new', (bytes) => cutAt(bytes, cuts)),
        whole,
      ),
    ),
    { numRuns: 100 },
  );
});

function heard(
  leg: LegName,
  setting: Setting = {},
): { readonly conversation: Conversation; readonly requests: Request[]; readonly results: Result[] } {
  const requests: Request[] = [];
  const results: Result[] = [];
  const conversation = new Conversation(
    { request: (one) => requests.push(one), result: (one) => results.push(one), refused() {} },
    optionsOf(setting, leg),
  );
  return { conversation, requests, results };
}

function drive(leg: LegName, setting: Setting, client: Buffer, database: Buffer): void {
  const { conversation, requests, results } = heard(leg, setting);
  try {
    for (const chunk of chunksOf(client, 7)) conversation.fromClient(chunk);
    for (const chunk of chunksOf(database, 7)) conversation.fromDatabase(chunk);
  } finally {
    conversation.finish();
    assert.equal(results.length, requests.length, 'a request has no result, or two');
  }
}

function pushed(bytes: Buffer, push: (chunk: Buffer) => Buffer): number {
  return chunksOf(bytes, 1_000_003).reduce((sum, chunk) => sum + push(chunk).length, 0);
}

function chunksOf(bytes: Buffer, size: number): readonly Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );
}

function bytesOf(line: string, leg: LegName): Buffer {
  const raw = /^. raw(?:-header)? ([0-9a-f ]+)$/.exec(line)?.[1];
  if (raw !== undefined) return Buffer.from(raw.replaceAll(' ', ''), 'hex');
  return line.startsWith('F') ? clientBytes(line.slice(2)) : serverBytes(line.slice(2), LEGS[leg]);
}

/** Does it end between packets, and the number that would come next. */
function wholePackets(bytes: Buffer): readonly [boolean, number] {
  let at = 0;
  let next = 1;
  while (at < bytes.length) {
    if (bytes.length - at < HEADER_BYTES) return [false, next];
    next = bytes.readUInt8(at + 3) + 1;
    at += HEADER_BYTES + bytes.readUIntLE(at, 3);
  }
  const ended = bytes.length > 5 && bytes.readUInt8(bytes.length - 7) === 0xfe;
  return [at === bytes.length, ended ? 1 : next];
}
