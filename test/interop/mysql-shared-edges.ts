/** Rows of the protocol's edge cases that hold for MySQL and MariaDB alike: each registers its tests within the caller's suite. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type LoggedEvent, waitForAudit } from '../kit/audit-log.ts';
import type { Cluster } from '../kit/cluster.ts';
import { type Output, runCommand } from '../kit/command.ts';
import { wireAddress } from '../kit/mysql-client.ts';
import { type MysqlAddress, mysqlArguments, mysqlCommand } from '../kit/mysql-command.ts';
import { FLAG, MysqlWire, type WireAddress, type WirePacket, WireRefusal } from '../kit/mysql-wire.ts';
import type { MysqlBinaries } from '../servers/mysql-binaries.ts';

/** Roles of the people in these tests: alice may send files, bob may not; both are `reader` in `shop` and `other`, never in `forbidden`. */
export const edgeRoles = `kind: role
version: v8
metadata: {name: files}
spec:
  allow: {db_labels: {'*': '*'}, db_users: [reader], db_names: [shop, other], db_local_infile: true}
---
kind: role
version: v8
metadata: {name: plain}
spec:
  allow: {db_labels: {'*': '*'}, db_users: [reader], db_names: [shop, other]}
`;

/** As root, once. */
export const edgeSchema = `
create database forbidden;
grant all on forbidden.* to 'reader'@'%';
create table shop.loaded (a int, b varchar(100));
create table shop.big (id int primary key, b longblob);
`;

/** Set up by the caller's `before`; read when a test runs. */
export type EdgeSetting = {
  readonly cluster: Cluster;
  /** Name of the database. */
  readonly service: string;
  readonly alice: MysqlAddress;
  readonly bob: MysqlAddress;
};

export type EdgeSubject = {
  readonly binaries: MysqlBinaries;
  /** Whose command lines are tried. */
  readonly clients: readonly MysqlBinaries[];
  readonly setting: () => EdgeSetting;
};

const modern = FLAG.sessionTrack | FLAG.deprecateEof;

/** M1 to M3, M6, M8 and M9. */
export function sharedEdges(subject: EdgeSubject): void {
  openings(subject);
  interrupts(subject);
  kills(subject);
  files(subject);
  databases(subject);
}

/** A session of this person, in `shop` unless said otherwise. */
export function open(address: MysqlAddress, more: Partial<WireAddress> = {}): Promise<MysqlWire> {
  return MysqlWire.open({ ...wireAddress(address), database: 'shop', flags: modern, ...more });
}

/** Code of the ERR among the packets, 0 without one. */
export function errorCode(packets: readonly WirePacket[]): number {
  const err = packets.find(({ payload }) => payload[0] === 0xff);
  return err === undefined ? 0 : err.payload.readUInt16LE(1);
}

/** The first column of the one row of a text result of one column; undefined when it is something else. */
export function oneValue(packets: readonly WirePacket[]): string | undefined {
  const [count, , behind, later] = packets;
  if (count?.payload[0] !== 1 || behind === undefined) return undefined;
  const eof = behind.payload[0] === 0xfe && behind.payload.length < 9;
  const row = eof ? later : behind;
  if (row === undefined || row.payload[0] === 0xfb || row.payload[0] === 0xfe) return undefined;
  return row.payload.toString('utf8', 1);
}

/** The first event of a statement with this text in it. */
export function eventOf(
  cluster: Cluster,
  code: string,
  marker: string,
  fits: (event: LoggedEvent) => boolean = () => true,
): Promise<LoggedEvent> {
  return waitForAudit(cluster, `${code} of ${marker}`, (events) =>
    events.find((event) => event.code === code && textOf(event).includes(marker) && fits(event)),
  );
}

/** What was asked, whatever it is called there. */
function textOf(event: LoggedEvent): string {
  const text = event['db_query'] ?? event['query'];
  return typeof text === 'string' ? text : '';
}

/** What became of a statement. */
export function resultOf(cluster: Cluster, asked: LoggedEvent): Promise<LoggedEvent> {
  return waitForAudit(cluster, `the result of ${String(asked['db_query'])}`, (events) =>
    events.find(
      (event) =>
        event.event === 'db.session.result' && event['sid'] === asked['sid'] && event['query_ei'] === asked['ei'],
    ),
  );
}

function openings({ clients, setting }: EdgeSubject): void {
  test('M1 fifty clients whose request for TLS and ClientHello come in one segment', async () => {
    for (let n = 0; n < 50; n += 10) {
      const opened = await Promise.all(
        Array.from({ length: 10 }, async (_, i) => {
          const client = await open(setting().alice, { oneSegment: true });
          const value = oneValue(await client.query(`select ${n + i}`));
          client.close();
          return value;
        }),
      );
      assert.deepEqual(
        opened,
        Array.from({ length: 10 }, (_, i) => String(n + i)),
      );
    }
  });

  for (const client of clients)
    test(`M9 ${client.name}'s client with a password that nobody asked for`, async () => {
      const { stdout, stderr, code } = await mysqlCommand(client, setting().alice, 'select current_user()', {
        args: ['--password=dummy'],
      });
      assert.equal(code, 0, stderr);
      assert.equal(stdout, 'reader@%\n');
    });

  test('M9 a scrambled password in the response, and what was sent is the next command', async () => {
    const client = await open(setting().alice, { password: Buffer.alloc(20, 0x73) });
    assert.equal(client.greeting.plugin, 'mysql_native_password');
    assert.equal(client.accepted.sequence, 3);
    assert.equal(oneValue(await client.query('select 9')), '9');
    client.close();
  });
}

function interrupts({ clients, setting }: EdgeSubject): void {
  for (const client of clients)
    test(`M2 Ctrl-C in ${client.name}'s client stops the statement`, async () => {
      const { cluster, service, alice } = setting();
      const marker = `m2 ${service} ${client.name}`;
      const began = performance.now();
      const { stderr } = await interrupted(client, alice, `select '${marker}', sleep(19)`);
      assert.ok(performance.now() - began < 12_000, `it took too long: ${stderr}`);
      const asked = await eventOf(cluster, 'TDB02I', marker);
      const result = await resultOf(cluster, asked);
      assert.ok(Number(result['duration_ms']) < 12_000, JSON.stringify(result));
      const ended = await waitForAudit(cluster, 'the end of the session', (events) =>
        events.find((event) => event.code === 'TDB01I' && event['sid'] === asked['sid']),
      );
      const kill = await killOf(cluster, ended['mysql_connection_id']);
      assert.equal(kill['user'], asked['user']);
      assert.notEqual(kill['sid'], asked['sid'], 'a session of its own brings the KILL');
      assert.match(String(kill['db_query']), new RegExp(`^KILL .*${String(kill['process_id'])}`));
    });

  test("M2 the number of another person's session is nobody's", async () => {
    const { alice, bob } = setting();
    const [hers, his] = [await open(alice), await open(bob)];
    hers.send(hers.queryPayload('select sleep(1)'));
    const shown = hers.greeting.connectionId;
    for (const text of ['kill query', 'kill connection', 'kill', 'KILL /* x */ QUERY']) {
      // Alone it is asked of other agents, of whom nobody answers; else it is refused here.
      assert.equal(errorCode(await his.query(`${text} ${shown}`)), 0);
      assert.equal(errorCode(await his.query(`select 1; ${text} ${shown}`)), 1094);
    }
    assert.equal(oneValue(await hers.answer('result')), '0', 'she slept to the end');
    assert.equal(oneValue(await his.query('select 2')), '2');
    hers.close();
    his.close();
  });
}

/** The KILL whose number in the database is `real`. */
function killOf(cluster: Cluster, real: unknown): Promise<LoggedEvent> {
  return waitForAudit(cluster, `a KILL of ${String(real)}`, (events) =>
    events.find((event) => event.code === 'TDB02I' && event['process_id_in_database'] === real),
  );
}

/** SIGINT after two seconds, as Ctrl-C is. */
async function interrupted(client: MysqlBinaries, address: MysqlAddress, sql: string): Promise<Output> {
  const program = join(client.bin, client.client);
  const args = [...mysqlArguments(client, address), '--batch', '--unbuffered', '-e', sql];
  return runCommand('timeout', ['-s', 'INT', '2', program, ...args]);
}

function kills({ binaries, setting }: EdgeSubject): void {
  test("M3 CONNECTION_ID() is the database's number, and killing by it works as on a direct connection", async () => {
    const { cluster, alice } = setting();
    const [one, other] = [await open(alice), await open(alice)];
    const real = Number(oneValue(await other.query('select connection_id()')));
    assert.ok(real < 0x4000_0000 && real !== other.greeting.connectionId);
    other.send(other.queryPayload('select sleep(15)'));
    await running(cluster, setting().service, real);
    assert.equal(errorCode(await one.query(`kill query ${real}`)), 0);
    const stopped = await other.answer('result');
    assert.ok(errorCode(stopped) !== 0 || oneValue(stopped) === '1', 'the sleep was interrupted');
    assert.equal(errorCode(await one.query(`kill ${real}`)), 0);
    await assert.rejects(other.query('select 1').then(refusedOrFine), /1317|closed|4031|1927|1053|13/);
    one.close();
    other.close();
  });

  test("a KILL of the person's own other session by the number of its greeting", async () => {
    const { cluster, alice } = setting();
    const [one, other] = [await open(alice), await open(alice)];
    const shown = other.greeting.connectionId;
    const real = Number(oneValue(await other.query('select connection_id()')));
    other.send(other.queryPayload('select sleep(15)'));
    await running(cluster, setting().service, real);
    assert.equal(errorCode(await one.query(`kill query ${shown}`)), 0);
    const stopped = await other.answer('result');
    assert.ok(errorCode(stopped) !== 0 || oneValue(stopped) === '1', 'the sleep was interrupted');
    assert.equal(errorCode(await one.query(`KILL ${shown}`)), 0);
    await assert.rejects(other.query('select 1').then(refusedOrFine), /./);
    const event = await killOf(cluster, real);
    assert.equal(event['process_id'], shown);
    assert.equal(errorCode(await one.query(`do 1; kill ${shown}`)), 1094, 'an ended session has no number');
    one.close();
    other.close();
  });

  test('a KILL of the own session', async () => {
    const client = await open(setting().alice);
    const answer = await client.query(`kill query ${client.greeting.connectionId}`);
    assert.ok([0, 1317].includes(errorCode(answer)));
    const last = await client.query(`kill ${client.greeting.connectionId}`).catch(() => []);
    assert.ok([0, 1317, 1927].includes(errorCode(last)));
    await assert.rejects(client.query('select 1').then(refusedOrFine));
    client.close();
  });

  test('a KILL of a number that nobody has', async () => {
    const client = await open(setting().alice);
    for (const text of ['kill', 'kill query']) {
      assert.equal(errorCode(await client.query(`${text} 1999999999`)), 0, 'another agent may have it');
      assert.equal(errorCode(await client.query(`do 1; ${text} 1999999999`)), 1094);
      assert.equal(errorCode(await client.query(`${text} 999999`)), 1094);
    }
    assert.equal(oneValue(await client.query('select 3')), '3');
    client.close();
  });

  test('COM_PROCESS_KILL', async () => {
    const { alice } = setting();
    const [one, other] = [await open(alice), await open(alice)];
    const answer = await one.ask(processKill(other.greeting.connectionId), 'ok');
    if (binaries.flavour === 'mysql') assert.equal(errorCode(answer), 1047, 'MySQL 9 has no such command any more');
    else {
      assert.equal(errorCode(answer), 0);
      await assert.rejects(other.query('select 1').then(refusedOrFine));
      assert.equal(errorCode(await one.ask(processKill(999_999), 'ok')), 1094);
    }
    assert.equal(oneValue(await one.query('select 4')), '4');
    one.close();
    other.close();
  });
}

/** A session that was killed either closes or says so first. */
function refusedOrFine(packets: readonly WirePacket[]): void {
  const code = errorCode(packets);
  if (code !== 0) throw new Error(`ERROR ${code}`);
}

/** Until the server runs a statement of this session. */
async function running(cluster: Cluster, service: string, id: number): Promise<void> {
  const sql = `select count(*) from information_schema.processlist where id = ${id} and command = 'Query'`;
  for (let tries = 0; (await cluster.mysql(service).run(sql)).trim() !== '1'; tries++)
    if (tries > 100) throw new Error(`session ${id} never ran its statement`);
}

function processKill(id: number): Buffer {
  const bytes = Buffer.alloc(5, 0x0c);
  bytes.writeUInt32LE(id, 1);
  return bytes;
}

function files({ binaries, clients, setting }: EdgeSubject): void {
  const disabled = binaries.flavour === 'mysql' ? 3948 : 4166;
  for (const client of clients) {
    test(`M6 LOAD DATA LOCAL by ${client.name}'s client, allowed by a role`, async () => {
      const { cluster, alice } = setting();
      const file = join(cluster.folder, `rows ${client.name}.txt`);
      writeFileSync(file, Array.from({ length: 5000 }, (_, n) => `${n}\tline ${n} é\n`).join(''));
      const sql = `/* ${client.name} */ truncate loaded; load data local infile '${file}' into table loaded; select count(*), max(b) from loaded`;
      const { stdout, stderr, code } = await mysqlCommand(client, { ...alice, database: 'shop' }, sql, {
        args: ['--local-infile=1'],
      });
      assert.equal(code, 0, stderr);
      assert.equal(stdout, '5000\tline 999 é\n');
      const asked = await eventOf(cluster, 'TDB02I', file);
      const result = await resultOf(cluster, asked);
      const { file_name, bytes, refused } = result['local_infile'] as Record<string, unknown>;
      assert.equal(file_name, file);
      assert.ok(Number(bytes) > 50_000, String(bytes));
      assert.equal(refused, false);
      assert.equal(result['affected_records'], 5000);
    });

    test(`M6 LOAD DATA LOCAL by ${client.name}'s client is refused without the role, and the session goes on`, async () => {
      const { cluster, bob } = setting();
      const marker = `/nowhere/of bob/${client.name}`;
      const sql = `load data local infile '${marker}' into table loaded;\nselect 'goes on';\n`;
      const { stdout, stderr } = await mysqlCommand(client, { ...bob, database: 'shop' }, sql, {
        args: ['--local-infile=1', '--force'],
      });
      assert.match(stderr, new RegExp(`ERROR ${disabled}`));
      assert.equal(stdout, 'goes on\n');
      const failed = await eventOf(cluster, 'TDB02W', marker);
      assert.equal(failed['error_code'], String(disabled));
      assert.equal(failed['user'], 'bob');
    });
  }

  test('M6 nothing is asked of the client where the role does not allow it, wherever the statement stands', async () => {
    const client = await open(setting().bob, { flags: modern | FLAG.localFiles });
    for (const sql of [
      "load data local infile '/etc/hostname' into table loaded",
      "select 1; load data local infile '/etc/hostname' into table loaded",
      "/*!50000 load data local infile '/etc/hostname' into table loaded */",
      "load /* x */ data low_priority local infile '/etc/hostname' into table loaded",
      "load xml local infile '/etc/hostname' into table loaded",
    ]) {
      const answer = await client.query(sql);
      assert.ok(
        answer.every(({ payload }) => payload[0] !== 0xfb),
        sql,
      );
      assert.equal(errorCode(answer), disabled, sql);
    }
    assert.equal(oneValue(await client.query('select 6')), '6');
    client.close();
  });
}

type Change = { readonly name: string; readonly only?: 'mysql' | 'mariadb' } & (
  | { readonly query: string }
  | { readonly command: Buffer }
  | { readonly prepared: string }
);

const changes: readonly Change[] = [
  { name: 'USE', query: 'use forbidden' },
  { name: 'USE in other words', query: ' \n/* x */ uSe\t`forbidden` -- y' },
  { name: 'USE without a space', query: 'use`forbidden`' },
  { name: 'USE in an executable comment', query: '/*!50000 use forbidden */' },
  { name: 'USE behind an executable comment', query: '/*! use */ forbidden' },
  { name: 'USE in a comment of MariaDB', query: '/*M! use forbidden */', only: 'mariadb' },
  { name: 'USE among other statements', query: "select 1; use forbidden; select 'ran there'" },
  { name: 'USE behind a string with a semicolon', query: "select ';'; use forbidden" },
  { name: 'a text longer than what is kept back', query: `use /*${'x'.repeat(300_000)}*/ forbidden` },
  { name: 'COM_INIT_DB', command: Buffer.from('\u0002forbidden') },
  { name: 'a prepared USE', prepared: 'use forbidden' },
  { name: 'PREPARE in SQL', query: "prepare p from 'use forbidden'; execute p" },
  { name: 'EXECUTE IMMEDIATE', query: "execute immediate 'use forbidden'", only: 'mariadb' },
  {
    name: 'EXECUTE IMMEDIATE of a computed text',
    query: "execute immediate concat('use forb', 'idden')",
    only: 'mariadb',
  },
  {
    name: 'EXECUTE IMMEDIATE of a computed text, and a statement behind it',
    query: "execute immediate concat('use forb', 'idden'); select 'ran there'",
    only: 'mariadb',
  },
];

function databases({ binaries, clients, setting }: EdgeSubject): void {
  for (const flags of [modern, 0])
    for (const change of changes.filter(({ only }) => only === undefined || only === binaries.flavour))
      test(`M8 ${change.name} to a database that no role allows, ${flags === 0 ? 'as an old client' : 'with session tracking'}`, async () => {
        const client = await open(setting().alice, { flags });
        const code = errorCode(await attempt(client, change));
        const there = oneValue(await client.query('select database()'));
        assert.equal(there, 'shop');
        // Servers that can not prepare USE say so themselves.
        assert.ok(code === 1044 || code === 1295, `error ${code}`);
        assert.equal(errorCode(await client.query('use other')), 0);
        assert.equal(oneValue(await client.query('select database()')), 'other');
        client.close();
      });

  test('M8 a refused change is on record as refused, an allowed one names the database from there on', async () => {
    const { cluster, alice } = setting();
    const client = await open(alice);
    await client.query('use forbidden /* on record */');
    await client.query('use other; select 1');
    await client.query("select 'm8 in other'");
    client.close();
    const refused = await eventOf(cluster, 'TDB02W', 'use forbidden /* on record */');
    assert.deepEqual([refused['error_code'], refused['sql_state'], refused['refused']], ['1044', '42000', true]);
    const later = await eventOf(cluster, 'TDB02I', 'm8 in other');
    assert.equal(later['db_name'], 'other');
  });

  test('M8 a sign-in to a database that no role allows', async () => {
    await assert.rejects(open(setting().alice, { database: 'forbidden' }), (error: unknown) => {
      assert.ok(error instanceof WireRefusal);
      assert.ok([1044, 1045].includes(error.code), `error ${error.code}: ${error.message}`);
      assert.equal(error.sequence, 3);
      return true;
    });
  });

  for (const client of clients)
    test(`M8 use in ${client.name}'s client`, async () => {
      const { alice } = setting();
      const sql = 'use forbidden;\nselect database();\nuse other;\nselect database();\n';
      const { stdout, stderr } = await mysqlCommand(client, { ...alice, database: 'shop' }, sql, { args: ['--force'] });
      assert.match(stderr, /ERROR 1044 \(42000\)/);
      assert.equal(stdout, 'shop\nother\n', stderr);
    });
}

async function attempt(client: MysqlWire, change: Change): Promise<readonly WirePacket[]> {
  if ('query' in change) return client.query(change.query);
  if ('command' in change) return client.ask(change.command, 'ok');
  const prepared = await client.ask(Buffer.from(`\u0016${change.prepared}`), 'prepare');
  if (errorCode(prepared) !== 0) return prepared;
  return client.ask(client.executePayload(prepared[0]?.payload.readUInt32LE(1) ?? 0, []), 'result');
}
