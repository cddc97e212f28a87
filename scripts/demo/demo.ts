/**
 * `npm run demo`: a whole cluster on this machine with a real PostgreSQL 18 and, where Debian's packages can be fetched, a real MariaDB, and the way of one person from the invitation to the audit log.
 * With `--once` it ends after the walk, with exit code 1 when a step failed; else it stays up until Ctrl-C. Everything lives in one temporary folder and listens on loopback only.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs, styleText } from 'node:util';
import { startCluster, type Cluster } from '../../test/kit/cluster.ts';
import { invitationLink } from '../../test/kit/invitation.ts';
import { invite, type Person } from '../../test/kit/person.ts';
import { top } from '../../test/kit/service-process.ts';
import { mariadb1011, type MysqlBinaries } from '../../test/servers/mysql-binaries.ts';
import { findPsql, npmPostgres } from '../../test/servers/postgres-binaries.ts';
import { buildWeb } from '../build.ts';
import { answer, failures, heading, prompt, remark, show } from './stage.ts';

const { values } = parseArgs({ options: { once: { type: 'boolean', default: false } } });
const node = ['--disable-warning=ExperimentalWarning'];
const role = `kind: role
version: v7
metadata: {name: shop-reader}
spec:
  options: {max_session_ttl: 8h, client_idle_timeout: 15m}
  allow:
    db_labels: {env: demo}
    db_users: [reader]
    db_names: [shop]
`;

let cluster: Cluster | undefined;
const mariadb = mariadb1011();
const interrupted = new Promise<void>((done) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
});
try {
  const startedMs = performance.now();
  cluster = await open();
  await Promise.race([walk(cluster), interrupted]);
  heading(
    failures() === 0
      ? `The whole way worked, in ${((performance.now() - startedMs) / 1000).toFixed(0)} s.`
      : `${failures()} steps failed.`,
  );
  if (!values.once) {
    whatNow(cluster, await invitationLink(cluster, 'ada', ['--roles=editor,auditor']));
    await interrupted;
    remark('\nstopping, and removing everything ...');
  }
} catch (error) {
  process.stdout.write(
    `${styleText('red', 'the demo could not go on')}: ${error instanceof Error ? error.message : String(error)}\n`,
  );
  process.exitCode = 1;
} finally {
  await cluster?.close();
}
if (failures() > 0) process.exitCode = 1;

async function open(): Promise<Cluster> {
  heading('Starting a cluster on this machine');
  await buildWeb();
  if (typeof mariadb === 'string') remark(`without a MariaDB: ${mariadb}`);
  const opened = await startCluster({
    postgres: npmPostgres(),
    ...(typeof mariadb === 'string' ? {} : { mysql: [{ name: 'stock', binaries: mariadb }] }),
    clusterName: 'demo',
    labels: '{env: demo}',
    onStep: (text) => process.stdout.write(`  ${text}\n`),
  });
  await opened.postgres.sql('create role reader login');
  await opened.postgres.sql('create database shop owner reader');
  await opened.postgres.sql(
    `set role reader; create table orders (id int primary key, customer text, total numeric);
     insert into orders values (1, 'Ada', 12.50), (2, 'Grace', 99.90), (3, 'Edsger', 7.25)`,
    'shop',
  );
  return opened;
}

async function walk(on: Cluster): Promise<void> {
  heading('The administrator, on the Auth machine');
  const roleFile = join(on.folder, 'shop-reader.yaml');
  writeFileSync(roleFile, role);
  prompt('admin', 'cat shop-reader.yaml');
  answer(role);
  const added = await admin(on, ['create', '-f', 'shop-reader.yaml'], ['create', '-f', roleFile]).then(() =>
    admin(on, ['users', 'add', 'alice', '--roles=shop-reader']),
  );
  const link = /https:\/\/\S+\/web\/invite\/\S+/.exec(added.stdout)?.[0];
  if (link === undefined) throw new Error('no invitation link was printed');

  heading('Alice, on her laptop');
  const alice = await accept(on, link);
  await signIn(on, alice);
  await tsh(alice, ['db', 'ls']);
  await tsh(alice, ['db', 'login', 'orders', '--db-user=reader', '--db-name=shop']);
  await query(alice, 'service=demo-orders', 'select * from orders where total > 10');
  await query(alice, 'service=demo-orders', "update orders set total = total + 1 where customer = 'Ada'");
  remark("\nWhat she may not do is refused in the database's own words:");
  await query(alice, 'service=demo-orders user=postgres', 'select 1', /FATAL/);
  if (typeof mariadb !== 'string') await walkMariadb(alice, mariadb);

  heading('The auditor');
  await admin(on, ['audit', 'search', '--user=alice', '--from=1h']);
  remark('\nHer last statement on orders, as the log has it:');
  await admin(
    on,
    ['audit', 'search', '--db=orders', '--event=db.session.query', '--limit=1', '--format=json'],
    undefined,
    /update orders set total/,
  );
}

/** The same person, another protocol: nothing is new to her but the client's name. */
async function walkMariadb(alice: Person, binaries: MysqlBinaries): Promise<void> {
  heading('Alice, with a MariaDB');
  await tsh(alice, ['db', 'login', 'stock', '--db-user=reader']);
  await mariadbQuery(alice, binaries, 'use shop; select id, name from products limit 2');
  await mariadbQuery(alice, binaries, 'use mysql', /ERROR 1044 \(42000\)/);
}

async function mariadbQuery(alice: Person, binaries: MysqlBinaries, sql: string, expect?: RegExp): Promise<void> {
  const args = ['--defaults-group-suffix=_demo-stock', '--table', '-e', sql];
  const step = { program: join(binaries.bin, binaries.client), args, env: alice.env };
  await show(
    'alice',
    `mariadb --defaults-group-suffix=_demo-stock --table -e "${sql}"`,
    expect === undefined ? step : { ...step, expect },
  );
}

/** Alice's password and her phone's one-time codes are played by this program. */
async function accept(on: Cluster, link: string): Promise<Person> {
  prompt('alice', `tsh invite ${link} --ca-pin=${on.caPin}`);
  return invite('alice', link, {
    home: join(on.folder, 'alice'),
    proxy: `localhost:${on.proxies[0]?.port}`,
    caPin: on.caPin,
    onOutput: (text) => process.stdout.write(text),
  });
}

async function signIn(on: Cluster, alice: Person): Promise<void> {
  const flags = [`--proxy=localhost:${on.proxies[0]?.port}`, '--user=alice', `--ca-pin=${on.caPin}`];
  await tsh(alice, ['login', ...flags], `${alice.password}\n${await alice.code()}\n`);
}

async function tsh(alice: Person, args: readonly string[], input?: string): Promise<void> {
  const step = { program: process.execPath, args: [...node, join(top, 'bin/tsh.ts'), ...args], env: alice.env };
  await show('alice', `tsh ${args.join(' ')}`, input === undefined ? step : { ...step, input });
}

function admin(
  on: Cluster,
  typed: readonly string[],
  args: readonly string[] = typed,
  expect?: RegExp,
): ReturnType<typeof show> {
  const step = {
    program: process.execPath,
    args: [...node, join(top, 'bin/tessera.ts'), ...args],
    env: { TESSERA_CONFIG: on.auth.configFile },
  };
  return show('admin', `tessera ${typed.join(' ')}`, expect === undefined ? step : { ...step, expect });
}

async function query(alice: Person, connection: string, sql: string, expect?: RegExp): Promise<void> {
  const psql = findPsql();
  if (typeof psql === 'string') {
    remark(`psql can not be had here (${psql}); the driver "pg" stands in`);
    const step = {
      program: process.execPath,
      args: [...node, join(top, 'scripts/demo/query.ts'), connection, sql],
      env: alice.env,
    };
    await show('alice', `node query.ts "${connection}" "${sql}"`, expect === undefined ? step : { ...step, expect });
    return;
  }
  const env = { ...alice.env, ...(psql.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: psql.libraryPath }) };
  const step = { program: psql.path, args: ['-X', connection, '-c', sql], env };
  await show('alice', `psql "${connection}" -c "${sql}"`, expect === undefined ? step : { ...step, expect });
}

function whatNow(on: Cluster, invitation: string): void {
  const home = join(on.folder, 'alice');
  const file = join(on.folder, 'env.sh');
  const lines = [
    `export PATH="${[join(top, 'bin'), ...(typeof mariadb === 'string' ? [] : [mariadb.bin])].join(':')}:$PATH" TESSERA_CONFIG="${on.auth.configFile}"`,
    `export TESSERA_HOME="${join(home, '.tsh')}" PGSERVICEFILE="${join(home, '.pg_service.conf')}" HOME="${home}"`,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const stock =
    typeof mariadb === 'string'
      ? ''
      : `  tsh db connect stock                            the MariaDB; Ctrl-C works there too
  tsh proxy db --tunnel stock --db-user=reader    for graphical clients
`;
  process.stdout.write(`
It stays up until Ctrl-C. The web UI, for an administrator called ada (the certificate is this cluster's own, so the browser warns once):

  ${invitation}

In a second terminal:

  . ${file}
  psql "service=demo-orders"                      then: select pg_sleep(60);  and Ctrl-C
  tsh db connect orders
${stock}  tessera audit search --user=alice --follow      every statement as it happens
  tessera lock --user=alice --message="just trying"   ends her sessions within a second
  tessera status
`);
}
