import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join } from 'node:path';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import type { ConnectionInfo } from './connection-info.ts';
import { postgresEnvironment } from './connection-info.ts';

/** Full path of psql. Throws with how to get it. */
export function findPsql(io: Io): string {
  for (const folder of (io.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, process.platform === 'win32' ? 'psql.exe' : 'psql');
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next folder.
    }
  }
  throw failure(
    'CLIENT_MISSING',
    'psql is not installed, or not on PATH',
    'install it (Debian: apt install postgresql-client; macOS: brew install libpq), or use any other client: tsh db config --format=json',
  );
}

/**
 * Runs psql in this terminal until it ends and gives its exit code (128 + signal when a signal ended it). Ctrl-C and Ctrl-\
 * reach psql from the terminal itself (same process group) and are ignored here; TERM and HUP are passed on.
 */
export async function runPsql(io: Io, info: ConnectionInfo, args: readonly string[]): Promise<number> {
  const child = spawn(findPsql(io), [...args], { stdio: 'inherit', env: psqlEnvironment(io, info) });
  const ignore = (): void => {};
  const terminate = (): void => void child.kill('SIGTERM');
  const hangUp = (): void => void child.kill('SIGHUP');
  process.on('SIGINT', ignore).on('SIGQUIT', ignore).on('SIGTERM', terminate).on('SIGHUP', hangUp);
  try {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    child.once('error', (error) =>
      reject(
        failure(
          'CLIENT_FAILED',
          `psql could not be started: ${error.message}`,
          'check its installation: psql --version',
          error,
        ),
      ),
    );
    child.once('close', (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : os.signals[signal])));
    return await promise;
  } finally {
    process.off('SIGINT', ignore).off('SIGQUIT', ignore).off('SIGTERM', terminate).off('SIGHUP', hangUp);
  }
}

/** The person's environment with ours on top, without what would lead psql elsewhere or send a password. */
export function psqlEnvironment(io: Io, info: ConnectionInfo): Record<string, string> {
  const kept = Object.entries(io.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !MISLEADING.has(entry[0]),
  );
  return { ...Object.fromEntries(kept), ...postgresEnvironment(info) };
}

const MISLEADING = new Set([
  'PGHOSTADDR',
  'PGSERVICE',
  'PGUSER',
  'PGDATABASE',
  'PGPASSWORD',
  'PGREQUIRESSL',
  'PGSSLCRL',
  'PGSSLCRLDIR',
  'PGSSLSNI',
  'PGSSLCERTMODE',
  'PGSSLNEGOTIATION',
  'PGREQUIREAUTH',
  'PGREQUIREPEER',
  'PGCHANNELBINDING',
  'PGTARGETSESSIONATTRS',
  'PGLOADBALANCEHOSTS',
  'NODE_COMPILE_CACHE',
]);
