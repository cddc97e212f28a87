// A whole session with real programs: psql -> TLS -> runSession with the PostgreSQL engine -> PostgreSQL 18 with client certificates.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createSecureContext } from 'node:tls';

import { Client } from 'pg';

import { createAuthority } from '../../pki/authority.ts';
import { issueCertificate } from '../../pki/issue.ts';
import { generateKeyPair } from '../../pki/keys.ts';
import { databaseServerProfile } from '../../pki/profiles.ts';
import { systemClock } from '../../telemetry/clock.ts';
import { SocketChannel } from '../../wire/socket-channel.ts';
import { createClientAuthority } from '../../../test/kit/client-certificates.ts';
import { databaseAt, MemoryRecorder, Policy, sessionParts } from '../../../test/kit/engine.ts';
import { findPsql, npmPostgres } from '../../../test/servers/postgres-binaries.ts';
import { type PostgresServer, startPostgres } from '../../../test/servers/postgres.ts';
import { CancelKeys } from '../cancel-keys.ts';
import type { DatabaseCredentials } from '../engine.ts';
import { runSession, type SessionParts } from '../session.ts';
import { cancelPostgres } from './cancel.ts';
import { postgresEngine } from './engine.ts';

const folder = mkdtempSync(join(tmpdir(), 'tessera-engine-'));
let server: PostgresServer;
let front: Server;
let recorder: MemoryRecorder;
let policy: Policy;
let overrides: Partial<SessionParts> = {};
let credentials: DatabaseCredentials;
let password: DatabaseCredentials;
const cancelKeys = new CancelKeys(0xabc);

before(async () => {
  const serverAuthority = await createAuthority('db', 'test', () => Date.now());
  const clients = await createClientAuthority(folder);
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const { pem } = await issueCertificate(serverAuthority, databaseServerProfile(['localhost']), {
    publicKeyDer,
    ttlMs: 3_600_000,
    nowMs: Date.now(),
  });
  server = await startPostgres(npmPostgres(), {
    tls: { certificate: pem, privateKey: privateKeyPem, clientAuthorities: clients.certificate },
    hba: 'hostssl all scrammy all scram-sha-256\nhostssl all plain all password\nhostssl all all all cert',
  });
  await server.sql(
    "create role reader login; create role scrammy login password 'pässword'; create role plain login password 'x'; create table t (id int primary key, name text)",
  );
  await server.sql('grant all on t to reader');
  const reader = await clients.issue('reader');
  const ca = serverAuthority.certificatePem;
  credentials = {
    type: 'certificate',
    secureContext: createSecureContext({ ca, cert: reader.certificate, key: reader.privateKey }),
  };
  password = { type: 'password', secureContext: createSecureContext({ ca }), password: 'pässword' };
  front = createServer({ allowHalfOpen: true }, (socket) => void serve(socket)).listen(0, '127.0.0.1');
  await once(front, 'listening');
});

after(async () => {
  front.close();
  await server.remove();
  rmSync(folder, { recursive: true });
});

/** What the proxy is to the agent, without TLS: CancelRequests go to the engine, the rest are sessions. */
async function serve(socket: Socket): Promise<void> {
  const [first] = (await once(socket, 'data')) as [Buffer];
  socket.pause();
  if (first.length >= 8 && first.readUInt32BE(4) === 80_877_102) {
    await cancelPostgres(first, cancelKeys);
    socket.destroy();
    return;
  }
  socket.unshift(first);
  const client = new SocketChannel(socket);
  socket.resume();
  const target = {
    database: databaseAt(`localhost:${server.port}`),
    connectTimeoutMs: 10_000,
    credentials: (user: string) => Promise.resolve(user === 'reader' ? credentials : password),
  };
  await runSession(
    sessionParts({
      engine: postgresEngine,
      client,
      clock: systemClock,
      recorder,
      target,
      policy,
      overrides: { cancelKeys, ...overrides },
    }),
  );
}

function fresh(): void {
  recorder = new MemoryRecorder();
  policy = new Policy();
  overrides = {};
}

function port(): number {
  return (front.address() as AddressInfo).port;
}

async function connected(user = 'reader'): Promise<Client> {
  const client = new Client({ host: '127.0.0.1', port: port(), user, database: 'postgres' });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** The session's last event is written after the client left. */
/** Statements of the test about a lock that run at the database now. */
async function sleepers(): Promise<number> {
  const [row] = await server.sql(
    "select count(*)::int as n from pg_stat_activity where query like 'select pg_sleep(30)%' and state = 'active' and usename = 'reader'",
  );
  return Number(row?.['n']);
}

async function ended(): Promise<void> {
  for (let tries = 0; tries < 500 && recorder.of('TDB01I').length === 0; tries++)
    await new Promise((resolve) => setTimeout(resolve, 5));
}

test('statements reach the database, and every one has its event with its result', async () => {
  fresh();
  const client = await connected();
  const row = await client.query('select $1::int + 1 as n, $2::text as s', [41, 'x']);
  assert.deepEqual(row.rows, [{ n: 42, s: 'x' }]);
  await client.query("insert into t values (1, 'one'), (2, 'two')");
  await assert.rejects(client.query('select 1/0'), /division by zero/);
  await client.query({ name: 'named', text: 'select count(*) from t where id > $1', values: [0] });
  await client.query({ name: 'named', text: 'select count(*) from t where id > $1', values: [1] });
  await client.end();
  await ended();
  assert.equal(recorder.codes()[0], 'TDB00I');
  assert.deepEqual(
    recorder.of('TDB02I').map((event) => [event['db_query'], event['db_query_parameters']]),
    [
      ['select $1::int + 1 as n, $2::text as s', ['41', 'x']],
      ["insert into t values (1, 'one'), (2, 'two')", undefined],
      ['select 1/0', undefined],
      ['select count(*) from t where id > $1', ['0']],
      ['select count(*) from t where id > $1', ['1']],
    ],
  );
  assert.deepEqual(
    recorder.of('TDB10I').map((event) => [event['rows'], event['affected_records']]),
    [
      [1, 1],
      [0, 2],
      [1, 1],
      [1, 1],
    ],
  );
  assert.equal(recorder.of('TDB10W')[0]?.['error_code'], '22012');
  assert.equal(recorder.of('TDB02W')[0]?.['db_query'], 'select 1/0');
  const end = recorder.of('TDB01I')[0];
  assert.equal(end?.['statements'], 5);
  assert.equal(end?.['closed_by'], 'client');
});

test('a password stands in for a certificate by SCRAM with channel binding', async () => {
  fresh();
  const client = await connected('scrammy');
  assert.deepEqual((await client.query('select current_user as u')).rows, [{ u: 'scrammy' }]);
  await client.end();
});

test('a database that asks for the password in clear gets nothing', async () => {
  fresh();
  await assert.rejects(connected('plain'), /asks this agent for a cleartext password/);
  assert.match(String(recorder.of('TDB00W')[0]?.['error']), /expected cert or scram/);
});

test("the database's own refusal comes through with its code", async () => {
  fresh();
  const client = new Client({ host: '127.0.0.1', port: port(), user: 'reader', database: 'nowhere' });
  await assert.rejects(client.connect(), { code: '3D000', message: 'database "nowhere" does not exist' });
  assert.equal(recorder.of('TDB00W')[0]?.['error_code'], '3D000');
});

test('an unreachable database and a wrong certificate are told without inner addresses', async () => {
  fresh();
  overrides = {
    target: {
      database: databaseAt('localhost:1'),
      connectTimeoutMs: 1000,
      credentials: () => Promise.resolve(credentials),
    },
  };
  await assert.rejects(connected(), { code: '57P03', message: 'the database can not be reached' });
  fresh();
  const stranger: DatabaseCredentials = { type: 'certificate', secureContext: createSecureContext() };
  overrides = {
    target: {
      database: databaseAt(`localhost:${server.port}`),
      connectTimeoutMs: 5000,
      credentials: () => Promise.resolve(stranger),
    },
  };
  await assert.rejects(connected(), {
    code: '57P03',
    message: "the database's TLS certificate could not be verified, or TLS failed",
  });
  fresh();
  overrides = {
    target: {
      database: databaseAt(`127.0.0.1:${server.port}`),
      connectTimeoutMs: 5000,
      credentials: () => Promise.resolve(credentials),
    },
  };
  await assert.rejects(connected(), { code: '57P03' });
  fresh();
  overrides = {
    target: {
      database: databaseAt(`127.0.0.1:${server.port}`, { mode: 'verify-ca' }),
      connectTimeoutMs: 5000,
      credentials: () => Promise.resolve(credentials),
    },
  };
  await (await connected()).end();
});

test('cancel by our own key stops the statement, and the session goes on', async () => {
  fresh();
  const client = await connected();
  const running = assert.rejects(client.query('select pg_sleep(30)'), { code: '57014' });
  const canceller = new Client({ host: '127.0.0.1', port: port(), user: 'reader', database: 'postgres' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  // pg's own cancel: the key it was given goes to the front door.
  (canceller as unknown as { cancel(target: Client, query: unknown): void }).cancel(
    client,
    (client as unknown as { _getActiveQuery(): unknown })._getActiveQuery(),
  );
  await running;
  assert.deepEqual((await client.query('select 1 as n')).rows, [{ n: 1 }]);
  await client.end();
});

test('a lock ends a session in the middle of a statement, with a word, and stops the statement', async () => {
  fresh();
  const client = await connected();
  const failed = once(client, 'error');
  const running = assert.rejects(client.query('select pg_sleep(30)'));
  while ((await sleepers()) === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  policy.lockUser('alice');
  await running;
  await failed.catch(() => {});
  await ended();
  assert.equal(recorder.of('T3006I')[0]?.['reason'], 'locked');
  // The cancel goes over a connection of its own and does not hold up the end of the session. Well before the statement's 30 s it has to be gone.
  const deadlineMs = performance.now() + 10_000;
  while ((await sleepers()) > 0) {
    assert.ok(performance.now() < deadlineMs, 'the statement still runs at the database');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

test('NOTIFY names the backend as the client knows it', async () => {
  fresh();
  const client = await connected();
  const notified = once(client, 'notification');
  await client.query('listen here');
  await client.query("notify here, 'x'");
  const [message] = (await notified) as [{ processId: number }];
  assert.equal(message.processId, (client as unknown as { processID: number }).processID);
  assert.equal(message.processId >>> 19, 0xabc);
  await client.end();
});

const psql = findPsql();
test('psql prints message and hint of a denial', { skip: typeof psql === 'string' ? psql : false }, async () => {
  fresh();
  policy.allow = { db_labels: { '*': ['*'] }, db_users: ['writer'], db_names: ['*'] };
  const said = await psqlSays('select 1');
  assert.match(said, /FATAL: /);
  assert.equal(recorder.codes()[0], 'TDB00W');
});

test(
  'psql: COPY both ways, a row limit, an error in a pipeline of statements',
  { skip: typeof psql === 'string' ? psql : false },
  async () => {
    fresh();
    const said = await psqlSays(
      "\\copy (select generate_series(1, 20000), repeat('x', 100)) to /dev/null\n\\set FETCH_COUNT 2\nselect id from t order by id;\nselect 1; select 1/0; select 2;\n\\copy t from stdin\n7\tseven\n\\.\nselect name from t where id = 7;",
    );
    assert.match(said, /COPY 20000/);
    assert.match(said, /division by zero/);
    assert.match(said, /seven/);
    await ended();
    assert.equal(
      recorder.of('TDB10I').find((event) => event['command'] === 'COPY 20000')?.['affected_records'],
      20_000,
    );
    assert.equal(recorder.of('TDB10I').find((event) => event['command'] === 'COPY 1')?.['affected_records'], 1);
  },
);

function psqlSays(input: string): Promise<string> {
  const { path, libraryPath } = psql as { path: string; libraryPath?: string };
  const env = {
    ...process.env,
    PGSSLMODE: 'disable',
    ...(libraryPath === undefined ? {} : { LD_LIBRARY_PATH: libraryPath }),
  };
  return new Promise((resolve) => {
    const child = execFile(
      path,
      ['-X', '-h', '127.0.0.1', '-p', String(port()), '-U', 'reader', 'postgres'],
      { env },
      (_error, stdout, stderr) => resolve(stdout + stderr),
    );
    child.stdin?.end(`${input}\n`);
  });
}
