/** The three ways to one PostgreSQL that are compared: direct TLS, a chain of two stunnels (the C floor), Tessera. */
import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../test/kit/cluster.ts';
import type { Person } from '../test/kit/person.ts';
import { fetchDebian } from '../test/servers/debian.ts';
import { freePort } from '../test/servers/postgres.ts';
import type { BenchCertificates } from './certificates.ts';

export type Target = {
  readonly id: 'direct' | 'floor' | 'tessera';
  /** libpq's variables: pgbench and psql need nothing else. */
  readonly env: Readonly<Record<string, string>>;
  /** The relaying processes, nearest to the client first. */
  readonly pids: readonly number[];
  close(): void;
};

export function directTarget(cluster: Cluster, certificates: BenchCertificates): Target {
  return {
    id: 'direct',
    env: libpqEnv(cluster.postgres.port, certificates.databaseAuthorities, certificates),
    pids: [],
    close: () => undefined,
  };
}

/** The way a person goes: `tsh db login`, then the variables of `tsh db env`. */
export async function tesseraTarget(cluster: Cluster, person: Person): Promise<Target> {
  await person.tsh('db', 'login', 'orders', '--db-user=bench', '--db-name=bench');
  const text = await person.tsh('db', 'env', 'orders');
  const env: Record<string, string> = {};
  for (const [, name = '', value = ''] of text.matchAll(/^export (\w+)='?([^'\n]*)'?$/gm)) env[name] = value;
  return {
    id: 'tessera',
    env,
    pids: [cluster.proxies[0]?.pid ?? 0, cluster.agents[0]?.pid ?? 0],
    close: () => undefined,
  };
}

/**
 * Two stunnels, as many TLS legs as ours: client TLS to A, TLS to B, TLS with a client certificate to PostgreSQL. A stunnel service has one TLS side, so each process needs two services and a
 * loopback connection in clear between them: that is what an off-the-shelf C chain costs. A text says why there is none.
 */
export async function floorTarget(
  cluster: Cluster,
  certificates: BenchCertificates,
  folder: string,
): Promise<Target | string> {
  const installed = '/usr/bin/stunnel4';
  const fetched = existsSync(installed) ? undefined : fetchDebian('stunnel4', ['stunnel4', 'libwrap0']);
  if (typeof fetched === 'string') return fetched;
  const program = fetched === undefined ? installed : join(fetched.root, 'usr/bin/stunnel4');
  const library = fetched === undefined ? {} : { LD_LIBRARY_PATH: fetched.libraryPath };
  const [front, innerA, middle, innerB] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  mkdirSync(folder, { recursive: true });
  const server = `cert = ${certificates.serverCertificateFile}\nkey = ${certificates.serverKeyFile}\nCAfile = ${certificates.clientAuthorityFile}\nverifyChain = yes\n`;
  const client = (authorities: string): string =>
    `client = yes\ncert = ${certificates.certificateFile}\nkey = ${certificates.keyFile}\nCAfile = ${authorities}\nverifyChain = yes\n`;
  const service = (name: string, accept: number, to: number, rest: string): string =>
    `[${name}]\naccept = 127.0.0.1:${accept}\nconnect = 127.0.0.1:${to}\n${rest}`;
  const near =
    global +
    service('front', front, innerA, `protocol = pgsql\n${server}`) +
    service('out', innerA, middle, client(certificates.serverAuthorityFile));
  const far =
    global +
    service('in', middle, innerB, server) +
    service('database', innerB, cluster.postgres.port, `protocol = pgsql\n${client(certificates.databaseAuthorities)}`);
  const children = [near, far].map((text, index) => {
    const file = join(folder, `stunnel${index}.conf`);
    writeFileSync(file, text);
    return spawn(program, [file], { env: { ...process.env, ...library }, stdio: ['ignore', 'ignore', 'pipe'] });
  });
  await Promise.all([front, middle].map((port) => listening(port)));
  return {
    id: 'floor',
    env: libpqEnv(front, certificates.serverAuthorityFile, certificates),
    pids: children.map((child) => child.pid ?? 0),
    close: () => children.forEach((child: ChildProcess) => child.kill()),
  };
}

const global = 'foreground = yes\npid =\ndebug = err\nsocket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n';

function libpqEnv(port: number, authorities: string, certificates: BenchCertificates): Record<string, string> {
  chmodSync(certificates.keyFile, 0o600);
  return {
    PGHOST: 'localhost',
    PGPORT: String(port),
    PGUSER: 'bench',
    PGDATABASE: 'bench',
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: authorities,
    PGSSLCERT: certificates.certificateFile,
    PGSSLKEY: certificates.keyFile,
    PGGSSENCMODE: 'disable',
  };
}

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
