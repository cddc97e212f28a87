// A session as it goes on: seen with its statement and rate by who may see it, ended by its id with a word in its own protocol, and found in the audit log.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAuditLog, waitForAudit } from '../kit/audit-log.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { type Output, runCommand } from '../kit/command.ts';
import { mysqlAddress } from '../kit/mysql-client.ts';
import { mysqlCommand } from '../kit/mysql-command.ts';
import type { Person } from '../kit/person.ts';
import { databaseConfig, openClient } from '../kit/writers.ts';
import { type MysqlBinaries, mysql9 } from '../servers/mysql-binaries.ts';
import { findPsql, npmPostgres } from '../servers/postgres-binaries.ts';

type Shown = Readonly<Record<string, unknown>> & { readonly sid: string; readonly user: string };

const binaries = mysql9();
const mysql: MysqlBinaries | undefined = typeof binaries === 'string' ? undefined : binaries;
const psql = findPsql();

suite('live sessions', () => {
  let cluster: Cluster;
  let alice: Person;
  let eve: Person;

  before(async () => {
    cluster = await startCluster({
      postgres: npmPostgres(),
      ...(mysql === undefined ? {} : { mysql: [{ name: 'goods', binaries: mysql }] }),
    });
    await cluster.postgres.sql('create role reader login');
    alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=*']);
    eve = await cluster.addPerson('eve', ['--roles=access', '--db-users=reader', '--db-names=*']);
    await Promise.all([alice.login(), eve.login()]);
  });
  after(() => cluster?.close());

  async function listed(): Promise<Shown[]> {
    return JSON.parse(await cluster.tessera('sessions', 'ls', '--format=json')) as Shown[];
  }

  async function seen(what: string, found: (session: Shown) => boolean): Promise<Shown> {
    const deadline = performance.now() + 25_000;
    for (;;) {
      const sessions = await listed();
      const session = sessions.find(found);
      if (session !== undefined) return session;
      assert.ok(performance.now() < deadline, `${what} is not seen among ${JSON.stringify(sessions)}`);
      await sleep(200);
    }
  }

  /** Ends it, and says what its client was told and how long that took. */
  async function ended(session: Shown, client: Promise<Output>): Promise<Output & { readonly tookMs: number }> {
    await cluster.tessera('sessions', 'terminate', session.sid, '--message=the table is locked');
    const beganMs = performance.now();
    const output = await client;
    return { ...output, tookMs: performance.now() - beganMs };
  }

  async function assertRecorded(sid: string): Promise<void> {
    await waitForAudit(cluster, 'the lock', (events) =>
      events.find((event) => event.code === 'TLK00I' && event['sid'] === sid),
    );
    const end = await waitForAudit(cluster, 'the end', (events) =>
      events.find((event) => event.event === 'db.session.end' && event['sid'] === sid),
    );
    assert.equal(end['reason'], 'locked');
    const found = await cluster.tessera('audit', 'search', `--session=${sid}`, '--format=json');
    const sids = new Set((JSON.parse(found) as Shown[]).map((event) => event.sid));
    assert.deepEqual([...sids], [sid]);
  }

  test('psql is seen at work, ended, and told so', { skip: typeof psql === 'string' ? psql : false }, async () => {
    assert.ok(typeof psql !== 'string');
    await alice.tsh('db', 'login', 'orders', '--db-user=reader', '--db-name=postgres');
    const [service] = /service=\S+/.exec(await alice.tsh('db', 'config', 'orders')) ?? ['service=test-orders'];
    const env = { ...alice.env, ...(psql.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: psql.libraryPath }) };
    const client = runCommand(psql.path, ['-X', service, '-c', 'select pg_sleep(30)'], { env });
    const session = await seen('psql', (each) => each['current_statement'] === 'select pg_sleep(30)');
    assert.deepEqual(
      [session.user, session['db_service'], session['db_protocol'], session['db_user'], session['db_name']],
      ['alice', 'orders', 'postgres', 'reader', 'postgres'],
    );
    assert.equal(session['client_program'], 'psql');
    assert.equal(session['idle'], false);
    assert.match(String(session['addr.remote']), /^127\.0\.0\.1:\d+$/);
    const { stderr, code, tookMs } = await ended(session, client);
    assert.notEqual(code, 0);
    assert.match(stderr, /lock targeting SessionID:"[0-9a-f-]{36}" is in force: the table is locked/);
    assert.ok(tookMs < 3000, `took ${tookMs} ms`);
    await assertRecorded(session.sid);
    assert.equal(
      (await listed()).find((each) => each.sid === session.sid),
      undefined,
    );
  });

  test('rates, what is idle, and who sees and ends whose', async () => {
    const client = await openClient(await databaseConfig(alice, 'reader', 'postgres'));
    const gone = new Promise<void>((resolve) => client.once('end', resolve));
    const busy = new AbortController();
    const work = (async () => {
      while (!busy.signal.aborted) await client.query('select 1');
    })();
    const rate = (each: Shown): number => Number(each['statements_per_second']);
    const session = await seen('a rate', (each) => rate(each) > 1 && Number(each['bytes_per_second']) > 1);
    busy.abort();
    await work;
    const idle = await seen(
      'an idle one',
      (each) => each.sid === session.sid && each['idle'] === true && rate(each) === 0,
    );
    assert.equal(idle['current_statement'], '');

    const proxy = `--proxy=localhost:${cluster.proxies[0]?.port}`;
    const asPerson = (person: Person, ...args: string[]): Promise<Output> =>
      cluster.tryTessera([proxy, ...args], { env: { ...person.env, TESSERA_CONFIG: '' } });
    const own = await asPerson(alice, 'sessions', 'ls', '--format=json');
    assert.deepEqual(
      (JSON.parse(own.stdout) as Shown[]).map(({ sid }) => sid),
      [session.sid],
    );
    const others = await asPerson(eve, 'sessions', 'ls', '--format=json');
    assert.deepEqual(JSON.parse(others.stdout), []);
    const refused = await asPerson(eve, 'sessions', 'terminate', session.sid);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /does not go on \(any more\)/);
    assert.equal((await client.query('select 2 as n')).rows[0]?.n, 2, 'still there');

    const done = await asPerson(alice, 'sessions', 'terminate', session.sid);
    assert.equal(done.code, 0, done.stderr);
    await gone;
    await assertRecorded(session.sid);
    const lock = readAuditLog(cluster).find((event) => event.code === 'TLK00I' && event['sid'] === session.sid);
    assert.equal(lock?.['user'], 'alice');
  });

  test('a session that is not there is said in words, and nothing is locked', async () => {
    const before = readAuditLog(cluster).filter((event) => event.code === 'TLK00I').length;
    const sid = '00000000-0000-4000-8000-000000000000';
    const { code, stderr } = await cluster.tryTessera(['sessions', 'terminate', sid]);
    assert.notEqual(code, 0);
    assert.match(stderr, /session "00000000-.*" does not go on \(any more\)/);
    assert.equal(readAuditLog(cluster).filter((event) => event.code === 'TLK00I').length, before);
  });

  test('MySQL likewise', { skip: typeof binaries === 'string' ? binaries : false }, async () => {
    assert.ok(mysql !== undefined);
    const address = await mysqlAddress(alice, 'goods', 'reader', 'shop');
    const client = mysqlCommand(mysql, address, 'select sleep(30)');
    const session = await seen('mysql', (each) => each['current_statement'] === 'select sleep(30)');
    assert.deepEqual([session['db_protocol'], session['client_program']], ['mysql', 'mysql']);
    const { stderr, tookMs } = await ended(session, client);
    assert.match(stderr, /lock targeting SessionID:"[0-9a-f-]{36}" is in force: the table is locked/);
    assert.ok(tookMs < 3000, `took ${tookMs} ms`);
    await assertRecorded(session.sid);
  });
});
