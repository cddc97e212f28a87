/** Real PostgreSQL servers for tests, the demo and the bench. */
import { spawn, execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { PostgresBinaries } from './postgres-binaries.ts';

/** PostgreSQL refuses to run as root; `nobody` exists everywhere. */
const nobody = 65_534;
const startTimeoutMs = 20_000;

export type PostgresTls = {
  readonly certificate: string;
  readonly privateKey: string;
  readonly clientAuthorities: string;
};

export type PostgresServer = {
  readonly port: number;
  /** Version as the server says it. */
  readonly version: string;
  readonly dataDir: string;
  readonly pid: number;
  /** As superuser over the Unix socket, which no client of a test uses. */
  sql(text: string, database?: string): Promise<readonly Record<string, unknown>[]>;
  /** New pg_hba.conf or certificates are taken up. */
  reload(files?: { readonly hba?: string; readonly tls?: PostgresTls }): void;
  stop(): Promise<void>;
  /** Starts again on the same port after `stop`. */
  start(): Promise<void>;
  /** Stops and removes everything. */
  remove(): Promise<void>;
};

export type PostgresOptions = {
  readonly tls?: PostgresTls;
  /** Default: `hostssl all all all cert`. */
  readonly hba?: string;
  readonly settings?: Readonly<Record<string, string>>;
};

/** A fresh database cluster on a free loopback port. The caller removes it. */
export async function startPostgres(
  binaries: PostgresBinaries,
  options: PostgresOptions = {},
): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-postgres-'));
  const dataDir = join(folder, 'data');
  const owner = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  const environment = {
    ...process.env,
    LC_ALL: 'C.UTF-8',
    ...(binaries.libraryPath === undefined ? {} : { LD_LIBRARY_PATH: binaries.libraryPath }),
  };
  mkdirSync(dataDir, { mode: 0o700 });
  own(folder, 0o755);
  own(dataDir, 0o700);
  execFileSync(
    join(binaries.bin, 'initdb'),
    ['-D', dataDir, '-U', 'postgres', '-A', 'trust', '--no-sync', '--encoding=UTF8', '--locale=C'],
    {
      ...owner,
      env: environment,
      cwd: '/',
      stdio: 'pipe',
    },
  );
  const port = await freePort();
  write('postgresql.auto.conf', settingsText(port, folder, options));
  if (options.tls !== undefined) writeTls(options.tls);
  write('pg_hba.conf', hbaText(options.hba));
  let child: ChildProcess | undefined;
  process.once('exit', () => child?.kill('SIGKILL'));

  const server: PostgresServer & { version: string } = {
    port,
    version: '',
    dataDir,
    get pid() {
      return child?.pid ?? 0;
    },
    sql,
    reload({ hba, tls } = {}) {
      if (tls !== undefined) writeTls(tls);
      if (hba !== undefined) write('pg_hba.conf', hbaText(hba));
      child?.kill('SIGHUP');
    },
    async stop() {
      const running = child;
      child = undefined;
      if (running === undefined || running.exitCode !== null) return;
      running.kill('SIGINT');
      await once(running, 'exit');
    },
    start,
    async remove() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await start();
  server.version = String((await sql('show server_version'))[0]?.['server_version']);
  return server;

  async function start(): Promise<void> {
    let log = '';
    const started = spawn(join(binaries.bin, 'postgres'), ['-D', dataDir], {
      ...owner,
      env: environment,
      cwd: '/',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child = started;
    const keep = (chunk: Buffer): void => {
      log = (log + chunk.toString()).slice(-20_000);
    };
    started.stdout.on('data', keep);
    started.stderr.on('data', keep);
    const deadline = performance.now() + startTimeoutMs;
    for (;;) {
      try {
        await sql('select 1');
        return;
      } catch (error) {
        if (started.exitCode !== null || performance.now() > deadline)
          throw new Error(`postgres did not start: ${log}`, { cause: error });
        await sleep(20);
      }
    }
  }

  async function sql(text: string, database = 'postgres'): Promise<readonly Record<string, unknown>[]> {
    const client = new Client({ host: folder, port, user: 'postgres', database });
    client.on('error', () => undefined);
    await client.connect();
    try {
      const result: unknown = await client.query(text);
      const last = Array.isArray(result) ? (result.at(-1) as unknown) : result;
      return (last as { rows: Record<string, unknown>[] }).rows;
    } finally {
      await client.end();
    }
  }

  function writeTls(tls: PostgresTls): void {
    write('server.crt', tls.certificate);
    write('server.key', tls.privateKey);
    write('server.cas', tls.clientAuthorities);
  }

  function write(name: string, text: string): void {
    writeFileSync(join(dataDir, name), text);
    own(join(dataDir, name), 0o600);
  }

  function own(path: string, mode: number): void {
    if (owner.uid !== undefined) chownSync(path, owner.uid, owner.gid);
    chmodSync(path, mode);
  }
}

/** A loopback port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

function settingsText(port: number, folder: string, options: PostgresOptions): string {
  const settings: Record<string, string> = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: folder,
    fsync: 'off',
    max_connections: '200',
    synchronize_seqscans: 'off',
    timezone: 'UTC',
    log_min_messages: 'warning',
    ...(options.tls === undefined
      ? {}
      : { ssl: 'on', ssl_cert_file: 'server.crt', ssl_key_file: 'server.key', ssl_ca_file: 'server.cas' }),
    ...options.settings,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`)
    .join('');
}

function hbaText(hba = 'hostssl all all all cert'): string {
  return `local all postgres trust\n${hba}\n`;
}
