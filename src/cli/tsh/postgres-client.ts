import { basename, dirname } from 'node:path';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import type { ClientTarget, ConnectionInfo } from './connection-info.ts';
import { shellQuote } from './connection-info.ts';
import type { NativeClient } from './native-client.ts';
import { removeServices, writeService } from './pg-service-file.ts';
import type { ServiceSettings } from './pg-service.ts';
import { environmentWith, findProgram } from './run-program.ts';

/** psql and everything built on libpq. */
export const postgresClient: NativeClient = {
  configure: (io, section, info) => writeService(io, section, serviceSettings(info)),
  unconfigure: removeServices,
  configured: (section) => ({
    file: `section [${section}] of pg_service.conf`,
    command: `psql ${JSON.stringify(`service=${section}`)}`,
  }),
  environment: (_section, info) => proxyEnvironment(info),
  commandLine: (_io, info) => psqlCommand(info),
  interactive: (io, target, args) => ({ path: findPsql(io), args, env: psqlEnvironment(io, target) }),
  script: (io, target) => ({
    path: findPsql(io),
    args: ['--no-psqlrc', '--no-password', '--set=ON_ERROR_STOP=1', '--file=-'],
    env: psqlEnvironment(io, target),
  }),
  check: (io) => void findPsql(io),
  // 2 = the connection to the server went bad or was never made.
  lostConnection: (code) => code === 2,
  socketName: '.s.PGSQL.5432',
};

/** https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS */
function serviceSettings(info: ConnectionInfo): ServiceSettings {
  return {
    host: info.host,
    port: String(info.port),
    user: info.user === '' ? undefined : info.user,
    dbname: info.database === '' ? undefined : info.database,
    sslmode: 'verify-full',
    sslrootcert: info.ca,
    sslcert: info.cert,
    sslkey: info.key,
    gssencmode: 'disable',
  };
}

/** https://www.postgresql.org/docs/current/libpq-envars.html */
function proxyEnvironment(info: ConnectionInfo): Readonly<Record<string, string>> {
  return {
    PGHOST: info.host,
    PGPORT: String(info.port),
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: info.ca,
    PGSSLCERT: info.cert,
    PGSSLKEY: info.key,
    ...who(info),
    PGGSSENCMODE: 'disable',
  };
}

/** libpq takes a folder as host, and builds the socket's name from the port. */
function socketEnvironment(target: ClientTarget & { readonly kind: 'socket' }): Readonly<Record<string, string>> {
  return {
    PGHOST: dirname(target.path),
    PGPORT: basename(target.path).replace(/^.*\./, ''),
    PGSSLMODE: 'disable',
    ...who(target),
    PGGSSENCMODE: 'disable',
  };
}

function who(of: { readonly user: string; readonly database: string }): Readonly<Record<string, string>> {
  return {
    ...(of.user === '' ? {} : { PGUSER: of.user }),
    ...(of.database === '' ? {} : { PGDATABASE: of.database }),
  };
}

/** A connection URI. */
function psqlCommand(info: ConnectionInfo): string {
  const host = info.host.includes(':') ? `[${info.host}]` : info.host;
  const query = new URLSearchParams({
    sslmode: 'verify-full',
    sslrootcert: info.ca,
    sslcert: info.cert,
    sslkey: info.key,
    gssencmode: 'disable',
  });
  const user = info.user === '' ? '' : `${encodeURIComponent(info.user)}@`;
  // libpq decodes %20 but takes + as it is.
  const uri = `postgresql://${user}${host}:${info.port}/${encodeURIComponent(info.database)}?${query.toString().replaceAll('+', '%20')}`;
  return `psql ${shellQuote(uri)}`;
}

function findPsql(io: Io): string {
  const path = findProgram(io, 'psql');
  if (path !== undefined) return path;
  throw failure(
    'CLIENT_MISSING',
    'psql is not installed, or not on PATH',
    'install it (Debian: apt install postgresql-client; macOS: brew install libpq), or use any other client: tsh db config --format=json',
  );
}

/** The person's environment with ours on top, without what would lead psql elsewhere or send a password. */
function psqlEnvironment(io: Io, target: ClientTarget): Record<string, string> {
  return environmentWith(
    io,
    MISLEADING,
    target.kind === 'proxy' ? proxyEnvironment(target.info) : socketEnvironment(target),
  );
}

const MISLEADING: ReadonlySet<string> = new Set([
  'PGHOSTADDR',
  'PGSERVICE',
  'PGUSER',
  'PGDATABASE',
  'PGPASSWORD',
  'PGREQUIRESSL',
  'PGSSLROOTCERT',
  'PGSSLCERT',
  'PGSSLKEY',
  'PGSSLCRL',
  'PGSSLCRLDIR',
  'PGSSLSNI',
  'PGSSLCERTMODE',
  'PGSSLNEGOTIATION',
  'PGREQUIREAUTH',
  'PGREQUIREPEER',
  'PGCHANNELBINDING',
  'PGTARGETSESSIONATTRS',
  'PGLOADBALANCEHOSTS',
]);
