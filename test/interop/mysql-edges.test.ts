// The edge cases of MySQL's protocol, row by row, with real clients and MySQL 9.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { readAuditLog, waitForAudit } from '../kit/audit-log.ts';
import { startCluster, type Cluster } from '../kit/cluster.ts';
import { mysqlAddress, openMysql2, wireAddress } from '../kit/mysql-client.ts';
import { mysqlCommand } from '../kit/mysql-command.ts';
import { FLAG, MysqlWire, packet } from '../kit/mysql-wire.ts';
import { text, TYPE } from '../kit/mysql-wire-values.ts';
import { mariadb1011, mariadb118, mysql9, type MysqlBinaries } from '../servers/mysql-binaries.ts';
import {
  edgeRoles,
  edgeSchema,
  type EdgeSetting,
  errorCode,
  eventOf,
  oneValue,
  open,
  resultOf,
  sharedEdges,
} from './mysql-shared-edges.ts';

const server = mysql9();
if (typeof server === 'string') test('M1 to M10', { skip: server }, () => undefined);
else suite('MySQL edges', () => edges(server));

function edges(binaries: MysqlBinaries): void {
  let cluster: Cluster;
  let setting: EdgeSetting;
  const service = 'orders_mysql';
  const others = [mariadb1011(), mariadb118()].filter((each) => typeof each !== 'string');

  before(async () => {
    cluster = await startCluster({
      mysql: [
        { name: service, binaries, settings: { 'max-allowed-packet': '128M', 'innodb-redo-log-capacity': '512M' } },
      ],
    });
    await cluster.mysql(service).run(edgeSchema);
    await cluster.tryTessera(['create', '-f', '-'], { input: edgeRoles });
    const [alice, bob] = await Promise.all(
      [['alice', 'files'] as const, ['bob', 'plain'] as const].map(async ([name, role]) => {
        const person = await cluster.addPerson(name, [`--roles=${role}`]);
        await person.login();
        return mysqlAddress(person, service, 'reader');
      }),
    );
    assert.ok(alice !== undefined && bob !== undefined);
    setting = { cluster, service, alice, bob };
  });
  after(() => cluster?.close());

  sharedEdges({ binaries, clients: [binaries, ...others], setting: () => setting });

  test("M4 the query attributes of mysql's own client are told apart from the text", async () => {
    const sql = "query_attributes colour blue size 7\nselect 'm4', 1;\n";
    const { stdout, stderr } = await mysqlCommand(binaries, setting.alice, sql, { args: ['--commands'] });
    assert.match(stdout, /^m4\t/, stderr);
    const asked = await eventOf(cluster, 'TDB02I', "select 'm4'");
    assert.equal(asked['db_query'], "select 'm4', 1");
    assert.deepEqual(asked['query_attributes'], [
      { name: 'colour', value: 'blue' },
      { name: 'size', value: '7' },
    ]);
  });

  for (const flags of [0, FLAG.queryAttributes])
    test(`M4 a statement ${flags === 0 ? 'of a client without' : 'behind an empty block of'} attributes is told as it was written`, async () => {
      const client = await open(setting.alice, { flags });
      assert.equal(client.has(FLAG.queryAttributes), flags !== 0);
      const marker = `select 'm4 plain ${flags}'`;
      await client.query(marker);
      client.close();
      assert.equal((await eventOf(cluster, 'TDB02I', marker))['db_query'], marker);
    });

  const sizes = [16_777_210, 16_777_211, 16_777_212, 33_554_421, 33_554_422];
  for (const deprecate of [FLAG.deprecateEof, 0])
    test(`M5 rows around the largest packet and its multiples, ${deprecate === 0 ? 'with EOF packets' : 'without EOF packets'}`, async () => {
      const client = await open(setting.alice, { flags: deprecate });
      for (const size of sizes) {
        const answer = await client.query(`select repeat('x', ${size})`);
        const row = answer.find(({ payload }) => payload.length > 1_000_000);
        const head = size < 0x100_0000 ? 4 : 9;
        assert.equal(row?.payload.length, size + head, `${size}`);
        assert.equal(row?.parts, Math.floor((size + head) / 0xff_ffff) + 1);
        assert.ok(row.payload.subarray(head).equals(Buffer.alloc(size, 'x')));
      }
      assert.equal(oneValue(await client.query('select 5')), '5');
      client.close();
    });

  for (const size of [0xff_ffff, 2 * 0xff_ffff, 40 * 1024 * 1024])
    test(`M5 a command of ${size} bytes arrives whole, and is on record by its SHA-256`, async () => {
      const client = await open(setting.alice);
      const [before, behind] = [`replace into big values (${size % 1000}, '`, "')"];
      const filler = size - 1 - before.length - behind.length;
      const sql = Buffer.concat([Buffer.from(before), Buffer.alloc(filler, `a${size}`), Buffer.from(behind)]);
      const payload = client.queryPayload(sql);
      assert.equal(payload.length, size);
      assert.equal(errorCode(await client.ask(payload, 'result')), 0);
      const stored = await client.query(`select sha2(b, 256) from big where id = ${size % 1000}`);
      const want = createHash('sha256').update(sql.subarray(before.length, sql.length - behind.length));
      assert.equal(oneValue(stored), want.digest('hex'));
      client.close();
      const digest = createHash('sha256').update(sql).digest('hex');
      const asked = await waitForAudit(cluster, 'the long statement', (events) =>
        events.find((event) => (event['db_query_truncated'] as { sha256?: string } | undefined)?.sha256 === digest),
      );
      assert.equal((asked['db_query_truncated'] as { bytes: number }).bytes, sql.length);
      assert.equal((await resultOf(cluster, asked))['affected_records'], 1);
    });

  test('M7 long data and closes have no answer: mysql2 with buffers, statement after statement', async () => {
    const connection = await openMysql2({ ...setting.alice, database: 'shop' });
    for (let n = 0; n < 20; n++) {
      const [rows] = await connection.execute('select length(?) as l, ? as n', [Buffer.alloc(1000 * n, 1), n]);
      assert.deepEqual(rows, [{ l: 1000 * n, n }]);
      if (n % 3 === 0) connection.unprepare('select length(?) as l, ? as n');
    }
    const [rows] = await connection.query('select 7 as seven');
    assert.deepEqual(rows, [{ seven: 7 }]);
    await connection.end();
  });

  test('M7 long data is counted on record, not kept, and has no result of its own', async () => {
    const client = await open(setting.alice);
    const prepared = await client.ask(Buffer.from("\u0016select length(?), 'm7 long'"), 'prepare');
    const id = prepared[0]?.payload.readUInt32LE(1) ?? 0;
    const head = Buffer.alloc(7, 0x18);
    head.writeUInt32LE(id, 1);
    head.writeUInt16LE(0, 5);
    const pieces = [Buffer.alloc(70_000, 's'), Buffer.alloc(500_000, 'e'), Buffer.alloc(1, 'c')];
    for (const piece of pieces) client.send(Buffer.concat([head, piece]));
    const answer = await client.ask(client.executePayload(id, [{ type: TYPE.blob, bytes: 'ahead' }]), 'result');
    assert.equal(errorCode(answer), 0);
    const close = Buffer.alloc(5, 0x19);
    close.writeUInt32LE(id, 1);
    client.send(close);
    assert.equal(oneValue(await client.query("select 'm7 after'")), 'm7 after');
    client.close();
    const last = await eventOf(cluster, 'TDB02I', 'm7 after');
    await resultOf(cluster, last);
    const own = readAuditLog(cluster).filter((event) => event['sid'] === last['sid']);
    const data = own.filter(({ code }) => code === 'TMY02I');
    assert.deepEqual(
      data.map((event) => [event['statement_id'], event['parameter_id'], event['data_size']]),
      pieces.map((piece) => [id, 0, piece.length]),
    );
    const silent = new Set([...data, ...own.filter(({ code }) => code === 'TMY03I')].map((event) => event['ei']));
    assert.equal(silent.size, 4);
    assert.ok(own.every((event) => event.event !== 'db.session.result' || !silent.has(event['query_ei'])));
    assert.doesNotMatch(JSON.stringify(own), /ssssssss/);
  });

  for (const [client, algorithms] of [
    [binaries, ['--compression-algorithms=zstd,zlib,uncompressed']],
    ...others.map((other) => [other, ['--compress']] as const),
  ] as const)
    test(`M10 ${client.name}'s client asks for compression and does without`, async () => {
      const { stdout, stderr, code } = await mysqlCommand(
        client,
        setting.alice,
        "select 'uncompressed'; show status like 'Compression'",
        { args: algorithms },
      );
      assert.equal(code, 0, stderr);
      assert.equal(stdout, 'uncompressed\nCompression\tOFF\n');
    });

  test('M10 neither compression nor what else is not relayed is offered', async () => {
    const never = FLAG.compress | FLAG.zstd | FLAG.optionalMetadata | 0x1000_0000;
    for (const way of ['inside', 'tunnel'] as const) {
      const port = way === 'tunnel' ? (cluster.proxies[0]?.port ?? 0) : setting.alice.port;
      const client = await MysqlWire.open({ ...wireAddress(setting.alice), way, port, flags: never });
      assert.equal(client.greeting.flags & never, 0, way);
      assert.equal(oneValue(await client.query('select 10')), '10');
      client.close();
    }
  });

  const refused: readonly { readonly name: string; readonly command: Buffer; readonly code: number }[] = [
    { name: 'COM_CHANGE_USER', command: Buffer.from('\u0011root\0\0shop\0'), code: 1047 },
    { name: 'COM_REGISTER_SLAVE', command: Buffer.alloc(18, 0x15), code: 1227 },
    { name: 'COM_BINLOG_DUMP', command: Buffer.alloc(11, 0x12), code: 1227 },
    { name: 'COM_BINLOG_DUMP_GTID', command: Buffer.alloc(23, 0x1e), code: 1227 },
    { name: 'COM_CLONE', command: Buffer.from([0x20]), code: 1227 },
    { name: 'COM_TIME', command: Buffer.from([0x0f]), code: 1047 },
    { name: 'a byte that is no command', command: Buffer.from([0x77, 1, 2, 3]), code: 1047 },
  ];
  test('commands that are not relayed are refused, in the order they came, and the session goes on', async () => {
    const client = await open(setting.alice);
    const commands = refused.flatMap(({ command }) => [command, client.queryPayload('select 11')]);
    client.sendRaw(Buffer.concat(commands.map((each) => packet(0, each))));
    for (const { name, code } of refused) {
      const [answer] = await client.answer('ok');
      assert.equal(answer?.sequence, 1);
      assert.equal(answer === undefined ? 0 : errorCode([answer]), code, name);
      assert.equal(oneValue(await client.answer('result')), '11');
    }
    client.close();
    await waitForAudit(cluster, 'all refusals', (events) => {
      const told = events.filter((event) => event.code === 'TDB02W' && event['refused'] === true);
      const names = new Set(told.map((event) => event['command']));
      return refused.slice(0, 5).every(({ name }) => names.has(name)) ? true : undefined;
    });
  });

  test("the noise of mysql's client at every start is on record like all else", async () => {
    await mysqlCommand(binaries, setting.alice, "select 'noise'");
    const asked = await eventOf(cluster, 'TDB02I', "select 'noise'");
    const own = readAuditLog(cluster).filter((event) => event['sid'] === asked['sid'] && event.code === 'TDB02I');
    assert.ok(
      own.some((event) => /version_comment|\$\$/.test(String(event['db_query']))),
      JSON.stringify(own),
    );
  });

  test('a prepared statement with a value is on record with both', async () => {
    const client = await open(setting.alice);
    const prepared = await client.ask(Buffer.from("\u0016select ?, 'on record'"), 'prepare');
    const id = prepared[0]?.payload.readUInt32LE(1) ?? 0;
    await client.ask(client.executePayload(id, [text('välue')]), 'result');
    client.close();
    const executed = await eventOf(cluster, 'TMY01I', "'on record'");
    assert.deepEqual(executed['parameters'], ['välue']);
    assert.equal((await resultOf(cluster, executed))['rows'], 1);
  });
}
