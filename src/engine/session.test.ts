// The one path with an engine that only says what it was asked, in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { channelPair } from '../../test/kit/channel.ts';
import { alice, databaseAt, MemoryRecorder, Policy, sessionParts } from '../../test/kit/engine.ts';
import { LoginError, UpstreamError } from '../errors.ts';
import { type Log, silentLog } from '../telemetry/log.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import type { UserIdentity } from '../resource/identity.ts';
import type { Database } from '../resource/resource.ts';
import { ConnectionCounts } from './connection-counts.ts';
import { DatabaseRefusal } from './database-refusal.ts';
import type {
  Accepted,
  AcceptOptions,
  Closed,
  DatabaseConnection,
  Engine,
  Refusal,
  RelaySession,
  SessionHandles,
} from './engine.ts';
import { SessionIds } from './session-ids.ts';
import { runSession, type SessionParts } from './session.ts';

type Script = {
  protocol?: Engine['protocol'];
  accept?: (options: AcceptOptions) => Promise<Accepted>;
  connect?: (signal: AbortSignal) => Promise<DatabaseConnection>;
  admit?: (handles: SessionHandles) => Promise<void>;
  relay?: (session: RelaySession) => Promise<Closed>;
};

const request = {
  databaseUser: 'reader',
  databaseName: 'orders',
  replication: 'none' as const,
  parameters: {},
  details: undefined,
};

/** Records the order of what it is asked in `trace`, and what was refused. */
function fakeEngine(trace: string[], script: Script = {}) {
  const refused: Refusal[] = [];
  const channels: { destroyed: boolean }[] = [];
  const engine: Engine = {
    protocol: script.protocol ?? 'postgres',
    accept: (_client, options) => {
      trace.push('accept');
      return script.accept?.(options) ?? Promise.resolve({ type: 'request', request });
    },
    refuse: (_client, _request, refusal) => {
      trace.push(`refuse ${refusal.reason}`);
      refused.push(refusal);
      return Promise.resolve();
    },
    connect: (_grant, _request, _target, signal) => {
      trace.push('connect');
      if (script.connect !== undefined) return script.connect(signal);
      const [channel] = channelPair();
      channels.push(channel);
      return Promise.resolve({
        channel,
        backendId: 77,
        serverVersion: '18.1',
        details: undefined,
        cancel: () => Promise.resolve(),
      });
    },
    admit: async (_client, _request, _database, handles) => {
      trace.push('admit');
      await script.admit?.(handles);
      return { release: () => trace.push('release') };
    },
    relay: (session) => {
      trace.push('relay');
      return script.relay?.(session) ?? Promise.resolve({ by: 'client' });
    },
    cancel: () => {
      trace.push('cancel');
      return Promise.resolve('sent');
    },
    checkHealth: () => Promise.resolve({}),
  };
  return { engine, refused, channels };
}

type Setup = {
  readonly script?: Script;
  readonly policy?: Policy;
  readonly overrides?: Partial<SessionParts>;
  readonly certificateLifeMs?: number;
  readonly database?: Database;
  readonly identity?: UserIdentity;
};

function setUp({ script, policy = new Policy(), overrides, certificateLifeMs, ...of }: Setup = {}) {
  const trace: string[] = [];
  const clock = new ManualClock();
  const recorder = new MemoryRecorder(trace);
  const [client] = channelPair();
  const fake = fakeEngine(trace, script);
  const target = {
    database: of.database ?? databaseAt('db:5432'),
    connectTimeoutMs: 1000,
    credentials: () => Promise.reject(new Error('unused')),
  };
  const parts = sessionParts({
    engine: fake.engine,
    client,
    clock,
    recorder,
    target,
    policy,
    ...(of.identity === undefined ? {} : { identity: of.identity }),
    ...(certificateLifeMs === undefined ? {} : { certificateLifeMs }),
    ...(overrides === undefined ? {} : { overrides }),
  });
  return { ...fake, trace, clock, recorder, policy, parts };
}

/** A relay that lasts until the session is told to end. */
function lasting(session: RelaySession): Promise<Closed> {
  return new Promise((resolve) => {
    const end = (): void => resolve({ by: 'refusal', refusal: session.signal.reason as Refusal });
    if (session.signal.aborted) end();
    session.signal.addEventListener('abort', end);
  });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the order: the start is in the journal before the database is asked, the end is last', async () => {
  const { trace, parts, recorder, channels, policy, clock } = setUp();
  assert.deepEqual(await runSession(parts), { by: 'client' });
  assert.deepEqual(trace, ['accept', 'event TDB00I', 'connect', 'admit', 'relay', 'event TDB01I', 'release']);
  assert.equal(recorder.events[1]?.['postgres_pid'], 77);
  assert.equal(channels[0]?.destroyed, true);
  assert.equal(policy.listeners, 0, 'nobody listens to policy any more');
  parts.client.destroy();
  await turn();
  assert.equal(clock.pendingTimers, 0, 'the client has left');
});

const refusals: readonly (Setup & {
  readonly name: string;
  readonly reason: Refusal['reason'];
  readonly trace: readonly string[];
})[] = [
  {
    name: 'a denial',
    policy: Object.assign(new Policy(), { allow: {} }),
    reason: 'access-denied',
    trace: ['accept', 'event TDB00W', 'refuse access-denied'],
  },
  {
    name: 'a look-up that fails is a denial',
    policy: Object.assign(new Policy(), { throws: true }),
    reason: 'access-denied',
    trace: ['accept', 'event TDB00W', 'refuse access-denied'],
  },
  {
    name: 'what the engine refuses itself',
    script: {
      accept: () => Promise.resolve({ type: 'refused', request, refusal: { reason: 'wrong-route', message: 'm' } }),
    },
    reason: 'wrong-route',
    trace: ['accept', 'event TDB00W', 'refuse wrong-route'],
  },
  {
    name: 'an unreachable database',
    script: {
      connect: () => Promise.reject(new UpstreamError('X', 'inner 10.0.0.1', { publicMessage: 'not reached' })),
    },
    reason: 'database-unreachable',
    trace: ['accept', 'event TDB00I', 'connect', 'event TDB00W', 'refuse database-unreachable', 'event TDB01I'],
  },
  {
    name: 'no credential for the database',
    script: { connect: () => Promise.reject(new LoginError('X', 'auth said no', { publicMessage: 'not allowed' })) },
    reason: 'database-unreachable',
    trace: ['accept', 'event TDB00I', 'connect', 'event TDB00W', 'refuse database-unreachable', 'event TDB01I'],
  },
  {
    name: 'a database that refuses',
    script: { connect: () => Promise.reject(new DatabaseRefusal({ code: '3D000', message: 'no such database' })) },
    reason: 'database-refused',
    trace: ['accept', 'event TDB00I', 'connect', 'event TDB00W', 'refuse database-refused', 'event TDB01I'],
  },
  {
    name: 'a journal that can not be opened',
    overrides: {
      openRecorder: () => {
        throw new Error('disk failed');
      },
    },
    reason: 'audit-unavailable',
    trace: ['accept', 'refuse audit-unavailable'],
  },
  {
    name: 'an engine that throws where it must not',
    script: { accept: () => Promise.reject(new Error('bug')) },
    reason: 'internal',
    trace: ['accept', 'refuse internal'],
  },
];

for (const row of refusals) {
  test(`refused: ${row.name}`, async () => {
    const { trace, parts, refused } = setUp(row);
    const closed = await runSession(parts);
    assert.equal(closed.refusal?.reason, row.reason);
    assert.deepEqual(trace, row.trace);
    assert.equal(refused.length, 1);
    assert.ok(!JSON.stringify(refused).includes('10.0.0.1'), 'inner addresses stay inside');
  });
}

test('a client that leaves during the opening has no event', async () => {
  const { trace, parts, recorder } = setUp({ script: { accept: () => Promise.resolve({ type: 'gone' }) } });
  assert.deepEqual(await runSession(parts), { by: 'client' });
  assert.deepEqual(trace, ['accept']);
  assert.deepEqual(recorder.events, []);
});

test('a cancel request inside TLS goes to the engine', async () => {
  const { trace, parts } = setUp({
    script: { accept: () => Promise.resolve({ type: 'cancel', packet: Buffer.alloc(16) }) },
  });
  await runSession(parts);
  assert.deepEqual(trace, ['accept', 'cancel']);
});

test('a client that leaves before it is admitted: the key is never given, the end is recorded', async () => {
  const { parts, recorder, channels } = setUp({ script: { admit: () => Promise.reject(new Error('gone')) } });
  assert.equal((await runSession(parts)).by, 'client');
  assert.deepEqual(recorder.codes(), ['TDB00I', 'TDB01I']);
  assert.equal(channels[0]?.destroyed, true);
});

test('max_connections counts the sessions of one person, and gives places back', async () => {
  const policy = Object.assign(new Policy(), { options: { max_connections: 1 } });
  const connections = new ConnectionCounts();
  const first = setUp({ policy, script: { relay: lasting }, overrides: { connections } });
  const running = runSession(first.parts);
  await turn();
  const second = setUp({ policy, overrides: { connections } });
  assert.equal((await runSession(second.parts)).refusal?.reason, 'too-many-connections');
  assert.deepEqual(second.recorder.codes(), ['T1006W', 'TDB00W']);
  policy.lockUser(alice.user);
  await running;
  assert.equal(connections.of(alice.user), 0);
});

test('a new lock ends a live session', async () => {
  const { parts, policy, recorder } = setUp({ script: { relay: lasting } });
  const running = runSession(parts);
  await turn();
  policy.lockUser('bob');
  await turn();
  assert.equal(recorder.of('TDB01I').length, 0, "another person's lock is not ours");
  policy.lockUser('alice');
  const closed = await running;
  assert.equal(closed.refusal?.reason, 'locked');
  assert.deepEqual(recorder.codes(), ['TDB00I', 'T3006I', 'TDB01I']);
});

test('a statement that may run on is in the event of the cut and in the log', async () => {
  const warned: string[] = [];
  const log: Log = { ...silentLog, warn: (_fields, message) => void warned.push(message), child: () => log };
  const relay = async (session: RelaySession): Promise<Closed> => ({
    ...(await lasting(session)),
    statementMayRunOn: new Error('no certificate'),
  });
  const { parts, policy, recorder } = setUp({ script: { relay }, overrides: { log } });
  const running = runSession(parts);
  await turn();
  policy.lockUser('alice');
  await running;
  assert.equal(recorder.of('T3006I')[0]?.['statement_may_run_on'], true);
  assert.deepEqual(warned, ['a running statement could not be stopped: no certificate']);
});

test('a lock that comes while the database is dialled ends the attempt', async () => {
  const { parts, policy, trace } = setUp({
    script: {
      connect: (signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    },
  });
  const running = runSession(parts);
  await turn();
  policy.lockUser('alice');
  assert.equal((await running).refusal?.reason, 'locked');
  assert.ok(trace.includes('refuse locked'));
});

test('idle time ends a session, but not while a statement runs', async () => {
  let counters: RelaySession['counters'] | undefined;
  const policy = Object.assign(new Policy(), { options: { client_idle_timeout: 60_000 } });
  const { parts, clock } = setUp({
    policy,
    script: {
      relay: (session) => {
        counters = session.counters;
        return lasting(session);
      },
    },
  });
  let closed: Closed | undefined;
  const running = runSession(parts).then((result) => (closed = result));
  await turn();
  assert.ok(counters);
  counters.running = 1;
  await clock.advanceSettling(300_000);
  assert.equal(closed, undefined, 'a long statement is no idleness');
  counters.running = 0;
  counters.lastActivityMs = clock.now();
  await clock.advanceSettling(59_000);
  assert.equal(closed, undefined);
  counters.lastActivityMs = clock.now();
  await clock.advanceSettling(59_000);
  assert.equal(closed, undefined, 'activity counts anew');
  await clock.advanceSettling(61_000);
  await running;
  assert.equal((closed as Closed | undefined)?.refusal?.reason, 'idle');
});

for (const disconnect of [true, false]) {
  test(`an expiring certificate ${disconnect ? 'ends' : 'does not end'} a session when disconnect_expired_cert is ${disconnect}`, async () => {
    const policy = Object.assign(new Policy(), { options: { disconnect_expired_cert: disconnect } });
    const { parts, clock, recorder } = setUp({ policy, script: { relay: lasting }, certificateLifeMs: 1000 });
    const running = runSession(parts);
    await turn();
    await clock.advanceSettling(2000);
    assert.equal(recorder.of('TDB01I').length, disconnect ? 1 : 0);
    if (disconnect) assert.equal((await running).refusal?.reason, 'certificate-expired');
  });
}

test('a lock ends a session whose certificate is over', async () => {
  const policy = new Policy();
  const { parts, clock } = setUp({ policy, script: { relay: lasting }, certificateLifeMs: 1000 });
  const running = runSession(parts);
  await turn();
  await clock.advanceSettling(2000);
  policy.lockUser('alice');
  assert.equal((await running).refusal?.reason, 'locked');
});

test('a session that began with a second factor of its own ends with the sign-in, not with its short certificate', async () => {
  const policy = Object.assign(new Policy(), { options: { disconnect_expired_cert: true, require_session_mfa: true } });
  const route = { service: 'orders', protocol: 'postgres' } as const;
  const previousExpiresMs = new ManualClock().now() + 60_000;
  const { parts, clock, recorder } = setUp({
    policy,
    script: { relay: lasting },
    certificateLifeMs: 1000,
    identity: { ...alice, route, sessionMfa: 'otp', previousExpiresMs },
  });
  const running = runSession(parts);
  await turn();
  await clock.advanceSettling(59_000);
  assert.equal(recorder.of('TDB01I').length, 0);
  await clock.advanceSettling(2000);
  assert.equal((await running).refusal?.reason, 'certificate-expired');
});

test('shutdown ends a session with the reason it was given', async () => {
  const stop = new AbortController();
  const { parts } = setUp({ script: { relay: lasting }, overrides: { signal: stop.signal } });
  const running = runSession(parts);
  await turn();
  stop.abort({ reason: 'shutdown', message: 'bye' } satisfies Refusal);
  assert.deepEqual((await running).refusal, { reason: 'shutdown', message: 'bye' });
});

test('a full journal holds the start back; giving up refuses, and the database is never asked', async () => {
  const waiting = setUp();
  waiting.recorder.full = true;
  const running = runSession(waiting.parts);
  await turn();
  assert.deepEqual(waiting.trace, ['accept']);
  waiting.recorder.settle('space');
  await running;
  assert.ok(waiting.trace.includes('connect'));

  const given = setUp();
  given.recorder.full = true;
  const refused = runSession(given.parts);
  await turn();
  given.recorder.settle('gave-up');
  assert.equal((await refused).refusal?.reason, 'audit-unavailable');
  assert.ok(!given.trace.includes('connect'));
});

test('journal_sync always: the database is asked only when the start is on disk', async () => {
  const { parts, recorder, trace } = setUp();
  const disk = Promise.withResolvers<void>();
  recorder.sync = () => disk.promise;
  const running = runSession(parts);
  await turn();
  assert.ok(!trace.includes('connect'));
  disk.resolve();
  await running;
  assert.ok(trace.includes('connect'));
});

test('what was said before TLS, and what is known of the server, reach the opening', async () => {
  let options: AcceptOptions | undefined;
  const accept = (given: AcceptOptions): Promise<Accepted> => {
    options = given;
    return Promise.resolve({ type: 'gone' });
  };
  const greeting = Buffer.from('hello');
  const server = { serverVersion: '9.7.0', capabilities: '00'.repeat(8) };
  await runSession(setUp({ script: { accept }, overrides: { greeting, server } }).parts);
  assert.equal(options?.greeting, greeting);
  assert.equal(options?.server, server);
  await runSession(setUp({ script: { accept } }).parts);
  assert.ok(options !== undefined && !('greeting' in options) && !('server' in options), 'absent is not undefined');
});

test('a session is given the ids of its own person and database, the same to admit and to relay', async () => {
  const ids = new SessionIds();
  ids.of(alice.user, 'orders').register(2 ** 30 + 1, 11, () => 'here');
  ids.of(alice.user, 'billing').register(2 ** 30 + 2, 12, () => 'here');
  ids.of('bob', 'orders').register(2 ** 30 + 3, 13, () => 'here');
  const seen: (number | undefined)[] = [];
  const look = (own: SessionHandles['ids']): void => {
    for (const shown of [1, 2, 3]) seen.push(own.realOf(2 ** 30 + shown));
  };
  const { parts } = setUp({
    overrides: { ids },
    script: {
      admit: ({ ids: own, keys }) => {
        assert.equal(keys, parts.cancelKeys);
        look(own);
        return Promise.resolve();
      },
      relay: (session) => {
        look(session.ids);
        return Promise.resolve({ by: 'client' });
      },
    },
  });
  await runSession(parts);
  assert.deepEqual(seen, [11, undefined, undefined, 11, undefined, undefined]);
});

const numbers = [
  { protocol: 'postgres', field: 'postgres_pid', other: 'mysql_connection_id' },
  { protocol: 'mysql', field: 'mysql_connection_id', other: 'postgres_pid' },
] as const;

for (const { protocol, field, other } of numbers) {
  test(`the end of a session says the database's own number as ${field}`, async () => {
    const { parts, recorder } = setUp({ script: { protocol } });
    await runSession(parts);
    const [end] = recorder.of('TDB01I');
    assert.equal(end?.[field], 77);
    assert.equal(end?.[other], undefined);
  });
}

const mysql: Database = {
  ...databaseAt('db:3306'),
  spec: { protocol: 'mysql', uri: 'db:3306', tls: { mode: 'verify-full' } },
};
const openRoute: UserIdentity = { ...alice, route: { service: 'orders', protocol: 'mysql' } };
const boundRoute: UserIdentity = { ...alice, route: { service: 'orders', protocol: 'mysql', databaseName: 'orders' } };
const shopOnly = { db_labels: { '*': ['*'] }, db_users: ['*'], db_names: ['orders', 'shop'] };

const changes: readonly {
  readonly name: string;
  readonly to: string;
  readonly identity?: UserIdentity;
  readonly meanwhile?: (policy: Policy) => void;
  readonly want: Refusal['reason'] | undefined;
  readonly says?: RegExp;
}[] = [
  { name: 'a name that a role allows', to: 'shop', want: undefined },
  { name: 'the same name again', to: 'orders', want: undefined },
  { name: 'a name that no role allows', to: 'payroll', want: 'access-denied', says: /"payroll".*db_names/ },
  { name: 'case matters', to: 'SHOP', want: 'access-denied' },
  {
    name: 'a name that the roles allow and the certificate does not',
    to: 'shop',
    identity: boundRoute,
    want: 'access-denied',
    says: /for database name "orders" alone.*tsh db login orders --db-name="/,
  },
  { name: "the certificate's own name", to: 'orders', identity: boundRoute, want: undefined },
  {
    name: 'a name that was taken away meanwhile',
    to: 'shop',
    meanwhile: (policy) => (policy.allow = { ...shopOnly, db_names: ['orders'] }),
    want: 'access-denied',
  },
  {
    name: 'a look-up that fails',
    to: 'shop',
    meanwhile: (policy) => (policy.throws = true),
    want: 'access-denied',
    says: /could not be decided/,
  },
];

for (const { name, to, identity = openRoute, meanwhile, want, says } of changes) {
  test(`another database name within the session: ${name}`, async () => {
    const policy = Object.assign(new Policy(), { allow: shopOnly, options: {} });
    let refusal: Refusal | undefined;
    const { parts } = setUp({
      policy,
      identity,
      database: mysql,
      script: {
        protocol: 'mysql',
        relay: (session) => {
          meanwhile?.(policy);
          refusal = session.mayUse(to);
          assert.equal(session.options.localInfileAllowed, false);
          return Promise.resolve({ by: 'client' });
        },
      },
    });
    assert.equal((await runSession(parts)).by, 'client', 'the session itself goes on');
    assert.equal(refusal?.reason, want);
    if (says !== undefined) assert.match(`${refusal?.message} ${refusal?.hint}`, says);
  });
}
