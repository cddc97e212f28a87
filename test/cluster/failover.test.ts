// Two proxies and two agents for each database: killing one of each leaves new connections working within two seconds, whatever they speak.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster, type Cluster } from '../kit/cluster.ts';
import { mysqlAddress, openMysql2 } from '../kit/mysql-client.ts';
import type { Person } from '../kit/person.ts';
import type { ServiceProcess } from '../kit/service-process.ts';
import { databaseConfig, openClient } from '../kit/writers.ts';
import { mariadb1011 } from '../servers/mysql-binaries.ts';
import { npmPostgres } from '../servers/postgres-binaries.ts';

const withinMs = 2000;
const mariadb = mariadb1011();

/** Connects through one of the proxies (by index) and resolves with what `select 1` gave. */
type Way = (proxy: number) => Promise<unknown>;
type Row = {
  readonly name: string;
  readonly skip?: string;
  readonly way: (cluster: Cluster, alice: Person) => Promise<Way>;
};

const rows: readonly Row[] = [
  {
    name: 'PostgreSQL',
    async way(cluster, alice) {
      const config = await databaseConfig(alice, 'reader', 'postgres');
      return async (proxy) => {
        const client = await openClient(config, cluster.proxies[proxy]?.port ?? 0);
        const result = await client.query<{ x: number }>('select 1 as x');
        await client.end();
        return result.rows;
      };
    },
  },
  {
    name: 'MariaDB',
    ...(typeof mariadb === 'string' ? { skip: mariadb } : {}),
    async way(cluster, alice) {
      const address = await mysqlAddress(alice, 'goods', 'reader', 'shop');
      return async (proxy) => {
        const client = await openMysql2({ ...address, port: cluster.proxies[proxy]?.mysqlPort ?? 0 });
        const [result] = await client.query('select 1 as x');
        await client.end();
        return result;
      };
    },
  },
];

suite('failover', () => {
  let cluster: Cluster;
  const ways: Way[] = [];

  before(async () => {
    cluster = await startCluster({
      postgres: npmPostgres(),
      mysql: typeof mariadb === 'string' ? [] : [{ name: 'goods', binaries: mariadb }],
      proxies: 2,
      agents: 2,
    });
    await cluster.postgres.sql('create role reader login');
    const alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=*']);
    await alice.login();
    for (const row of rows) if (row.skip === undefined) ways.push(await row.way(cluster, alice));
    for (const way of ways) await Promise.all([0, 1].map((proxy) => connectWithin(way, proxy, 10_000)));
  });
  after(() => cluster?.close());

  for (const { name, skip } of rows) if (skip !== undefined) test(`failover of ${name}`, { skip }, () => undefined);

  test('both agents serve through both proxies', async () => {
    const served = async (): Promise<number[]> => Promise.all(cluster.agents.map(sessionsServed));
    for (const way of ways) {
      const before = await served();
      for (const proxy of [0, 1]) for (let count = 0; count < 8; count++) await connectWithin(way, proxy, withinMs);
      const after = await served();
      for (const [index, { name }] of cluster.agents.entries())
        assert.ok((after[index] ?? 0) > (before[index] ?? 0), name);
    }
  });

  test('an agent is killed', async () => {
    await cluster.agents[0]?.stop('SIGKILL');
    for (const way of ways)
      for (const proxy of [0, 1]) for (let count = 0; count < 5; count++) await connectWithin(way, proxy, withinMs);
  });

  test('a proxy is killed: the other one goes on', async () => {
    await cluster.proxies[0]?.stop('SIGKILL');
    for (const way of ways) for (let count = 0; count < 5; count++) await connectWithin(way, 1, withinMs);
  });

  test('the killed ones come back and serve again', async () => {
    cluster.agents[0]?.start();
    cluster.proxies[0]?.start();
    await Promise.all([cluster.agents[0]?.ready(), cluster.proxies[0]?.ready()]);
    for (const way of ways) await connectWithin(way, 0, 15_000);
  });
});

/** Sessions that this agent began, of all protocols. */
async function sessionsServed(agent: ServiceProcess): Promise<number> {
  const counters = (await agent.metrics()).matchAll(/^tessera_db_initialized_connections_total\{[^}]*\} (\d+)$/gm);
  return [...counters].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** Tries again and again, as a pool would; fails when none works in time. */
async function connectWithin(way: Way, proxy: number, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    try {
      assert.deepEqual(await way(proxy), [{ x: 1 }]);
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await sleep(50);
    }
  }
}
