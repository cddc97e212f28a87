import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join } from 'node:path';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';

/** A native client that is about to be started. */
export type Launch = {
  /** Full path. */
  readonly path: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
};

/** Full path of a program on PATH; undefined when it is not there. */
export function findProgram(io: Io, name: string): string | undefined {
  for (const folder of (io.env['PATH'] ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = join(folder, process.platform === 'win32' ? `${name}.exe` : name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next folder.
    }
  }
  return undefined;
}

/**
 * Runs it in this terminal until it ends and gives its exit code (128 + signal when a signal ended it). Ctrl-C and Ctrl-\
 * reach it from the terminal itself (same process group) and are ignored here; TERM and HUP are passed on.
 */
export async function runProgram(launch: Launch): Promise<number> {
  const child = spawn(launch.path, [...launch.args], { stdio: 'inherit', env: launch.env });
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
          `${launch.path} could not be started: ${error.message}`,
          `check its installation: ${launch.path} --version`,
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

/** The person's environment without some variables, with others on top. */
export function environmentWith(
  io: Io,
  dropped: ReadonlySet<string>,
  added: Readonly<Record<string, string>>,
): Record<string, string> {
  const kept = Object.entries(io.env).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !dropped.has(entry[0]) && entry[0] !== 'NODE_COMPILE_CACHE',
  );
  return { ...Object.fromEntries(kept), ...added };
}
