import { ConfigError } from '../errors.ts';
import { parseYaml, type YamlDocument } from '../resource/document.ts';
import { describeIssues } from '../resource/problems.ts';
import { compact } from '../resource/schema/metadata.ts';
import {
  defaultAuthLimits,
  defaultDatabaseLimits,
  defaultDataDir,
  defaultHealthCheck,
  defaultJournal,
  defaultMaxLockAgeMs,
  defaultProxyLimits,
  defaultProxyListenAddr,
} from './defaults.ts';
import { defaultShutdownTimeoutMs, defaultTunnel, withDefaults } from './defaults.ts';
import { fileSchema, type ConfigFile } from './file.ts';
import { relationProblems } from './relations.ts';
import type {
  Address,
  AuthConfig,
  Config,
  DatabaseServiceConfig,
  ProxyConfig,
  SecretSource,
  StaticDatabase,
} from './schema.ts';

/** Of `tessera.yaml`. 1 MiB: thousands of databases. */
export const maxConfigBytes = 1024 * 1024;

/**
 * `tessera.yaml` as a frozen Config with every default filled in. Does no I/O: files it names are not opened. `env` may give
 * `TESSERA_DATA_DIR` where the file does not. Throws one ConfigError that lists every problem as
 * `path:line:column: key: expected, got, did you mean`; a bad value never becomes a default.
 */
export function parseConfig(
  text: string,
  path: string,
  env: { readonly [name: string]: string | undefined } = {},
): Config {
  const documents = parseYaml(text, path, { maxBytes: maxConfigBytes, maxBytesName: 'maxConfigBytes' });
  const document = documents[0];
  if (document === undefined)
    throw new ConfigError([
      `${path}:1:1: the file is empty: expected version, and at least one of auth_service, proxy_service, db_service`,
    ]);
  if (documents.length > 1)
    throw new ConfigError([`${documents[1]?.place([]) ?? path}: expected one document, got ${documents.length}`]);
  const file = readFile(document);
  const problems = relationProblems(file, document);
  if (problems.length > 0) throw new ConfigError(problems);
  return freeze(toConfig(file, path, env));
}

function readFile(document: YamlDocument): ConfigFile {
  const parsed = fileSchema.safeParse(document.value);
  if (parsed.success) return parsed.data;
  throw new ConfigError(describeIssues(fileSchema, parsed.error.issues, document.value, document.place));
}

function toConfig(file: ConfigFile, path: string, env: { readonly [name: string]: string | undefined }): Config {
  const base = file.tessera ?? {};
  const dataDir = base.data_dir ?? env['TESSERA_DATA_DIR'] ?? defaultDataDir;
  const auth = file.auth_service?.enabled === true ? authConfig(file.auth_service, dataDir) : undefined;
  const proxy = file.proxy_service?.enabled === true ? proxyConfig(file.proxy_service) : undefined;
  const database = file.db_service?.enabled === true ? databaseConfig(file.db_service) : undefined;
  return compact({
    path,
    nodeName: base.nodename,
    dataDir,
    diagAddr: base.diag_addr,
    pidFile: base.pid_file,
    log: withDefaults({ level: 'info', format: 'text' }, base.log),
    ...peers(base, auth, proxy),
    shutdownTimeoutMs: base.shutdown_timeout ?? defaultShutdownTimeoutMs,
    auth,
    proxy,
    database,
  }) as Config;
}

/** Who is dialled, and what a process without Auth joins with. */
function peers(base: Base, auth: AuthConfig | undefined, proxy: ProxyConfig | undefined): Partial<Config> {
  const token = auth === undefined ? tokenSource(base) : undefined;
  const authServer = base.auth_server ?? (auth === undefined ? undefined : local(auth.listenAddr));
  return {
    proxyServers: base.proxy_server ?? (proxy === undefined ? [] : [local(proxy.listenAddr)]),
    ...(authServer === undefined ? {} : { authServer }),
    ...(token === undefined ? {} : { join: { token, caPins: base.ca_pin ?? [] } }),
  };
}

function tokenSource(base: Base): SecretSource | undefined {
  if (base.join_token !== undefined) return { type: 'value', value: base.join_token };
  return base.join_token_file === undefined ? undefined : { type: 'file', path: base.join_token_file };
}

/** Where a service of this process finds another one of it: what listens everywhere also listens here. */
function local(listen: Address): Address {
  if (listen.host === '0.0.0.0') return { ...listen, host: '127.0.0.1' };
  return listen.host === '::' ? { ...listen, host: '::1' } : listen;
}

function authConfig(section: NonNullable<ConfigFile['auth_service']>, dataDir: string): AuthConfig {
  const [first = { type: 'file', directory: `${dataDir}/log` } as const, ...rest] = section.audit_events_uri ?? [];
  return {
    clusterName: section.cluster_name ?? '',
    listenAddr: section.listen_addr ?? { host: '127.0.0.1', port: 3025 },
    publicAddrs: section.public_addr ?? [],
    auditEvents: [first, ...rest],
    caKeyFile: section.ca_key_file ?? `${dataDir}/ca.key`,
    limits: withDefaults(defaultAuthLimits, section.limits),
  };
}

function proxyConfig(section: NonNullable<ConfigFile['proxy_service']>): ProxyConfig {
  const trusted = section.proxy_protocol?.trusted_sources;
  return {
    listenAddr: section.listen_addr ?? defaultProxyListenAddr,
    publicAddrs: section.public_addr ?? [],
    ...(section.mysql_listen_addr === undefined ? {} : { mysqlListenAddr: section.mysql_listen_addr }),
    mysqlPublicAddrs: section.mysql_public_addr ?? [],
    ...(section.mysql_server_version === undefined ? {} : { mysqlServerVersion: section.mysql_server_version }),
    httpsKeypairs: (section.https_keypairs ?? []).map(({ key_file: keyFile, cert_file: certFile }) => ({
      keyFile,
      certFile,
    })),
    web: section.web ?? true,
    ...(trusted === undefined ? {} : { proxyProtocol: { trustedSources: trusted } }),
    limits: withDefaults(defaultProxyLimits, section.limits),
    tunnel: withDefaults(defaultTunnel, section.tunnel),
  };
}

function databaseConfig(section: NonNullable<ConfigFile['db_service']>): DatabaseServiceConfig {
  return {
    databases: (section.databases ?? []).map(staticDatabase),
    resources: section.resources ?? [],
    journal: withDefaults(defaultJournal, section.journal),
    limits: withDefaults(defaultDatabaseLimits, section.limits),
    tunnel: withDefaults(defaultTunnel, section.tunnel),
    ...(section.password_dir === undefined ? {} : { passwordDir: section.password_dir }),
    healthCheck: withDefaults(defaultHealthCheck, section.health_check),
    maxLockAgeMs: section.max_lock_age ?? defaultMaxLockAgeMs,
  };
}

type Base = NonNullable<ConfigFile['tessera']>;
type DatabaseEntry = NonNullable<NonNullable<ConfigFile['db_service']>['databases']>[number];

function staticDatabase(entry: DatabaseEntry): StaticDatabase {
  const { name, description, static_labels: labels, protocol, uri, tls = {}, password_file, admin_user, mysql } = entry;
  const { ca_cert_file: caCertFile, mode = 'verify-full', server_name, trust_system_cert_pool } = tls;
  const database = {
    kind: 'db',
    version: 'v3',
    metadata: compact({ name, description, labels }),
    spec: compact({
      protocol,
      uri,
      tls: compact({ mode, server_name, trust_system_cert_pool }),
      password_file,
      admin_user,
      mysql,
    }),
  };
  return compact({ database, caCertFile }) as StaticDatabase;
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
