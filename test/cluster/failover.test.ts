// Two proxies and two agents for one database: killing one of each leaves new connections working within two seconds.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster, type Cluster } from '../kit/cluster.ts';
import { databaseConfig, openClient, type DatabaseConfig } from '../kit/writers.ts';
import { npmPostgres } from '../servers/postgres-binaries.ts';

const withinMs = 2000;

suite('failover', () => {
  let cluster: Cluster;
  let config: DatabaseConfig;

  before(async () => {
    cluster = await startCluster({ postgres: npmPostgres(), proxies: 2, agents: 2 });
    await cluster.postgres.sql('create role reader login');
    const alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=reader', '--db-names=*']);
    await alice.login();
    config = await databaseConfig(alice, 'reader', 'postgres');
    await Promise.all(cluster.proxies.map((proxy) => connectWithin(proxy.port, 10_000)));
  });
  after(() => cluster?.close());

  test('both agents serve through both proxies', async () => {
    for (const proxy of cluster.proxies)
      for (let count = 0; count < 8; count++) await connectWithin(proxy.port, withinMs);
    for (const agent of cluster.agents)
      assert.match(await agent.metrics(), /tessera_db_initialized_connections_total\{[^}]*\} [1-9]/, agent.name);
  });

  test('an agent is killed', async () => {
    await cluster.agents[0]?.stop('SIGKILL');
    for (const proxy of cluster.proxies)
      for (let count = 0; count < 5; count++) await connectWithin(proxy.port, withinMs);
  });

  test('a proxy is killed: the other one goes on', async () => {
    await cluster.proxies[0]?.stop('SIGKILL');
    for (let count = 0; count < 5; count++) await connectWithin(cluster.proxies[1]?.port ?? 0, withinMs);
  });

  test('the killed ones come back and serve again', async () => {
    cluster.agents[0]?.start();
    cluster.proxies[0]?.start();
    await Promise.all([cluster.agents[0]?.ready(), cluster.proxies[0]?.ready()]);
    await connectWithin(cluster.proxies[0]?.port ?? 0, 15_000);
  });

  /** Tries again and again, as a pool would; fails when none works in time. */
  async function connectWithin(port: number, limitMs: number): Promise<void> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      try {
        const client = await openClient(config, port);
        const { rows } = await client.query<{ x: number }>('select 1 as x');
        await client.end();
        assert.deepEqual(rows, [{ x: 1 }]);
        return;
      } catch (error) {
        if (performance.now() > deadline) throw error;
        await sleep(50);
      }
    }
  }
});
