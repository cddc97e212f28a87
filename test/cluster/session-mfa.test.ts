// A role that demands a second factor for each session, in a whole cluster: refused without, open with a code, and what is open goes on when its certificate is over.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from 'pg';
import { waitForAudit } from '../kit/audit-log.ts';
import { type Cluster, startCluster } from '../kit/cluster.ts';
import { runCommand, type Output } from '../kit/command.ts';
import type { Person } from '../kit/person.ts';
import { databaseConfig, openClient, type DatabaseConfig } from '../kit/writers.ts';
import { findPsql, npmPostgres } from '../servers/postgres-binaries.ts';

/** A certificate with a second factor lives this long here: enough for a slow machine, short enough to be waited for. */
const ttlSeconds = 20;
const found = findPsql();
const noPsql = typeof found === 'string' ? found : false;

suite('a second factor for each session', () => {
  let cluster: Cluster;
  let alice: Person;
  let plain: DatabaseConfig;

  before(async () => {
    cluster = await startCluster({ postgres: npmPostgres() });
    await cluster.postgres.sql('create role reader login');
    await create(careful(false));
    alice = await cluster.addPerson('alice', ['--roles=access,careful', '--db-users=reader', '--db-names=*']);
    await alice.login();
    plain = await databaseConfig(alice, 'reader', 'postgres');
    await (await openClient(plain)).end();
    await create({
      kind: 'cluster_auth_preference',
      version: 'v2',
      spec: { type: 'local', second_factors: ['otp', 'webauthn'], session_mfa_ttl: `${ttlSeconds}s` },
    });
    await create(careful(true));
  });
  after(() => cluster?.close());

  test('a certificate from before the demand opens nothing more, in words that say what to do', async () => {
    const refusal = await untilRefused(plain);
    assert.match(refusal.message, /database "orders" needs a second factor for each session/);
    assert.match(String(refusal.hint), /"tsh db login" again/);
    const event = await waitForAudit(cluster, 'the refusal', (events) =>
      events.find(({ code, reason }) => code === 'TDB00W' && reason === 'session-mfa-required'),
    );
    assert.equal(event['user'], 'alice');
  });

  test('a new one is not given without a code, nor for a wrong one', async () => {
    const none = await alice.tryTsh(['db', 'login', 'orders', '--db-user=reader', '--db-name=postgres']);
    assert.notEqual(none.code, 0);
    assert.match(none.stderr, /One-time code to open orders/);
    const wrong = await login('000000');
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.stderr, /second factor refused/);
    const event = await waitForAudit(cluster, 'the wrong code', (events) =>
      events.find(({ code }) => code === 'T1007W'),
    );
    assert.deepEqual([event['user'], event['error']], ['alice', 'wrong one-time code']);
  });

  test('psql opens it after "tsh db login" with a code, without another question', { skip: noPsql }, async () => {
    const { code, stderr } = await login(await alice.code());
    assert.equal(code, 0, stderr);
    for (const answer of ['1', '2']) {
      const { stdout, stderr: said } = await psql(`select ${answer}`);
      assert.equal(stdout, `${answer}\n`, said);
    }
  });

  test('a session goes on when its certificate is over; a new one is refused', async () => {
    const code = await alice.code();
    assert.equal((await login(code)).code, 0);
    const again = await login(code);
    assert.match(again.stderr, /second factor refused/, 'a code is good once');
    const config = await configOf();
    const { validFromDate, validToDate } = new X509Certificate(config.cert);
    assert.ok(validToDate.getTime() - Date.now() <= ttlSeconds * 1000);
    assert.ok(validToDate.getTime() > validFromDate.getTime());
    const client = await openClient(config);
    assert.deepEqual(await one(client), [{ one: 1 }]);
    await sleep(Math.max(0, validToDate.getTime() + 500 - Date.now()));
    assert.deepEqual(await one(client), [{ one: 1 }], 'it goes on');
    const refusal = await untilRefused(config);
    assert.match(refusal.message, /certificate has expired/);
    assert.match(String(refusal.hint), /"tsh db login"/);
    // A lock still ends it, whatever its certificate says.
    await cluster.tessera('lock', '--user=alice', '--message=thank you', '--ttl=1m');
    await assert.rejects(async () => {
      for (;;) await one(client);
    });
    await client.end().catch(() => undefined);
  });

  async function create(resource: object): Promise<void> {
    const input = JSON.stringify(resource);
    const { code, stderr } = await cluster.tryTessera(['create', '--force', '-f', '-'], { input });
    assert.equal(code, 0, stderr);
  }

  function login(code: string): Promise<Output> {
    const args = ['db', 'login', 'orders', '--db-user=reader', '--db-name=postgres'];
    return alice.tryTsh(args, { input: `${code}\n` });
  }

  /** Of the login that is there. */
  async function configOf(): Promise<DatabaseConfig> {
    const { readFileSync } = await import('node:fs');
    const config = JSON.parse(await alice.tsh('db', 'config', 'orders', '--format=json')) as DatabaseConfig;
    const read = (file: string): string => readFileSync(file, 'utf8');
    return {
      ...config,
      port: Number(config.port),
      ca: read(config.ca),
      cert: read(config.cert),
      key: read(config.key),
    };
  }

  function psql(sql: string): Promise<Output> {
    if (typeof found === 'string') throw new Error(found);
    const env = { ...alice.env, ...(found.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: found.libraryPath }) };
    return runCommand(found.path, ['-X', '-At', 'service=test-orders', '-c', sql], { env });
  }
});

function careful(demands: boolean): object {
  return {
    kind: 'role',
    version: 'v8',
    metadata: { name: 'careful' },
    spec: { options: { require_session_mfa: demands }, allow: { db_labels: { env: 'test' }, db_users: ['nobody'] } },
  };
}

type Refused = Error & { readonly hint?: string };

/** What the agents know reaches them within moments. */
async function untilRefused(config: DatabaseConfig): Promise<Refused> {
  const untilMs = Date.now() + 30_000;
  while (Date.now() < untilMs) {
    try {
      await (await openClient(config)).end();
    } catch (error) {
      assert.ok(error instanceof Error);
      return error;
    }
    await sleep(100);
  }
  throw new Error('still let in after 30 s');
}

async function one(client: Client): Promise<readonly unknown[]> {
  return (await client.query('select 1 as one')).rows;
}
