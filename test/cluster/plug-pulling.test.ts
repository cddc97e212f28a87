// kill -9 of each service in the middle of writing clients: what PostgreSQL committed stands in the audit log exactly once.
import { startCluster } from '../kit/cluster.ts';
import { pullPlugs } from '../kit/plug-pulling.ts';
import { databaseConfig, openPostgresWriter } from '../kit/writers.ts';
import { npmPostgres } from '../servers/postgres-binaries.ts';

pullPlugs('pulling plugs', async () => {
  const cluster = await startCluster({ postgres: npmPostgres() });
  const admin = cluster.postgres;
  await admin.sql('create role writer login');
  await admin.sql('create database shop owner writer');
  const alice = await cluster.addPerson('alice', ['--roles=access', '--db-users=writer', '--db-names=*']);
  await alice.login();
  const config = await databaseConfig(alice, 'writer', 'shop');
  return {
    cluster,
    writers: 8,
    open: () => openPostgresWriter(config),
    async clear() {
      const make = 'create table written (writer text, n int); alter table written owner to writer';
      await admin.sql(`drop table if exists written; ${make}`, 'shop');
    },
    async committed() {
      const rows = await admin.sql('select writer, n from written', 'shop');
      return rows.map((row) => `${row['writer']}/${row['n']}`);
    },
    rowOf(event) {
      if (event.event !== 'db.session.query' || !String(event['db_query']).startsWith('insert into written')) return;
      const [writer, n] = event['db_query_parameters'] as readonly string[];
      return `${writer}/${n}`;
    },
  };
});
