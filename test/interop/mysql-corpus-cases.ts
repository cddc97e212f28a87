/** What the corpus asks a session, in order: every case is a few commands and gives all packets that came back. */
import { FLAG, type Grammar, type MysqlWire, packet, type WirePacket } from '../kit/mysql-wire.ts';
import { integer, nothing, text, TYPE, type WireParameter } from '../kit/mysql-wire-values.ts';
import type { MysqlBinaries } from '../servers/mysql-binaries.ts';
import { type PreparedStatement, preparedStatements, textStatements } from './mysql-corpus.table.ts';

export type CorpusCase = {
  readonly name: string;
  run(client: MysqlWire): Promise<readonly WirePacket[]>;
};

/** All cases for this server; they share a session. */
export function corpusCases({ flavour }: MysqlBinaries): readonly CorpusCase[] {
  return [
    ...textStatements.map(({ sql, file }, index) => ({
      name: `text ${index}: ${sql.toString().slice(0, 60)}`,
      run: (client: MysqlWire) => client.query(sql, file),
    })),
    ...preparedStatements.map((statement, index) => ({
      name: `prepared ${index}: ${statement.sql.slice(0, 60)}`,
      run: (client: MysqlWire) => runPrepared(client, statement),
    })),
    ...commands.map(({ name, bytes, grammar }) => ({
      name: `command ${name}`,
      run: (client: MysqlWire) => client.ask(Buffer.from(bytes), grammar),
    })),
    ...scenes,
    ...(flavour === 'mariadb' ? mariadbScenes : []),
  ];
}

async function runPrepared(client: MysqlWire, statement: PreparedStatement): Promise<readonly WirePacket[]> {
  const { packets, id } = await prepare(client, statement.sql);
  const all = [...packets];
  if (id === undefined) return all;
  for (const [index, values] of statement.values.entries()) {
    const types = statement.types === 'always' || index === 0;
    const cursor = statement.fetch !== undefined;
    all.push(...(await client.ask(client.executePayload(id, values, { types, cursor }), 'result')));
    for (let n = 0; cursor && n < 4; n++) all.push(...(await fetchRows(client, id, statement.fetch ?? 0)));
  }
  client.send(byId(0x19, id));
  return all;
}

type PreparedAnswer = {
  readonly packets: readonly WirePacket[];
  /** Undefined: there is no statement. */
  readonly id: number | undefined;
};

async function prepare(client: MysqlWire, sql: string): Promise<PreparedAnswer> {
  return withoutId(await client.ask(Buffer.from(`\u0016${sql}`), 'prepare'));
}

/** A session of MariaDB goes on counting where the last one in the same thread ended, so numbers are taken out. */
function withoutId(packets: readonly WirePacket[]): PreparedAnswer {
  const [first, ...rest] = packets;
  if (first === undefined || first.payload[0] !== 0 || first.payload.length !== 12) return { packets, id: undefined };
  const payload = Buffer.from(first.payload);
  payload.writeUInt32LE(0, 1);
  return { packets: [{ ...first, payload }, ...rest], id: first.payload.readUInt32LE(1) };
}

/** The answer to something about a closed statement, whose number is in the text. */
function withoutNumbers(packets: readonly WirePacket[]): WirePacket[] {
  return packets.map(({ payload, ...rest }) => ({
    ...rest,
    payload: Buffer.from(payload.toString('latin1').replace(/\(\d+\)/, '()'), 'latin1'),
  }));
}

/** A command whose argument is a statement's number. */
function byId(command: number, id: number): Buffer {
  const bytes = Buffer.alloc(5, command);
  bytes.writeUInt32LE(id, 1);
  return bytes;
}

function fetch(id: number, rows: number): Buffer {
  const count = Buffer.alloc(4);
  count.writeUInt32LE(rows);
  return Buffer.concat([byId(0x1c, id), count]);
}

async function fetchRows(client: MysqlWire, id: number, rows: number): Promise<readonly WirePacket[]> {
  const packets = await client.ask(fetch(id, rows), 'rows');
  return packets.length === 1 && packets[0]?.payload[0] === 0xff ? withoutNumbers(packets) : packets;
}

function longData(id: number, parameter: number, data: string): Buffer {
  const number = Buffer.alloc(2);
  number.writeUInt16LE(parameter);
  return Buffer.concat([byId(0x18, id), number, Buffer.from(data)]);
}

const noSuchStatement = 0x00ff_ff00;

const commands: readonly {
  readonly name: string;
  readonly bytes: string | Uint8Array;
  readonly grammar: Grammar;
}[] = [
  { name: 'COM_PING', bytes: [0x0e], grammar: 'ok' },
  { name: 'COM_INIT_DB', bytes: '\u0002corpus_two', grammar: 'ok' },
  { name: 'COM_INIT_DB of none', bytes: '\u0002', grammar: 'ok' },
  { name: 'COM_INIT_DB of one that is not there', bytes: '\u0002nowhere', grammar: 'ok' },
  { name: 'COM_INIT_DB back', bytes: '\u0002corpus', grammar: 'ok' },
  { name: 'COM_FIELD_LIST', bytes: '\u0004types\0', grammar: 'fields' },
  { name: 'COM_FIELD_LIST with a pattern', bytes: '\u0004types\0t%', grammar: 'fields' },
  { name: 'COM_FIELD_LIST of no table', bytes: '\u0004nowhere\0', grammar: 'fields' },
  { name: 'COM_SET_OPTION, one statement', bytes: [0x1b, 1, 0], grammar: 'ok' },
  { name: 'COM_SET_OPTION, many statements', bytes: [0x1b, 0, 0], grammar: 'ok' },
  { name: 'COM_SET_OPTION, unknown', bytes: [0x1b, 9, 0], grammar: 'ok' },
  { name: 'COM_CREATE_DB', bytes: '\u0005made', grammar: 'ok' },
  { name: 'COM_DROP_DB', bytes: '\u0006made', grammar: 'ok' },
  { name: 'COM_REFRESH', bytes: [7, 0], grammar: 'ok' },
  { name: 'COM_DEBUG', bytes: [0x0d], grammar: 'ok' },
  { name: 'COM_STMT_RESET of no statement', bytes: byId(0x1a, noSuchStatement), grammar: 'ok' },
  { name: 'COM_STMT_FETCH of no statement', bytes: fetch(noSuchStatement, 1), grammar: 'rows' },
  {
    name: 'COM_STMT_EXECUTE of no statement',
    bytes: Buffer.concat([byId(0x17, noSuchStatement), Buffer.from([0, 1, 0, 0, 0])]),
    grammar: 'result',
  },
  { name: 'COM_PING again', bytes: [0x0e], grammar: 'ok' },
].map(({ bytes, ...rest }) => ({
  ...rest,
  bytes: typeof bytes === 'string' ? bytes : Uint8Array.from(bytes),
  grammar: rest.grammar as Grammar,
}));

const scenes: readonly CorpusCase[] = [
  {
    name: 'one statement only, by COM_SET_OPTION',
    run: async (client) => [
      ...(await client.ask(Buffer.from([0x1b, 1, 0]), 'ok')),
      ...(await client.query('select 1; select 2')),
      ...(await client.ask(Buffer.from([0x1b, 0, 0]), 'ok')),
      ...(await client.query('select 1; select 2')),
    ],
  },
  {
    name: 'long data in pieces has no answers, is used once and forgotten by a reset',
    run: async (client) => {
      const { packets: prepared, id = 0 } = await prepare(client, 'select ?, ?');
      const ahead: WireParameter = { type: TYPE.blob, bytes: 'ahead' };
      for (const piece of ['one ', 'two ', 'x'.repeat(100_000)]) client.send(longData(id, 0, piece));
      const first = await client.ask(client.executePayload(id, [ahead, text('second')]), 'result');
      const second = await client.ask(client.executePayload(id, [text('a'), text('b')]), 'result');
      client.send(longData(id, 1, 'thrown away'));
      const reset = await client.ask(byId(0x1a, id), 'ok');
      const third = await client.ask(client.executePayload(id, [text('c'), text('d')]), 'result');
      client.send(longData(id, 9, 'no such parameter'));
      const fourth = await client.ask(client.executePayload(id, [text('e'), text('f')]), 'result');
      client.send(byId(0x19, id));
      const gone = await client.ask(client.executePayload(id, [text('g'), text('h')]), 'result');
      client.send(longData(id, 0, 'no such statement'));
      return [
        ...prepared,
        ...first,
        ...second,
        ...reset,
        ...third,
        ...fourth,
        ...withoutNumbers(gone),
        ...(await ping(client)),
      ];
    },
  },
  {
    name: 'commands sent ahead in one write: statements, a failing one, prepare, closes, ping',
    run: async (client) => {
      const texts = ['select 1', 'selec 1', 'select 1; select 2', 'call three_results()', 'do 1'];
      const bytes = [
        ...texts.map((sql) => client.queryPayload(sql)),
        byId(0x19, noSuchStatement),
        Buffer.from('\u0016select ? + 1'),
        longData(noSuchStatement, 0, 'x'),
        Buffer.from([0x0e]),
      ];
      client.sendRaw(Buffer.concat(bytes.map((each) => packet(0, each))));
      const all: WirePacket[] = [];
      for (const grammar of [...texts.map(() => 'result' as const), 'prepare' as const, 'ok' as const])
        all.push(...withoutId(await client.answer(grammar)).packets);
      return all;
    },
  },
  {
    name: '500 statements in one write',
    run: async (client) => {
      const numbers = Array.from({ length: 500 }, (_, n) => n);
      client.sendRaw(Buffer.concat(numbers.map((n) => packet(0, client.queryPayload(`select ${n}`)))));
      const all: WirePacket[] = [];
      for (const _ of numbers) all.push(...(await client.answer('result')));
      return all;
    },
  },
  {
    name: 'a command a byte at a time',
    run: async (client) => {
      for (const byte of packet(0, client.queryPayload("select 'slow'"))) {
        client.sendRaw(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      return client.answer('result');
    },
  },
  {
    name: 'two prepared statements, executed in turns, types changed and left out',
    run: async (client) => {
      const first = await prepare(client, 'select ? as a, ? as b');
      const second = await prepare(client, 'select n from many where n = ?');
      const [one, two] = [first.id ?? 0, second.id ?? 0];
      const all = [...first.packets, ...second.packets];
      const execute = async (id: number, values: readonly WireParameter[], types: boolean): Promise<void> => {
        all.push(...(await client.ask(client.executePayload(id, values, { types }), 'result')));
      };
      await execute(one, [text('x'), integer('long', 1n)], true);
      await execute(two, [integer('tiny', 7n)], true);
      await execute(one, [text('y'), integer('long', 2n)], false);
      await execute(two, [integer('tiny', 8n)], false);
      await execute(one, [integer('longlong', 5n), nothing(TYPE.string)], true);
      await execute(two, [text('9')], true);
      await execute(one, [integer('longlong', 6n), integer('longlong', 7n)], true);
      client.send(byId(0x19, one));
      client.send(byId(0x19, two));
      return [...all, ...(await ping(client))];
    },
  },
  {
    name: 'two cursors open at once',
    run: async (client) => {
      const first = await prepare(client, 'select n from many order by n');
      const second = await prepare(client, 'select -n from many order by n');
      const ids = [first.id ?? 0, second.id ?? 0];
      const all = [...first.packets, ...second.packets];
      for (const id of ids) all.push(...(await client.ask(client.executePayload(id, [], { cursor: true }), 'result')));
      for (let turn = 0; turn < 3; turn++) for (const id of ids) all.push(...(await fetchRows(client, id, 10)));
      all.push(...(await client.ask(byId(0x1a, ids[0] ?? 0), 'ok')), ...(await fetchRows(client, ids[0] ?? 0, 10)));
      for (const id of ids) client.send(byId(0x19, id));
      return [...all, ...(await ping(client))];
    },
  },
  {
    name: 'query attributes, read by the server',
    run: async (client) => {
      if (!client.has(FLAG.queryAttributes)) return ping(client);
      const attributes = [
        { ...text('wert'), name: 'näme' },
        { ...integer('long', 7n), name: 'number' },
        { ...nothing(), name: 'nothing' },
      ];
      const { packets, id = 0 } = await prepare(client, 'select ?');
      const execution = client.executePayload(id, [text('value')], { attributes });
      return [
        ...(await client.ask(
          client.queryPayload("select mysql_query_attribute_string('number')", attributes),
          'result',
        )),
        ...packets,
        ...(await client.ask(execution, 'result')),
      ];
    },
  },
  {
    name: 'COM_RESET_CONNECTION forgets variables, temporary tables and statements',
    run: async (client) => {
      const { packets, id = 0 } = await prepare(client, 'select 1');
      return [
        ...packets,
        ...(await client.query('set @kept = 1; create temporary table forgotten (a int); begin')),
        ...(await client.ask(Buffer.from([0x1f]), 'ok')),
        ...(await client.query('select @kept, database()')),
        ...(await client.query('select * from forgotten')),
        ...withoutNumbers(await client.ask(client.executePayload(id, []), 'result')),
        ...(await prepare(client, 'select 2')).packets,
      ];
    },
  },
];

const mariadbScenes: readonly CorpusCase[] = [
  {
    name: 'prepare and execute -1, sent together',
    run: async (client) => {
      const bytes = [Buffer.from('\u0016select ? as a'), client.executePayload(0xffff_ffff, [text('pipelined')])];
      client.sendRaw(Buffer.concat(bytes.map((each) => packet(0, each))));
      return [...withoutId(await client.answer('prepare')).packets, ...(await client.answer('result'))];
    },
  },
  {
    name: 'a failing prepare and execute -1, sent together',
    run: async (client) => {
      const bytes = [Buffer.from('\u0016selec ?'), client.executePayload(0xffff_ffff, [text('pipelined')])];
      client.sendRaw(Buffer.concat(bytes.map((each) => packet(0, each))));
      return [...(await client.answer('prepare')), ...(await client.answer('result')), ...(await ping(client))];
    },
  },
  {
    name: 'bulk execution with NULL and DEFAULT',
    run: async (client) => {
      if ((client.extended & 4) === 0) return ping(client);
      const { packets, id = 0 } = await prepare(client, 'insert into work (v, n) values (?, ?)');
      const rows = Array.from({ length: 50 }, (_, n) =>
        Buffer.concat([
          Buffer.from([0]),
          text(`many ${n}`).bytes as Buffer,
          n % 3 === 0
            ? Buffer.from([1])
            : Buffer.concat([Buffer.from([0]), integer('long', BigInt(n)).bytes as Buffer]),
        ]),
      );
      const head = [byId(0xfa, id), Buffer.from([128, 0, TYPE.varString, 0, TYPE.long, 0])];
      const bulk = await client.ask(Buffer.concat([...head, ...rows]), 'result');
      const after = await client.query("select count(*), count(n), sum(n) from work where v like 'many %'");
      return [...packets, ...bulk, ...after];
    },
  },
];

function ping(client: MysqlWire): Promise<readonly WirePacket[]> {
  return client.ask(Buffer.from([0x0e]), 'ok');
}
