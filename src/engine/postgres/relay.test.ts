// The relay between a client and a scripted database that acts on whole messages, in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { channelPair, type MemoryChannel } from '../../../test/kit/channel.ts';
import { MemoryRecorder, openPolicy, sessionLimits } from '../../../test/kit/engine.ts';
import { Peer, settle } from '../../../test/kit/relay.ts';
import { StorageError } from '../../errors.ts';
import { type ClientMessage, encodeClientMessage } from '../../protocol/postgres/client-messages.ts';
import { encodeServerMessage } from '../../protocol/postgres/server-messages.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import type { Refusal, RelayCounters } from '../engine.ts';
import { PostgresRequest } from './accept.ts';
import { PostgresDatabase } from './connect.ts';
import { relayPostgres } from './relay.ts';

const ready = encodeServerMessage({ type: 'ReadyForQuery', status: 'I' });
const row = Buffer.concat([Buffer.from('44', 'hex'), Buffer.from('0000000b0001000000013a', 'hex')]);

function complete(tag: string): Buffer {
  return encodeServerMessage({ type: 'CommandComplete', tag });
}

function query(sql: string): Buffer {
  return encodeClientMessage({ type: 'Query', sql });
}

/** What PostgreSQL does: nothing before it has a message whole. Says so in the trace. */
class FakeDatabase extends Peer {
  #parsed = 0;
  readonly trace: string[];

  constructor(channel: MemoryChannel, trace: string[]) {
    super(channel);
    this.trace = trace;
    this.onData = () => this.#act();
  }

  #act(): void {
    while (this.bytes.length - this.#parsed >= 5) {
      const length = 1 + this.bytes.readInt32BE(this.#parsed + 1);
      if (this.bytes.length - this.#parsed < length) return;
      this.trace.push(`runs ${String.fromCharCode(this.bytes[this.#parsed] ?? 0)}`);
      this.#parsed += length;
    }
  }
}

function setUp(
  options: { readonly maxChunkBytes?: number; readonly early?: Buffer; readonly clientEarly?: Buffer } = {},
) {
  const trace: string[] = [];
  const clock = new ManualClock();
  const recorder = new MemoryRecorder(trace);
  const chunks = options.maxChunkBytes === undefined ? {} : { maxChunkBytes: options.maxChunkBytes };
  const [clientFar, clientNear] = channelPair(chunks);
  const [databaseNear, databaseFar] = channelPair(chunks);
  const client = new Peer(clientFar);
  const database = new FakeDatabase(databaseFar, trace);
  const details = new PostgresDatabase(
    { parameters: new Map(), key: undefined, notices: [] },
    options.early ?? Buffer.alloc(0),
  );
  details.clientPid = 1000;
  const ending = new AbortController();
  const counters: RelayCounters = {
    bytesFromClient: 0,
    bytesFromDatabase: 0,
    statements: 0,
    lastActivityMs: 0,
    running: 0,
  };
  let cancelled = 0;
  const closed = relayPostgres({
    client: clientNear,
    database: {
      channel: databaseNear,
      backendId: 77,
      details,
      cancel: () => {
        cancelled += 1;
        return Promise.resolve();
      },
    },
    request: {
      databaseUser: 'u',
      databaseName: 'd',
      replication: 'none',
      parameters: {},
      details: new PostgresRequest(0, new Map(), options.clientEarly ?? Buffer.alloc(0)),
    },
    ...openPolicy(),
    recorder,
    signal: ending.signal,
    limits: sessionLimits,
    counters,
    clock,
  });
  return {
    trace,
    clock,
    recorder,
    client,
    clientNear,
    database,
    databaseNear,
    ending,
    counters,
    closed,
    cancelled: () => cancelled,
  };
}

function fatal(bytes: Buffer): { readonly code: string; readonly message: string } | undefined {
  const at = bytes.lastIndexOf('SFATAL\0');
  if (at < 0) return undefined;
  const fields = new Map(
    bytes
      .toString('utf8', at)
      .split('\0')
      .map((part) => [part.slice(0, 1), part.slice(1)]),
  );
  return { code: fields.get('C') ?? '', message: fields.get('M') ?? '' };
}

for (const maxChunkBytes of [undefined, 1, 7]) {
  test(`every statement is in the journal before the database can run it (chunks of ${maxChunkBytes ?? 'any size'})`, async () => {
    const { client, database, trace, closed, recorder } = setUp(maxChunkBytes === undefined ? {} : { maxChunkBytes });
    const pipeline: ClientMessage[] = [
      { type: 'Parse', statement: 's', sql: 'select $1', parameterTypes: [25] },
      { type: 'Bind', portal: '', statement: 's', formats: [], values: [Buffer.from('a')], resultFormats: [] },
      { type: 'Execute', portal: '', maxRows: 0 },
      { type: 'Bind', portal: 'p', statement: 's', formats: [], values: [null], resultFormats: [] },
      { type: 'Execute', portal: 'p', maxRows: 1 },
      { type: 'Execute', portal: 'p', maxRows: 1 },
      { type: 'FunctionCall', oid: 1598, formats: [], values: [], resultFormat: 0 },
      { type: 'Sync' },
    ];
    client.send(
      Buffer.concat([query('select 1; select 2'), ...pipeline.map((message) => encodeClientMessage(message))]),
    );
    await settle();
    const runs = { Q: 'TDB02I', E: '', F: 'TPG04I' };
    const events = trace.filter((line) => /TDB02I|TPG02I|TPG04I/.test(line));
    assert.deepEqual(events, ['event TDB02I', 'event TDB02I', 'event TDB02I', 'event TPG02I', 'event TPG04I']);
    let recorded = 0;
    let ran = 0;
    for (const line of trace) {
      if (/TDB02I|TPG02I|TPG04I/.test(line)) recorded += 1;
      if (line.startsWith('runs ') && line.slice(5) in runs) ran += 1;
      assert.ok(ran <= recorded, 'the database ran what was not recorded');
    }
    assert.equal(ran, 5);
    assert.equal(
      database.bytes.length,
      query('select 1; select 2').length +
        Buffer.concat(pipeline.map((message) => encodeClientMessage(message))).length,
    );
    assert.deepEqual(
      recorder.of('TDB02I').map((event) => event['db_query_parameters']),
      [undefined, ['a'], [null]],
    );
    client.channel.destroy();
    assert.equal((await closed).by, 'client');
  });
}

test('answers are counted and matched; results follow soon without a further statement', async () => {
  const { client, database, recorder, clock, counters, closed } = setUp();
  client.send(query('select 1; select 2'));
  await settle();
  assert.equal(counters.running, 1);
  clock.advance(5);
  database.send(Buffer.concat([row, complete('SELECT 1'), row, row, complete('SELECT 2'), ready]));
  await settle();
  assert.equal(counters.running, 0);
  clock.advance(50);
  const [result] = recorder.of('TDB10I');
  assert.equal(result?.['query_ei'], recorder.of('TDB02I')[0]?.['ei']);
  assert.deepEqual(
    [result?.['rows'], result?.['command_count'], result?.['duration_ms'], result?.['database_ms']],
    [3, 2, 5, 5],
  );
  database.channel.end();
  assert.equal((await closed).by, 'database');
  assert.equal(client.closed || client.channel.destroyed, true);
});

test('a full journal holds the statement and all behind it; room lets them go in order', async () => {
  const { client, database, recorder, clientNear, closed } = setUp();
  recorder.full = true;
  client.send(query('select 1'));
  await settle();
  client.send(query('select 2'));
  await settle();
  assert.equal(database.bytes.length, 0);
  assert.ok(clientNear.unconsumed > 0, 'the client is held by its window');
  recorder.settle('space');
  await settle();
  assert.deepEqual(database.bytes, Buffer.concat([query('select 1'), query('select 2')]));
  assert.equal(clientNear.unconsumed, 0);
  client.channel.destroy();
  await closed;
});

test('single bytes behind a held statement wait as blocks, not as one piece each', async () => {
  const { client, database, databaseNear, recorder, clientNear } = setUp({ maxChunkBytes: 1 });
  const write = databaseNear.write.bind(databaseNear);
  let writes = 0;
  databaseNear.write = (bytes) => {
    writes += 1;
    return write(bytes);
  };
  client.send(query('select 1'));
  await settle();
  writes = 0;
  recorder.full = true;
  client.send(query('select 2'));
  await settle();
  const syncs = Buffer.concat(Array.from({ length: 1000 }, () => encodeClientMessage({ type: 'Sync' })));
  client.send(syncs);
  await settle();
  recorder.settle('space');
  await settle();
  assert.deepEqual(database.bytes, Buffer.concat([query('select 1'), query('select 2'), syncs]));
  assert.equal(clientNear.unconsumed, 0);
  assert.ok(writes < 30, `${writes} writes`);
  client.channel.destroy();
});

test('a journal that stays full ends the session, and the statement never reaches the database', async () => {
  const { client, database, recorder, closed } = setUp();
  recorder.full = true;
  client.send(query('drop table t'));
  await settle();
  recorder.settle('gave-up');
  const end = await closed;
  assert.equal(end.refusal?.reason, 'audit-unavailable');
  await settle();
  assert.equal(fatal(client.bytes)?.code, '57P03');
  assert.equal(database.bytes.length, 0);
});

test('a journal whose disk fails ends the session before the statement is forwarded', async () => {
  const { client, database, recorder, closed } = setUp();
  recorder.commit = () => {
    throw new StorageError('AUDIT_JOURNAL_WRITE', 'disk failed');
  };
  client.send(query('select 1'));
  assert.equal((await closed).refusal?.reason, 'audit-unavailable');
  assert.equal(database.bytes.length, 0);
});

test('journal_sync always: bytes wait until their events are on disk, in order', async () => {
  const { client, database, recorder, closed } = setUp();
  let disk = Promise.withResolvers<void>();
  recorder.sync = () => disk.promise;
  client.send(query('select 1'));
  await settle();
  client.send(query('select 2'));
  await settle();
  assert.equal(database.bytes.length, 0);
  const first = disk;
  disk = Promise.withResolvers<void>();
  first.resolve();
  await settle();
  assert.deepEqual(database.bytes, query('select 1'));
  disk.resolve();
  await settle();
  assert.deepEqual(database.bytes, Buffer.concat([query('select 1'), query('select 2')]));
  client.channel.destroy();
  await closed;
});

test('a client that breaks the protocol gets 08P01, an event tells, and the bytes go nowhere', async () => {
  const { client, database, recorder, closed } = setUp();
  client.send(Buffer.from('51ffffffff', 'hex'));
  const end = await closed;
  assert.equal(end.refusal?.reason, 'protocol-error');
  await settle();
  assert.equal(fatal(client.bytes)?.code, '08P01');
  assert.equal(recorder.of('TDB06I')[0]?.['payload'], Buffer.from('51ffffffff', 'hex').toString('base64'));
  assert.equal(database.bytes.length, 0);
});

test('a database that breaks the protocol ends the session with a word, and its bytes are not passed on', async () => {
  const { client, database, closed } = setUp();
  client.send(query('select 1'));
  await settle();
  database.send(Buffer.from('44fffffff000', 'hex'));
  const end = await closed;
  assert.equal(end.refusal?.reason, 'internal');
  assert.match(end.error?.message ?? '', /database sent a message of length/);
  await settle();
  assert.equal(fatal(client.bytes)?.code, 'XX000');
});

const lock: Refusal = { reason: 'locked', message: 'locked' };

test('a session that must end says so between two messages of the database, never inside one', async () => {
  const { client, database, ending, closed, cancelled } = setUp();
  client.send(query('select 1'));
  await settle();
  database.send(row.subarray(0, 6));
  await settle();
  ending.abort(lock);
  await settle();
  assert.equal(fatal(client.bytes), undefined);
  assert.equal(cancelled(), 1, 'the running statement is stopped');
  client.send(query('select 2'));
  await settle();
  assert.deepEqual(database.bytes, query('select 1'), 'nothing more goes to the database');
  database.send(row.subarray(6));
  assert.equal((await closed).refusal, lock);
  await settle();
  assert.deepEqual(client.bytes.subarray(0, row.length), row);
  assert.equal(fatal(client.bytes.subarray(row.length))?.code, '57P01');
});

test('a session that hangs inside a message is cut when its time is over', async () => {
  const { client, database, ending, closed, clock } = setUp();
  database.send(row.subarray(0, 6));
  await settle();
  ending.abort(lock);
  await settle();
  clock.advance(2000);
  assert.equal((await closed).refusal, lock);
  await settle();
  assert.equal(fatal(client.bytes), undefined);
});

test('a slow client stops the database, a slow database the client, and both stay bounded', async () => {
  const { client, database, databaseNear, clientNear, closed } = setUp();
  client.channel.receive({ data: () => {}, close: () => {} });
  database.channel.receive({ data: () => {}, close: () => {} });
  const copy = Buffer.alloc(32 * 1024, 0x61);
  copy[0] = 0x64;
  copy.writeInt32BE(copy.length - 1, 1);
  for (let count = 0; count < 64; count++) {
    database.send(Buffer.from(copy));
    client.send(Buffer.from(copy));
  }
  await settle();
  assert.ok(databaseNear.highWater <= 256 * 1024, `${databaseNear.highWater} bytes of the database are held`);
  assert.ok(clientNear.highWater <= 256 * 1024, `${clientNear.highWater} bytes of the client are held`);
  client.channel.destroy();
  await closed;
});

test('bytes that came with the start-up are relayed first', async () => {
  const { client, database, closed, trace } = setUp({
    early: encodeServerMessage({ type: 'ParameterStatus', name: 'a', value: 'b' }),
    clientEarly: query('select 1'),
  });
  client.send(query('select 2'));
  await settle();
  assert.deepEqual(database.bytes, Buffer.concat([query('select 1'), query('select 2')]));
  assert.deepEqual(
    trace.filter((line) => line.startsWith('runs')),
    ['runs Q', 'runs Q'],
  );
  assert.equal(client.bytes[0], 0x53);
  client.send(encodeClientMessage({ type: 'Terminate' }));
  await settle();
  database.channel.end();
  assert.equal((await closed).by, 'client');
});

test('every statement has exactly one result, also when the session is torn', async () => {
  const { client, recorder, closed } = setUp();
  client.send(Buffer.concat([query('select 1'), query('select 2')]));
  await settle();
  client.channel.destroy();
  await closed;
  recorder.commit();
  assert.deepEqual(
    recorder.of('TDB10W').map((event) => event['outcome']),
    ['unanswered', 'unanswered'],
  );
});
