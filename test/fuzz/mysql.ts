import assert from 'node:assert/strict';
import { TesseraError } from '../../src/errors.ts';
import { commandName, SERVER_STATUS } from '../../src/protocol/mysql/capabilities.ts';
import { Conversation } from '../../src/protocol/mysql/conversation.ts';
import { MAX_PAYLOAD } from '../../src/protocol/mysql/packet.ts';
import type { LegCapabilities } from '../../src/protocol/mysql/records.ts';
import { clientBytes, serverBytes } from '../../src/protocol/mysql/trace.ts';
import { LEGS, type LegName, optionsOf } from '../kit/mysql-dialogue.ts';
import type { FuzzTarget } from './targets.ts';

const setting = {
  localInfile: true,
  limits: {
    maxStatementBytes: 64,
    maxValuesBytes: 32,
    maxHeldBytes: 96,
    maxPreparedStatements: 3,
    maxRememberedBytes: 8192,
  },
};
const more = SERVER_STATUS.MORE_RESULTS_EXISTS;
const cursor = SERVER_STATUS.CURSOR_EXISTS;
const asked =
  'Q(a) P(b ?) E(1:x) T(t) S N Q(load data local infile 1) F(1/9) R(1) I(x) L(1/0:y) E(4294967295:z) c(11:u) Q(hidden) C(1) Z';

/** Everything that clients and databases can send in a session after sign-in. */
export const MYSQL_TARGETS: readonly FuzzTarget[] = [
  ...(['new', 'maria', 'attributes'] as const).map((leg) => ({
    name: `mysql-frontend-${leg}`,
    seeds: [
      clientBytes('Q(select 1) P(select ?) E(1:a,null) E(1:b,c,=) L(1/0:data) C(1) R(1) F(1/10) B(1:rows) N Z X'),
      clientBytes(
        'I(db) Q(use nope) K(1073741825) Q(kill query 1073741825) Q(kill 1073741900) O(1) T(t) S c(11:u) c(55) c(1e)',
      ),
      clientBytes(
        `Q(${'x'.repeat(200)}) P(use a; ${'y'.repeat(100)}) L(1/1:${'z'.repeat(300)}) E(1:${'v'.repeat(150)})`,
      ),
      clientBytes('c(03:\0\x01select 7) c(03:\x01\x01\0\x01\xfd\0\x02id\x03abckill 1073741825)'),
    ],
    run: (chunks: readonly Buffer[]) => sameAnyhow(chunks, (cut) => converse(leg, cut, [])),
  })),
  ...(['old', 'new', 'maria', 'maria-old', 'deaf'] as const).map((leg) => ({
    name: `mysql-backend-${leg}`,
    seeds: [
      serverBytes(
        'n(1) def row*2 end | prep(1,1,1) def*2 | ok(a=1,db=a) | def*2 end | text(up) | ok | fb(f)',
        legOf(leg),
      ),
      serverBytes(
        `n(1+) def eof row eof(s=${more}) ok(db=nope) | prep(1,1,1) def eof def eof | n(1-) eof(s=${cursor}) | def eof`,
        legOf(leg),
      ),
      serverBytes(
        'progress ok(var=redirect_url:x) | err(1:HY000:x) | end(db=b) | err(2:42000:y) | raw(ff)',
        legOf(leg),
      ),
    ],
    run: (chunks: readonly Buffer[]) => sameAnyhow(chunks, (cut) => converse(leg, [clientBytes(asked)], cut)),
  })),
];

/** The database tracks the session whether the client asked for it or not. */
function legOf(leg: LegName): LegCapabilities {
  return leg === 'deaf' ? LEGS.new : LEGS[leg];
}

type Outcome = {
  readonly heard: readonly string[];
  readonly toDatabase: Buffer;
  readonly toClient: Buffer;
  readonly error: unknown;
};

/** The cut must not matter. Throws what the conversation threw. */
function sameAnyhow(chunks: readonly Buffer[], hold: (chunks: readonly Buffer[]) => Outcome): void {
  const cut = hold(chunks.map((chunk) => Buffer.from(chunk)));
  const whole = hold([Buffer.concat(chunks)]);
  assert.deepEqual(cut.heard, whole.heard, 'the cut changes what is told');
  assert.equal(codeOf(cut.error), codeOf(whole.error), 'the cut changes how it ends');
  if (cut.error !== undefined) throw cut.error;
  assert.ok(cut.toDatabase.equals(whole.toDatabase), 'the cut changes what the database gets');
  assert.ok(cut.toClient.equals(whole.toClient), 'the cut changes what the client gets');
}

function converse(leg: LegName, client: readonly Buffer[], database: readonly Buffer[]): Outcome {
  const heard: string[] = [];
  const told: string[] = [];
  let open = 0;
  const conversation = new Conversation(
    {
      request: (request) => {
        open += 1;
        told.push(request.command);
        heard.push(JSON.stringify(request));
      },
      result: (result) => {
        if (result.outcome !== 'unanswered')
          heard.push(`${result.request.id} ${result.outcome} ${result.rows} ${result.bytes}`);
        open -= 1;
        assert.ok(result.bytes >= 0 && result.rows >= 0, 'a negative count');
      },
      refused: (request) => heard.push(`refused ${JSON.stringify(request)}`),
      databaseChanged: (name) => heard.push(`database ${name}`),
    },
    optionsOf(leg === 'deaf' ? { ...setting, database: 'new' } : setting, leg),
  );
  const toDatabase: Buffer[] = [];
  const toClient: Buffer[] = [];
  let error: unknown;
  try {
    for (const chunk of client) {
      toDatabase.push(conversation.fromClient(chunk));
      toClient.push(conversation.takeAnswers() ?? Buffer.alloc(0));
    }
    for (const chunk of database) {
      toClient.push(conversation.fromDatabase(chunk));
      conversation.takeRequests();
      assert.ok(conversation.nextSequence >= 0 && conversation.nextSequence <= 255);
    }
  } catch (thrown) {
    error = thrown;
  } finally {
    conversation.finish();
  }
  assert.equal(open, 0, 'a request has no result, or two');
  allTold(Buffer.concat(toDatabase), told);
  return { heard, toDatabase: Buffer.concat(toDatabase), toClient: Buffer.concat(toClient), error };
}

/** No command reaches the database that was not told before, in its order; but the conversation's own COM_INIT_DB, which names a database that the session may use. */
function allTold(bytes: Buffer, told: readonly string[]): void {
  let index = 0;
  let at = 0;
  while (bytes.length - at >= 4) {
    const length = bytes.readUIntLE(at, 3);
    assert.equal(bytes.readUInt8(at + 3), 0);
    if (bytes.length - at - 4 < length) return;
    assert.ok(length < MAX_PAYLOAD, 'an input is longer than it can be');
    const name = commandName(bytes.readUInt8(at + 4));
    const database = bytes.toString('latin1', at + 5, at + 4 + length);
    at += 4 + length;
    if (name === 'COM_PING' || name === 'COM_QUIT') continue;
    if (name === 'COM_INIT_DB' && told[index] !== name && !database.startsWith('no')) continue;
    assert.equal(told[index], name, 'a command reached the database untold');
    index += 1;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof TesseraError ? error.code : error;
}
