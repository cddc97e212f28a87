/** stunnel, the C program that chains of TLS legs are made of for comparison. */
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchDebian } from '../test/servers/debian.ts';
import type { BenchCertificates } from './certificates.ts';

export type Stunnel = { readonly program: string; readonly env: Readonly<Record<string, string>> };
export type Chain = { readonly pids: readonly number[]; close(): void };

/** A text says why there is none. */
export function findStunnel(): Stunnel | string {
  const program = '/usr/bin/stunnel4';
  if (existsSync(program)) return { program, env: {} };
  const fetched = fetchDebian('stunnel4', ['stunnel4', 'libwrap0']);
  if (typeof fetched === 'string') return fetched;
  return { program: join(fetched.root, 'usr/bin/stunnel4'), env: { LD_LIBRARY_PATH: fetched.libraryPath } };
}

/** One service of a process: what comes in on `accept` goes to `to`. `rest`: of {@link tlsServer} or {@link tlsClient}. */
export function service(name: string, accept: number, to: number, rest: string): string {
  return `[${name}]\naccept = 127.0.0.1:${accept}\nconnect = 127.0.0.1:${to}\n${rest}`;
}

/** Takes TLS, with a client certificate. */
export function tlsServer(certificates: BenchCertificates): string {
  return `cert = ${certificates.serverCertificateFile}\nkey = ${certificates.serverKeyFile}\nCAfile = ${certificates.clientAuthorityFile}\nverifyChain = yes\n`;
}

/** Speaks TLS to a server of these authorities, with a client certificate. */
export function tlsClient(certificates: BenchCertificates, authorities: string): string {
  return `client = yes\ncert = ${certificates.certificateFile}\nkey = ${certificates.keyFile}\nCAfile = ${authorities}\nverifyChain = yes\n`;
}

/** One process for each list of services; resolves when all of `ports` listen. The caller closes it. */
export async function startChain(
  { program, env }: Stunnel,
  folder: string,
  processes: readonly (readonly string[])[],
  ports: readonly number[],
): Promise<Chain> {
  const children = processes.map((services, index) => {
    const file = join(folder, `stunnel${index}.conf`);
    writeFileSync(file, global + services.join(''));
    return spawn(program, [file], { env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'pipe'] });
  });
  await Promise.all(ports.map((port) => listening(port)));
  return {
    pids: children.map((child) => child.pid ?? 0),
    close: () => {
      for (const child of children) child.kill();
    },
  };
}

const global = 'foreground = yes\npid =\ndebug = err\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n';

async function listening(port: number): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const open = await new Promise<boolean>((done) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => {
        socket.destroy();
        done(true);
      });
      socket.once('error', () => done(false));
    });
    if (open) return;
    await sleep(50);
  }
  throw new Error(`nothing listens on port ${port}`);
}
