/** `tsh proxy db --tunnel` as a process of its own, until closed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Person } from './person.ts';
import { top } from './service-process.ts';

export type RunningTunnel = {
  readonly host: string;
  readonly port: number;
  /** Ready-to-paste command lines by program. */
  readonly commands: Readonly<Record<string, string>>;
  /** JDBC URLs by driver. */
  readonly jdbc: Readonly<Record<string, string>>;
  /** What it wrote to stderr so far. */
  log(): string;
  /** Ctrl-C, and its end. */
  close(): Promise<number | null>;
};

const startTimeoutMs = 30_000;

/** Resolves when it has printed where it listens; throws with what it said instead. */
export async function startTunnel(person: Person, service: string, ...flags: string[]): Promise<RunningTunnel> {
  const program = ['--disable-warning=ExperimentalWarning', join(top, 'bin/tsh.ts')];
  const args = [...program, 'proxy', 'db', '--tunnel', service, '--format=json', ...flags];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...person.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = (): void => void child.kill('SIGKILL');
  process.once('exit', stop);
  let [said, log] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const told = new Promise<RunningTunnel>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no tunnel within ${startTimeoutMs} ms: ${log}`)), startTimeoutMs);
    child.once('close', (code) => {
      clearTimeout(timer);
      reject(new Error(`tsh proxy db ended with ${code}: ${said}${log}`));
    });
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      const value = parsed(said);
      if (value === undefined) return;
      clearTimeout(timer);
      resolve({
        ...value,
        log: () => log,
        async close() {
          process.off('exit', stop);
          const ended = child.exitCode === null ? once(child, 'close') : undefined;
          child.kill('SIGINT');
          await ended;
          return child.exitCode;
        },
      });
    });
  });
  try {
    return await told;
  } catch (error) {
    stop();
    throw error;
  }
}

/** Undefined while it is not whole. */
function parsed(text: string): Pick<RunningTunnel, 'host' | 'port' | 'commands' | 'jdbc'> | undefined {
  try {
    return JSON.parse(text) as Pick<RunningTunnel, 'host' | 'port' | 'commands' | 'jdbc'>;
  } catch {
    return undefined;
  }
}
