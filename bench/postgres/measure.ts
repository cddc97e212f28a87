/** One figure of one target, taken with PostgreSQL's own programs. */
import { spawn } from 'node:child_process';
import { createReadStream, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { runOk } from '../../test/kit/command.ts';
import type { PostgresBinaries } from '../../test/servers/postgres-binaries.ts';
import { median } from '../report.ts';
import type { Target } from './targets.ts';

export type Tools = { readonly binaries: PostgresBinaries; readonly copyFile: string };

function environment(target: Target, tools: Tools): Record<string, string> {
  return {
    ...target.env,
    ...(tools.binaries.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: tools.binaries.libraryPath }),
  };
}

/** Median latency of one client's prepared point selects, microseconds. */
export async function selectP50(target: Target, tools: Tools, seconds: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-bench-'));
  try {
    const args = ['-n', '-S', '-M', 'prepared', '-c', '1', '-T', String(seconds), '-l', '--log-prefix=latency'];
    await runOk(join(tools.binaries.bin, 'pgbench'), args, { env: environment(target, tools), cwd: folder });
    const latencies = globSync('latency*', { cwd: folder })
      .flatMap((file) => readFileSync(join(folder, file), 'utf8').trimEnd().split('\n'))
      .map((line) => Number(line.split(' ')[2]));
    return median(latencies);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Transactions a second of `clients` clients, connecting not counted. */
export async function selectTps(target: Target, tools: Tools, clients: number, seconds: number): Promise<number> {
  const args = ['-n', '-S', '-M', 'prepared', '-c', String(clients), '-j', '2', '-T', String(seconds)];
  const output = await runOk(join(tools.binaries.bin, 'pgbench'), args, {
    env: environment(target, tools),
    timeoutMs: 120_000,
  });
  return Number(/tps = ([\d.]+) \(without initial connection time\)/.exec(output)?.[1]);
}

/** Milliseconds for one connection with one select, one after another. */
export async function connectMs(target: Target, tools: Tools, seconds: number): Promise<number> {
  const args = ['-n', '-S', '-C', '-c', '1', '-T', String(seconds)];
  const output = await runOk(join(tools.binaries.bin, 'pgbench'), args, { env: environment(target, tools) });
  return Number(/latency average = ([\d.]+) ms/.exec(output)?.[1]);
}

/** Seconds of `COPY ... TO STDOUT` of the table `bulk`, connecting included. */
export async function copyOut(target: Target, tools: Tools): Promise<number> {
  const startedMs = performance.now();
  await pipe(target, tools, 'copy bulk to stdout');
  return (performance.now() - startedMs) / 1000;
}

/** Seconds of `COPY ... FROM STDIN` of a file into an unlogged table. */
export async function copyIn(target: Target, tools: Tools): Promise<number> {
  const startedMs = performance.now();
  await pipe(target, tools, 'copy sink from stdin', tools.copyFile);
  return (performance.now() - startedMs) / 1000;
}

/** Median select latency beside one endless bulk COPY, microseconds. */
export async function besideCopyP50(target: Target, tools: Tools, seconds: number): Promise<number> {
  const stop = new AbortController();
  const bulk = (async () => {
    while (!stop.signal.aborted)
      await pipe(target, tools, 'copy bulk to stdout', undefined, stop.signal).catch(() => undefined);
  })();
  try {
    return await selectP50(target, tools, seconds);
  } finally {
    stop.abort();
    await bulk;
  }
}

async function pipe(
  target: Target,
  tools: Tools,
  sql: string,
  inputFile?: string,
  signal?: AbortSignal,
): Promise<void> {
  const child = spawn(join(tools.binaries.bin, 'psql'), ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-c', sql], {
    env: { ...process.env, ...environment(target, tools) },
    stdio: [inputFile === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(signal === undefined ? {} : { signal, killSignal: 'SIGKILL' as const }),
  });
  let problem = '';
  child.stderr?.on('data', (chunk: Buffer) => (problem += chunk.toString()));
  child.stdout?.resume();
  if (inputFile !== undefined && child.stdin !== null) await finished(createReadStream(inputFile).pipe(child.stdin));
  const code = await new Promise<number | null>((done) => {
    child.on('error', () => done(1));
    child.on('close', done);
  });
  if (code !== 0 && signal?.aborted !== true)
    throw new Error(`psql -c '${sql}' through ${target.id} ended with ${code}: ${problem}`);
}
