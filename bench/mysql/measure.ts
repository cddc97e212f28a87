/** One figure of one target, taken with sysbench's `oltp_point_select`. */
import { join } from 'node:path';
import { runOk } from '../../test/kit/command.ts';
import type { FoundProgram } from '../../test/servers/mysql-clients.ts';
import type { Target } from './targets.ts';

export type Tools = { readonly sysbench: FoundProgram; readonly rows: number };

/** Median latency of one client's prepared point selects, microseconds. sysbench says it in whole 10 us. */
export async function selectP50(target: Target, tools: Tools, seconds: number): Promise<number> {
  const output = await run(target, tools, [...pointSelect(tools, 1, seconds), '--percentile=50']);
  return 1000 * figure(output, /50th percentile: +([\d.]+)/);
}

/** Prepared point selects a second of `clients` clients. */
export async function selectTps(target: Target, tools: Tools, clients: number, seconds: number): Promise<number> {
  const output = await run(target, tools, pointSelect(tools, clients, seconds));
  return figure(output, /transactions: +\d+ +\(([\d.]+) per sec/);
}

/** Milliseconds for one connection with one select, one after another, on average. */
export async function connectMs(target: Target, tools: Tools, seconds: number): Promise<number> {
  const script = join(import.meta.dirname, 'connect.lua');
  return figure(await run(target, tools, [script, '--threads=1', `--time=${seconds}`]), /avg: +([\d.]+)/);
}

function pointSelect({ rows }: Tools, clients: number, seconds: number): string[] {
  return ['oltp_point_select', '--tables=1', `--table-size=${rows}`, `--threads=${clients}`, `--time=${seconds}`];
}

function run(target: Target, { sysbench }: Tools, what: readonly string[]): Promise<string> {
  const [script = '', ...options] = what;
  const connection = [
    '--db-driver=mysql',
    '--mysql-host=127.0.0.1',
    `--mysql-port=${target.port}`,
    `--mysql-user=${target.user}`,
    '--mysql-db=bench',
    `--mysql-ssl=${target.tlsFolder === undefined ? 'off' : 'on'}`,
  ];
  return runOk(sysbench.program, [script, ...connection, ...options, 'run'], {
    env: sysbench.env,
    timeoutMs: 120_000,
    ...(target.tlsFolder === undefined ? {} : { cwd: target.tlsFolder }),
  });
}

function figure(output: string, pattern: RegExp): number {
  const found = Number(pattern.exec(output)?.[1]);
  if (Number.isNaN(found)) throw new Error(`sysbench printed nothing like ${pattern.source}:\n${output}`);
  return found;
}
