import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join as joinPath } from 'node:path';
import type { Address, Config, ProxyConfig } from '../../config/schema.ts';
import { defaultJournal } from '../../config/defaults.ts';
import { ConfigError } from '../../errors.ts';
import { parseHosts } from '../../pki/names.ts';
import type { AuthorityType, ProxyServer } from '../../resource/resource.ts';
import { resourceToJson } from '../../rpc/convert.ts';
import { fromConnectError } from '../../rpc/errors.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import { AuditTrail } from '../audit-trail.ts';
import { addressText } from '../address-text.ts';
import { type CacheChange, type ClusterCache, openClusterCache, PROXY_KINDS } from '../cache.ts';
import { readJoinToken } from '../join-token.ts';
import { Trust } from '../trust.ts';
import { type HostIdentityHolder, openHostIdentity } from '../identity.ts';
import type { RunningService } from '../service.ts';
import { Gateway } from './gateway.ts';
import { withFixed } from './gateway-settings.ts';
import type { PublicPicture } from './https.ts';
import { Presence } from './presence.ts';
import type { ShownCertificate } from './tls-door.ts';
import { builtFolder, folderSource, type WebSource } from './web-files.ts';

export type ProxyServiceDeps = {
  /** With `proxy` and `authServer` set. */
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
  /** Of this program; told by `/webapi/ping`. */
  readonly version: string;
  /** 0 to below 1; spreads retries and sessions, never secrets. Default Math.random. */
  readonly random?: () => number;
  /** The files of the web UI. Default: those that were built beside this program. */
  readonly webFiles?: WebSource;
  /** Ends the attempts to join. */
  readonly signal?: AbortSignal;
};

/**
 * Starts the proxy: its identity (joining when it has none, which waits for Auth), its copy of the cluster, the public port. Resolves when the port is open; `readiness`
 * tells when it is of use. Throws ConfigError (HTTPS key pairs), LoginError (token, pin), StorageError (identity file, journal) or UpstreamError (port taken).
 */
export async function startProxyService(deps: ProxyServiceDeps): Promise<RunningService> {
  const { config, clock, log } = deps;
  const { proxy, authServer } = settingsOf(config);
  const httpsCertificates = await readKeypairs(proxy);
  const join = await readJoinToken(config, log);
  const identity = await openHostIdentity({
    dataDir: config.dataDir,
    role: 'proxy',
    hostName: config.nodeName ?? hostname(),
    addresses: [addressText(authServer)],
    via: 'direct',
    clock,
    log,
    ...namesOf(proxy),
    ...(join === undefined ? {} : { join }),
    ...(deps.signal === undefined ? {} : { signal: deps.signal }),
    ...(deps.random === undefined ? {} : { random: deps.random }),
  });
  const service = makeService(deps, identity, httpsCertificates);
  try {
    await service.begin();
  } catch (error) {
    await service.abandon();
    throw error;
  }
  return service;
}

function makeService(
  deps: ProxyServiceDeps,
  identity: HostIdentityHolder,
  httpsCertificates: readonly ShownCertificate[],
): ProxyService {
  try {
    return new ProxyService(deps, identity, httpsCertificates);
  } catch (error) {
    identity.close();
    throw error;
  }
}

class ProxyService implements RunningService {
  readonly name = 'proxy';
  readonly #deps: ProxyServiceDeps;
  readonly #identity: HostIdentityHolder;
  readonly #audit: AuditTrail;
  readonly #cache: ClusterCache;
  readonly #trust: Trust;
  readonly #gateway: Gateway;
  readonly #presence: Presence;
  #config: Config;
  #cacheReady = false;
  #draining = false;
  #port = 0;
  /** Of clients of MySQL that begin in clear; undefined: nothing listens for them. */
  #mysqlPort: number | undefined;

  constructor(deps: ProxyServiceDeps, identity: HostIdentityHolder, httpsCertificates: readonly ShownCertificate[]) {
    const { clock, log, instruments, config } = deps;
    const { proxy, authServer } = settingsOf(config);
    const random = deps.random ?? Math.random;
    this.#deps = deps;
    this.#config = config;
    this.#identity = identity;
    // First what can fail: nothing else is begun when the journal can not be opened.
    this.#audit = this.#openAudit(proxy, random);
    this.#cache = openClusterCache({ client: identity.connection.client, kinds: PROXY_KINDS, clock, log, random });
    this.#trust = new Trust({
      clusterName: identity.clusterName,
      certificates: (type) => this.#authorities(type),
      log,
    });
    this.#gateway = new Gateway({
      config: proxy,
      authServer,
      credentials: identity.current(),
      httpsCertificates,
      trust: (type) => this.#trust.of(type),
      locks: () => this.#cache.locks(),
      isKnownDatabase: (name) => this.#isKnownDatabase(name),
      picture: () => this.#picture(),
      ready: () => this.readiness().ready,
      sso: {
        finishSso: (request) => identity.connection.client.finishSso(request),
        getSamlMetadata: (request) => identity.connection.client.getSamlMetadata(request),
      },
      webFiles: deps.webFiles ?? folderSource(builtFolder),
      audit: this.#audit.writer,
      clock,
      random,
      log,
      instruments,
    });
    this.#presence = new Presence({ send: () => this.#beat(), clock, log, random });
    identity.onRenew((credentials) => this.#gateway.renew(credentials));
  }

  get addresses(): Readonly<Record<string, string>> {
    const { listenAddr, mysqlListenAddr } = settingsOf(this.#config).proxy;
    return {
      public: addressText({ host: listenAddr.host, port: this.#port }),
      ...(mysqlListenAddr === undefined || this.#mysqlPort === undefined
        ? {}
        : { mysql: addressText({ host: mysqlListenAddr.host, port: this.#mysqlPort }) }),
    };
  }

  /** Opens the ports and everything that moves by itself. */
  async begin(): Promise<void> {
    this.#audit.start();
    this.#cache.onChange((change) => this.#cacheChanged(change));
    this.#cache.ready.then(
      () => {
        this.#cacheReady = true;
        for (const type of AUTHORITY_TYPES) this.#keepAuthorities(type);
      },
      () => undefined,
    );
    const { port, mysql } = await this.#gateway.listen();
    this.#port = port;
    this.#mysqlPort = mysql?.port;
    this.#deps.log.info({ address: this.addresses['public'], public_addr: this.#publicAddress() }, 'proxy listens');
    if (mysql !== undefined)
      this.#deps.log.info(
        { address: this.addresses['mysql'], public_addr: this.#mysqlPublicAddress() },
        'proxy listens for MySQL',
      );
    this.#presence.start();
  }

  /** After `begin` failed. */
  async abandon(): Promise<void> {
    this.#presence.close();
    await this.#audit.close(0);
    await this.#cache.close();
    this.#identity.close();
  }

  readiness(): { readonly ready: boolean; readonly reason?: string } {
    if (this.#draining) return { ready: false, reason: 'shutting down' };
    if (!this.#identity.valid())
      return { ready: false, reason: "this host's certificate expired; the auth service did not renew it" };
    if (!this.#cacheReady)
      return { ready: false, reason: 'locks and authorities are not here yet: the auth service was not reached' };
    return { ready: true };
  }

  async reload(config: Config): Promise<void> {
    const { log } = this.#deps;
    const next = settingsOf(config);
    const before = settingsOf(this.#config);
    const names = namesOf(next.proxy);
    this.#gateway.use(next.proxy, await readKeypairs(next.proxy));
    this.#identity.useNames(names);
    const fixed = (settings: typeof next): string =>
      JSON.stringify([
        settings.proxy.listenAddr,
        settings.proxy.mysqlListenAddr,
        settings.proxy.tunnel,
        settings.authServer,
        settings.proxy.limits.maxTunnels,
        settings.proxy.limits.maxJournalBytes,
      ]);
    if (fixed(next) !== fixed(before))
      log.warn(
        {},
        'changed settings of listen_addr, mysql_listen_addr, tunnel, max_tunnels, max_journal_bytes or auth_server count after a restart',
      );
    this.#config = { ...config, proxy: withFixed(next.proxy, before.proxy), authServer: before.authServer };
    this.#presence.changed();
    log.info({}, 'configuration reloaded');
  }

  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    this.#presence.changed();
    await this.#gateway.drain(timeoutMs);
    await this.#presence.goodbye();
    await this.#gateway.close();
    await this.#audit.close(SHIP_TIMEOUT_MS);
    await this.#cache.close();
    this.#identity.close();
  }

  #cacheChanged({ kind, name }: CacheChange): void {
    if (kind === 'lock') this.#gateway.checkLocks();
    else if (kind === 'authority') {
      const type = AUTHORITY_TYPES.find((known) => known === name);
      if (type !== undefined) this.#keepAuthorities(type);
    }
  }

  #keepAuthorities(type: AuthorityType): void {
    this.#identity
      .useAuthorities(type, this.#cache.authorities(type))
      .catch((error: unknown) =>
        this.#deps.log.error({ err: error, authority: type }, 'new authorities could not be kept on disk'),
      );
  }

  #authorities(type: AuthorityType): readonly string[] {
    const cached = this.#cache.authorities(type);
    return cached.length > 0 ? cached : this.#identity.authorities(type);
  }

  /** Also any name before the first picture of the cluster: "there is none" would be a guess. */
  #isKnownDatabase(name: string): boolean {
    return (
      !this.#cacheReady ||
      this.#cache.database(name) !== undefined ||
      this.#cache.databaseServers().some(({ spec }) => spec.database.metadata.name === name)
    );
  }

  #publicAddress(): string {
    const { publicAddrs } = settingsOf(this.#config).proxy;
    return addressText(publicAddrs[0] ?? { host: this.#identity.hostName, port: this.#port });
  }

  #mysqlPublicAddress(): string | undefined {
    if (this.#mysqlPort === undefined) return undefined;
    const { publicAddrs, mysqlPublicAddrs } = settingsOf(this.#config).proxy;
    const host = publicAddrs[0]?.host ?? this.#identity.hostName;
    return addressText(mysqlPublicAddrs[0] ?? { host, port: this.#mysqlPort });
  }

  #picture(): PublicPicture {
    const host = this.#trust.of('host');
    const mysql = this.#mysqlPublicAddress();
    return {
      cluster_name: this.#identity.clusterName,
      server_version: this.#deps.version,
      proxy: { public_addr: this.#publicAddress(), ...(mysql === undefined ? {} : { mysql_public_addr: mysql }) },
      auth: { type: this.#cache.preference()?.spec.type ?? 'local' },
      host_authorities: host.certificates,
      ca_pins: host.pins,
    };
  }

  /** Of refusals alone: it never holds a session up, so readiness does not ask for it (refusal-trail.ts). */
  #openAudit(proxy: ProxyConfig, random: () => number): AuditTrail {
    const { config, clock, log, instruments } = this.#deps;
    const { clusterName, hostId, connection } = this.#identity;
    return new AuditTrail({
      service: 'proxy',
      directory: joinPath(config.dataDir, 'proxy', 'journal'),
      journal: { ...defaultJournal, maxBytes: proxy.limits.maxJournalBytes },
      host: { cluster_name: clusterName, server_id: hostId },
      client: connection.client,
      clock,
      log,
      instruments,
      random,
    });
  }

  async #beat(): Promise<{ readonly nextSeconds: number }> {
    const { hostId, hostName } = this.#identity;
    const mysql = this.#mysqlPublicAddress();
    const resource: ProxyServer = {
      kind: 'proxy_server',
      version: 'v2',
      metadata: { name: hostId },
      spec: {
        host_id: hostId,
        host_name: hostName,
        public_addr: this.#publicAddress(),
        ...(mysql === undefined ? {} : { mysql_public_addr: mysql }),
        ...(this.#draining ? { draining: true } : {}),
      },
    };
    try {
      return await this.#identity.connection.client.heartbeat({
        resources: [resourceToJson(resource)],
        auditBacklogBytes: BigInt(this.#audit.backlogBytes),
        auditLagMilliseconds: BigInt(Math.round(this.#audit.lagMs)),
        version: this.#deps.version,
      });
    } catch (error) {
      throw fromConnectError(error);
    }
  }
}

function settingsOf({ proxy, authServer }: Config): { readonly proxy: ProxyConfig; readonly authServer: Address } {
  if (proxy === undefined || authServer === undefined)
    throw new ConfigError(['proxy_service is not enabled or has no auth_server']);
  return { proxy, authServer };
}

/** By which clients reach the host certificate. */
function namesOf({ publicAddrs, mysqlPublicAddrs }: ProxyConfig): ReturnType<typeof parseHosts> {
  return parseHosts([...publicAddrs, ...mysqlPublicAddrs].map(({ host }) => host));
}

async function readKeypairs(proxy: ProxyConfig): Promise<readonly ShownCertificate[]> {
  return Promise.all(
    proxy.httpsKeypairs.map(async ({ keyFile, certFile }) => {
      try {
        const [certificate, privateKey] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
        return { certificate, privateKey };
      } catch (error) {
        throw new ConfigError([
          `proxy_service.https_keypairs: ${certFile} or ${keyFile} can not be read (${error instanceof Error && 'code' in error ? error.code : 'unknown'})`,
        ]);
      }
    }),
  );
}

/** At the end, for the last refusals to reach Auth; the rest waits on disk for the next start. */
const SHIP_TIMEOUT_MS = 2000;
const AUTHORITY_TYPES: readonly AuthorityType[] = ['user', 'host', 'db', 'db-client'];
