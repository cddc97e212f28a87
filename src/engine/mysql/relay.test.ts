// The relay between a client and a scripted MySQL server that acts on whole packets, in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChannelPairOptions } from '../../../test/kit/channel.ts';
import { liveSession, settle, type Peer } from '../../../test/kit/relay.ts';
import { CLIENT, COM, commandName, SERVER_STATUS } from '../../protocol/mysql/capabilities.ts';
import { encodeErr } from '../../protocol/mysql/err.ts';
import { encodeOk, plainOk } from '../../protocol/mysql/ok.ts';
import { encodePacket } from '../../protocol/mysql/packet.ts';
import { encodeTrack } from '../../protocol/mysql/session-track.ts';
import type { DatabaseConnection, RelaySession } from '../engine.ts';
import { SessionIds, SHOWN_ID_BIT } from '../session-ids.ts';
import { MysqlDatabase } from './database.ts';
import { relayMysql } from './relay.ts';
import { MysqlRequest } from './request.ts';

const clientFlags =
  CLIENT.PROTOCOL_41 |
  CLIENT.SECURE_CONNECTION |
  CLIENT.PLUGIN_AUTH |
  CLIENT.MULTI_STATEMENTS |
  CLIENT.MULTI_RESULTS |
  CLIENT.PS_MULTI_RESULTS |
  CLIENT.LOCAL_FILES |
  CLIENT.DEPRECATE_EOF;
const databaseFlags = clientFlags | CLIENT.SESSION_TRACK;

const com = (command: keyof typeof COM, rest: string | Buffer = ''): Buffer =>
  encodePacket(0, Buffer.concat([Buffer.from([COM[command]]), Buffer.from(rest)]));
const query = (sql: string): Buffer => com('COM_QUERY', sql);
const ok = (sequence = 1): Buffer => encodePacket(sequence, encodeOk(plainOk(SERVER_STATUS.AUTOCOMMIT), databaseFlags));
const okChanged = (schema: string): Buffer =>
  encodePacket(
    1,
    encodeOk(
      { ...plainOk(SERVER_STATUS.AUTOCOMMIT), track: encodeTrack([{ type: 'schema', name: schema }]) },
      databaseFlags,
    ),
  );
const err = (code: number, message: string): Buffer =>
  encodePacket(1, encodeErr({ code, sqlState: '42000', message }, { sqlState: true }));
/** Column count and one column of a result; rows and `rowsEnd` follow. */
const resultHead = Buffer.concat([encodePacket(1, Buffer.from([1])), encodePacket(2, Buffer.from('\x03def'))]);
const row = (sequence: number, value: string): Buffer =>
  encodePacket(sequence, Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]));
const rowsEnd = (sequence: number): Buffer =>
  encodePacket(sequence, encodeOk({ ...plainOk(SERVER_STATUS.AUTOCOMMIT), header: 'eof' }, databaseFlags));

type Packet = { readonly sequence: number; readonly payload: Buffer };

function packetsOf(bytes: Buffer): Packet[] {
  const packets: Packet[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 4 + bytes.readUIntLE(at, 3);
    packets.push({ sequence: bytes.readUInt8(at + 3), payload: bytes.subarray(at + 4, end) });
    at = end;
  }
  return packets;
}

/** `3:4031` for an ERR of sequence number 3, `1:ok`, or the payload. */
function shown({ sequence, payload }: Packet): string {
  if (payload[0] === 0xff) return `${sequence}:${payload.readUInt16LE(1)}`;
  return payload[0] === 0x00 ? `${sequence}:ok` : `${sequence}:${payload.toString('latin1')}`;
}

const heard = (client: Peer): string[] => packetsOf(client.bytes).map(shown);
const asked = (database: Peer): string[] =>
  packetsOf(database.bytes).map(({ payload }) => `${commandName(payload[0] ?? 0)} ${payload.toString('latin1', 1)}`);

type SetUp = {
  readonly channels?: ChannelPairOptions;
  readonly over?: Partial<RelaySession>;
  readonly stop?: DatabaseConnection['stop'];
  readonly cancel?: DatabaseConnection['cancel'];
  readonly clientEarly?: Buffer;
  readonly databaseEarly?: Buffer;
};

function setUp({
  channels,
  over,
  stop,
  cancel,
  clientEarly = Buffer.alloc(0),
  databaseEarly = Buffer.alloc(0),
}: SetUp = {}) {
  const live = liveSession({
    ...(channels === undefined ? {} : { channels }),
    request: {
      databaseName: 'shop',
      details: new MysqlRequest({
        clientCapabilities: clientFlags,
        extended: 0,
        flavour: 'mysql',
        charset: 45,
        maxPacketSize: 1 << 24,
        connectionId: SHOWN_ID_BIT + 1,
        sequence: 3,
        attributes: new Map(),
        early: clientEarly,
      }),
    },
    database: {
      details: new MysqlDatabase({
        capabilities: databaseFlags,
        extended: 0,
        flavour: 'mysql',
        status: SERVER_STATUS.AUTOCOMMIT,
        track: undefined,
        early: databaseEarly,
      }),
      ...(stop === undefined ? {} : { stop }),
      ...(cancel === undefined ? {} : { cancel }),
    },
    over: {
      mayUse: (name) =>
        name.startsWith('forbidden')
          ? { reason: 'access-denied', message: `access to db denied: database name "${name}"`, hint: 'see db_names' }
          : undefined,
      ...over,
    },
  });
  let parsed = 0;
  live.database.onData = () => {
    const { bytes } = live.database;
    while (bytes.length - parsed >= 4 && bytes.length - parsed >= 4 + bytes.readUIntLE(parsed, 3)) {
      live.trace.push(`runs ${commandName(bytes[parsed + 4] ?? 0)}`);
      parsed += 4 + bytes.readUIntLE(parsed, 3);
    }
  };
  const closed = relayMysql(live.session);
  const say = async (...bytes: Buffer[]): Promise<void> => {
    live.client.send(Buffer.concat(bytes));
    await settle();
  };
  const answer = async (...bytes: Buffer[]): Promise<void> => {
    live.database.send(Buffer.concat(bytes));
    await settle();
  };
  return { ...live, closed, say, answer };
}

for (const maxChunkBytes of [undefined, 1, 7]) {
  test(`every command is in the journal before the database can run it (chunks of ${maxChunkBytes ?? 'any size'})`, async () => {
    const live = setUp(maxChunkBytes === undefined ? {} : { channels: { maxChunkBytes } });
    const commands = [
      query('select 1'),
      com('COM_STMT_PREPARE', 'select ?'),
      com('COM_INIT_DB', 'other'),
      com('COM_CREATE_DB', 'x'),
      com('COM_FIELD_LIST', 't\0%'),
      query('select 2'),
    ];
    await live.say(...commands);
    assert.deepEqual(live.database.bytes, Buffer.concat(commands), 'byte for byte');
    let recorded = 0;
    let ran = 0;
    for (const line of live.trace) {
      if (line.startsWith('event ')) recorded += 1;
      else ran += 1;
      assert.ok(ran <= recorded, 'the database ran what was not recorded');
    }
    assert.equal(ran, commands.length);
    assert.deepEqual(live.recorder.codes(), ['TDB02I', 'TMY00I', 'TMY07I', 'TMY08I', 'TMY14I', 'TDB02I']);
    live.client.channel.destroy();
    assert.equal((await live.closed).by, 'client');
  });

  test(`answers reach the client unchanged and their requests (chunks of ${maxChunkBytes ?? 'any size'})`, async () => {
    const live = setUp(maxChunkBytes === undefined ? {} : { channels: { maxChunkBytes } });
    await live.say(query('select v from t'));
    const rows = [resultHead, row(3, 'a'), row(4, 'b'), rowsEnd(5)];
    await live.answer(...rows);
    assert.deepEqual(live.client.bytes, Buffer.concat(rows));
    await live.say(query('nonsense'));
    await live.answer(err(1064, 'wrong syntax'));
    await live.say(com('COM_PING'));
    await live.answer(ok());
    assert.deepEqual(heard(live.client).slice(-2), ['1:1064', '1:ok']);
    live.clock.advance(60);
    assert.deepEqual(live.recorder.codes(), ['TDB02I', 'TDB10I', 'TDB02I', 'TDB02W', 'TDB10W']);
    const [, first, , , last] = live.recorder.events;
    assert.equal(first?.['rows'], 2);
    assert.equal(last?.['query_ei'], 2);
    assert.equal(last?.['error_code'], '1064');
    assert.equal(live.session.counters.running, 0);
    assert.equal(live.session.counters.statements, 2);
  });
}

test('a full journal holds the statement back and the refusal too; space lets both go', async () => {
  const live = setUp();
  live.recorder.full = true;
  await live.say(query('select 1'));
  await live.say(com('COM_INIT_DB', 'forbidden'));
  assert.equal(live.database.bytes.length + live.client.bytes.length, 0);
  assert.ok(live.clientNear.unconsumed > 0, 'the client is not read meanwhile');
  live.recorder.settle('space');
  await settle();
  assert.deepEqual(asked(live.database), ['COM_QUERY select 1']);
  assert.deepEqual(heard(live.client), [], 'in order behind the answer that is still out');
  await live.answer(ok());
  assert.deepEqual(heard(live.client), ['1:ok', '1:1044']);
});

test('a journal that stays full ends the session with a word the client can read', async () => {
  const live = setUp();
  live.recorder.full = true;
  await live.say(query('drop table t'));
  live.recorder.settle('gave-up');
  assert.equal((await live.closed).refusal?.reason, 'audit-unavailable');
  await settle();
  assert.deepEqual(heard(live.client), ['1:1053']);
  assert.equal(live.database.bytes.length, 0, 'the statement never reached the database');
});

const uses: readonly { readonly name: string; readonly command: Buffer; readonly told: string }[] = [
  { name: 'COM_INIT_DB', command: com('COM_INIT_DB', 'forbidden'), told: '' },
  { name: 'USE', command: query('use forbidden'), told: 'use forbidden' },
  { name: 'USE in quotes', command: query(' /* x */ USE `forbidden`;'), told: ' /* x */ USE `forbidden`;' },
  { name: 'USE behind another', command: query('select 1; use forbidden'), told: 'select 1; use forbidden' },
];

for (const { name, command, told } of uses) {
  test(`a refused change of the database leaves the session usable: ${name}`, async () => {
    const live = setUp();
    await live.say(command);
    assert.equal(live.database.bytes.length, 0);
    assert.deepEqual(heard(live.client), ['1:1044']);
    assert.match(
      live.client.bytes.toString(),
      /#42000access to db denied: database name "forbidden"\nhint: see db_names/,
    );
    const [refused, ...more] = live.recorder.events;
    assert.deepEqual(more, []);
    assert.equal(refused?.code, 'TDB02W');
    assert.equal(refused['refused'], true);
    assert.equal(refused['db_query'], told);
    assert.equal(refused['error_code'], '1044');
    await live.say(query('select 1'));
    await live.answer(ok());
    assert.deepEqual(asked(live.database), ['COM_QUERY select 1']);
    assert.deepEqual(heard(live.client), ['1:1044', '1:ok']);
    assert.equal(live.session.counters.statements, 1);
  });
}

test('pipelined: a refusal stands where its command did', async () => {
  const live = setUp();
  await live.say(query('select 1'), query('use forbidden'), query('select 2'), com('COM_INIT_DB', 'forbidden2'));
  assert.deepEqual(asked(live.database), ['COM_QUERY select 1', 'COM_QUERY select 2']);
  assert.deepEqual(heard(live.client), []);
  await live.answer(ok());
  assert.deepEqual(heard(live.client), ['1:ok', '1:1044']);
  await live.answer(resultHead, row(3, 'a'), rowsEnd(4));
  assert.deepEqual(
    heard(live.client)
      .slice(-2)
      .map((text) => text.split(':')[0]),
    ['4', '1'],
  );
  assert.equal(live.session.counters.running, 0);
  live.clock.advance(60);
  const results = live.recorder.of('TDB10I');
  assert.deepEqual(
    results.map((event) => event['query_ei']),
    [0, 2],
  );
});

test('after a change events name the other database', async () => {
  const live = setUp();
  await live.say(query('use other'));
  await live.answer(okChanged('other'));
  assert.deepEqual(heard(live.client), ['1:ok']);
  assert.ok(!live.client.bytes.includes('other'), 'the client did not ask for session tracking');
  await live.say(query('select 1'));
  assert.equal(live.recorder.of('TDB02I').at(-1)?.['db_name'], 'other');
});

test('a change that no text showed is undone, and the client is told', async () => {
  const live = setUp();
  await live.say(query("execute immediate concat('u', 'se forbidden')"));
  await live.answer(okChanged('forbidden'));
  assert.deepEqual(heard(live.client), ['1:1044']);
  assert.deepEqual(asked(live.database).slice(1), ['COM_INIT_DB shop'], 'our own request');
  await live.answer(okChanged('shop'));
  assert.deepEqual(heard(live.client), ['1:1044'], 'whose answer is ours');
  await live.say(query('select 1'));
  await live.answer(ok());
  assert.deepEqual(heard(live.client), ['1:1044', '1:ok']);
});

test('where it can not be undone the session ends: nothing comes from there', async () => {
  const live = setUp();
  await live.say(query('call hidden()'), query('select secret'));
  await live.answer(okChanged('forbidden'), resultHead, row(3, 'secret'), rowsEnd(4));
  const { refusal } = await live.closed;
  await settle();
  assert.equal(refusal?.reason, 'access-denied');
  assert.ok(!live.client.bytes.includes('secret'));
  assert.deepEqual(heard(live.client), ['1:1044', '1:1044']);
  assert.ok(live.client.closed);
});

const endings: readonly {
  readonly name: string;
  readonly before: (live: ReturnType<typeof setUp>) => Promise<void>;
  readonly behind?: (live: ReturnType<typeof setUp>) => Promise<void>;
  readonly word: string;
  readonly cancelled: number;
}[] = [
  { name: 'an idle client, as the answer to its next command', before: async () => {}, word: '1:4031', cancelled: 0 },
  {
    name: 'an idle client that has worked',
    before: async (live) => {
      await live.say(query('select 1'));
      await live.answer(resultHead, row(3, 'a'), rowsEnd(4));
    },
    word: '1:4031',
    cancelled: 0,
  },
  {
    name: 'a client that waits for its answer',
    before: (live) => live.say(query('select sleep(100)')),
    word: '1:4031',
    cancelled: 1,
  },
  {
    name: 'a client in the middle of rows',
    before: async (live) => {
      await live.say(query('select 1'));
      await live.answer(resultHead, row(3, 'a'));
    },
    word: '4:4031',
    cancelled: 1,
  },
  {
    name: 'a client in the middle of a row, behind its end',
    before: async (live) => {
      await live.say(query('select 1'));
      await live.answer(resultHead, row(3, 'abc').subarray(0, 6));
    },
    behind: (live) => live.answer(row(3, 'abc').subarray(6)),
    word: '4:4031',
    cancelled: 1,
  },
];

test('what could not be stopped is told: the statement may run on in the database', async () => {
  const live = setUp({ cancel: () => Promise.reject(new Error('no certificate')) });
  await live.say(query('select sleep(100)'));
  live.end({ reason: 'locked', message: 'locked' });
  const closed = await live.closed;
  assert.equal(closed.refusal?.reason, 'locked');
  assert.equal(closed.statementMayRunOn?.message, 'no certificate');
  assert.deepEqual(heard(live.client), ['1:1045'], 'the client does not wait for it');
});

test('a statement that ended by itself does not run on', async () => {
  const live = setUp({ cancel: () => Promise.reject(new Error('no certificate')) });
  await live.say(query('select 1'));
  await live.answer(resultHead, row(3, 'abc').subarray(0, 6));
  live.end({ reason: 'locked', message: 'locked' });
  await live.answer(row(3, 'abc').subarray(6), rowsEnd(4));
  assert.equal((await live.closed).statementMayRunOn, undefined);
});

for (const { name, before, behind, word, cancelled } of endings) {
  test(`our last word has the number that the client waits for: ${name}`, async () => {
    const live = setUp();
    await before(live);
    live.end({ reason: 'idle', message: 'session ended' });
    await settle();
    await behind?.(live);
    assert.equal((await live.closed).refusal?.reason, 'idle');
    await settle();
    assert.equal(heard(live.client).at(-1), word);
    assert.equal(live.cancelled(), cancelled);
    assert.ok(live.client.closed);
  });
}

test("KILL of one's own session goes to the database with its own number; another person's is unknown", async () => {
  const ids = new SessionIds();
  ids.of('alice', 'orders').register(SHOWN_ID_BIT + 7, 42, () => 'here');
  ids.of('bob', 'orders').register(SHOWN_ID_BIT + 8, 43, () => 'here');
  const live = setUp({ over: { ids: ids.of('alice', 'orders') } });
  await live.say(query(`kill query ${SHOWN_ID_BIT + 7}`));
  await live.answer(ok());
  assert.deepEqual(asked(live.database), ['COM_QUERY kill query 42']);
  const [kill] = live.recorder.of('TDB02I');
  assert.equal(kill?.['db_query'], `kill query ${SHOWN_ID_BIT + 7}`, 'the text is what the person said');
  assert.equal(kill['process_id_in_database'], 42);
  await live.say(query(`kill query ${SHOWN_ID_BIT + 8}`));
  await live.say(query('kill query 43'));
  assert.deepEqual(heard(live.client), ['1:ok', '1:1094']);
  assert.deepEqual(
    asked(live.database).slice(1),
    ['COM_QUERY kill query 43'],
    "the database's own numbers are its own to judge",
  );
});

test('KILL of a session that may be at another agent: asked there once it is on record, and done', async () => {
  const asks: string[] = [];
  const stops: string[] = [];
  let canAsk = true;
  const live = setUp({
    over: {
      elsewhere: {
        get canAsk() {
          return canAsk;
        },
        ask: (shownId, what, stop) => {
          asks.push(`${what} ${shownId - SHOWN_ID_BIT}`);
          void stop(4711);
          return () => live.trace.push('asked');
        },
      },
    },
    stop: (id, what) => {
      stops.push(`${what} ${id}`);
      return Promise.resolve();
    },
  });
  await live.say(query(`KILL QUERY ${SHOWN_ID_BIT + 9}`));
  assert.deepEqual(live.trace, ['event TDB02I', 'event TDB10I', 'asked']);
  assert.deepEqual(asks, ['query 9']);
  assert.deepEqual(stops, ['query 4711'], 'what the other agent leaves to this one, by the word that was said');
  assert.deepEqual(heard(live.client), ['1:ok']);
  const [kill] = live.recorder.of('TDB02I');
  assert.equal(kill?.['process_id'], SHOWN_ID_BIT + 9);
  assert.equal(kill['asked_other_agents'], true);
  assert.equal(kill['process_id_in_database'], undefined);
  live.recorder.full = true;
  await live.say(query(`KILL ${SHOWN_ID_BIT + 9}`));
  assert.equal(live.trace.filter((one) => one === 'asked').length, 1, 'not while the journal is full');
  live.recorder.settle('space');
  await settle();
  assert.deepEqual(asks, ['query 9', 'connection 9']);
  assert.equal(live.trace.filter((one) => one === 'asked').length, 2);
  canAsk = false;
  await live.say(query(`KILL QUERY ${SHOWN_ID_BIT + 9}`));
  assert.deepEqual(heard(live.client), ['1:ok', '1:ok', '1:1094']);
  assert.deepEqual(asked(live.database), [], 'the database hears of none');
});

for (const allowed of [false, true]) {
  test(`LOAD DATA LOCAL ${allowed ? 'goes on with' : 'is refused without'} the role's leave`, async () => {
    const live = setUp();
    const options = { ...live.session.options, localInfileAllowed: allowed };
    const again = setUp({ over: { options } });
    await again.say(query("load data local infile 'f' into table t"));
    assert.equal(again.database.bytes.length > 0, allowed);
    if (!allowed) {
      assert.deepEqual(heard(again.client), ['1:3948']);
      return;
    }
    await again.answer(encodePacket(1, Buffer.from('\xfbf', 'latin1')));
    await again.say(encodePacket(2, Buffer.from('1\n2\n')), encodePacket(3, Buffer.alloc(0)));
    await again.answer(ok(4));
    again.clock.advance(60);
    assert.deepEqual(again.recorder.of('TDB10I')[0]?.['local_infile'], { file_name: 'f', bytes: 4, refused: false });
    await again.say(query('select 1'));
    assert.equal(again.recorder.of('TDB02I').length, 2);
  });
}

test('a prepared statement: its text stands in the event of each execution', async () => {
  const live = setUp();
  await live.say(com('COM_STMT_PREPARE', 'select 1'));
  await live.answer(encodePacket(1, Buffer.from('000700000000000000000000', 'hex')));
  const execute = com('COM_STMT_EXECUTE', Buffer.from('070000000001000000', 'hex'));
  await live.say(execute);
  await live.answer(ok());
  await live.say(com('COM_STMT_CLOSE', Buffer.from('07000000', 'hex')));
  assert.deepEqual(live.recorder.codes(), ['TMY00I', 'TDB10I', 'TMY01I', 'TDB10I', 'TMY03I']);
  const [run] = live.recorder.of('TMY01I');
  assert.equal(run?.['db_query'], 'select 1');
  assert.equal(run['statement_id'], 7);
  assert.equal(live.session.counters.running, 0, 'nothing waits for an answer to CLOSE');
});

test('early bytes of both sides', async () => {
  const live = setUp({ clientEarly: query('select 1') });
  await settle();
  assert.deepEqual(asked(live.database), ['COM_QUERY select 1']);
  await live.answer(ok());
  assert.deepEqual(heard(live.client), ['1:ok']);
});

test('a packet out of order is recorded as malformed and ends the session', async () => {
  const live = setUp();
  await live.say(encodePacket(5, Buffer.from('\x03select 1')));
  assert.equal((await live.closed).refusal?.reason, 'protocol-error');
  await settle();
  assert.deepEqual(live.recorder.codes(), ['TDB06I']);
  assert.deepEqual(heard(live.client), ['1:1835']);
  assert.equal(live.database.bytes.length, 0);
});

test('a database that breaks its protocol: its bytes are not passed on', async () => {
  const live = setUp();
  await live.answer(ok());
  assert.equal((await live.closed).refusal?.reason, 'internal');
  await settle();
  assert.deepEqual(heard(live.client), ['1:1105']);
});

test('a client that says goodbye has left, whoever closes first', async () => {
  const live = setUp();
  await live.say(com('COM_QUIT'));
  live.database.channel.end();
  assert.deepEqual(await live.closed, { by: 'client' });
  assert.deepEqual(live.recorder.codes(), []);
});

test('what is unanswered at the end has its result', async () => {
  const live = setUp();
  await live.say(query('select sleep(9)'));
  live.client.channel.destroy();
  await live.closed;
  live.recorder.commit();
  assert.equal(live.recorder.of('TDB10W')[0]?.['outcome'], 'unanswered');
});

test('parts of another engine are a fault of ours, and the client does not hang', async () => {
  const live = liveSession();
  assert.equal((await relayMysql(live.session)).by, 'error');
  await settle();
  assert.ok(live.client.closed);
});
