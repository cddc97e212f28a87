/** `tsh login` while it waits for a browser. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.ts';
import type { Output } from './command.ts';
import { top } from './service-process.ts';

export type TshLogin = {
  /** The address to open, as it is printed. */
  link(): Promise<string>;
  /** The code to type elsewhere, as it is printed. */
  userCode(): Promise<string>;
  readonly ended: Promise<Output>;
  /** For a sign-in that nobody answers. */
  stop(): void;
};

/** Begins it in a home folder called by `name`. It ends by itself, or after two minutes by force. */
export function startTshLogin(cluster: Cluster, name: string, flags: readonly string[]): TshLogin {
  const home = join(cluster.folder, `tsh-${name}`);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const proxy = `localhost:${cluster.proxies[0]?.port}`;
  const args = ['login', `--proxy=${proxy}`, `--ca-pin=${cluster.caPin}`, ...flags];
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', join(top, 'bin/tsh.ts'), ...args], {
    env: { ...process.env, HOME: home, TESSERA_HOME: join(home, '.tsh'), NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text;
      for (const look of waiting) look();
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  const ended = new Promise<Output>((done, failed) => {
    child.once('error', failed);
    child.once('close', (code) => {
      clearTimeout(timer);
      done({ code: code ?? 124, ...output });
    });
  });
  const printed = (pattern: RegExp): Promise<string> =>
    new Promise((done, failed) => {
      const look = (): void => {
        const found = pattern.exec(output.stdout + output.stderr)?.[0];
        if (found === undefined) return;
        waiting.delete(look);
        done(found);
      };
      waiting.add(look);
      look();
      void ended.then(({ code }) =>
        failed(new Error(`tsh login ended with ${code}:\n${output.stdout}${output.stderr}`)),
      );
    });
  return {
    link: () => printed(/https?:\/\/\S+(?=\s)/),
    userCode: () => printed(/\b[A-Z]{4}-[A-Z]{4}\b/),
    ended,
    stop: () => void child.kill('SIGKILL'),
  };
}

const TIMEOUT_MS = 120_000;
