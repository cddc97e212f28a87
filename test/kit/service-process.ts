/** One `tessera start` as a child process, with its own folder, configuration and log. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, closeSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const top = resolve(import.meta.dirname, '../..');
const readyTimeoutMs = 30_000;

export type ServiceProcess = {
  readonly name: string;
  readonly folder: string;
  readonly configFile: string;
  readonly pid: number;
  /** Until /readyz says so; throws with the log when it ends or takes too long. */
  ready(): Promise<void>;
  kill(signal: 'SIGKILL' | 'SIGTERM' | 'SIGHUP' | 'SIGSTOP' | 'SIGCONT'): void;
  /** SIGKILL or SIGTERM and wait for the end; resolves with the exit code. */
  stop(signal?: 'SIGKILL' | 'SIGTERM'): Promise<number | null>;
  /** Starts again with the same folder (after `stop`), with another configuration when given. */
  start(config?: string): void;
  log(): string;
  metrics(): Promise<string>;
};

/** Writes `<folder>/tessera.yaml` and starts the service. `diagnostics` is its diag_addr. */
export function startService(name: string, folder: string, config: string, diagnostics: string): ServiceProcess {
  mkdirSync(folder, { recursive: true });
  const configFile = join(folder, 'tessera.yaml');
  const logFile = join(folder, 'service.log');
  let child: ChildProcess | undefined;
  const service: ServiceProcess = {
    name,
    folder,
    configFile,
    get pid() {
      return child?.pid ?? 0;
    },
    async ready() {
      const deadline = performance.now() + readyTimeoutMs;
      let last = 'no answer yet';
      for (;;) {
        if (child?.exitCode !== null && child?.exitCode !== undefined)
          throw new Error(`${name} ended with ${child.exitCode}:\n${service.log()}`);
        try {
          const response = await fetch(`http://${diagnostics}/readyz`);
          last = await response.text();
          if (response.ok) return;
        } catch (error) {
          last = String(error);
        }
        if (performance.now() > deadline)
          throw new Error(`${name} is not ready (${last}):\n${service.log().slice(-8000)}`);
        await sleep(30);
      }
    },
    kill(signal) {
      child?.kill(signal);
    },
    async stop(signal = 'SIGTERM') {
      const running = child;
      if (running === undefined || running.exitCode !== null || running.signalCode !== null)
        return running?.exitCode ?? null;
      const ended = once(running, 'exit');
      running.kill(signal);
      await ended;
      return running.exitCode;
    },
    start(changed) {
      if (changed !== undefined) writeFileSync(configFile, changed, { mode: 0o600 });
      const log = openSync(logFile, 'a');
      child = spawn(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', join(top, 'bin/tessera.ts'), 'start', '-c', configFile],
        {
          stdio: ['ignore', log, log],
          env: { ...process.env, TESSERA_CONFIG: configFile },
        },
      );
      child.on('error', () => undefined);
      closeSync(log);
    },
    log: () => readFileSync(logFile, 'utf8'),
    async metrics() {
      return (await fetch(`http://${diagnostics}/metrics`)).text();
    },
  };
  process.once('exit', () => child?.kill('SIGKILL'));
  service.start(config);
  return service;
}
