/**
 * `npm run bench`: every row of ARCHITECTURE.md's "Numbers to hold", paired and interleaved against direct TLS and a chain of stunnels, audit on.
 *
 *     npm run bench                      full, writes bench/BASELINE.md
 *     npm run bench -- --quick           under five minutes, writes nothing but --json
 *     npm run bench -- --only mysql      one engine's rows (postgres, mysql), writes nothing but --json
 *     npm run bench -- --json FILE       rows {id, direct, floor, tessera, vs_direct, vs_floor, unit, runs}
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { benchMysql } from './mysql/bench.ts';
import { benchPostgres } from './postgres/bench.ts';
import { held, machine, type Row, table } from './report.ts';
import { type Plan, say } from './rounds.ts';

const full: Plan = {
  runs: 7,
  seconds: 4,
  seconds64: 6,
  bulkRows: 2_500_000,
  scale: 10,
  idleSessions: 400,
  sysbenchRows: 50_000,
};
const quick: Plan = {
  runs: 2,
  seconds: 2,
  seconds64: 4,
  bulkRows: 600_000,
  scale: 2,
  idleSessions: 200,
  sysbenchRows: 10_000,
};
const engines: Readonly<Record<string, (plan: Plan) => Promise<Row[] | string>>> = {
  postgres: benchPostgres,
  mysql: benchMysql,
};

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' }, json: { type: 'string' } },
});
if (values.only !== undefined && !Object.hasOwn(engines, values.only)) {
  process.stderr.write(`--only ${values.only}: expected one of ${Object.keys(engines).join(', ')}\n`);
  process.exit(2);
}
const rows: Row[] = [];
const missing: string[] = [];
for (const [name, bench] of Object.entries(engines)) {
  if (values.only !== undefined && values.only !== name) continue;
  const measured = await bench(values.quick ? quick : full);
  if (typeof measured === 'string') missing.push(`${name}: ${measured}`);
  else rows.push(...measured);
}
for (const reason of missing) say(`NOT MEASURED: ${reason}`);
process.stdout.write(`${table(rows)}\n`);
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
if (!values.quick && values.only === undefined && missing.length === 0) writeBaseline(rows);
process.stdout.write(
  held(rows) ? 'all goals held\n' : 'some goals did not hold on this machine and run; see the table\n',
);
if (missing.length > 0) process.exitCode = 1;

function writeBaseline(result: readonly Row[]): void {
  const text = `# Baseline

Taken ${new Date().toISOString().slice(0, 10)} with \`npm run bench\` on ${machine()}. Everything (clients, relays, database) shares the machine, so ratios to *direct* are
pessimistic. Figures are medians; ratios are medians of the ratios of runs taken in the same round.

"Stunnels" is a chain in C with as many TLS legs, three. For PostgreSQL two processes take the proxy's and the agent's place. MySQL asks for TLS inside its own protocol, which stunnel does not
speak: there MySQL is in clear inside the chain, and two more processes at its ends do the TLS that client and server do themselves with us (\`bench/mysql/targets.ts\`): one more loopback hop at each end.

${table(result)}
`;
  writeFileSync(resolve(import.meta.dirname, 'BASELINE.md'), text);
}
