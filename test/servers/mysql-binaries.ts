/** Where MySQL's and MariaDB's own programs come from: Debian's packages, unpacked into a cache folder and started by small scripts. */
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { cacheFolder, fetchDebian, fetchSid, type Fetched } from './debian.ts';

/** Every program is a script in `bin` that takes arguments as the real one does and leaves the environment of what it starts alone: `bin` can stand in PATH. */
export type MysqlBinaries = {
  readonly name: string;
  readonly flavour: 'mysql' | 'mariadb';
  /** `mysql`, `mysqldump`, `mysqladmin`, `mysqlslap`; for MariaDB also `mariadb`, `mariadb-dump`, `mariadb-admin`, `mariadb-slap`; the server and what makes its data folder. */
  readonly bin: string;
  /** `mysqld` or `mariadbd`, in `bin`. */
  readonly server: string;
  /** `mysql` or `mariadb`, in `bin`. */
  readonly client: string;
  /** The unpacked packages. */
  readonly root: string;
  /** The server's plugins. */
  readonly pluginDir: string;
  /** Error messages and character sets. */
  readonly shareDir: string;
  /** Prepared data folders are kept here. */
  readonly cache: string;
};

/** With what they link beyond Debian's smallest installation. */
const mariadb1011Packages =
  'mariadb-server-core mariadb-client-core mariadb-server mariadb-client libmariadb3 liburing2 libaio1 libssl3 libedit2 libbsd0 libmd0 libncurses6 libtinfo6 libnuma1 libpcre2-8-0 libsystemd0 liblz4-1 libgcrypt20 libgpg-error0 libcap2 libstdc++6 libzstd1';

/** MariaDB 10.11, the machine's own release (Debian 12). A text says why there is none. */
export function mariadb1011(): MysqlBinaries | string {
  const fetched = fetchDebian('mariadb-10.11', mariadb1011Packages.split(' '));
  return typeof fetched === 'string' ? fetched : mariadbOf('mariadb-10.11', 'MariaDB 10.11 (Debian 12)', fetched);
}

/** MariaDB 11.8 from Debian's unstable suite. */
export function mariadb118(): MysqlBinaries | string {
  const fetched = fetchSid('mariadb-11.8', {
    closure: ['mariadb-server-core', 'mariadb-client-core', 'libmariadb3'],
    alone: ['mariadb-server', 'mariadb-client'],
  });
  return typeof fetched === 'string' ? fetched : mariadbOf('mariadb-11.8', 'MariaDB 11.8 (Debian sid)', fetched);
}

/** MySQL 9 from Debian's unstable suite; no earlier MySQL is packaged. */
export function mysql9(): MysqlBinaries | string {
  const fetched = fetchSid('mysql-9', { closure: ['mysql-server-core', 'mysql-client-core'], alone: ['mysql-client'] });
  if (typeof fetched === 'string') return fetched;
  return complete('mysql-9', fetched, {
    name: 'MySQL 9 (Debian sid)',
    flavour: 'mysql',
    server: 'mysqld',
    client: 'mysql',
  });
}

function mariadbOf(folder: string, name: string, fetched: Fetched): MysqlBinaries | string {
  return complete(folder, fetched, { name, flavour: 'mariadb', server: 'mariadbd', client: 'mariadb' });
}

type Identity = Pick<MysqlBinaries, 'name' | 'flavour' | 'server' | 'client'>;

function complete(folder: string, fetched: Fetched, identity: Identity): MysqlBinaries | string {
  const cache = join(cacheFolder(), folder);
  const bin = join(cache, 'bin');
  mkdirSync(bin, { recursive: true });
  for (const program of programs(fetched.root)) writeScript(bin, program, fetched);
  for (const needed of [identity.server, identity.client])
    if (!existsSync(join(bin, needed))) return `${identity.name}: the fetched packages have no ${needed}`;
  const { root } = fetched;
  const pluginDir = join(root, 'usr/lib/mysql/plugin');
  const shareDir = ['mysql', 'mariadb'].map((name) => join(root, 'usr/share', name)).find((path) => existsSync(path));
  if (shareDir === undefined) return `${identity.name}: the fetched packages have no message files`;
  return { ...identity, bin, root, pluginDir, shareDir, cache };
}

/** The unpacked programs that are of use; scripts of the packages (Perl, shell) are not among them. */
function programs(root: string): string[] {
  const names =
    '{mysql,mysqldump,mysqladmin,mysqlslap,mysqlimport,mysqlbinlog,mariadb,mariadb-dump,mariadb-admin,mariadb-slap,my_print_defaults,mysqld,mariadbd,resolveip}';
  return globSync(`usr/{bin,sbin}/${names}`, { cwd: root }).map((path) => join(root, path));
}

/** Libraries come by the loader's own option or by an environment that ends with the program. */
function writeScript(bin: string, program: string, fetched: Fetched): void {
  const target = realpathSync(program);
  const start =
    fetched.loader === undefined
      ? `LD_LIBRARY_PATH='${fetched.libraryPath}' exec '${target}' "$@"`
      : `exec '${fetched.loader}' --library-path '${fetched.libraryPath}' --argv0 '${program}' '${target}' "$@"`;
  const plugins = globSync('usr/lib/*-linux-gnu/libmariadb3/plugin', { cwd: fetched.root })[0];
  const clientPlugins =
    plugins === undefined ? '' : `export MARIADB_PLUGIN_DIR="\${MARIADB_PLUGIN_DIR:-${join(fetched.root, plugins)}}"\n`;
  const text = `#!/bin/sh\n${clientPlugins}${start}\n`;
  const path = join(bin, basename(program));
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return;
  const scratch = `${path}.${process.pid}`;
  writeFileSync(scratch, text);
  chmodSync(scratch, 0o755);
  renameSync(scratch, path);
}
