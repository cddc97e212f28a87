// kill -9 of each service in the middle of writing clients: what the database committed stands in the audit log exactly once.
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAuditLog, waitForAudit, type LoggedEvent } from '../kit/audit-log.ts';
import { startCluster, type Cluster } from '../kit/cluster.ts';
import type { ServiceProcess } from '../kit/service-process.ts';
import { databaseConfig, openClient, startWriters, type DatabaseConfig } from '../kit/writers.ts';
import { npmPostgres } from '../servers/postgres-binaries.ts';

const writers = 8;

suite('pulling plugs', () => {
  let cluster: Cluster;
  let config: DatabaseConfig;

  before(async () => {
    cluster = await startCluster({ postgres: npmPostgres() });
    await cluster.postgres.sql('create role writer login');
    await cluster.postgres.sql('create database shop owner writer');
    const alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=writer', '--db-names=*']);
    await alice.login();
    config = await databaseConfig(alice, 'writer', 'shop');
    await (await openClient(config)).query('select 1');
  });
  after(() => cluster?.close());

  const victims: readonly {
    readonly name: string;
    readonly of: (cluster: Cluster) => ServiceProcess;
    readonly awayMs: number;
    readonly sessionsGoOn: boolean;
  }[] = [
    { name: 'agent', of: (c) => c.agents[0]!, awayMs: 500, sessionsGoOn: false },
    { name: 'proxy', of: (c) => c.proxies[0]!, awayMs: 500, sessionsGoOn: false },
    { name: 'Auth', of: (c) => c.auth, awayMs: 4000, sessionsGoOn: true },
  ];

  for (const victim of victims) {
    test(`kill -9 of the ${victim.name}: every committed row has its event exactly once`, async () => {
      const admin = cluster.postgres;
      await admin.sql(
        'drop table if exists written; create table written (writer text, n int); alter table written owner to writer',
        'shop',
      );
      const from = readAuditLog(cluster).length;
      const running = startWriters(config, writers);
      await sleep(1000);
      assert.equal(running.connects(), writers);
      const service = victim.of(cluster);
      await service.stop('SIGKILL');
      const before = running.acknowledged();
      await sleep(victim.awayMs);
      if (victim.sessionsGoOn) {
        assert.ok(running.acknowledged() > before, 'sessions write on while Auth is away');
        await (await openClient(config)).query('select 1');
      }
      service.start();
      await service.ready();
      const restarted = running.acknowledged();
      for (let tries = 0; running.acknowledged() === restarted && tries < 100; tries++) await sleep(100);
      await sleep(500);
      assert.ok(running.acknowledged() > restarted, 'writing goes on after the restart');
      await running.stop();
      if (victim.sessionsGoOn) assert.equal(running.connects(), writers, 'no session was cut');

      const rows = await admin.sql('select writer, n from written', 'shop');
      assert.ok(rows.length > 100, `${rows.length} rows were written`);
      const committed = new Set(rows.map((row) => `${row['writer']}/${row['n']}`));
      assert.equal(committed.size, rows.length);
      const events = await waitForAudit(cluster, `${committed.size} statements`, (all) => {
        const seen = countInserts(all.slice(from));
        return [...committed].every((key) => seen.has(key)) ? seen : undefined;
      });
      const wrong = [...committed].filter((key) => events.get(key) !== 1).map((key) => `${key}: ${events.get(key)}`);
      assert.deepEqual(wrong, []);
      const uids = readAuditLog(cluster).map((event) => event.uid);
      assert.equal(new Set(uids).size, uids.length, 'uids are unique');
    });
  }
});

/** Executions of the writers' insert, by what they inserted. */
function countInserts(events: readonly LoggedEvent[]): Map<string, number> {
  const seen = new Map<string, number>();
  for (const event of events) {
    if (event.event !== 'db.session.query' || !String(event['db_query']).startsWith('insert into written')) continue;
    const [writer, n] = event['db_query_parameters'] as readonly string[];
    const key = `${writer}/${n}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  return seen;
}
