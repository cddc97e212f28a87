import { parseProxyAddress } from '../address.ts';
import { failure } from '../failure.ts';
import type { ServiceSettings } from './pg-service.ts';
import type { DatabaseLogin } from './route-certificate.ts';
import type { Session } from './session.ts';

/** Everything a native client needs to connect through the proxy. */
export type ConnectionInfo = {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
};

/** What a login means to a client. The host is the address that was proved at sign-in. */
export function connectionInfo(session: Session, login: DatabaseLogin): ConnectionInfo {
  const { host, port } = parseProxyAddress(session.profile.proxy);
  return {
    name: login.service,
    host,
    port,
    user: login.user,
    database: login.database,
    ca: session.store.proxyAuthoritiesPath(session.profile),
    cert: `${login.path}.crt`,
    key: `${login.path}.key`,
  };
}

/** Name of the section in `pg_service.conf`. */
export function serviceName(session: Session, database: string): string {
  return `${session.profile.cluster}-${database}`;
}

/** https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS */
export function serviceSettings(info: ConnectionInfo): ServiceSettings {
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
export function postgresEnvironment(info: ConnectionInfo): Readonly<Record<string, string>> {
  return {
    PGHOST: info.host,
    PGPORT: String(info.port),
    PGSSLMODE: 'verify-full',
    PGSSLROOTCERT: info.ca,
    PGSSLCERT: info.cert,
    PGSSLKEY: info.key,
    ...(info.user === '' ? {} : { PGUSER: info.user }),
    ...(info.database === '' ? {} : { PGDATABASE: info.database }),
    PGGSSENCMODE: 'disable',
  };
}

/** One command line for psql that needs no other file: a connection URI. */
export function psqlCommand(info: ConnectionInfo): string {
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

/** A word for a POSIX shell. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Only PostgreSQL has a client configuration here. */
export function requirePostgres(protocol: string, name: string): void {
  if (protocol === 'postgres') return;
  throw failure(
    'PROTOCOL_UNSUPPORTED',
    `${name} speaks ${protocol}, which this version of tsh can not configure a client for`,
    'PostgreSQL databases: tsh db ls -v',
  );
}
