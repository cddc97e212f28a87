import type { YamlDocument } from '../resource/document.ts';
import { dotted, inFileOrder } from '../resource/problems.ts';
import { defaultProxyListenAddr, defaultTunnel } from './defaults.ts';
import type { ConfigFile } from './file.ts';

/** What keys of `tessera.yaml` mean together: each problem as `path:line:column: key: what to do`. */
export function relationProblems(file: ConfigFile, document: YamlDocument): string[] {
  const problems: string[] = [];
  const say: Say = (keys, what) => {
    problems.push(`${document.place(keys, 'key')}: ${dotted(keys)}${keys.length > 0 ? ': ' : ''}${what}`);
  };
  const { tessera = {}, auth_service: auth, proxy_service: proxy, db_service: database } = file;
  const enabled = {
    auth: auth?.enabled === true,
    proxy: proxy?.enabled === true,
    database: database?.enabled === true,
  };
  if (auth !== undefined && enabled.auth && auth.cluster_name === undefined) {
    say(['auth_service'], 'cluster_name is missing: it names the cluster for ever, so it has no default');
  }
  authAddressProblems(tessera, enabled, say);
  proxyAddressProblems(tessera, enabled, say);
  joinProblems(tessera, enabled, say);
  if (proxy !== undefined) mysqlProblems(proxy, say);
  tunnelProblems('proxy_service', proxy?.tunnel, say);
  tunnelProblems('db_service', database?.tunnel, say);
  if (database !== undefined) databaseProblems(database, say);
  return inFileOrder(problems);
}

type Say = (keys: readonly (string | number)[], what: string) => void;
type Enabled = { readonly auth: boolean; readonly proxy: boolean; readonly database: boolean };
type Base = NonNullable<ConfigFile['tessera']>;
type DatabaseSection = NonNullable<ConfigFile['db_service']>;
type ProxySection = NonNullable<ConfigFile['proxy_service']>;
type Tunnel = DatabaseSection['tunnel'];

/** Proxies reach Auth directly; agents reach it through a proxy. */
function authAddressProblems({ auth_server: authServer }: Base, enabled: Enabled, say: Say): void {
  if (!enabled.auth && !enabled.proxy && !enabled.database) {
    say([], 'no service is enabled: expected enabled: yes in at least one of auth_service, proxy_service, db_service');
    return;
  }
  if (authServer === undefined) {
    if (enabled.proxy && !enabled.auth) {
      say(['proxy_service'], 'tessera.auth_server is missing: a proxy needs the host:port of the Auth Service');
    }
  } else if (enabled.auth) {
    say(['tessera', 'auth_server'], 'this process is the Auth Service: its own services use it without auth_server');
  } else if (!enabled.proxy) {
    say(
      ['tessera', 'auth_server'],
      'a process with db_service alone reaches the Auth Service through the proxy, so that it needs no way into the private network: expected only proxy_server',
    );
  }
}

function proxyAddressProblems({ proxy_server: proxyServer }: Base, enabled: Enabled, say: Say): void {
  if (enabled.database && !enabled.proxy && proxyServer === undefined) {
    say(
      ['db_service'],
      'tessera.proxy_server is missing: an agent dials the proxies, expected one host:port or a list',
    );
  }
  if (!enabled.database && proxyServer !== undefined) {
    say(['tessera', 'proxy_server'], 'only db_service dials proxies, and it is not enabled');
  }
}

function joinProblems(base: Base, enabled: Enabled, say: Say): void {
  const { join_token: token, join_token_file: tokenFile, ca_pin: pin } = base;
  if (token !== undefined && tokenFile !== undefined) {
    say(['tessera', 'join_token_file'], 'expected either join_token or join_token_file, got both');
  }
  if (enabled.auth || (!enabled.proxy && !enabled.database)) return;
  if (token === undefined && tokenFile === undefined) {
    say(
      ['tessera'],
      'join_token_file (or join_token) is missing: the first start joins the cluster with a token from "tessera tokens add"; later starts do not read it',
    );
  }
  if (pin === undefined) {
    say(
      ['tessera'],
      'ca_pin is missing: without it the first start could not know the right Auth Service; "tessera tokens add" prints it',
    );
  }
}

function tunnelProblems(service: string, tunnel: Tunnel, say: Say): void {
  if (tunnel === undefined) return;
  const timeout = tunnel.keep_alive_timeout ?? defaultTunnel.keepAliveTimeoutMs;
  if (timeout <= (tunnel.keep_alive_interval ?? defaultTunnel.keepAliveIntervalMs)) {
    say([service, 'tunnel'], 'expected keep_alive_timeout (default 30s) longer than keep_alive_interval (default 10s)');
  }
}

/** The server speaks first there: what waits for the client's first byte can not be on the same port. */
function mysqlProblems(proxy: ProxySection, say: Say): void {
  const { listen_addr: listen = defaultProxyListenAddr, mysql_listen_addr: mysql } = proxy;
  if (mysql === undefined) {
    for (const key of ['mysql_public_addr', 'mysql_server_version'] as const) {
      if (proxy[key] !== undefined)
        say(['proxy_service', key], 'without mysql_listen_addr nothing listens for it: expected mysql_listen_addr too');
    }
  } else if (mysql.port !== 0 && mysql.port === listen.port && areOneHost(mysql.host, listen.host)) {
    say(
      ['proxy_service', 'mysql_listen_addr'],
      `expected another port than ${listen.port} of listen_addr: a server of MySQL speaks first, so it can not be told apart there`,
    );
  }
}

function areOneHost(a: string, b: string): boolean {
  return a === b || [a, b].some((host) => host === '0.0.0.0' || host === '::');
}

function databaseProblems({ enabled, databases = [], resources = [] }: DatabaseSection, say: Say): void {
  const seen = new Set<string>();
  for (const [index, { name, tls }] of databases.entries()) {
    const at = ['db_service', 'databases', index];
    if (seen.has(name))
      say([...at, 'name'], `${JSON.stringify(name)} is there twice: expected one entry for each database`);
    seen.add(name);
    if (tls?.mode === 'insecure' && hasIdleChecks(tls)) {
      say(
        [...at, 'tls', 'mode'],
        'insecure checks no certificate, so ca_cert_file, server_name and trust_system_cert_pool would do nothing: expected verify-full or verify-ca, or none of them',
      );
    }
  }
  if (enabled && databases.length === 0 && resources.length === 0) {
    say(['db_service'], 'nothing to serve: expected databases, or resources with labels of "db" resources');
  }
}

function hasIdleChecks(tls: NonNullable<NonNullable<DatabaseSection['databases']>[number]['tls']>): boolean {
  return tls.ca_cert_file !== undefined || tls.server_name !== undefined || tls.trust_system_cert_pool === true;
}
