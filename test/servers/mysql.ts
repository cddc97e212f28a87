/** Real MySQL and MariaDB servers for tests, the demo and the bench. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand, runOk, type Output } from '../kit/command.ts';
import type { MysqlBinaries } from './mysql-binaries.ts';
import { baseArguments, preparedData, rootLogin, serverOwner, userStatement } from './mysql-data.ts';
import { freePort, type PostgresTls } from './postgres.ts';

const startTimeoutMs = 30_000;

export type MysqlOptions = {
  /** Certificate and key of the server, and who signs its clients. Without it the server speaks no TLS and nobody but root can sign in. */
  readonly tls?: PostgresTls;
  /** Server variables by their option name; these win over the kit's own. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Created like alice, bob and reader: from any host, no password, `REQUIRE SUBJECT '/CN=<name>'`, all rights on `shop` and `other`. */
  readonly users?: readonly string[];
};

export type MysqlServer = {
  readonly binaries: MysqlBinaries;
  readonly port: number;
  /** Version as the server says it. */
  readonly version: string;
  readonly socket: string;
  readonly dataDir: string;
  readonly pid: number;
  /** As root over the Unix socket with the server's own client: rows as lines, columns by tabs, no heading. Throws with the server's words when a statement fails. */
  run(sql: string, database?: string): Promise<string>;
  /** The same, whatever comes of it. */
  tryRun(sql: string, database?: string): Promise<Output>;
  /** Other certificates are taken up; connections that stand keep theirs. MySQL wants the authority of its own certificate among `clientAuthorities` here. */
  reload(tls: PostgresTls): Promise<void>;
  /** Certificates of these authorities (PEM) are taken from clients too; restarts the server. */
  trust(authorities: string): Promise<void>;
  /** What the server wrote to its log, the newest 20 kB. */
  log(): string;
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Starts again on the same port after `stop`. */
  start(): Promise<void>;
  restart(): Promise<void>;
  /** Stops and removes everything. */
  remove(): Promise<void>;
};

/** A server on a free loopback port with its own copy of the prepared data folder: databases `shop` and `other`, users alice, bob and reader. The caller removes it. */
export async function startMysql(binaries: MysqlBinaries, options: MysqlOptions = {}): Promise<MysqlServer> {
  const template = await preparedData(binaries);
  const owner = serverOwner(binaries);
  const folder = mkdtempSync(join(tmpdir(), 'tessera-mysql-'));
  own(folder, 0o755);
  const dataDir = join(folder, 'data');
  const socket = join(folder, 's');
  await runOk('cp', ['-a', '--reflink=auto', template, dataDir]);
  if (options.tls !== undefined) writeTls(options.tls);
  const port = await freePort();
  const settings = serverSettings(binaries, folder, { port, socket, options });
  let child: ChildProcess | undefined;
  let log = '';
  process.once('exit', () => child?.kill('SIGKILL'));

  const server: MysqlServer & { version: string } = {
    binaries,
    port,
    version: '',
    socket,
    dataDir,
    get pid() {
      return child?.pid ?? 0;
    },
    async run(sql, database) {
      const { code, stdout, stderr } = await server.tryRun(sql, database);
      if (code !== 0) throw new Error(`${binaries.client} ended with ${code}: ${stderr}`);
      return stdout;
    },
    tryRun(sql, database) {
      const rows = ['--batch', '--raw', '--skip-column-names', ...(database === undefined ? [] : [database])];
      return runCommand(join(binaries.bin, binaries.client), [...rootLogin(binaries, socket), ...rows], { input: sql });
    },
    async reload(tls) {
      writeTls(tls);
      await server.run(binaries.flavour === 'mysql' ? 'alter instance reload tls' : 'flush ssl');
    },
    async trust(authorities) {
      appendFileSync(join(folder, 'clients.crt'), `\n${authorities}`);
      await server.restart();
    },
    log: () => log,
    async stop(signal = 'SIGTERM') {
      const running = child;
      child = undefined;
      if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
      const ended = once(running, 'exit');
      running.kill(signal);
      await ended;
    },
    start,
    async restart() {
      await server.stop();
      await start();
    },
    async remove() {
      await server.stop('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
  try {
    await start();
    const more = (options.users ?? []).map((user) => userStatement(user)).join('');
    server.version = (await server.run(`${more}select version()`)).trim();
  } catch (error) {
    await server.remove();
    throw error;
  }
  return server;

  async function start(): Promise<void> {
    log = '';
    const started = spawn(join(binaries.bin, binaries.server), [...baseArguments(binaries, dataDir), ...settings], {
      ...owner,
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
    while (!log.includes('ready for connections')) {
      if (started.exitCode !== null || started.signalCode !== null || performance.now() > deadline)
        throw new Error(`${binaries.name} did not start: ${log}`);
      await sleep(10);
    }
  }

  function writeTls(tls: PostgresTls): void {
    write('server.crt', tls.certificate);
    write('server.key', tls.privateKey);
    write('clients.crt', tls.clientAuthorities);
  }

  function write(name: string, text: string): void {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    own(join(folder, name), 0o600);
  }

  function own(path: string, mode: number): void {
    if (owner.uid !== undefined) chownSync(path, owner.uid, owner.gid);
    chmodSync(path, mode);
  }
}

function serverSettings(
  binaries: MysqlBinaries,
  folder: string,
  of: { readonly port: number; readonly socket: string; readonly options: MysqlOptions },
): string[] {
  const { tls, settings } = of.options;
  const noTls = binaries.flavour === 'mysql' ? { 'tls-version': '' } : { ssl: 'OFF' };
  const merged: Record<string, string> = {
    port: String(of.port),
    'bind-address': '127.0.0.1',
    socket: of.socket,
    'pid-file': join(folder, 'pid'),
    tmpdir: folder,
    'skip-name-resolve': 'ON',
    'require-secure-transport': 'OFF',
    'local-infile': 'ON',
    'max-connections': '200',
    'default-time-zone': '+00:00',
    ...(tls === undefined
      ? noTls
      : {
          'ssl-ca': join(folder, 'clients.crt'),
          'ssl-cert': join(folder, 'server.crt'),
          'ssl-key': join(folder, 'server.key'),
        }),
    ...settings,
  };
  return Object.entries(merged).map(([name, value]) => `--${name}=${value}`);
}
