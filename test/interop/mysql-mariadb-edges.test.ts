// The edge cases of MariaDB's protocol, row by row, with real clients and MariaDB 10.11 and 11.8.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, before, suite, test } from 'node:test';
import { createConnection, type Connection } from 'mariadb';
import { readAuditLog } from '../kit/audit-log.ts';
import { createClientAuthority } from '../kit/client-certificates.ts';
import { startCluster, type Cluster } from '../kit/cluster.ts';
import { runCommand, runOk, type Output } from '../kit/command.ts';
import { startImpostor } from '../kit/mysql-impostor.ts';
import { mysqlAddress, openMysql2, wireAddress } from '../kit/mysql-client.ts';
import { type MysqlAddress, mysqlArguments, mysqlCommand } from '../kit/mysql-command.ts';
import { startTunnel } from '../kit/mysql-tunnel.ts';
import { EXTENDED, FLAG, MysqlWire, packet, type WireAddress } from '../kit/mysql-wire.ts';
import { text } from '../kit/mysql-wire-values.ts';
import type { Person } from '../kit/person.ts';
import { mariadb1011, mariadb118, mysql9, type MysqlBinaries } from '../servers/mysql-binaries.ts';
import { pymysql } from '../servers/mysql-clients.ts';
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

const older = mariadb1011();
const newer = mariadb118();
const mysql = mysql9();
const noNewer = typeof newer === 'string' ? newer : false;
const noMysql = typeof mysql === 'string' ? mysql : false;

if (typeof older === 'string') test('A1 to A10', { skip: older }, () => undefined);
else suite('MariaDB edges', () => edges(older, typeof newer === 'string' ? older : newer));

const password = 'a password, längere';
const moreRoles = `${edgeRoles}---
kind: role
version: v8
metadata: {name: accounts}
spec:
  allow: {db_labels: {'*': '*'}, db_users: [ed, par, native, sha, nine], db_names: [shop]}
`;

/** `latest` is the older one again when there is no other. */
function edges(oldest: MysqlBinaries, latest: MysqlBinaries): void {
  let cluster: Cluster;
  let alice: Person;
  let setting: EdgeSetting;
  /** Of alice, by database. */
  const addresses = new Map<string, MysqlAddress>();
  const names = noNewer === false ? ['orders_1011', 'orders_118'] : ['orders_1011'];
  const main = names.at(-1) ?? '';

  before(async () => {
    const settings = { 'max-allowed-packet': '64M' };
    cluster = await startCluster({
      mysql: names.map((name) => ({
        name,
        binaries: name === 'orders_1011' ? oldest : latest,
        settings: { ...settings, 'skip-name-resolve': name === 'orders_1011' ? 'OFF' : 'ON' },
      })),
      // Two versions do not agree, and only as MariaDB may MariaDB's own be offered.
      proxyService: '  mysql_server_version: 11.4.0-MariaDB-Tessera\n',
    });
    await Promise.all(names.map((name) => cluster.mysql(name).run(`${edgeSchema}${accounts(name)}`)));
    await cluster.tryTessera(['create', '-f', '-'], { input: moreRoles });
    alice = await cluster.addPerson('alice', ['--roles=files,accounts']);
    const bob = await cluster.addPerson('bob', ['--roles=plain']);
    await Promise.all([alice.login(), bob.login()]);
    for (const name of names) addresses.set(name, await mysqlAddress(alice, name, 'reader'));
    setting = {
      cluster,
      service: 'orders_1011',
      alice: at('orders_1011'),
      bob: await mysqlAddress(bob, 'orders_1011', 'reader'),
    };
  });
  after(() => cluster?.close());

  function at(name: string): MysqlAddress {
    const address = addresses.get(name);
    assert.ok(address !== undefined);
    return address;
  }

  function tunnelled(name: string): Partial<WireAddress> {
    return { ...wireAddress(at(name)), way: 'tunnel', port: cluster.proxies[0]?.port ?? 0 };
  }

  sharedEdges({
    binaries: oldest,
    clients: [latest, ...(typeof mysql === 'string' ? [] : [mysql])],
    setting: () => setting,
  });

  const slowAlter = (marker: string): string =>
    `alter table slow drop column if exists h; set progress_report_time = 1; alter table slow add column h char(128) as (sha2(repeat(b, 400), 512)) persistent comment '${marker}', algorithm=copy`;

  for (const way of ['listener', 'tunnel'] as const)
    test(`A1 reports of progress in the middle of an ALTER, by the ${way}`, async () => {
      const client = await open(at(main), {
        extended: EXTENDED.progress,
        ...(way === 'tunnel' ? tunnelled(main) : {}),
      });
      assert.equal(client.extended, EXTENDED.progress);
      const answer = await client.query(slowAlter(way));
      const reports = answer.filter(({ payload }) => payload[0] === 0xff);
      assert.ok(reports.length >= 1, `${answer.length} packets`);
      assert.ok(reports.every(({ payload }) => payload.readUInt16LE(1) === 0xffff));
      assert.ok(reports.some(({ payload }) => payload.includes('copy to tmp table')));
      assert.equal(answer.at(-1)?.payload[0], 0);
      assert.equal(oneValue(await client.query('select 1')), '1');
      client.close();
      const result = await resultOf(cluster, await eventOf(cluster, 'TDB02I', `comment '${way}'`));
      assert.equal(result.code, 'TDB10I');
      assert.equal(result['affected_records'], 40_000);
    });

  test(
    "A1 mariadb's own client draws the progress",
    { skip: existsSync('/usr/bin/script') ? false : 'no script(1) to give mariadb a terminal' },
    async () => {
      const line = [join(latest.bin, 'mariadb'), ...mysqlArguments(latest, at(main)), 'shop'];
      const child = spawn('/usr/bin/script', ['-qec', line.map((word) => `'${word}'`).join(' '), '/dev/null'], {
        env: { ...process.env, TERM: 'dumb' },
        stdio: 'pipe',
      });
      let screen = '';
      child.stdout.on('data', (chunk: Buffer) => (screen += chunk.toString()));
      child.stdin.write(`${slowAlter('drawn')};\nselect concat('all ', 'done');\n`);
      for (let tries = 0; !screen.includes('all done') && tries < 300; tries++) await sleep(50);
      child.stdin.end('\\q\n');
      await once(child, 'close');
      assert.match(screen, /Stage: \d of \d .*copy to tmp table.*%/);
      assert.match(screen, /all done/);
    },
  );

  test('A2 prepare and execute -1 sent together: the execution is on record with its text', async () => {
    const client = await open(at(main));
    const bytes = [Buffer.from("\u0016select ?, 'a2'"), client.executePayload(0xffff_ffff, [text('pipelined')])];
    client.sendRaw(Buffer.concat(bytes.map((each) => packet(0, each))));
    assert.equal(errorCode(await client.answer('prepare')), 0);
    const answer = await client.answer('result');
    assert.match(answer.map(({ payload }) => payload.toString('latin1')).join(''), /pipelined/);
    client.close();
    const executed = await eventOf(cluster, 'TMY01I', "select ?, 'a2'");
    assert.equal(executed['statement_id'], 0xffff_ffff);
    assert.deepEqual(executed['parameters'], ['pipelined']);
    assert.equal((await resultOf(cluster, executed))['rows'], 1);
  });

  test('A2 pipelining in the driver of MariaDB', async () => {
    const connection = await mariadb(at(main), { pipelining: true });
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => connection.execute<{ n: bigint }[]>('select ? + 1 as n', [n])),
    );
    assert.deepEqual(
      answers.map(([row]) => Number(row?.n)),
      Array.from({ length: 200 }, (_, n) => n + 1),
    );
    await connection.end();
  });

  test('A3 ten thousand rows in one bulk execution', async () => {
    const connection = await mariadb(at(main));
    await connection.query('create or replace table bulk (a int primary key, b varchar(100), c int default 7)');
    const rows = Array.from({ length: 10_000 }, (_, n) => [n, n % 10 === 0 ? null : `row ${n} é`]);
    const { affectedRows } = (await connection.batch('insert into bulk (a, b) values (?, ?)', rows)) as {
      affectedRows: number;
    };
    assert.equal(affectedRows, 10_000);
    const [row] = await connection.query<Record<string, bigint>[]>(
      'select count(*) n, count(b) b, sum(a) a, sum(c) c from bulk',
    );
    assert.deepEqual(Object.values(row ?? {}).map(Number), [10_000, 9000, 49_995_000, 70_000]);
    await connection.end();
    const executed = await eventOf(cluster, 'TMY06I', 'insert into bulk (a, b)');
    assert.equal((await resultOf(cluster, executed))['affected_records'], 10_000);
  });

  suite('as a remote host', { skip: noNewer }, () => {
    let remote: Server;
    before(async () => {
      // 127.0.0.2 is no local host to the client, so it verifies; the bytes are the listener's.
      remote = createServer((socket) => {
        const inside = connect(at(main).port, '127.0.0.1');
        for (const each of [socket, inside]) each.on('error', () => undefined);
        socket.pipe(inside).pipe(socket);
      });
      remote.listen(at(main).port, '127.0.0.2');
      await once(remote, 'listening');
    });
    after(() => remote?.close());

    function client(...more: string[]): Promise<Output> {
      const { port, user, cert, key } = at(main);
      const args = ['--no-defaults', '--protocol=TCP', '--host=127.0.0.2', `--port=${port}`, `--user=${user}`];
      const shown = [`--ssl-cert=${cert}`, `--ssl-key=${key}`];
      return runCommand(join(latest.bin, 'mariadb'), [...args, ...shown, ...more, '-BNe', "select 'there'"]);
    }

    test('A4 a dummy password and no authority: the client of 11.8 refuses, or can not tell', async () => {
      const { stdout, stderr } = await client('--password=dummy');
      // It refuses a chain with an unknown root in it. A chain that ends below its root it takes for good without a word, whoever sent it: only ssl-ca helps.
      assert.ok(stdout === 'there\n' || /NOT trusted/.test(stderr), `${stdout}${stderr}`);
    });

    test('A5 no password and no authority: the client of 11.8 warns that it does not verify, and goes on', async () => {
      const { stdout, stderr } = await client();
      assert.match(stderr, /ssl-verify-server-cert is disabled/);
      assert.equal(stdout, 'there\n');
    });

    test('A4 with the authority the name must fit: 127.0.0.2 is none of the certificate', async () => {
      const { stdout, stderr } = await client(`--ssl-ca=${at(main).ca}`);
      assert.equal(stdout, '');
      assert.match(stderr, /verification fail/i);
    });

    test('A4 A5 the option file that tsh wrote: verified, by the name that fits, without a warning', async () => {
      const args = [`--defaults-group-suffix=_test-${main}`, '-BNe', "select 'there'"];
      const { stdout, stderr } = await runCommand(join(latest.bin, 'mariadb'), args, { env: alice.env });
      assert.equal(stdout, 'there\n', stderr);
      assert.doesNotMatch(stderr, /ssl-verify-server-cert|trusted/i);
    });
  });

  for (const client of [oldest, ...(noNewer === false ? [latest] : []), ...(typeof mysql === 'string' ? [] : [mysql])])
    test(`A4 A5 the option file that tsh wrote: ${client.name}'s client tells an impostor nothing, also on this machine`, async () => {
      const impostor = await startImpostor();
      const suffix = `--defaults-group-suffix=_test-${main}`;
      const run = (...more: string[]): Promise<Output> =>
        runCommand(join(client.bin, client.client), [suffix, ...more, '-BNe', "select 'there'"], { env: alice.env });
      assert.equal((await run()).stdout, 'there\n');
      for (const host of ['localhost', '127.0.0.1']) {
        const { code, stderr } = await run(`--port=${impostor.port}`, `--host=${host}`);
        assert.notEqual(code, 0);
        assert.match(stderr, /TLS|SSL/);
      }
      assert.equal(impostor.told(), '');
      impostor.close();
    });

  suite('redirection', { skip: noNewer }, () => {
    let direct: WireAddress;
    before(async () => {
      const folder = join(cluster.folder, 'direct');
      mkdirSync(folder);
      const beside = await createClientAuthority(folder);
      const certificate = await beside.issue('reader');
      await cluster.mysql(main).trust(beside.certificate);
      await cluster.mysql(main).run("set global redirect_url = 'mysql://127.0.0.1:9'");
      direct = {
        port: cluster.mysql(main).port,
        user: 'reader',
        database: 'shop',
        flags: FLAG.sessionTrack | FLAG.deprecateEof,
        ca: await cluster.tessera('auth', 'export', '--type=db'),
        cert: certificate.certificate,
        key: certificate.privateKey,
      };
    });
    after(() => cluster.mysql(main).run("set global redirect_url = ''"));

    test('A6 the sign-in does not tell where the server would send its clients', async () => {
      const sent = await MysqlWire.open(direct);
      assert.match(sent.accepted.payload.toString('latin1'), /redirect_url.+127\.0\.0\.1:9/);
      for (const way of [{}, tunnelled(main)]) {
        const client = await open(at(main), way);
        const said = client.accepted.payload.toString('latin1');
        assert.doesNotMatch(said, /redirect_url|127\.0\.0\.1:9/);
        assert.match(said, /autocommit/, 'what else is tracked is there');
        assert.equal(oneValue(await client.query('select @@redirect_url')), 'mysql://127.0.0.1:9');
        client.close();
      }
      sent.close();
    });

    test('A6 nor does any later answer', async () => {
      const [one, other] = [await MysqlWire.open(direct), await open(at(main))];
      const sql = "set session redirect_url = 'mysql://127.0.0.1:10', autocommit = 0";
      const said = await one.query(sql);
      assert.match(said.map(({ payload }) => payload.toString('latin1')).join(''), /redirect_url/);
      const told = (await other.query(sql)).map(({ payload }) => payload.toString('latin1')).join('');
      assert.doesNotMatch(told, /redirect_url|127\.0\.0\.1:10/);
      assert.match(told, /autocommit/);
      one.close();
      other.close();
    });

    test('A6 clients that follow redirections stay', async () => {
      const own = String(cluster.mysql(main).port);
      const { stdout, stderr } = await mysqlCommand(latest, at(main), 'select @@port');
      assert.equal(stdout, `${own}\n`, stderr);
      const connection = await mariadb(at(main), { permitRedirect: true });
      const [row] = await connection.query<{ port: number }[]>('select @@port as port');
      assert.equal(String(row?.port), own);
      await connection.end();
    });
  });

  for (const name of names)
    test(`A7 drivers made for MySQL, with ${name}, by the listener`, async () => {
      const connection = await openMysql2({ ...at(name), database: 'shop' });
      const [rows] = await connection.execute('select version() like ? as v, name from products where id = ?', [
        '%MariaDB%',
        2,
      ]);
      assert.deepEqual(rows, [{ v: 1, name: 'brüllwürfel' }]);
      await connection.end();
      if (typeof mysql === 'string') return;
      const { stdout, stderr } = await mysqlCommand(mysql, at(name), "select version() like '%MariaDB%'; status");
      assert.match(stdout, /^1\n/, stderr);
    });

  test("A7 drivers made for MySQL that are told MariaDB's own version, by the tunnel", { skip: noMysql }, async (t) => {
    await using tunnels = new AsyncDisposableStack();
    for (const name of names) {
      const tunnel = await startTunnel(alice, name, '--db-user=reader');
      tunnels.defer(async () => void (await tunnel.close()));
      const client = await open(at(name), tunnelled(name));
      const said = name === 'orders_1011' ? `5.5.5-${cluster.mysql(name).version}` : cluster.mysql(name).version;
      assert.equal(client.greeting.serverVersion, said);
      client.close();
      const command = tunnel.commands['mysql'] ?? '';
      const { stdout, stderr } = await runCommand('sh', ['-c', `${command} -BNe "select 'through ${name}'"`], {
        env: { PATH: `${typeof mysql === 'string' ? '' : mysql.bin}:${process.env['PATH'] ?? ''}`, HOME: alice.home },
      });
      assert.equal(stdout, `through ${name}\n`, stderr);
      const python = pymysql();
      if (typeof python === 'string') t.diagnostic(python);
      else assert.equal(await runPython(python, tunnel.port), "('brüllwürfel',)\n");
    }
  });

  suite('accounts with a password', () => {
    const plugins = noNewer === false ? ['ed', 'native', 'par', 'sha'] : ['ed', 'native'];
    const services = names.flatMap((name) =>
      plugins.filter((user) => hasPlugin(name, user)).map((user) => ({ name, user, service: `${user}_${name}` })),
    );
    before(async () => {
      const file = join(cluster.folder, 'database.password');
      writeFileSync(file, `${password}\n`, { mode: 0o600 });
      const agent = cluster.agents[0];
      assert.ok(agent !== undefined);
      const entries = services.map(
        ({ name, service }) =>
          `    - {name: ${service}, protocol: mysql, uri: 'localhost:${cluster.mysql(name).port}', password_file: ${file}, static_labels: {env: test}}\n`,
      );
      appendFileSync(agent.configFile, entries.join(''));
      agent.kill('SIGHUP');
      const wanted = services.at(-1)?.service ?? '';
      for (let tries = 0; !(await alice.tsh('db', 'ls')).includes(wanted); tries++)
        if (tries > 20) throw new Error(`the agent does not serve ${wanted}:\n${agent.log().slice(-3000)}`);
    });

    for (const { name, user, service } of services)
      test(`A8 ${describePlugin(user)} on ${name}`, async () => {
        const address = await mysqlAddress(alice, service, user);
        const client = await open(address);
        assert.equal(oneValue(await client.query('select current_user()')), `${user}@%`);
        client.close();
        assert.doesNotMatch(cluster.agents[0]?.log() ?? '', /längere/);
      });
  });

  for (const name of names)
    test(`A9 the account of localhost, with skip_name_resolve ${name === 'orders_1011' ? 'off' : 'on'}`, async () => {
      const client = await open(await mysqlAddress(alice, name, 'nine'));
      const who = oneValue(await client.query('select current_user()'));
      client.close();
      // Where names are resolved, the account that needs no certificate is the more exact one: the guide warns of it.
      const resolves = /^127\.0\.0\.1\s+(.*\s)?localhost(\s|$)/m.test(readFileSync('/etc/hosts', 'utf8'));
      assert.equal(who, name === 'orders_1011' && resolves ? 'nine@localhost' : 'nine@%');
      addresses.set(name, await mysqlAddress(alice, name, 'reader'));
    });

  test("A10 the greeting of MariaDB's own capabilities, and neither of those that change definitions", async () => {
    for (const way of [{}, tunnelled(main)]) {
      const client = await open(at(main), { ...way, extended: 0xff });
      assert.equal(client.greeting.flags & FLAG.mysql, 0, 'bit 0 unset says that there are extended ones');
      assert.equal(client.greeting.extended & (EXTENDED.progress | EXTENDED.bulk), EXTENDED.progress | EXTENDED.bulk);
      assert.equal(client.greeting.extended & (EXTENDED.metadata | EXTENDED.cacheMetadata), 0);
      client.close();
    }
  });

  test('A10 every execution brings its column definitions', async () => {
    const client = await open(at(main), { extended: 0xff });
    const prepared = await client.ask(Buffer.from('\u0016select id, name from products where id = ?'), 'prepare');
    const id = prepared[0]?.payload.readUInt32LE(1) ?? 0;
    const [first, second] = [
      await client.ask(client.executePayload(id, [text('1')]), 'result'),
      await client.ask(client.executePayload(id, [text('1')], { types: false }), 'result'),
    ];
    assert.equal(first.length, 5);
    assert.deepEqual(
      second.map(({ payload }) => payload.toString('latin1')),
      first.map(({ payload }) => payload.toString('latin1')),
    );
    client.close();
  });

  test('A10 the driver of MariaDB executes twice', async () => {
    const connection = await mariadb(at(main));
    for (const id of [1, 2, 1])
      assert.deepEqual(
        (
          await connection.execute<{ id: number }[]>(
            'select id, json_object("a", id) as j from products where id = ?',
            [id],
          )
        ).map((row) => row.id),
        [id],
      );
    await connection.end();
  });

  test('what was said of these sessions has no value of a password in it', () => {
    assert.doesNotMatch(JSON.stringify(readAuditLog(cluster)), /längere|dummy/);
  });
}

/** The account that a plugin's name stands for. */
function describePlugin(user: string): string {
  const plugins: Readonly<Record<string, string>> = {
    ed: 'ed25519',
    native: 'mysql_native_password',
    par: 'parsec',
    sha: 'caching_sha2_password',
  };
  return plugins[user] ?? user;
}

function hasPlugin(name: string, user: string): boolean {
  return name !== 'orders_1011' || user === 'ed' || user === 'native';
}

/** As root. */
function accounts(name: string): string {
  const plugins: readonly (readonly [user: string, soname: string | undefined, plugin: string])[] = [
    ['ed', 'auth_ed25519', 'ed25519'],
    ['native', undefined, 'mysql_native_password'],
    ['par', 'auth_parsec', 'parsec'],
    ['sha', 'auth_mysql_sha2', 'caching_sha2_password'],
  ];
  const made = plugins
    .filter(([user]) => hasPlugin(name, user))
    .map(
      ([user, soname, plugin]) =>
        `${soname === undefined ? '' : `install soname '${soname}';\n`}create user ${user}@'%' identified via ${plugin} using password('${password}');\ngrant all on shop.* to ${user}@'%';\n`,
    );
  return `${made.join('')}
create user nine@localhost;
create user nine@'%' require subject '/CN=nine';
grant all on shop.* to nine@localhost;
grant all on shop.* to nine@'%';
use shop;
create table slow (a int primary key, b varchar(100)) select seq as a, repeat('x', 60) as b from seq_1_to_40000;
`;
}

function mariadb(address: MysqlAddress, more: Record<string, unknown> = {}): Promise<Connection> {
  const read = (file: string): string => readFileSync(file, 'utf8');
  return createConnection({
    host: 'localhost',
    port: address.port,
    user: address.user,
    database: 'shop',
    ssl: { ca: read(address.ca), cert: read(address.cert), key: read(address.key) },
    ...more,
  });
}

function runPython(
  { program, env }: { readonly program: string; readonly env: Readonly<Record<string, string>> },
  port: number,
): Promise<string> {
  const script = `
import sys, pymysql
sys.stdout.reconfigure(encoding='utf-8')
c = pymysql.connect(host='127.0.0.1', port=${port}, user='reader', database='shop')
k = c.cursor()
k.execute('select name from products where id = %s', (2,))
print(k.fetchone())
`;
  return runOk(program, ['-c', script], { env });
}
