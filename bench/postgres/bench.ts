/** PostgreSQL's rows, with pgbench and psql. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startCluster, type Cluster } from '../../test/kit/cluster.ts';
import { debianPostgres, type PostgresBinaries } from '../../test/servers/postgres-binaries.ts';
import { createBenchCertificates } from '../certificates.ts';
import { row, type Row } from '../report.ts';
import { interleaved, type Plan, say } from '../rounds.ts';
import { auditCpu } from './audit-cpu.ts';
import { idleMemory } from './idle.ts';
import { besideCopyP50, connectMs, copyIn, copyOut, selectP50, selectTps, type Tools } from './measure.ts';
import { directTarget, floorTarget, tesseraTarget, type Target } from './targets.ts';

/** A text says why it can not be measured. */
export async function benchPostgres(plan: Plan): Promise<Row[] | string> {
  const postgres = debianPostgres();
  if (typeof postgres === 'string') return `pgbench is needed: ${postgres}`;
  say('starting a cluster with PostgreSQL');
  const cluster = await startCluster({
    postgres,
    postgresSettings: { max_connections: '700', shared_buffers: '512MB', autovacuum: 'off', max_wal_size: '4GB' },
  });
  const targets: Target[] = [];
  try {
    const tools = await prepare(cluster, postgres, plan, targets);
    return await measureAll(targets, tools, plan);
  } finally {
    for (const target of targets) target.close();
    await cluster.close();
  }
}

async function prepare(cluster: Cluster, postgres: PostgresBinaries, plan: Plan, targets: Target[]): Promise<Tools> {
  const folder = join(cluster.folder, 'bench');
  mkdirSync(folder);
  const certificates = await createBenchCertificates(cluster, folder);
  const tls = await cluster.signDatabase('bench-server');
  cluster.postgres.reload({
    tls: { ...tls, clientAuthorities: `${tls.clientAuthorities}\n${certificates.clientAuthority}` },
  });
  await cluster.postgres.sql('create role bench login superuser');
  await cluster.postgres.sql('create database bench owner bench');
  const person = await cluster.addPerson('bench', ['--roles=access', '--db-users=bench', '--db-names=*']);
  await person.login();
  const direct = directTarget(cluster, certificates);
  targets.push(direct, await tesseraTarget(cluster, person));
  const floor = await floorTarget(cluster, certificates, folder);
  if (typeof floor === 'string') say(`SKIPPED: the chain of two stunnels: ${floor}`);
  else targets.push(floor);
  return fill(cluster, postgres, plan, { direct, folder });
}

async function fill(
  cluster: Cluster,
  postgres: PostgresBinaries,
  plan: Plan,
  { direct, folder }: { readonly direct: Target; readonly folder: string },
): Promise<Tools> {
  say('filling tables');
  const env = {
    ...process.env,
    ...direct.env,
    ...(postgres.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: postgres.libraryPath }),
  };
  execFileSync(join(postgres.bin, 'pgbench'), ['-i', '-q', '-s', String(plan.scale)], { env, stdio: 'pipe' });
  const copyFile = join(folder, 'bulk.txt');
  const tables = `create unlogged table bulk as select g as id, md5(g::text) as a, repeat('x', 40) as b, now() as c from generate_series(1, ${plan.bulkRows}) g;
    create unlogged table sink (id int, a text, b text, c timestamptz)`;
  await cluster.postgres.sql(`set role bench; ${tables}`, 'bench');
  execFileSync(
    join(postgres.bin, 'psql'),
    ['-X', '-q', '-c', `copy (select * from bulk limit ${Math.round(plan.bulkRows * 0.4)}) to stdout`, '-o', copyFile],
    { env },
  );
  say(`bulk: COPY IN file of ${Math.round(statSync(copyFile).size / 2 ** 20)} MB`);
  return { binaries: postgres, copyFile };
}

async function measureAll(targets: readonly Target[], tools: Tools, plan: Plan): Promise<Row[]> {
  const result: Row[] = [];
  const add = async (id: string, unit: string, one: (target: Target) => Promise<number>): Promise<void> => {
    result.push(row(id, unit, await interleaved(id, targets, plan.runs, one)));
  };
  // Before any load: what a heap has grown to by then would hide what sessions cost.
  const idle = await idleRows(targets, plan.idleSessions);
  await interleaved('warm-up', targets, 1, (target) => selectP50(target, tools, 1));
  await add('select_c1_p50', 'us', (target) => selectP50(target, tools, plan.seconds));
  await add('select_c8_tps', 'tps', (target) => selectTps(target, tools, 8, plan.seconds));
  await add('select_c64_tps', 'tps', (target) => selectTps(target, tools, 64, plan.seconds64));
  await add('copy_out', 's', (target) => copyOut(target, tools));
  await add('copy_in', 's', (target) => copyIn(target, tools));
  await add('connect', 'ms', (target) => connectMs(target, tools, plan.seconds));
  const beside = await interleaved('beside_copy_p50', targets, plan.runs, async (target) => {
    const alone = await selectP50(target, tools, plan.seconds / 2);
    return (await besideCopyP50(target, tools, plan.seconds)) / alone;
  });
  result.push(row('beside_copy_p50', 'x of without', beside));
  result.push(...idle);
  say('audit_cpu');
  const audit: number[] = [];
  for (let run = 0; run < plan.runs; run++) audit.push(await auditCpu());
  result.push(row('audit_cpu', 'us/statement', { direct: [], floor: [], tessera: audit }));
  return result;
}

async function idleRows(targets: readonly Target[], sessions: number): Promise<Row[]> {
  const memory = new Map<string, number[]>();
  for (const target of targets.filter((one) => one.pids.length > 0)) {
    say(`idle sessions: ${target.id}`);
    memory.set(target.id, await idleMemory(target, sessions));
  }
  return ['idle_proxy', 'idle_agent'].map((id, index) => {
    const of = (target: string): number[] => [memory.get(target)?.[index]].filter((value) => value !== undefined);
    return row(id, 'KB/session', { direct: [], floor: of('floor'), tessera: of('tessera') });
  });
}
