import { execFileSync } from 'node:child_process';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import type { ClientTarget, ConnectionInfo } from './connection-info.ts';
import { shellQuote } from './connection-info.ts';
import { removeGroups, writeGroups } from './my-cnf-file.ts';
import type { OptionGroup } from './my-cnf.ts';
import type { NativeClient } from './native-client.ts';
import { environmentWith, findProgram } from './run-program.ts';

/** `mariadb` or `mysql`: both speak with both servers, but name the options of TLS differently. */
export const mysqlClient: NativeClient = {
  configure: (io, section, info) => writeGroups(io, optionGroups(section, info)),
  unconfigure: (io, sections) =>
    removeGroups(
      io,
      sections.flatMap((section) => GROUPS.map((group) => `${group}_${section}`)),
    ),
  configured: (section) => ({
    file: `group [client_${section}] of ~/.my.cnf`,
    command: `mysql ${shellQuote(`--defaults-group-suffix=_${section}`)}`,
  }),
  environment: (section) => ({ MYSQL_GROUP_SUFFIX: `_${section}` }),
  commandLine: (io, info) => {
    const found = findClient(io);
    const flavor = found?.flavor ?? 'mysql';
    const noPassword = found === undefined ? [] : withoutPassword(io, found);
    return [flavor, ...targetOptions(flavor, { kind: 'proxy', info }), ...noPassword].map(shellQuote).join(' ');
  },
  interactive: (io, target, args) => {
    const found = client(io);
    const options = [...targetOptions(found.flavor, target), ...withoutPassword(io, found), ...args];
    return { path: found.path, args: options, env: environmentWith(io, MISLEADING, {}) };
  },
  script: (io, target) => {
    const { path, flavor } = client(io);
    const args = ['--no-defaults', ...targetOptions(flavor, target), '--table'];
    return { path, args, env: environmentWith(io, MISLEADING, {}) };
  },
  check: (io) => void client(io),
  // Both end with 1 for every error; a person's own statements may have one, a session at the prompt goes on after it.
  lostConnection: (code, args) => code === 1 && args.length === 0,
  socketName: 'mysql.sock',
};

/**
 * Three groups serve every client. `[client_S]` is read by all of them and holds only what all of them know: `database` would stop mysqldump, so it stands in
 * the group of the prompt; `ssl-verify-server-cert` is MariaDB's (11.4 and newer verify anyway, older ones only with it) and mysql's `ssl-mode` is unknown there,
 * so it is `loose-`: MariaDB's clients warn of it once and go on. An empty password overrides one that stands under plain `[client]`.
 */
function optionGroups(section: string, info: ConnectionInfo): ReadonlyMap<string, OptionGroup> {
  return new Map<string, OptionGroup>([
    [
      `client_${section}`,
      {
        host: info.host,
        port: String(info.port),
        // `localhost` would mean a socket file.
        protocol: 'TCP',
        user: info.user === '' ? undefined : info.user,
        password: '',
        'ssl-ca': info.ca,
        'ssl-cert': info.cert,
        'ssl-key': info.key,
        'loose-ssl-mode': 'VERIFY_IDENTITY',
      },
    ],
    [`mysql_${section}`, { database: info.database === '' ? undefined : info.database }],
    [`client-mariadb_${section}`, { 'ssl-verify-server-cert': '1' }],
  ]);
}

type Flavor = 'mariadb' | 'mysql';

/** Flags that leave nothing to what stands in option files. */
function targetOptions(flavor: Flavor, target: ClientTarget): string[] {
  if (target.kind === 'socket') {
    const clear = flavor === 'mysql' ? '--ssl-mode=DISABLED' : '--skip-ssl';
    return ['--host=localhost', '--protocol=SOCKET', `--socket=${target.path}`, ...who(target), clear];
  }
  const { info } = target;
  return [
    `--host=${info.host}`,
    `--port=${info.port}`,
    '--protocol=TCP',
    ...who(info),
    `--ssl-ca=${info.ca}`,
    `--ssl-cert=${info.cert}`,
    `--ssl-key=${info.key}`,
    flavor === 'mysql' ? '--ssl-mode=VERIFY_IDENTITY' : '--ssl-verify-server-cert',
  ];
}

function who(of: { readonly user: string; readonly database: string }): string[] {
  return [
    ...(of.user === '' ? [] : [`--user=${of.user}`]),
    ...(of.database === '' ? [] : [`--database=${of.database}`]),
  ];
}

type Client = { readonly path: string; readonly flavor: Flavor };

function client(io: Io): Client {
  const found = findClient(io);
  if (found !== undefined) return found;
  throw failure(
    'CLIENT_MISSING',
    'neither mariadb nor mysql is installed, or on PATH',
    'install one (Debian: apt install mariadb-client; macOS: brew install mysql-client), or use any other client: tsh proxy db --tunnel <database>',
  );
}

/** `mariadb` is what it says; a program called `mysql` may be either. */
function findClient(io: Io): Client | undefined {
  const mariadb = findProgram(io, 'mariadb');
  if (mariadb !== undefined) return { path: mariadb, flavor: 'mariadb' };
  const mysql = findProgram(io, 'mysql');
  return mysql === undefined ? undefined : { path: mysql, flavor: flavorOf(io, mysql) };
}

function flavorOf(io: Io, path: string): Flavor {
  return /mariadb/i.test(outputOf(io, path, ['--no-defaults', '--version'])) ? 'mariadb' : 'mysql';
}

/**
 * A password that stands in an option file is meant for another server and is not sent. Only said when there is one: mysql warns of every flag about passwords, of
 * this one too.
 */
function withoutPassword(io: Io, { path, flavor }: Client): string[] {
  const isSet = flavor === 'mariadb' || /--(loose[-_])?pass(w|$|=)/m.test(outputOf(io, path, ['--print-defaults']));
  return isSet ? ['--skip-password'] : [];
}

/** Empty when it fails. */
function outputOf(io: Io, path: string, args: readonly string[]): string {
  try {
    return execFileSync(path, args, {
      encoding: 'utf8',
      timeout: VERSION_TIMEOUT_MS,
      stdio: ['ignore', 'pipe', 'ignore'],
      env: environmentWith(io, MISLEADING, {}),
    });
  } catch {
    return '';
  }
}

const GROUPS = ['client', 'mysql', 'client-mariadb'];
/** What would lead a client elsewhere or send a password. */
const MISLEADING: ReadonlySet<string> = new Set([
  'MYSQL_PWD',
  'MYSQL_HOST',
  'MYSQL_TCP_PORT',
  'MYSQL_UNIX_PORT',
  'MYSQL_GROUP_SUFFIX',
  'MARIADB_GROUP_SUFFIX',
  'MARIADB_TLS_DISABLE_PEER_VERIFICATION',
]);
const VERSION_TIMEOUT_MS = 5000;
