import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Outcome } from '../command.ts';
import { splitList } from '../command.ts';
import { failure, failureText, UsageError } from '../failure.ts';
import type { Io } from '../io.ts';
import { say, tell, visible } from '../io.ts';
import type { Prompter } from '../prompt.ts';
import { openPrompter } from '../prompt.ts';
import { withProgress } from '../progress.ts';
import { withClientTarget } from './client-target.ts';
import type { Reachable } from './databases.ts';
import { choose, listDatabases, select } from './databases.ts';
import type { Issuing, RouteOptions } from './db-login.ts';
import { issueAndKeep, routeFor } from './db-login.ts';
import { hasNativeClient, nativeClient } from './native-client.ts';
import type { DatabaseLogin } from './route-certificate.ts';
import { activeLogin } from './route-certificate.ts';
import type { Launch } from './run-program.ts';
import { SecondFactors } from './second-factors.ts';
import { connectSession, openSession } from './session.ts';

export type DbExecOptions = RouteOptions & {
  readonly dbs?: readonly string[] | undefined;
  readonly parallel: number;
  readonly outputDir?: string | undefined;
  readonly confirm: boolean;
};

type Result = {
  readonly database: string;
  readonly exitCode: number;
  readonly output: Buffer;
  readonly error?: string;
};

/** Runs one SQL text on several databases through their command-line clients; exit code 1 when any of them failed. */
export async function dbExec(io: Io, sql: string, options: DbExecOptions): Promise<Outcome> {
  if (options.dbs === undefined && options.search === undefined && options.labels === undefined) {
    throw new UsageError('on which databases? give --dbs a,b or --search word or --labels key=value');
  }
  if (options.outputDir !== undefined) mkdirSync(options.outputDir, { recursive: true });
  const session = openSession(io, options);
  const connection = await connectSession(io, session);
  const folder = session.store.temporaryFolder(randomBytes(8).toString('hex'));
  using prompter = openPrompter(io);
  const issuing = { session, connection, factors: new SecondFactors(io, options.mfaMode, prompter) };
  try {
    const all = await withProgress(io, 'listing databases', listDatabases(connection));
    const chosen = await pick(io, prompter, all, options);
    for (const client of new Set(chosen.map((each) => nativeClient(each.protocol, each.name)))) client.check(io);
    const results = await inParallel(chosen, options.parallel, async (database) => {
      const result = await one(io, issuing, database, sql, folder, options);
      if (options.outputDir === undefined) show(io, result, chosen.length > 1);
      else writeFileSync(join(options.outputDir, `${encodeURIComponent(result.database)}.output`), result.output);
      return result;
    });
    return finish(io, results, options.outputDir);
  } finally {
    connection.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function pick(
  io: Io,
  prompter: Prompter,
  all: readonly Reachable[],
  options: DbExecOptions,
): Promise<Reachable[]> {
  if (options.dbs !== undefined) {
    const names = [...new Set(options.dbs.flatMap(splitList))];
    return names.map((name) => choose(io, all, name, {}));
  }
  const chosen = select(all, options).filter((database) => hasNativeClient(database.protocol));
  if (chosen.length === 0)
    throw failure('DATABASE_NOT_FOUND', 'no database matches the selection', 'see them all: tsh db ls');
  if (!options.confirm) return chosen;
  tell(io, `The statement will run on: ${chosen.map((database) => database.name).join(', ')}`);
  if (!(await prompter.confirm('Go on?', 'add --no-confirm')))
    throw failure('NOT_CONFIRMED', 'not confirmed', 'nothing was run');
  return chosen;
}

async function one(
  io: Io,
  issuing: Issuing,
  database: Reachable,
  sql: string,
  folder: string,
  options: DbExecOptions,
): Promise<Result> {
  try {
    const login = await loginFor(io, issuing, database, folder, options);
    const client = nativeClient(login.protocol, login.service);
    return await withClientTarget(io, issuing.session, login, false, (target) =>
      runStatement(client.script(io, target), database.name, sql),
    );
  } catch (error) {
    return { database: database.name, exitCode: 1, output: Buffer.alloc(0), error: failureText(error) };
  }
}

/** An active login is used as it is; another one is made for this command alone and changes no configuration. */
async function loginFor(
  io: Io,
  issuing: Issuing,
  database: Reachable,
  folder: string,
  options: DbExecOptions,
): Promise<DatabaseLogin> {
  const { session } = issuing;
  const there = activeLogin(session.store, session.profile, database.name, io.nowMs());
  const route = routeFor(database, options, there);
  if (there !== undefined && there.user === route.user && there.database === route.database) return there;
  return issueAndKeep(io, issuing, database, route, join(folder, randomBytes(8).toString('hex')));
}

async function runStatement(launch: Launch, database: string, sql: string): Promise<Result> {
  const child = spawn(launch.path, [...launch.args], { stdio: ['pipe', 'pipe', 'pipe'], env: launch.env });
  const chunks: Buffer[] = [];
  let size = 0;
  const take = (chunk: Buffer): void => {
    size += chunk.length;
    if (size > MAX_OUTPUT_BYTES) child.kill('SIGTERM');
    else chunks.push(chunk);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  // By stdin and not by argument: arguments are readable by every user of the machine.
  child.stdin.on('error', () => {});
  child.stdin.end(`${sql}\n`);
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', reject);
  child.once('close', (code) => resolve(code ?? 1));
  const exitCode = await promise;
  const tooLarge =
    size > MAX_OUTPUT_BYTES
      ? { error: `output larger than ${MAX_OUTPUT_BYTES} bytes (maxOutputBytes); narrow the statement` }
      : {};
  return {
    database,
    exitCode: size > MAX_OUTPUT_BYTES ? 1 : exitCode,
    output: Buffer.concat(chunks),
    ...tooLarge,
  };
}

function show(io: Io, result: Result, titled: boolean): void {
  if (titled) say(io, `== ${result.database}${result.exitCode === 0 ? '' : ' (failed)'}`);
  io.stdout.write(result.output);
  if (result.error !== undefined) tell(io, visible(`${result.database}: ${result.error}`));
}

function finish(io: Io, results: readonly Result[], outputDir: string | undefined): number {
  const failed = results.filter((result) => result.exitCode !== 0);
  if (outputDir !== undefined) {
    const summary = {
      total: results.length,
      success: results.length - failed.length,
      failed: failed.length,
      databases: results.map((result) => ({
        database: result.database,
        success: result.exitCode === 0,
        exit_code: result.exitCode,
        ...(result.error === undefined ? {} : { error: result.error }),
      })),
    };
    writeFileSync(join(outputDir, 'summary.json'), `${JSON.stringify(summary, undefined, 2)}\n`);
    say(
      io,
      `${results.length - failed.length} of ${results.length} succeeded; outputs and summary.json are in ${outputDir}`,
    );
  }
  if (failed.length > 0) tell(io, `failed on: ${failed.map((result) => result.database).join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

/** Results in the order of `items`, at most `width` at a time. */
async function inParallel<T, R>(items: readonly T[], width: number, work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const queue = items.entries();
  const lane = async (): Promise<void> => {
    for (const [index, item] of queue) results[index] = await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}

const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;
