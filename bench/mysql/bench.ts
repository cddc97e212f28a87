/** MySQL's rows, with sysbench and MariaDB 10.11. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Cluster, startCluster } from '../../test/kit/cluster.ts';
import { mariadb1011 } from '../../test/servers/mysql-binaries.ts';
import { sysbench } from '../../test/servers/mysql-clients.ts';
import { createBenchCertificates } from '../certificates.ts';
import { type Row, row } from '../report.ts';
import { interleaved, type Plan, say } from '../rounds.ts';
import { connectMs, selectP50, selectTps, type Tools } from './measure.ts';
import {
  certificateUser,
  clearUser,
  databaseService,
  directTarget,
  floorTarget,
  type Target,
  tesseraTarget,
} from './targets.ts';

/** A text says why it can not be measured. */
export async function benchMysql(plan: Plan): Promise<Row[] | string> {
  const [binaries, program] = [mariadb1011(), sysbench()];
  if (typeof binaries === 'string') return `MariaDB is needed: ${binaries}`;
  if (typeof program === 'string') return `sysbench is needed: ${program}`;
  say('starting a cluster with MariaDB');
  const cluster = await startCluster({
    mysql: [{ name: databaseService, binaries, settings: { 'max-connections': '500' } }],
  });
  const targets: Target[] = [];
  try {
    await prepare(cluster, plan, targets);
    return await measureAll(targets, { sysbench: program, rows: plan.sysbenchRows }, plan);
  } finally {
    for (const target of targets) target.close();
    await cluster.close();
  }
}

async function prepare(cluster: Cluster, plan: Plan, targets: Target[]): Promise<void> {
  const folder = join(cluster.folder, 'bench');
  mkdirSync(folder);
  const certificates = await createBenchCertificates(cluster, folder);
  const server = cluster.mysql(databaseService);
  await server.trust(certificates.clientAuthority);
  say('filling tables');
  await server.run(`create database bench;
create user ${certificateUser}@'%' require subject '/CN=${certificateUser}';
create user ${clearUser}@'%';
grant select on bench.* to ${certificateUser}@'%', ${clearUser}@'%';
use bench;
create table sbtest1 (id int not null auto_increment primary key, k int not null default 0, c char(120) not null default '', pad char(60) not null default '');
insert into sbtest1 select seq, seq, repeat('c', 119), repeat('p', 59) from seq_1_to_${plan.sysbenchRows}`);
  const person = await cluster.addPerson('bench', [
    '--roles=access',
    `--db-users=${certificateUser}`,
    '--db-names=bench',
  ]);
  await person.login();
  targets.push(directTarget(cluster, certificates, folder), await tesseraTarget(person, folder));
  const floor = await floorTarget(cluster, certificates, folder);
  if (typeof floor === 'string') say(`SKIPPED: the chain of stunnels: ${floor}`);
  else targets.push(floor);
}

async function measureAll(targets: readonly Target[], tools: Tools, plan: Plan): Promise<Row[]> {
  const result: Row[] = [];
  const add = async (id: string, unit: string, one: (target: Target) => Promise<number>): Promise<void> => {
    result.push(row(id, unit, await interleaved(id, targets, plan.runs, one)));
  };
  await interleaved('mysql warm-up', targets, 1, (target) => selectP50(target, tools, 1));
  await add('mysql_select_c1_p50', 'us', (target) => selectP50(target, tools, plan.seconds));
  await add('mysql_select_c8_tps', 'tps', (target) => selectTps(target, tools, 8, plan.seconds));
  await add('mysql_select_c64_tps', 'tps', (target) => selectTps(target, tools, 64, plan.seconds64));
  await add('mysql_connect', 'ms', (target) => connectMs(target, tools, plan.seconds));
  return result;
}
