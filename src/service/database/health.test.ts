// What the agent learns of its databases' servers, and whom it tells what.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { SecureContext } from 'node:tls';

import { databaseAt } from '../../../test/kit/engine.ts';
import { until } from '../../../test/kit/gateway.ts';
import {
  standInContexts,
  type StandIn,
  type StandInOptions,
  startStandIn,
  usualGreeting,
} from '../../../test/kit/mysql-stand-in.ts';
import { CLIENT } from '../../protocol/mysql/capabilities.ts';
import { encodeErr } from '../../protocol/mysql/err.ts';
import type { Greeting } from '../../protocol/mysql/greeting.ts';
import type { Database } from '../../resource/resource.ts';
import { silentLog } from '../../telemetry/log.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import { encodeAnnouncement, parseAnnouncement } from '../../tunnel/announcement.ts';
import { HealthChecks } from './health.ts';
import { announcedDatabase, databaseServerOf } from './heartbeat.ts';

let serverContext: SecureContext;
let trusting: SecureContext;
const standIns: StandIn[] = [];
const watching: HealthChecks[] = [];
before(async () => {
  ({ server: serverContext, trusting } = await standInContexts());
});
after(async () => {
  for (const health of watching) health.close();
  for (const standIn of standIns) await standIn.close();
});

/** A server of MySQL that lets nobody in; what it greets with may change. */
class Server {
  readonly #options: { -readonly [key in keyof StandInOptions]: StandInOptions[key] };
  #standIn: StandIn | undefined;

  constructor(greeting: Partial<Greeting> = {}) {
    this.#options = {
      secureContext: serverContext,
      greeting,
      script: async (client) => {
        await client.read();
        client.send(encodeErr({ code: 1045, sqlState: '28000', message: 'no' }, { sqlState: true }));
        client.end();
      },
    };
  }

  set greeting(greeting: Partial<Greeting>) {
    this.#options.greeting = greeting;
  }

  async start(): Promise<Database> {
    this.#standIn = await startStandIn(this.#options);
    standIns.push(this.#standIn);
    return mysqlAt(`localhost:${this.#standIn.port}`);
  }

  async stop(): Promise<void> {
    await this.#standIn?.close();
    standIns.pop();
  }
}

function mysqlAt(uri: string, version?: string): Database {
  const { spec, ...rest } = databaseAt(uri);
  const mysql = version === undefined ? {} : { mysql: { server_version: version } };
  return { ...rest, spec: { ...spec, protocol: 'mysql', ...mysql } };
}

function watch(database: Database): { readonly clock: ManualClock; readonly health: HealthChecks; changes: number } {
  const clock = new ManualClock();
  const watched = { clock, changes: 0 };
  const health = new HealthChecks({
    intervalMs: 1000,
    timeoutMs: 3000,
    clock,
    log: silentLog,
    random: () => 0.5,
    secureContext: () => trusting,
    onChange: () => (watched.changes += 1),
  });
  watching.push(health);
  health.watch([database]);
  return Object.assign(watched, { health });
}

const capabilitiesOf = (flags: number): string => flags.toString(16).padStart(16, '0');

test('version and capabilities are learned, told when they change, and kept while the server is away', async () => {
  const server = new Server();
  const database = await server.start();
  const watched = watch(database);
  const { health, clock } = watched;
  assert.deepEqual(health.of('orders'), { status: 'unknown' });
  await until(() => health.of('orders').status === 'healthy');
  const first = { serverVersion: '9.7.4-stand-in', capabilities: capabilitiesOf(usualGreeting.capabilities) };
  assert.deepEqual(health.of('orders').server, first);
  assert.equal(watched.changes, 1);

  server.greeting = {
    serverVersion: '8.4.0',
    capabilities: (usualGreeting.capabilities & ~CLIENT.QUERY_ATTRIBUTES) >>> 0,
  };
  await until(() => clock.pendingTimers === 1);
  clock.advance(1000);
  await until(() => watched.changes === 2);
  const { status, server: second, since } = health.of('orders');
  assert.equal(status, 'healthy');
  assert.equal(second?.serverVersion, '8.4.0');
  assert.notEqual(second?.capabilities, first.capabilities);
  assert.ok(since !== undefined, 'the status is as old as before');

  await until(() => clock.pendingTimers === 1);
  clock.advance(1000);
  await until(() => clock.pendingTimers === 1);
  assert.equal(watched.changes, 2, 'nothing new, nobody is told');

  await server.stop();
  clock.advance(1000);
  await until(() => health.of('orders').status === 'unhealthy');
  assert.deepEqual(health.of('orders').server, second);
});

test('before the first check, what the resource says of the version; afterwards the server itself', async () => {
  const nobody = watch(mysqlAt('127.0.0.1:1', '8.0.11'));
  assert.deepEqual(nobody.health.of('orders').server, { serverVersion: '8.0.11' });
  await until(() => nobody.health.of('orders').status === 'unhealthy');
  assert.deepEqual(nobody.health.of('orders').server, { serverVersion: '8.0.11' });
  const { spec } = await new Server().start();
  const { health } = watch(mysqlAt(spec.uri, '8.0.11'));
  await until(() => health.of('orders').status === 'healthy');
  assert.equal(health.of('orders').server?.serverVersion, '9.7.4-stand-in');
});

for (const serverVersion of ['8.0\u001b[2J', '8'.repeat(300), '8.0-ümlaut']) {
  test(`a version that is not for a list is left out: ${JSON.stringify(serverVersion).slice(0, 20)}`, async () => {
    const database = await new Server({ serverVersion }).start();
    const { health } = watch(database);
    await until(() => health.of('orders').status !== 'unknown');
    const known = health.of('orders');
    assert.ok((known.server?.serverVersion ?? '').length <= 128);
    // Neither a proxy nor Auth stumbles over it.
    const line = { databases: [announcedDatabase(database, known)], cancelTag: 1, draining: false };
    const limits = { maxAnnouncementBytes: 10_000, maxAnnouncedDatabases: 1 };
    assert.deepEqual(parseAnnouncement(encodeAnnouncement(line).toString().trimEnd(), limits), line);
  });
}

test('proxies are told of a server where they must greet for it, Auth its version alone', () => {
  const known = { status: 'healthy', server: { serverVersion: '9.7.0', capabilities: 'f'.repeat(16) } } as const;
  const [mysql, postgres] = [mysqlAt('db:1'), databaseAt('db:1')];
  assert.deepEqual(announcedDatabase(mysql, known), {
    name: 'orders',
    protocol: 'mysql',
    health: 'healthy',
    server: known.server,
  });
  assert.equal(announcedDatabase(postgres, known).server, undefined);
  assert.equal(announcedDatabase(mysql, { status: 'unknown' }).server, undefined);
  const { spec } = databaseServerOf({ database: mysql, origin: 'config' }, { hostId: 'h', hostName: 'n' }, known);
  assert.equal(spec.server_version, '9.7.0');
  assert.ok(!JSON.stringify(spec).includes('ffff'));
});
