// Unmodified clients through Tessera: psql, pgbench, pg_dump, node drivers, and where they can be had pgjdbc and psycopg.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, globSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import postgres from 'postgres';
import { startCluster, type Cluster } from '../kit/cluster.ts';
import { runCommand, runOk, type Output } from '../kit/command.ts';
import { waitForAudit } from '../kit/audit-log.ts';
import type { Person } from '../kit/person.ts';
import { databaseConfig, openClient, type DatabaseConfig } from '../kit/writers.ts';
import { fetchDebian } from '../servers/debian.ts';
import { debianPostgres, npmPostgres } from '../servers/postgres-binaries.ts';

const tools = debianPostgres();
const noTools = typeof tools === 'string' ? tools : false;
const bin = (name: string): string => (typeof tools === 'string' ? '' : join(tools.bin, name));
const toolsEnv: Record<string, string> =
  typeof tools !== 'string' && tools.libraryPath !== undefined ? { LD_LIBRARY_PATH: tools.libraryPath } : {};

suite('PostgreSQL clients', () => {
  let cluster: Cluster;
  let alice: Person;
  let config: DatabaseConfig;
  let env: Record<string, string>;
  const service = 'service=test-orders';

  before(async () => {
    // The dump tools must be as new as the server; the corpus runs against PostgreSQL 18.
    cluster = await startCluster({ postgres: typeof tools === 'string' ? npmPostgres() : tools });
    await cluster.postgres.sql('create role reader login');
    await cluster.postgres.sql('create role secret login');
    await cluster.postgres.sql('create database shop owner reader');
    await cluster.postgres.sql('create database other owner reader');
    await cluster.postgres.sql('create database forbidden owner reader');
    alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=shop,other,restored']);
    await alice.login();
    config = await databaseConfig(alice, 'reader', 'shop');
    env = { ...alice.env, ...toolsEnv };
  });
  after(() => cluster?.close());

  function psql(args: readonly string[], input?: string): Promise<Output> {
    return runCommand(bin('psql'), ['-X', ...args], { env, ...(input === undefined ? {} : { input }) });
  }

  test('psql with the service file that tsh wrote', { skip: noTools }, async () => {
    const { stdout, stderr, code } = await psql([service, '-Atc', 'select current_user, current_database()']);
    assert.equal(stderr, '');
    assert.equal(code, 0);
    assert.equal(stdout, 'reader|shop\n');
  });

  test("psql \\c without another name stays in the session's database", { skip: noTools }, async () => {
    const { stdout, stderr } = await psql([service, '-At'], 'select 1;\n\\c\nselect 2;\n');
    assert.match(stdout, /1\n[\s\S]*2\n/, stderr);
  });

  const refusals: readonly { readonly name: string; readonly connection: string; readonly says: RegExp }[] = [
    { name: 'another database user than the route', connection: 'user=secret', says: /FATAL: .*secret/ },
    { name: 'another database than the route', connection: 'dbname=forbidden', says: /FATAL: .*forbidden/ },
  ];
  for (const { name, connection, says } of refusals) {
    test(`psql is refused in PostgreSQL's words: ${name}`, { skip: noTools }, async () => {
      const { code, stderr } = await psql([`${service} ${connection}`, '-c', 'select 1']);
      assert.equal(code, 2);
      assert.match(stderr, says);
      assert.match(stderr, /HINT: /);
    });
  }

  test('psql without TLS is told so', { skip: noTools }, async () => {
    const { code, stderr } = await psql([
      `host=localhost port=${config.port} user=reader dbname=shop sslmode=disable`,
      '-c',
      'select 1',
    ]);
    assert.equal(code, 2);
    assert.match(stderr, /FATAL: .*TLS/);
  });

  test(
    'Ctrl-C in psql cancels the statement and the session goes on',
    { skip: noTools || (existsSync('/usr/bin/script') ? false : 'no script(1) to give psql a terminal') },
    async () => {
      const child = spawn('/usr/bin/script', ['-qec', `${bin('psql')} -X '${service}'`, '/dev/null'], {
        env: { ...process.env, ...env, PAGER: 'cat', TERM: 'dumb' },
        stdio: 'pipe',
      });
      let screen = '';
      child.stdout.on('data', (chunk: Buffer) => (screen += chunk.toString()));
      const shows = async (pattern: RegExp): Promise<void> => {
        for (let tries = 0; !pattern.test(screen); tries++) {
          if (tries > 200) throw new Error(`the screen never showed ${pattern}:\n${screen}`);
          await sleep(50);
        }
      };
      await shows(/shop=>/);
      child.stdin.write('select pg_backend_pid() as before; select pg_sleep(60);\n');
      await shows(/before/);
      await sleep(500);
      child.stdin.write('\u0003');
      await shows(/canceling statement due to user request/);
      child.stdin.write("select 'still ' || 'here';\n");
      await shows(/still here/);
      child.stdin.write('\\q\n');
      await new Promise((done) => child.on('close', done));
    },
  );

  for (const mode of ['simple', 'extended', 'prepared']) {
    test(`pgbench -M ${mode}`, { skip: noTools }, async () => {
      if (mode === 'simple') await runOk(bin('pgbench'), ['-i', '-q', '-s', '1', service], { env });
      const output = await runOk(bin('pgbench'), ['-n', '-M', mode, '-c', '4', '-j', '2', '-t', '50', service], {
        env,
      });
      assert.match(output, /number of transactions actually processed: 200\/200/);
      assert.match(output, /number of failed transactions: 0 /);
    });
  }

  test('pgbench -C: a connection for each transaction', { skip: noTools }, async () => {
    assert.match(
      await runOk(bin('pgbench'), ['-n', '-S', '-C', '-c', '2', '-t', '20', service], { env }),
      /processed: 40\/40/,
    );
  });

  test('pipelines in pgbench', { skip: noTools }, async () => {
    const script = join(cluster.folder, 'pipeline.sql');
    writeFileSync(script, `\\startpipeline\n${'select 1;\n'.repeat(50)}\\endpipeline\n`);
    assert.match(
      await runOk(bin('pgbench'), ['-n', '-M', 'extended', '-f', script, '-t', '20', service], { env }),
      /processed: 20\/20/,
    );
  });

  test('100 MB through COPY in and out, checksums equal', { skip: noTools }, async () => {
    const line = `${'x'.repeat(90)}\t`;
    const rows = 1_000_000;
    const hash = createHash('sha256');
    await psql([service, '-qc', 'create table bulk (a text, n int)']);
    const load = spawn(bin('psql'), ['-X', service, '-qc', 'copy bulk from stdin'], {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    for (let at = 0; at < rows; at += 1000) {
      const chunk = Array.from({ length: 1000 }, (_, i) => `${line}${at + i}\n`).join('');
      hash.update(chunk);
      if (!load.stdin.write(chunk)) await new Promise((go) => load.stdin.once('drain', go));
    }
    load.stdin.end();
    assert.equal(await new Promise((done) => load.on('close', done)), 0);
    const dump = spawn(bin('psql'), ['-X', service, '-qc', 'copy bulk to stdout'], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const back = createHash('sha256');
    for await (const chunk of dump.stdout) back.update(chunk as Buffer);
    assert.equal(back.digest('hex'), hash.digest('hex'));
    const [count] = await cluster.postgres.sql('select count(*)::int as n from bulk', 'shop');
    assert.equal(count?.['n'], rows);
  });

  test('large objects', { skip: noTools }, async () => {
    const file = join(cluster.folder, 'large.bin');
    writeFileSync(file, Buffer.alloc(3_000_000, 'large object '));
    const { stdout, stderr } = await psql([service, '-At'], `\\lo_import ${file}\n\\lo_export :LASTOID ${file}.back\n`);
    assert.match(stdout, /lo_export/, stderr);
    assert.equal(
      await runOk('sha256sum', [file]).then((text) => text.slice(0, 64)),
      await runOk('sha256sum', [`${file}.back`]).then((text) => text.slice(0, 64)),
    );
  });

  test('LISTEN and NOTIFY, and a notification carries the process id that the client was given', async () => {
    const [listener, notifier] = [await openClient(config), await openClient(config)];
    const heard = new Promise<{ payload?: string | undefined; processId: number }>((done) =>
      listener.once('notification', done),
    );
    await listener.query('listen news');
    await notifier.query("notify news, 'hello'");
    assert.equal((await heard).payload, 'hello');
    const own = new Promise<{ processId: number }>((done) => listener.once('notification', done));
    await listener.query("notify news, 'to myself'");
    assert.equal((await own).processId, (listener as unknown as { processID: number }).processID);
    await Promise.all([listener.end(), notifier.end()]);
  });

  test('node-postgres: named statements, arrays, errors', async () => {
    const client = await openClient(config);
    for (let i = 0; i < 3; i++) {
      const { rows } = await client.query<{ s: number; a: string[] }>({
        name: 'sum',
        text: 'select $1::int + $2::int as s, $3::text[] as a',
        values: [i, 1, ['x', 'y']],
      });
      assert.deepEqual(rows, [{ s: i + 1, a: ['x', 'y'] }]);
    }
    await assert.rejects(client.query('select 1/0'), { code: '22012' });
    assert.equal((await client.query('select 1')).rowCount, 1);
    await client.end();
  });

  test('postgres.js: pipelining, cursor, cancel over TLS', async () => {
    const sql = postgres({
      host: config.host,
      port: config.port,
      user: config.user,
      database: config.database,
      max: 2,
      ssl: { ca: config.ca, cert: config.cert, key: config.key },
      onnotice: () => undefined,
    });
    const results = await Promise.all(
      Array.from({ length: 50 }, (_, i) => sql<{ x: number }[]>`select ${i}::int as x`),
    );
    assert.deepEqual(
      results.map(([row]) => row?.x),
      Array.from({ length: 50 }, (_, i) => i),
    );
    let count = 0;
    await sql`select g from generate_series(1, 1000) g`.cursor(100, (rows) => {
      count += rows.length;
    });
    assert.equal(count, 1000);
    const sleeping = sql`select pg_sleep(60)`.execute();
    await sleep(300);
    sleeping.cancel();
    await assert.rejects(sleeping, { code: '57014' });
    await sql.end();
  });

  test('pg_dump | pg_restore through Tessera: the copy equals the original', { skip: noTools }, async () => {
    await cluster.postgres.sql('create database restored owner reader');
    const archive = join(cluster.folder, 'shop.dump');
    await runOk(bin('pg_dump'), ['-Fc', '-f', archive, service], { env });
    const restored = `${service} dbname=restored`;
    await alice.tsh('db', 'login', 'orders', '--db-user=reader', '--db-name=restored');
    await runOk(bin('pg_restore'), ['--no-owner', '-d', restored, archive], { env });
    const copy = await runOk(bin('pg_dump'), [restored], { env });
    await alice.tsh('db', 'login', 'orders', '--db-user=reader', '--db-name=shop');
    const original = await runOk(bin('pg_dump'), [service], { env });
    assert.ok(original.includes('COPY public.bulk'), 'the dump has the tables of the tests before');
    assert.equal(unrestricted(copy), unrestricted(original));
  });

  test('logical replication is refused', { skip: noTools }, async () => {
    const { code, stderr } = await psql([`${service} replication=database`, '-c', 'IDENTIFY_SYSTEM']);
    assert.equal(code, 2);
    assert.match(stderr, /FATAL: .*replication/);
  });

  test('psycopg', async (t) => {
    const found = psycopg();
    if (typeof found === 'string') return t.skip(found);
    const program = `import psycopg2\nc = psycopg2.connect('${service}')\nk = c.cursor()\nk.execute('select %s::int + 1, current_user', (41,))\nprint(k.fetchone())\n`;
    assert.equal(
      await runOk('/usr/bin/python3', ['-c', program], { env: { ...alice.env, ...found } }),
      "(42, 'reader')\n",
    );
  });

  test('pgjdbc: fetch size, batch, query timeout', async (t) => {
    const jar = pgjdbc();
    if (typeof jar === 'object') return t.skip(jar.why);
    const folder = join(cluster.folder, 'jdbc');
    mkdirSync(folder);
    writeFileSync(join(folder, 'ca.pem'), config.ca);
    writeFileSync(join(folder, 'cert.pem'), config.cert);
    writeFileSync(join(folder, 'key.pem'), config.key);
    await runOk('openssl', [
      'pkcs8',
      '-topk8',
      '-nocrypt',
      '-in',
      join(folder, 'key.pem'),
      '-outform',
      'DER',
      '-out',
      join(folder, 'key.pk8'),
    ]);
    writeFileSync(join(folder, 'T.java'), javaProgram(config.port, folder));
    const output = await runOk('java', ['-cp', jar, join(folder, 'T.java')]);
    assert.equal(output, 'rows 1000\nbatch 100\ncancelled 57014\nafter 1\n');
  });

  test('every statement of these clients is in the audit log with its result', async () => {
    await waitForAudit(cluster, 'a result for each query', (events) => {
      const queries = events.filter((event) => event.event === 'db.session.query');
      const results = events.filter((event) => event.event === 'db.session.result');
      return queries.length > 0 && results.length > 0 ? true : undefined;
    });
  });
});

/** Newer dumps fence themselves with a random key. */
function unrestricted(dump: string): string {
  return createHash('sha256')
    .update(dump.replace(/^\\(un)?restrict .*$/gm, ''))
    .digest('hex');
}

function psycopg(): Record<string, string> | string {
  if (!existsSync('/usr/bin/python3')) return 'no /usr/bin/python3';
  if (globSync('/usr/lib/python3/dist-packages/psycopg2').length > 0) return {};
  const fetched = fetchDebian('psycopg2', ['python3-psycopg2', 'libpq5']);
  return typeof fetched === 'string'
    ? fetched
    : { PYTHONPATH: join(fetched.root, 'usr/lib/python3/dist-packages'), LD_LIBRARY_PATH: fetched.libraryPath };
}

function pgjdbc(): string | { readonly why: string } {
  if (!existsSync('/usr/bin/java')) return { why: 'no java' };
  const [installed] = globSync('/usr/share/java/postgresql.jar');
  if (installed !== undefined) return installed;
  const fetched = fetchDebian('pgjdbc', ['libpostgresql-jdbc-java']);
  if (typeof fetched === 'string') return { why: fetched };
  const [jar] = globSync(join(fetched.root, 'usr/share/java/postgresql.jar'));
  return jar ?? { why: 'the package has no postgresql.jar' };
}

function javaProgram(port: number, folder: string): string {
  return `
import java.sql.*;
class T {
  public static void main(String[] a) throws Exception {
    String url = "jdbc:postgresql://localhost:${port}/shop?user=reader&sslmode=verify-full&sslrootcert=${folder}/ca.pem&sslcert=${folder}/cert.pem&sslkey=${folder}/key.pk8&gssEncMode=disable";
    try (Connection c = DriverManager.getConnection(url)) {
      c.setAutoCommit(false);
      Statement s = c.createStatement(); s.setFetchSize(7); int n = 0;
      try (ResultSet r = s.executeQuery("select generate_series(1, 1000)")) { while (r.next()) n++; }
      System.out.println("rows " + n);
      s.execute("create temp table b (i int)");
      PreparedStatement p = c.prepareStatement("insert into b values (?)");
      for (int i = 0; i < 100; i++) { p.setInt(1, i); p.addBatch(); }
      System.out.println("batch " + p.executeBatch().length);
      c.commit();
      Statement q = c.createStatement(); q.setQueryTimeout(1);
      try { q.execute("select pg_sleep(30)"); System.out.println("not cancelled"); } catch (SQLException e) { System.out.println("cancelled " + e.getSQLState()); }
      c.rollback();
      try (ResultSet r = s.executeQuery("select 1")) { r.next(); System.out.println("after " + r.getInt(1)); }
    }
  }
}
`;
}
