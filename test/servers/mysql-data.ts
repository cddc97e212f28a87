/** Data folders of MySQL and MariaDB: made once for each of the programs, with users and a little content, then copied for each server. */
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  accessSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../kit/command.ts';
import { lockFile } from './file-lock.ts';
import type { MysqlBinaries } from './mysql-binaries.ts';

/** The servers refuse to run as root unless told; `nobody` exists everywhere. */
const nobody = 65_534;
const prepareTimeoutMs = 120_000;

const known = new Map<string, Promise<string>>();

/** The folder to copy; made when it is not there, which takes one to four seconds. */
export function preparedData(binaries: MysqlBinaries): Promise<string> {
  const digest = createHash('sha256').update(JSON.stringify([setup(binaries), baseArguments(binaries, '')]));
  const uid = serverOwner(binaries).uid ?? process.getuid?.() ?? 0;
  const folder = join(writable(binaries.cache, uid), `data-${uid}-${digest.digest('hex').slice(0, 12)}`);
  const asked = known.get(folder) ?? prepare(binaries, folder);
  known.set(folder, asked);
  return asked;
}

/** Root may have filled the cache that another user reads. */
function writable(cache: string, uid: number): string {
  try {
    accessSync(cache, constants.W_OK);
    return cache;
  } catch {
    const own = join(tmpdir(), `tessera-mysql-data-${uid}`);
    mkdirSync(own, { recursive: true, mode: 0o700 });
    return own;
  }
}

/** What the server needs to find its own files, at any start. */
export function baseArguments(binaries: MysqlBinaries, dataDir: string): string[] {
  const { flavour, root, shareDir, pluginDir } = binaries;
  const asRoot = process.getuid?.() === 0 && serverOwner(binaries).uid === undefined;
  return [
    '--no-defaults',
    `--basedir=${join(root, 'usr')}`,
    `--lc-messages-dir=${shareDir}`,
    `--character-sets-dir=${join(shareDir, 'charsets')}`,
    `--plugin-dir=${pluginDir}`,
    `--datadir=${dataDir}`,
    '--character-set-server=utf8mb4',
    '--skip-log-bin',
    '--innodb-buffer-pool-size=32M',
    '--innodb-flush-log-at-trx-commit=0',
    '--innodb-doublewrite=OFF',
    '--performance-schema=OFF',
    ...(asRoot ? ['--user=root'] : []),
    ...(flavour === 'mysql'
      ? ['--mysqlx=OFF', '--secure-file-priv=NULL', '--innodb-redo-log-capacity=8M', '--auto-generate-certs=OFF']
      : ['--innodb-log-file-size=8M']),
  ];
}

/** As root: `nobody`, when that user can reach the programs; otherwise the one who runs the test. */
export function serverOwner(
  binaries: MysqlBinaries,
): { readonly uid: number; readonly gid: number } | { uid?: never; gid?: never } {
  if (process.getuid?.() !== 0) return {};
  const owner = { uid: nobody, gid: nobody };
  const before = reachable.get(binaries.bin);
  if (before !== undefined) return before ? owner : {};
  try {
    execFileSync(join(binaries.bin, binaries.server), ['--no-defaults', '--version'], {
      ...owner,
      stdio: 'ignore',
      cwd: '/',
    });
    reachable.set(binaries.bin, true);
    return owner;
  } catch {
    reachable.set(binaries.bin, false);
    return {};
  }
}

const reachable = new Map<string, boolean>();

/** Signs in with a certificate alone, as Tessera's agents do. */
export function userStatement(name: string): string {
  return `create user '${name}'@'%' require subject '/CN=${name}';
grant all on shop.* to '${name}'@'%';
grant all on other.* to '${name}'@'%';
`;
}

/** Options of the server's own client for root without a password; newer clients want TLS on a Unix socket too unless told. */
export function rootLogin(binaries: MysqlBinaries, socket: string): string[] {
  const tls = binaries.flavour === 'mariadb' ? ['--skip-ssl'] : [];
  return ['--no-defaults', '--user=root', `--socket=${socket}`, '--default-character-set=utf8mb4', ...tls];
}

function setup(binaries: MysqlBinaries): string {
  const noStrangers =
    binaries.flavour === 'mariadb'
      ? "delete from mysql.global_priv where User = '' or (User = 'root' and Host <> 'localhost');\nflush privileges;\n"
      : '';
  return `${noStrangers}create database shop;
create database other;
create table shop.products (
  id int primary key auto_increment, name varchar(100) not null, price decimal(10,2) not null, note text, added datetime(6) not null, picture blob
);
insert into shop.products values
  (1, 'anvil', 99.50, 'heavy', '2026-01-02 03:04:05.678901', x'00ff0080'),
  (2, 'brüllwürfel', 0.10, '音 🎲', '1999-12-31 23:59:59', null),
  (3, 'crate; empty', 12.00, null, '2026-07-01 00:00:00', ''),
  (4, 'dust "fine"', 1.00, '', '2026-07-01 00:00:00.5', x'27225c');
create table other.notes (id int primary key, text varchar(100) not null);
insert into other.notes values (1, 'first'), (2, 'second');
${['alice', 'bob', 'reader'].map((name) => userStatement(name)).join('')}`;
}

async function prepare(binaries: MysqlBinaries, folder: string): Promise<string> {
  if (existsSync(folder)) return folder;
  const release = lockFile(`${folder}.lock`, prepareTimeoutMs);
  const scratch = `${folder}.${process.pid}`;
  try {
    if (existsSync(folder)) return folder;
    mkdirSync(scratch, { mode: 0o750 });
    const owner = serverOwner(binaries);
    if (owner.uid !== undefined) chownSync(scratch, owner.uid, owner.gid);
    if (binaries.flavour === 'mysql') await initialize(binaries, scratch, ['--initialize-insecure'], '');
    else await initialize(binaries, scratch, ['--bootstrap'], systemTables(binaries));
    await fill(binaries, scratch);
    renameSync(scratch, folder);
    return folder;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
    release();
  }
}

/** What mariadb-install-db, a script that would start its programs without our loader, gives to the server. */
function systemTables(binaries: MysqlBinaries): string {
  const files = ['system_tables', 'performance_tables', 'system_tables_data', 'sys_schema'].flatMap((name) =>
    globSync(`{mysql,mariadb}_${name}.sql`, { cwd: binaries.shareDir }).slice(0, 1),
  );
  const texts = files.map((file) => readFileSync(join(binaries.shareDir, file), 'utf8'));
  return ['create database if not exists mysql;', 'use mysql;', 'set @auth_root_socket=null;', ...texts, ''].join('\n');
}

async function initialize(
  binaries: MysqlBinaries,
  dataDir: string,
  mode: readonly string[],
  sql: string,
): Promise<void> {
  // A file, because the server may close its input early.
  const script = `${dataDir}.sql`;
  writeFileSync(script, sql);
  const input = openSync(script, 'r');
  try {
    const child = spawn(join(binaries.bin, binaries.server), [...baseArguments(binaries, dataDir), ...mode], {
      ...serverOwner(binaries),
      cwd: '/',
      stdio: [input, 'pipe', 'pipe'],
    });
    let log = '';
    child.stdout?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${binaries.name} did not make its data folder: ${log.slice(-4000)}`);
  } finally {
    closeSync(input);
    rmSync(script, { force: true });
  }
}

/** Content is made by a server without network, which then ends in order. */
async function fill(binaries: MysqlBinaries, dataDir: string): Promise<void> {
  // Elsewhere than the data: a socket's path must be short.
  const folder = mkdtempSync(join(tmpdir(), 'tessera-mysql-'));
  const owner = serverOwner(binaries);
  if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid);
  const socket = join(folder, 's');
  const child = spawn(
    join(binaries.bin, binaries.server),
    [
      ...baseArguments(binaries, dataDir),
      '--skip-networking',
      `--socket=${socket}`,
      `--pid-file=${join(folder, 'pid')}`,
    ],
    { ...owner, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const ended = once(child, 'close');
  let log = '';
  child.stdout.on('data', (chunk: Buffer) => (log += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  try {
    const deadline = performance.now() + prepareTimeoutMs;
    while (!log.includes('ready for connections')) {
      if (child.exitCode !== null || performance.now() > deadline)
        throw new Error(`${binaries.name} did not start: ${log}`);
      await sleep(20);
    }
    const { code, stderr } = await runCommand(join(binaries.bin, binaries.client), rootLogin(binaries, socket), {
      input: setup(binaries),
    });
    if (code !== 0) throw new Error(`${binaries.name} did not take its content: ${stderr}`);
  } finally {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}
