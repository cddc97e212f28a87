// Unmodified clients of MySQL and MariaDB through Tessera: command lines, dumps, load generators, drivers of Node, Python and Java.
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import mariadb from 'mariadb';
import type { Connection as CallbackConnection } from 'mysql2';
import mysql2 from 'mysql2/promise';
import { type LoggedEvent, waitForAudit } from '../kit/audit-log.ts';
import { startCluster, type Cluster } from '../kit/cluster.ts';
import { runCommand, runOk } from '../kit/command.ts';
import { mysqlAddress, openMysql2 } from '../kit/mysql-client.ts';
import { type MysqlAddress, mysqlArguments } from '../kit/mysql-command.ts';
import { type RunningTunnel, startTunnel } from '../kit/mysql-tunnel.ts';
import type { Person } from '../kit/person.ts';
import { mariadb1011, mariadb118, mysql9, type MysqlBinaries } from '../servers/mysql-binaries.ts';
import { mariadbConnectorJ, pymysql, sysbench } from '../servers/mysql-clients.ts';
import { rootLogin } from '../servers/mysql-data.ts';

const found = { orders_mysql: mysql9(), orders_maria: mariadb1011() } as const;
const here = Object.entries(found).filter((each): each is [string, MysqlBinaries] => typeof each[1] !== 'string');
const clients = [mysql9(), mariadb1011(), mariadb118()].filter((each) => typeof each !== 'string');
for (const reason of [...Object.values(found), mariadb118()].filter((each) => typeof each === 'string'))
  test('clients of MySQL and MariaDB', { skip: reason }, () => undefined);

/** As root. Names of databases are free in these tests. */
const databases = `
create database content character set utf8mb4;
create database restored character set utf8mb4;
create database mysqlslap;
grant all on content.* to 'reader'@'%';
grant all on restored.* to 'reader'@'%';
grant all on mysqlslap.* to 'reader'@'%';
use shop;
delimiter //
create procedure twice(in n int) begin select n as n; select n * 2 as n; end //
delimiter ;
`;

/** As the person, so that routines are the database user's own. */
const content = `
create table bytes (id int primary key, b longblob, t varbinary(300), c char(3) character set latin1);
insert into bytes values (1, x'00010a0d1a22275c7f80feff', 'x', 'é'), (2, '', null, ''), (3, null, repeat('\\\\', 100), 'abc');
insert into bytes select n + 10, concat(repeat(char(n), 1000), unhex(sha2(n, 512))), char(n), 'z' from (with recursive r(n) as (select 0 union all select n + 1 from r where n < 255) select n from r) x;
create table texts (id int primary key auto_increment, t text, j json, e enum('ä','b;c','d''e'), s set('x','y'), unique key (t(20)));
insert into texts (t, j, e, s) values ('漢字 🙂 naïve', '{"a": ["ü", null]}', 'ä', 'x,y'), ('quote '' back \\\\ nl\\n tab\\t nul\\0 -- /* ; */', '[]', 'b;c', ''), (null, null, null, null);
create table numbers (a int primary key, b decimal(20,5), c double, d bit(9), g bigint generated always as (a * 2) stored, v varchar(20) generated always as (concat('v', a)) virtual, y year, z datetime(6), w time(3), key (g));
insert into numbers (a, b, c, d, y, z, w) values (1, -1.5, 1e300, b'101010101', 2026, '2026-01-02 03:04:05.678901', '-10:20:30.4'), (-2147483648, 99999999999999.99999, -0.1, b'0', 1901, '1000-01-01', '838:59:59');
create table parent (id int primary key);
create table child (id int primary key, p int, constraint fk foreign key (p) references parent (id) on delete cascade);
insert into parent values (1), (2);
insert into child values (10, 1), (20, 2);
create table log (what varchar(100));
delimiter //
create trigger child_added after insert on child for each row begin insert into log values (concat('added; ', new.id)); end //
create procedure count_all(out n int) begin select count(*) into n from bytes; /* a ; and 'quotes' */ end //
create function double_it(n int) returns int deterministic no sql return n * 2 //
create view big_bytes as select id, length(b) as l, 'lit; eral' as x from bytes where length(b) > 100 //
delimiter ;
insert into child values (30, 2);
`;
const tables = ['bytes', 'texts', 'numbers', 'parent', 'child', 'log'];

suite('MySQL clients', { skip: here.length === 0 ? 'neither server' : false }, () => {
  let cluster: Cluster;
  let alice: Person;
  const addresses = new Map<string, MysqlAddress>();
  const tunnels = new Map<string, RunningTunnel>();

  before(async () => {
    cluster = await startCluster({ mysql: here.map(([name, binaries]) => ({ name, binaries })) });
    await Promise.all(here.map(([name]) => cluster.mysql(name).run(databases)));
    alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=*']);
    await alice.login();
    for (const [name] of here) addresses.set(name, await mysqlAddress(alice, name, 'reader'));
    await Promise.all(here.map(async ([name]) => tunnels.set(name, await startTunnel(alice, name))));
  });
  after(async () => {
    await Promise.all([...tunnels.values()].map((tunnel) => tunnel.close()));
    await cluster?.close();
  });

  function at(name: string): MysqlAddress {
    const address = addresses.get(name);
    assert.ok(address !== undefined);
    return address;
  }

  function tunnel(name: string): RunningTunnel {
    const running = tunnels.get(name);
    assert.ok(running !== undefined);
    return running;
  }

  function withPath(binaries: MysqlBinaries): Record<string, string> {
    return { ...alice.env, PATH: `${binaries.bin}:${process.env['PATH'] ?? ''}` };
  }

  for (const [name] of here) {
    for (const client of clients) {
      test(`${client.name}'s client with the option file that tsh wrote, to ${name}`, async () => {
        const args = [`--defaults-group-suffix=_test-${name}`, '--default-character-set=utf8mb4', '-BN', 'shop'];
        const sql =
          "select current_user(), name from products where id = 2; call twice(21); show warnings; select 'é', null";
        const { stdout, code, stderr } = await runCommand(join(client.bin, client.client), args, {
          env: alice.env,
          input: sql,
        });
        assert.equal(code, 0, stderr);
        assert.equal(stdout, 'reader@%\tbrüllwürfel\n21\n42\né\tNULL\n');
      });

      test(`${client.name}'s client with the line that tsh proxy db printed, to ${name}`, async () => {
        const command = tunnel(name).commands[client.flavour] ?? '';
        const { stdout, code, stderr } = await runCommand('sh', ['-c', `${command} -BN`], {
          env: withPath(client),
          input:
            "select 'tunnelled'; select count(*) from shop.products; use other; select text from notes order by id",
        });
        assert.equal(code, 0, stderr);
        assert.equal(stdout, 'tunnelled\n4\nfirst\nsecond\n');
      });
    }

    test(`errors are the server's own, in ${name}`, async () => {
      for (const client of clients) {
        const args = [`--defaults-group-suffix=_test-${name}`, '-BN', '--force', 'shop'];
        const { stdout, stderr } = await runCommand(join(client.bin, client.client), args, {
          env: alice.env,
          input: 'select * from nowhere;\nselec 1;\nselect 1;\n',
        });
        assert.match(stderr, /ERROR 1146 \(42S02\) at line 1: Table 'shop\.nowhere' doesn't exist/);
        assert.match(stderr, /ERROR 1064 \(42000\) at line 2/);
        assert.equal(stdout, '1\n');
      }
    });
  }

  for (const [name, binaries] of here) {
    for (const flags of [[], ['--tunnel']])
      test(`tsh db connect ${[name, ...flags].join(' ')}`, async () => {
        const { stdout, stderr, code } = await alice.tryTsh(['db', 'connect', name, ...flags], {
          env: withPath(binaries),
          input: 'select current_user() as who;\n',
        });
        assert.equal(code, 0, stderr);
        assert.equal(stdout, 'who\nreader@%\n');
      });
  }

  test('tsh db exec on all of them', async () => {
    const [, binaries] = here[0] ?? assert.fail();
    const names = here.map(([name]) => name);
    const { stdout, stderr, code } = await alice.tryTsh(
      [
        'db',
        'exec',
        "select 'executed' as x, count(*) from shop.products",
        `--dbs=${names.join(',')}`,
        '--db-user=reader',
      ],
      { env: withPath(binaries) },
    );
    assert.equal(code, 0, stderr);
    assert.equal(stdout.split('\n').filter((line) => /\| executed +\| +4 \|/.test(line)).length, names.length, stdout);
    for (const name of names) assert.match(stdout, new RegExp(name));
  });

  test('tsh db exec says which database failed', async () => {
    const [[name, binaries]] = here as [[string, MysqlBinaries]];
    const { stdout, code } = await alice.tryTsh(
      ['db', 'exec', 'select * from nowhere.t', `--dbs=${name}`, '--db-user=reader'],
      {
        env: withPath(binaries),
      },
    );
    assert.equal(code, 1);
    assert.match(stdout, /ERROR 1(142|146|044|049)/);
  });

  for (const [name, binaries] of here)
    test(`a dump of ${name} equals the direct one, and restored it equals the original`, async () => {
      const folder = join(cluster.folder, `dump ${name}`);
      mkdirSync(folder);
      const dump = existsSync(join(binaries.bin, 'mysqldump')) ? 'mysqldump' : 'mariadb-dump';
      const own = binaries.flavour === 'mysql' ? ['--set-gtid-purged=OFF', '--no-tablespaces'] : [];
      const shape = [
        '--skip-comments',
        '--routines',
        '--triggers',
        '--events',
        '--default-character-set=utf8mb4',
        ...own,
      ];
      const through = mysqlArguments(binaries, at(name));
      const client = join(binaries.bin, binaries.client);
      await runOk(client, [...through, '--default-character-set=utf8mb4', 'content'], { input: content });
      const root = rootLogin(binaries, cluster.mysql(name).socket);
      const write = async (login: readonly string[], database: string, file: string): Promise<Buffer> => {
        await runOk('sh', [
          '-c',
          'out=$1; shift; exec "$@" > "$out"',
          'sh',
          join(folder, file),
          join(binaries.bin, dump),
          ...login,
          ...shape,
          database,
        ]);
        return readFileSync(join(folder, file));
      };
      const original = await write(root, 'content', 'direct.sql');
      assert.ok(original.length > 250_000, `${original.length} bytes`);
      assert.ok((await write(through, 'content', 'through.sql')).equals(original), 'dump through Tessera');
      const command = '"$DUMP" "$@" content | "$CLIENT" $LOGIN --default-character-set=utf8mb4 restored';
      await runOk('sh', ['-c', command, 'sh', ...through, ...shape], {
        env: { DUMP: join(binaries.bin, dump), CLIENT: client, LOGIN: through.join(' ') },
      });
      assert.ok((await write(root, 'restored', 'restored.sql')).equals(original), 'dump of what was restored');
      const sums = async (database: string): Promise<string[]> => {
        const text = await cluster
          .mysql(name)
          .run(`checksum table ${tables.map((table) => `${database}.${table}`).join(', ')}`);
        return text
          .trim()
          .split('\n')
          .map((line) => line.replace(/^\w+\./, ''));
      };
      const want = await sums('content');
      assert.equal(want.length, tables.length);
      assert.deepEqual(await sums('restored'), want);
    });

  for (const [name, binaries] of here)
    test(`mysqlslap against ${name}`, async () => {
      const slap = existsSync(join(binaries.bin, 'mysqlslap')) ? 'mysqlslap' : 'mariadb-slap';
      const load = [
        '--auto-generate-sql',
        '--auto-generate-sql-load-type=mixed',
        '--concurrency=8',
        '--number-of-queries=400',
      ];
      const output = await runOk(join(binaries.bin, slap), [...mysqlArguments(binaries, at(name)), ...load]);
      assert.match(output, /Number of clients running queries: 8/);
    });

  test('sysbench, statements prepared and transactions', async (t) => {
    const bench = sysbench();
    if (typeof bench === 'string') return t.skip(bench);
    const folder = join(cluster.folder, 'sysbench');
    mkdirSync(folder);
    for (const [name] of here) {
      const { ca, cert, key, port } = at(name);
      copyFileSync(ca, join(folder, 'cacert.pem'));
      copyFileSync(cert, join(folder, 'client-cert.pem'));
      copyFileSync(key, join(folder, 'client-key.pem'));
      const place = [
        '--db-driver=mysql',
        '--mysql-host=127.0.0.1',
        `--mysql-port=${port}`,
        '--mysql-user=reader',
        '--mysql-db=shop',
        '--mysql-ssl=on',
      ];
      const size = ['--tables=2', '--table-size=500', '--threads=4', '--events=60', '--time=0'];
      for (const step of ['prepare', 'run', 'cleanup']) {
        const args = ['oltp_read_write', ...place, ...size, '--mysql-dry-run=off', step];
        const { stdout, stderr, code } = await runCommand(bench.program, args, { env: bench.env, cwd: folder });
        assert.equal(code, 0, `${stdout}${stderr}`);
        if (step === 'run') assert.match(stdout, /transactions:\s+60 /);
      }
    }
  });

  for (const [name] of here) {
    test(`mysql2 with ${name}: types, statements, streams, errors`, async () => {
      const connection = await openMysql2({ ...at(name), database: 'shop' }, { multipleStatements: true });
      const [rows] = await connection.execute(
        'select ? as i, ? as t, ? as n, cast(? as date) as d, ? as b, cast(? as decimal(10,2)) as m',
        [7, 'zwölf 🙂', null, '2026-01-02', Buffer.from([0, 255]), '1.50'],
      );
      assert.deepEqual(JSON.parse(JSON.stringify(rows)), [
        {
          i: 7,
          t: 'zwölf 🙂',
          n: null,
          d: new Date(2026, 0, 2).toJSON(),
          b: { type: 'Buffer', data: [0, 255] },
          m: '1.50',
        },
      ]);
      const [several] = await connection.query('select 1 as a; select 2 as b; do 1');
      assert.equal((several as unknown[]).length, 3);
      const [called] = await connection.query('call twice(4)');
      assert.deepEqual((called as unknown[]).slice(0, 2), [[{ n: 4 }], [{ n: 8 }]]);
      const sql =
        'with recursive r(n) as (select 1 union all select n + 1 from r where n < 900) select n, repeat("x", 500) as x from r';
      let sum = 0;
      for await (const row of callbacksOf(connection).query(sql).stream({ highWaterMark: 5 }))
        sum += (row as { n: number }).n;
      assert.equal(sum, (900 * 901) / 2);
      await assert.rejects(connection.query('select * from nowhere'), { errno: 1146, sqlState: '42S02' });
      await connection.beginTransaction();
      await connection.query("insert into products (id, name, price, added) values (99, 'not kept', 1, now())");
      await connection.rollback();
      const [[count]] = (await connection.query('select count(*) as n from products')) as unknown as [[{ n: number }]];
      assert.equal(count.n, 4);
      await connection.end();
    });

    test(`mysql2 with ${name}: a pool that resets its connections`, async () => {
      const { port, ca, cert, key } = at(name);
      const [caText, certText, keyText] = [ca, cert, key].map((file) => readFileSync(file, 'utf8'));
      const pool = mysql2.createPool({
        host: 'localhost',
        port,
        user: 'reader',
        database: 'shop',
        connectionLimit: 1,
        resetOnRelease: true,
        ssl: { ca: caText, cert: certText, key: keyText },
      } as mysql2.PoolOptions);
      const [used] = await pool.query('select connection_id() as id');
      for (let n = 0; n < 10; n++) {
        const connection = await pool.getConnection();
        const [[row]] = (await connection.execute(
          'select @left as l, connection_id() as id, database() as d',
        )) as unknown as [[{ l: null; id: number; d: string }]];
        assert.deepEqual(row, { l: null, id: (used as { id: number }[])[0]?.id, d: 'shop' });
        await connection.query('set @left = 1');
        connection.release();
      }
      const many = await Promise.all(Array.from({ length: 40 }, (_, n) => pool.execute('select ? as n', [n])));
      assert.deepEqual(
        many.map(([rows]) => (rows as { n: number }[])[0]?.n),
        Array.from({ length: 40 }, (_, n) => n),
      );
      await pool.end();
      await waitForAudit(cluster, 'the resets', (events) =>
        events.filter((event) => event['command'] === 'COM_RESET_CONNECTION').length >= 10 ? true : undefined,
      );
    });

    test(`mysql2 with ${name}: another user is refused, in words`, async () => {
      const connection = await openMysql2({ ...at(name), database: 'shop' });
      await assert.rejects(connection.changeUser({ user: 'alice' }), { errno: 1047 });
      connection.destroy();
    });

    test(`the driver of MariaDB with ${name}: batches, pipelines, streams, a pool`, async () => {
      const read = (file: string): string => readFileSync(file, 'utf8');
      const { port, ca, cert, key } = at(name);
      const pool = mariadb.createPool({
        host: 'localhost',
        port,
        user: 'reader',
        database: 'shop',
        connectionLimit: 2,
        resetAfterUse: true,
        ssl: { ca: read(ca), cert: read(cert), key: read(key) },
      });
      const connection = await pool.getConnection();
      await connection.query('create temporary table t (a int, b varchar(20))');
      await connection.batch(
        'insert into t values (?, ?)',
        Array.from({ length: 300 }, (_, n) => [n, `b${n}`]),
      );
      const numbers = await Promise.all(
        Array.from({ length: 100 }, (_, n) => connection.query<{ b: string }[]>('select b from t where a = ?', [n])),
      );
      assert.deepEqual(
        numbers.map(([row]) => row?.b),
        Array.from({ length: 100 }, (_, n) => `b${n}`),
      );
      let rows = 0;
      for await (const _ of connection.queryStream('select * from t')) rows += 1;
      assert.equal(rows, 300);
      const prepared = await connection.prepare('select count(*) as n from t where a < ?');
      for (const n of [10, 20]) assert.equal(Number(((await prepared.execute([n])) as { n: bigint }[])[0]?.n), n);
      prepared.close();
      await connection.release();
      const again = await pool.getConnection();
      await assert.rejects(again.query('select * from t'), { errno: 1146 });
      await again.release();
      await pool.end();
    });
  }

  test('PyMySQL by the listener and by the tunnel', async (t) => {
    const python = pymysql();
    if (typeof python === 'string') return t.skip(python);
    for (const [name] of here) {
      const { port, ca, cert, key } = at(name);
      const listener = `host='localhost', port=${port}, ssl={'ca': '${ca}', 'cert': '${cert}', 'key': '${key}', 'check_hostname': True}`;
      for (const place of [listener, `host='127.0.0.1', port=${tunnel(name).port}`])
        assert.equal(await runOk(python.program, ['-c', pythonProgram(place)], { env: python.env }), pythonSays);
    }
  });

  test('MariaDB Connector/J by the listener and by the tunnel', async (t) => {
    const driver = mariadbConnectorJ();
    if (typeof driver === 'string') return t.skip(driver);
    const folder = join(cluster.folder, 'jdbc');
    mkdirSync(folder);
    writeFileSync(join(folder, 'T.java'), javaProgram);
    const urls: string[] = [];
    for (const [name] of here) {
      const { port, ca, cert, key } = at(name);
      const store = join(folder, `${name}.p12`);
      await runOk('openssl', [
        'pkcs12',
        '-export',
        '-in',
        cert,
        '-inkey',
        key,
        '-out',
        store,
        '-passout',
        'pass:keystore',
      ]);
      const tls = `useSsl=true&serverSslCert=${ca}&keyStore=${store}&keyStorePassword=keystore&keyStoreType=PKCS12`;
      urls.push(`jdbc:mariadb://localhost:${port}/shop?user=reader&${tls}`);
      urls.push(`jdbc:mariadb://127.0.0.1:${tunnel(name).port}/shop?user=reader&useSsl=false`);
    }
    const output = await runOk(driver.java, ['-cp', driver.jar, join(folder, 'T.java'), ...urls]);
    assert.equal(output, urls.map(() => 'rows 1000\nbatch 100\nprepared zwölf\nstopped\nafter 1\n').join(''));
  });

  test('the tunnels told of their connections, and end with Ctrl-C', async () => {
    for (const [name] of here) {
      const running = tunnel(name);
      assert.match(running.log(), /connection 1 from 127\.0\.0\.1:\d+ opened/);
      assert.match(running.log(), /connection 1 closed after .*: .* in, .* out/);
      assert.equal(await running.close(), 0);
      tunnels.delete(name);
    }
  });

  test('everything that these clients asked for is on record with one result', async () => {
    const missing = await waitForAudit(cluster, 'the end of every session', (events) => {
      const started = events.filter(({ code }) => code === 'TDB00I').map((event) => event['sid']);
      const ended = new Set(events.filter(({ code }) => code === 'TDB01I').map((event) => event['sid']));
      return started.length > 50 && started.every((sid) => ended.has(sid)) ? withoutOneResult(events) : undefined;
    });
    assert.deepEqual(missing, []);
  });
});

/** The connection behind one of promises; its streams are not wrapped. */
function callbacksOf(connection: mysql2.Connection): CallbackConnection {
  return (connection as unknown as { readonly connection: CallbackConnection }).connection;
}

/** What was asked and has no result, or several. */
function withoutOneResult(events: readonly LoggedEvent[]): LoggedEvent[] {
  const results = new Map<string, number>();
  for (const event of events) {
    if (event.event !== 'db.session.result') continue;
    const key = `${String(event['sid'])} ${String(event['query_ei'])}`;
    results.set(key, (results.get(key) ?? 0) + 1);
  }
  const answered = new Set(['TDB02I', 'TMY00I', 'TMY01I', 'TMY04I', 'TMY05I', 'TMY06I', 'TMY07I', 'TMY14I']);
  return events.filter(
    (event) => answered.has(event.code) && results.get(`${String(event['sid'])} ${String(event['ei'])}`) !== 1,
  );
}

const pythonSays = "('brüllwürfel', None)\n2000\n[(3,)]\n(42,) (84,)\n1146\n(1,)\n";

function pythonProgram(place: string): string {
  return `
import sys, pymysql, pymysql.cursors
sys.stdout.reconfigure(encoding='utf-8')
c = pymysql.connect(user='reader', database='shop', charset='utf8mb4', ${place})
k = c.cursor()
k.execute('select name, %s from products where id = %s', (None, 2))
print(k.fetchone())
s = c.cursor(pymysql.cursors.SSCursor)
s.execute('with recursive r(n) as (select 1 union all select n + 1 from r where n < 1000) select n from r union all select 1 from r')
print(sum(1 for _ in s))
s.close()
k.execute('create temporary table py (a int)')
k.executemany('insert into py values (%s)', [(n,) for n in range(3)])
k.execute('select count(*) from py')
print(list(k.fetchall()))
k.callproc('twice', (42,))
first = k.fetchone()
k.nextset()
print(first, k.fetchone())
while k.nextset(): pass
try:
    k.execute('select * from nowhere')
except pymysql.err.ProgrammingError as e:
    print(e.args[0])
k.execute('select 1')
print(k.fetchone())
c.close()
`;
}

const javaProgram = `
import java.sql.*;
class T {
  public static void main(String[] urls) throws Exception {
    System.setOut(new java.io.PrintStream(System.out, true, "UTF-8"));
    for (String url : urls) one(url + "&useServerPrepStmts=true&useBulkStmts=true");
  }
  static void one(String url) throws Exception {
    try (Connection c = DriverManager.getConnection(url)) {
      c.setAutoCommit(false);
      Statement s = c.createStatement(); s.setFetchSize(7); int n = 0;
      try (ResultSet r = s.executeQuery("with recursive r(n) as (select 1 union all select n + 1 from r where n < 1000) select n from r")) { while (r.next()) n++; }
      System.out.println("rows " + n);
      s.execute("create temporary table b (i int, t varchar(20))");
      PreparedStatement p = c.prepareStatement("insert into b values (?, ?)");
      for (int i = 0; i < 100; i++) { p.setInt(1, i); p.setString(2, "zw\\u00f6lf"); p.addBatch(); }
      System.out.println("batch " + p.executeBatch().length);
      PreparedStatement q = c.prepareStatement("select t from b where i = ?");
      q.setInt(1, 12);
      try (ResultSet r = q.executeQuery()) { r.next(); System.out.println("prepared " + r.getString(1)); }
      c.commit();
      Statement t = c.createStatement(); t.setQueryTimeout(1);
      long began = System.nanoTime();
      try { t.execute("select sleep(20)"); } catch (SQLException e) { }
      System.out.println(System.nanoTime() - began < 10_000_000_000L ? "stopped" : "not stopped");
      try (ResultSet r = s.executeQuery("select 1")) { r.next(); System.out.println("after " + r.getInt(1)); }
    }
  }
}
`;
