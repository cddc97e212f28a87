// The conversation between real clients and real servers: what clients get through it is what they get without it, and what it tells is what they did.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, suite, test } from 'node:test';
import { inspect } from 'node:util';
import { createConnection as connectMariadb } from 'mariadb';
import { createConnection as connectMysql2 } from 'mysql2/promise';
import { runCommand } from '../../../test/kit/command.ts';
import { listener, policyOf } from '../../../test/kit/mysql-dialogue.ts';
import { mariadb1011, mariadb118, mysql9, type MysqlBinaries } from '../../../test/servers/mysql-binaries.ts';
import { type MysqlServer, startMysql } from '../../../test/servers/mysql.ts';
import { CLIENT, MARIADB_CLIENT } from './capabilities.ts';
import { Conversation } from './conversation.ts';
import { decodeGreeting, encodeGreeting, isMariadb } from './greeting.ts';
import { decodeHandshakeResponse, encodeHandshakeResponse } from './handshake-response.ts';
import { encodePacket } from './packet.ts';
import { DEFAULT_CONVERSATION_LIMITS, type LegCapabilities } from './records.ts';
import { clientBytes } from './trace.ts';

const user = 'plain';
const never = CLIENT.SSL | CLIENT.COMPRESS | CLIENT.ZSTD_COMPRESSION_ALGORITHM | CLIENT.OPTIONAL_RESULTSET_METADATA;
const everyExtension =
  MARIADB_CLIENT.PROGRESS |
  MARIADB_CLIENT.STMT_BULK_OPERATIONS |
  MARIADB_CLIENT.EXTENDED_METADATA |
  MARIADB_CLIENT.CACHE_METADATA |
  MARIADB_CLIENT.BULK_UNIT_RESULTS;

for (const binaries of [mariadb1011(), mariadb118(), mysql9()]) {
  if (typeof binaries === 'string') test('conversation with a real server', { skip: binaries });
  else withServer(binaries);
}

function withServer(binaries: MysqlBinaries): void {
  suite(`conversation: ${binaries.name}`, () => {
    let server: MysqlServer;
    let between: Between;
    before(async () => {
      server = await startMysql(binaries);
      await server.run(
        `create user ${user}@'%' identified by ''; grant all on *.* to ${user}@'%'; create database nope`,
      );
      await server.run(TABLES, 'shop');
      between = await Between.start(server.port);
    });
    after(async () => {
      between.stop();
      await server.remove();
    });

    test('mysql2: texts, several results, prepared statements, long data, errors', async () => {
      await same(between, async (port) => {
        const client = await connectMysql2({ ...login(port), multipleStatements: true });
        const got: unknown[] = [
          await rowsOf(client.query('select id, name from items order by id')),
          await rowsOf(client.query('select 1; select 2 as b; do 0; select 3')),
          await rowsOf(client.query('call twice(3)')),
          await rowsOf(client.execute('select ? as a, ? as b, ? as c', ['x', 7, null])),
          await rowsOf(client.execute('select ? as a, ? as b, ? as c', ['y', 8, Buffer.from('bin')])),
          await rowsOf(client.execute('select length(?) as n', [Buffer.alloc(300_000, 'z')])),
          await rowsOf(client.query('select * from nowhere')),
          await rowsOf(client.query("select repeat('r', 20000000) as r")).then(String),
          await rowsOf(client.query(`select length('${'q'.repeat(400_000)}') as n`)),
          await rowsOf(client.query('select seq from numbers order by seq limit 3000')),
        ];
        client.unprepare('select length(?) as n');
        got.push(await rowsOf(client.query('select 5')), await client.ping());
        await client.end();
        return got;
      });
    });

    test('mysql2: what is refused leaves the session usable', async () => {
      const client = await connectMysql2(login(between.port));
      await assert.rejects(client.changeUser({ user: 'other' }), { errno: 1047 });
      await assert.rejects(client.query('use nope'), { errno: 1044 });
      await assert.rejects(client.query('/*!50000 use nope */'), { errno: 1044 });
      await assert.rejects(client.query("load data local infile 'x' into table items"), /local/i);
      const [rows] = await client.query('select database() as d');
      assert.deepEqual(rows, [{ d: 'shop' }]);
      await client.query('use other');
      const [others] = await client.query('select database() as d');
      assert.deepEqual(others, [{ d: 'other' }]);
      await client.end();
      assert.ok(between.heard.includes('database other'));
    });

    test('mysql2: LOAD DATA LOCAL where it is allowed', async () => {
      between.localInfile = true;
      try {
        const client = await connectMysql2({ ...login(between.port), flags: ['+LOCAL_FILES'] });
        const lines = Array.from({ length: 20_000 }, (_, index) => `${index}\tname ${index}\n`).join('');
        const [done] = await client.query({
          sql: "load data local infile 'a.tsv' into table loaded",
          infileStreamFactory: () => Readable.from([Buffer.from(lines)]),
        });
        assert.equal('affectedRows' in done && done.affectedRows, 20_000);
        assert.deepEqual(await rowsOf(client.query('select count(*) as n from loaded')), [{ n: 20_000 }]);
        await client.end();
        assert.ok(between.heard.some((line) => line.includes(`file=a.tsv+${Buffer.byteLength(lines)}`)));
      } finally {
        between.localInfile = false;
      }
    });

    test('mariadb: pipelined texts, executions twice (A10), batches (A3), streams', async () => {
      await same(between, async (port) => {
        const client = await connectMariadb({ ...login(port), multipleStatements: true });
        const many = await Promise.allSettled([
          client.query('select 1 as a'),
          client.query('select * from nowhere'),
          client.query('select seq from numbers where seq < ?', [5]),
          client.query('do 1'),
          client.execute('select ? as a, seq from numbers limit 3', ['one']),
          client.execute('select ? as a, seq from numbers limit 3', ['two']),
          client.execute('select ? as a, seq from numbers limit 3', [null]),
        ]);
        const again = await client.execute('select ? as a, seq from numbers limit 3', ['three']);
        const batch = await client.batch(
          'insert into written (n, t) values (?, ?)',
          Array.from({ length: 3000 }, (_, index) => [index, `t${index}`]),
        );
        // One result for each row of values (BULK_UNIT_RESULTS).
        const inFull = { sql: 'insert into written (n, t) values (?, ?)', fullResult: true };
        const each = await client.batch(
          inFull,
          Array.from({ length: 300 }, (_, index) => [index, null]),
        );
        const count = await client.query('select count(*) as n, sum(n) as s from written');
        await client.query('truncate written');
        const streamed: unknown[] = [];
        for await (const row of client.queryStream('select seq from numbers limit 2000')) streamed.push(row);
        await client.reset();
        const later = await client.query('select database() as d');
        await client.end();
        const settled = many.map((one) => (one.status === 'fulfilled' ? inspect(one.value) : Object(one.reason).errno));
        return [settled, ...[again, batch, each, count, streamed, later].map((one) => inspect(one))];
      });
    });

    test('mariadb: refusals among pipelined commands come in their turn', async () => {
      const client = await connectMariadb(login(between.port));
      const results = await Promise.allSettled([
        client.query('select 1 as a'),
        client.query('use nope'),
        client.query('select 2 as a'),
        client.query('kill 1073741999'),
        client.query('select 3 as a'),
      ]);
      assert.deepEqual(
        results.map((one) => (one.status === 'fulfilled' ? Number(one.value[0].a) : Object(one.reason).errno)),
        [1, 1044, 2, 1094, 3],
      );
      await client.end();
    });

    test('a way around the lexer: the answer is an error, and the session is led back', async (t) => {
      if (binaries.flavour === 'mysql') return t.skip('MySQL has no USE inside another statement');
      const client = await connectMysql2(login(between.port));
      await assert.rejects(client.query("execute immediate 'use nope'"), { errno: 1044 });
      assert.deepEqual(await rowsOf(client.query('select database() as d')), [{ d: 'shop' }]);
      await client.end();
    });

    test('reports of the default database switched off unseen: nothing more runs where the roles do not allow it', async (t) => {
      const heardBefore = between.heard.length;
      await server.run('create table if not exists nope.marks (n int); create table if not exists shop.marks (n int)');
      const long = `/*${'x'.repeat(300_000)}*/ use nope`;
      const hidden = binaries.flavour === 'mariadb' ? "execute immediate 'use nope'" : long;
      const off = "prepare s from @off; execute s; set @off = ''";
      for (const use of [hidden, long]) {
        const client = await connectMysql2({ ...login(between.port), multipleStatements: true });
        client.on('error', () => {});
        await assert.rejects(client.query('set sessión_track_schema=off'), { errno: 1227 });
        await client.query("set @off = concat('set session_track_', 'schema=0')");
        const after = Promise.allSettled([
          client.query(off),
          client.query(use),
          client.query('insert into marks values (1)'),
        ]);
        for (const one of await after) if (one.status === 'rejected') t.diagnostic(String(one.reason));
        client.destroy();
        between.problems.length = 0;
        assert.equal((await server.run('select count(*) from nope.marks')).trim(), '0');
      }
      // Sessions that were ended have no answers.
      between.heard.length = heardBefore;
    });

    test('the database asks for a file that nobody spoke of: the client is not asked, and the session ends', async (t) => {
      if (binaries.flavour === 'mysql') return t.skip('MySQL has no LOAD DATA LOCAL inside another statement');
      between.localInfile = true;
      const client = await connectMysql2({ ...login(between.port), flags: ['+LOCAL_FILES'] });
      client.on('error', () => {});
      const sql = `execute immediate "load data local infile '/etc/passwd' into table loaded"`;
      const infileStreamFactory = (): Readable => assert.fail('the client was asked for a file');
      await assert.rejects(client.query({ sql, infileStreamFactory }));
      between.localInfile = false;
      assert.match(String(between.problems.pop()), /asked for a local file|closed/);
      client.destroy();
    });

    for (const deprecatesEof of [false, true]) {
      test(`cursors and the small commands, ${deprecatesEof ? 'without' : 'with'} EOFs`, async () => {
        const start = between.heard.length;
        const results = (): readonly string[] =>
          between.heard.slice(start).filter((line) => /^#\d+ (?:completed|failed)/.test(line));
        const socket = await rawSignIn(between.port, deprecatesEof);
        const prepared = once(socket, 'data');
        socket.write(clientBytes('P(select seq from numbers order by seq)'));
        const [answer]: Buffer[] = await prepared;
        const id = answer?.readUInt32LE(5) ?? 0;
        const cursor = clientBytes(`E(${id})`);
        cursor.writeUInt8(1, 9);
        const small = binaries.flavour === 'mariadb' ? 'T(items) S O(0) c(0d) c(0a) Z' : 'T(items) S O(0) c(0d) Z';
        const commands = [cursor, clientBytes(`F(${id}/2) F(${id}/10000) R(${id}) ${small} Q(select 1)`)];
        const expected = binaries.flavour === 'mariadb' ? 12 : 11;
        socket.write(Buffer.concat(commands));
        while (results().length < expected && !socket.closed) await once(socket, 'data');
        socket.destroy();
        const { length } = results();
        assert.equal(length, expected);
        const rows = results().map((line) => Number(/rows=(\d+)/.exec(line)?.[1]));
        assert.deepEqual(rows.slice(0, 5), [0, 0, 2, 3598, 0], results().join('\n'));
        assert.match(results()[1] ?? '', /cursor/);
        assert.equal(rows.at(-1), 1);
      });

      test(`OUT parameters come as a row of their own, ${deprecatesEof ? 'without' : 'with'} EOFs`, async () => {
        const start = between.heard.length;
        const results = (): readonly string[] =>
          between.heard.slice(start).filter((line) => /^#\d+ (?:completed|failed)/.test(line));
        const socket = await rawSignIn(between.port, deprecatesEof);
        const prepared = once(socket, 'data');
        socket.write(encodePacket(0, Buffer.from('\x16call outs(?, ?)')));
        const [answer]: Buffer[] = await prepared;
        const id = answer?.readUInt32LE(5) ?? 0;
        socket.write(clientBytes(`E(${id}:5,null) Q(select 1) N Q(select 2)`));
        while (results().length < 4 && !socket.closed) await once(socket, 'data');
        socket.destroy();
        assert.match(results()[1] ?? '', /completed rows=2 results=3/);
        assert.match(results()[2] ?? '', /completed rows=1 results=1/);
        assert.match(results()[3] ?? '', /completed rows=1 results=1/);
      });
    }

    test('the command line client: statements, a large result, an import', async () => {
      await same(between, async (port) => {
        const shape = binaries.flavour === 'mariadb' ? ['--skip-ssl'] : ['--ssl-mode=DISABLED'];
        const run = (sql: string, ...more: string[]): ReturnType<typeof runCommand> =>
          runCommand(
            join(binaries.bin, binaries.client),
            [
              '--no-defaults',
              '--protocol=TCP',
              '--host=127.0.0.1',
              `--port=${port}`,
              `--user=${user}`,
              ...shape,
              ...more,
              'shop',
            ],
            { input: sql },
          );
        const plain = await run(
          'select * from items; show tables; select 1 into @x; select @x; show warnings;',
          '--table',
        );
        const large = await run(
          "select repeat('x', 16777210), repeat('y', 16777211); select repeat('z', 33554430)",
          '--max-allowed-packet=1G',
          '--quick',
        );
        const wide = await run(
          `select ${Array.from({ length: 500 }, (_, index) => `${index} as c${index}`).join(',')}`,
        );
        const failing = await run('select 1; select * from nowhere; select 2', '--force');
        return [plain, large, wide, failing];
      });
    });

    test('nothing was left over, and everything told has its result', () => {
      assert.deepEqual(between.problems, []);
      const asked = between.heard.filter((line) => /^#\d+ COM_/.test(line) && !line.includes(' refused ')).length;
      const answered = between.heard.filter((line) => /^#\d+ (?:completed|failed|no-answer)/.test(line)).length;
      assert.ok(asked > 50, `${asked} requests`);
      assert.equal(answered, asked);
    });
  });
}

const TABLES = `create table items (id int primary key, name varchar(40));
insert into items values (1, 'one'), (2, 'two'), (3, null);
create table loaded (id int, name varchar(40));
create table written (n int, t varchar(40));
create table numbers (seq int primary key);
insert into numbers with recursive r as (select 1 as n union all select n + 1 from r where n < 900) select n from r;
insert into numbers select seq + 900 from numbers; insert into numbers select seq + 1800 from numbers;
create procedure twice(in n int) select n * 2 as a;
delimiter //
create procedure outs(in n int, out m int) begin select n; set m = n + 1; end//`;

function login(port: number): { host: string; port: number; user: string; database: string } {
  return { host: '127.0.0.1', port, user, database: 'shop' };
}

/** Signed in without a driver. */
async function rawSignIn(port: number, deprecatesEof: boolean): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1');
  const packets = new Packets(socket);
  const { capabilities } = decodeGreeting((await packets.next()).payload);
  const wanted =
    CLIENT.LONG_PASSWORD |
    CLIENT.PROTOCOL_41 |
    CLIENT.SECURE_CONNECTION |
    CLIENT.PLUGIN_AUTH |
    CLIENT.CONNECT_WITH_DB |
    CLIENT.MULTI_RESULTS |
    CLIENT.PS_MULTI_RESULTS |
    (deprecatesEof ? CLIENT.DEPRECATE_EOF : 0);
  const response = encodeHandshakeResponse({
    capabilities: (wanted & (capabilities | CLIENT.LONG_PASSWORD)) >>> 0,
    extended: 0,
    maxPacketSize: 1 << 24,
    charset: 45,
    user,
    database: 'shop',
    authResponse: Buffer.alloc(0),
    plugin: 'mysql_native_password',
    attributes: new Map(),
  });
  socket.write(encodePacket(1, response));
  for (;;) {
    const { sequence, payload } = await packets.next();
    if (payload[0] === 0x00) break;
    assert.notEqual(payload[0], 0xff, payload.toString('latin1'));
    // An empty password answers every plugin with nothing.
    if (payload[0] === 0xfe) socket.write(encodePacket(sequence + 1, Buffer.alloc(0)));
  }
  packets.rest();
  socket.resume();
  return socket;
}

/** Rows, or the number of the error. */
async function rowsOf(query: Promise<readonly [unknown, unknown]>): Promise<unknown> {
  try {
    const [rows] = await query;
    return JSON.parse(JSON.stringify(rows));
  } catch (error) {
    return Object(error).errno;
  }
}

/** Direct and through the conversation. */
async function same(between: Between, run: (port: number) => Promise<unknown>): Promise<void> {
  const direct = await run(between.serverPort);
  const through = await run(between.port);
  assert.deepEqual(through, direct);
}

/** Stands between: passes the sign-in with capabilities that a conversation can read, then converses. */
class Between {
  readonly serverPort: number;
  readonly heard: string[] = [];
  readonly problems: unknown[] = [];
  localInfile = false;
  readonly #listener: Server;

  private constructor(serverPort: number) {
    this.serverPort = serverPort;
    this.#listener = createServer((client) => void this.#converse(client));
  }

  static async start(serverPort: number): Promise<Between> {
    const between = new Between(serverPort);
    between.#listener.listen(0, '127.0.0.1');
    await once(between.#listener, 'listening');
    return between;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  stop(): void {
    this.#listener.close();
  }

  async #converse(client: Socket): Promise<void> {
    const server = connectTcp(this.serverPort, '127.0.0.1');
    for (const socket of [client, server]) {
      socket.setNoDelay();
      socket.on('error', () => {});
    }
    const fromServer = new Packets(server);
    const fromClient = new Packets(client);
    try {
      const greeting = decodeGreeting((await fromServer.next()).payload);
      const capabilities = (greeting.capabilities & ~never) >>> 0;
      const extended = greeting.extended & everyExtension;
      client.write(encodePacket(0, encodeGreeting({ ...greeting, capabilities, extended })));
      const answer = await fromClient.next();
      const said = decodeHandshakeResponse(answer.payload);
      // Some clients name what was not offered: only what both said counts.
      const legs: LegCapabilities = {
        flags: (said.capabilities & capabilities) >>> 0,
        extended: said.extended & extended,
      };
      // The database's leg tracks the session, whatever the client asked for.
      answer.payload.writeUInt32LE((legs.flags | CLIENT.SESSION_TRACK) >>> 0, 0);
      server.write(encodePacket(answer.sequence, answer.payload));
      for (;;) {
        const packet = await fromServer.next();
        client.write(encodePacket(packet.sequence, packet.payload));
        if (packet.payload[0] === 0xff) return void client.end();
        if (packet.payload[0] === 0x00) break;
        if (packet.payload[0] === 0x01 && packet.payload[1] === 0x03) continue;
        const more = await fromClient.next();
        server.write(encodePacket(more.sequence, more.payload));
      }
      const database = { ...legs, flags: (legs.flags | CLIENT.SESSION_TRACK) >>> 0 };
      const flavour = isMariadb(greeting) ? 'mariadb' : 'mysql';
      this.#relay(client, server, fromClient.rest(), fromServer.rest(), {
        client: legs,
        database,
        flavour,
      });
    } catch (error) {
      this.problems.push(error);
      client.destroy();
      server.destroy();
    }
  }

  #relay(
    client: Socket,
    server: Socket,
    early: Buffer,
    earlyAnswer: Buffer,
    legs: {
      readonly client: LegCapabilities;
      readonly database: LegCapabilities;
      readonly flavour: 'mysql' | 'mariadb';
    },
  ): void {
    const conversation = new Conversation(listener(this.heard), {
      ...legs,
      limits: DEFAULT_CONVERSATION_LIMITS,
      now: () => performance.now(),
      databaseName: 'shop',
      policy: policyOf(this.localInfile),
    });
    const guarded = (work: () => void) => (): void => {
      try {
        work();
        if (conversation.mustEnd !== undefined) throw new Error(conversation.mustEnd.message);
      } catch (error) {
        this.problems.push(error);
        client.destroy();
        server.destroy();
      }
    };
    const write = (to: Socket, bytes: Buffer | undefined): void => {
      if (bytes !== undefined && bytes.length > 0 && !to.destroyed) to.write(bytes);
    };
    const onClient = (chunk: Buffer): void =>
      guarded(() => {
        write(server, conversation.fromClient(chunk));
        write(client, conversation.takeAnswers());
      })();
    const onServer = (chunk: Buffer): void =>
      guarded(() => {
        write(client, conversation.fromDatabase(chunk));
        write(server, conversation.takeRequests());
      })();
    if (early.length > 0) onClient(early);
    if (earlyAnswer.length > 0) onServer(earlyAnswer);
    client.on('data', onClient);
    server.on('data', onServer);
    client.on('end', () => server.end());
    server.on('end', () => {
      conversation.finish();
      client.end();
    });
    client.resume();
    server.resume();
  }
}

/** Single packets of a sign-in. */
class Packets {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.pause();
  }

  async next(): Promise<{ readonly sequence: number; readonly payload: Buffer }> {
    for (;;) {
      const length = this.#bytes.length < 4 ? Infinity : 4 + this.#bytes.readUIntLE(0, 3);
      if (this.#bytes.length >= length) {
        const packet = { sequence: this.#bytes.readUInt8(3), payload: Buffer.from(this.#bytes.subarray(4, length)) };
        this.#bytes = this.#bytes.subarray(length);
        return packet;
      }
      const chunk: unknown = this.#socket.read();
      if (Buffer.isBuffer(chunk)) this.#bytes = Buffer.concat([this.#bytes, chunk]);
      else if (this.#socket.readableEnded) throw new Error('ended while signing in');
      else await Promise.race([once(this.#socket, 'readable'), once(this.#socket, 'end')]);
    }
  }

  rest(): Buffer {
    this.#socket.removeAllListeners('readable');
    const chunk: unknown = this.#socket.read();
    return Buffer.isBuffer(chunk) ? Buffer.concat([this.#bytes, chunk]) : this.#bytes;
  }
}
