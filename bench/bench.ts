/**
 * `npm run bench`: every row of ARCHITECTURE.md's "Numbers to hold", paired and interleaved against direct TLS and a chain of two stunnels, audit on.
 *
 *     npm run bench                      full, writes bench/BASELINE.md
 *     npm run bench -- --quick           under three minutes, writes nothing but --json
 *     npm run bench -- --json FILE       rows {id, direct, floor, tessera, vs_direct, vs_floor, unit, runs}
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startCluster, type Cluster } from '../test/kit/cluster.ts';
import { debianPostgres, type PostgresBinaries } from '../test/servers/postgres-binaries.ts';
import { auditCpu } from './audit-cpu.ts';
import { createBenchCertificates } from './certificates.ts';
import { idleMemory } from './idle.ts';
import { besideCopyP50, connectMs, copyIn, copyOut, selectP50, selectTps, type Tools } from './measure.ts';
import { held, machine, row, table, type Row, type Runs } from './report.ts';
import { directTarget, floorTarget, tesseraTarget, type Target } from './targets.ts';

type Plan = {
  readonly runs: number;
  readonly seconds: number;
  readonly seconds64: number;
  readonly bulkRows: number;
  readonly scale: number;
  readonly idleSessions: number;
};
const full: Plan = { runs: 7, seconds: 4, seconds64: 6, bulkRows: 2_500_000, scale: 10, idleSessions: 400 };
const quick: Plan = { runs: 2, seconds: 2, seconds64: 4, bulkRows: 600_000, scale: 2, idleSessions: 200 };

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, json: { type: 'string' } } });
const plan = values.quick ? quick : full;
const binaries = debianPostgres();
if (typeof binaries === 'string') {
  process.stderr.write(`the bench needs pgbench: ${binaries}\n`);
  process.exit(1);
}
const rows = await bench(binaries);
process.stdout.write(`${table(rows)}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
if (!values.quick) writeBaseline(rows);
process.stdout.write(
  held(rows) ? 'all goals held\n' : 'some goals did not hold on this machine and run; see the table\n',
);

async function bench(postgres: PostgresBinaries): Promise<Row[]> {
  say('starting a cluster');
  const cluster = await startCluster({
    postgres,
    postgresSettings: { max_connections: '700', shared_buffers: '512MB', autovacuum: 'off', max_wal_size: '4GB' },
  });
  const targets: Target[] = [];
  try {
    const tools = await prepare(cluster, postgres, targets);
    return await measureAll(targets, tools);
  } finally {
    for (const target of targets) target.close();
    await cluster.close();
  }
}

async function prepare(cluster: Cluster, postgres: PostgresBinaries, targets: Target[]): Promise<Tools> {
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
  say('filling tables');
  const env = {
    ...process.env,
    ...direct.env,
    ...(postgres.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: postgres.libraryPath }),
  };
  execFileSync(join(postgres.bin, 'pgbench'), ['-i', '-q', '-s', String(plan.scale)], { env, stdio: 'pipe' });
  const copyFile = join(folder, 'bulk.txt');
  const fill = `create unlogged table bulk as select g as id, md5(g::text) as a, repeat('x', 40) as b, now() as c from generate_series(1, ${plan.bulkRows}) g;
    create unlogged table sink (id int, a text, b text, c timestamptz)`;
  await cluster.postgres.sql(`set role bench; ${fill}`, 'bench');
  execFileSync(
    join(postgres.bin, 'psql'),
    ['-X', '-q', '-c', `copy (select * from bulk limit ${Math.round(plan.bulkRows * 0.4)}) to stdout`, '-o', copyFile],
    { env },
  );
  say(`bulk: COPY IN file of ${Math.round(statSync(copyFile).size / 2 ** 20)} MB`);
  return { binaries: postgres, copyFile };
}

async function measureAll(targets: readonly Target[], tools: Tools): Promise<Row[]> {
  const result: Row[] = [];
  const add = async (
    id: string,
    unit: string,
    one: (target: Target) => Promise<number>,
    runs = plan.runs,
  ): Promise<void> => {
    result.push(row(id, unit, await interleaved(id, targets, runs, one)));
  };
  // Before any load: what a heap has grown to by then would hide what sessions cost.
  const idle = await idleRows(targets);
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

async function idleRows(targets: readonly Target[]): Promise<Row[]> {
  const memory = new Map<string, number[]>();
  for (const target of targets.filter((one) => one.pids.length > 0)) {
    say(`idle sessions: ${target.id}`);
    memory.set(target.id, await idleMemory(target, plan.idleSessions));
  }
  return ['idle_proxy', 'idle_agent'].map((id, index) => {
    const of = (target: string): number[] => [memory.get(target)?.[index]].filter((value) => value !== undefined);
    return row(id, 'KB/session', { direct: [], floor: of('floor'), tessera: of('tessera') });
  });
}

/** A B C, B C A, C A B ...: each round gives one pair for every ratio. */
async function interleaved(
  id: string,
  targets: readonly Target[],
  runs: number,
  one: (target: Target) => Promise<number>,
): Promise<Runs> {
  const figures: Record<'direct' | 'floor' | 'tessera', number[]> = { direct: [], floor: [], tessera: [] };
  for (let round = 0; round < runs; round++) {
    for (let at = 0; at < targets.length; at++) {
      const target = targets[(at + round) % targets.length];
      if (target === undefined) continue;
      const value = await one(target);
      figures[target.id].push(value);
      say(`${id} ${round + 1}/${runs} ${target.id}: ${Number(value.toPrecision(4))}`);
    }
  }
  return figures;
}

function writeBaseline(result: readonly Row[]): void {
  const text = `# Baseline

Taken ${new Date().toISOString().slice(0, 10)} with \`npm run bench\` on ${machine()}. Everything (clients, relays, database) shares the machine, so ratios to *direct* are
pessimistic. Figures are medians; ratios are medians of the ratios of runs taken in the same round. "Two stunnels" is a chain with as many TLS legs, in C.

${table(result)}
`;
  writeFileSync(resolve(import.meta.dirname, 'BASELINE.md'), text);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
