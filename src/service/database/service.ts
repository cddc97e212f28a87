import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { createSecureContext, type SecureContext } from 'node:tls';

import { Code, ConnectError } from '@connectrpc/connect';

import { authorize, type Denial, type Grant } from '../../access/grant.ts';
import type { CompressedBatch, Delivery } from '../../audit/shipper.ts';
import type { Config, DatabaseServiceConfig } from '../../config/schema.ts';
import { CancelKeys } from '../../engine/cancel-keys.ts';
import { BugError, ConfigError, UpstreamError } from '../../errors.ts';
import { verifyHostCertificate } from '../../pki/verify.ts';
import { fromConnectError } from '../../rpc/errors.ts';
import { resourceToJson } from '../../rpc/convert.ts';
import type { AuthorityType, Database } from '../../resource/resource.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import { dialTunnel } from '../../tunnel/dial.ts';
import { Dialer } from '../../tunnel/dialer.ts';
import { DEFAULT_MUX_LIMITS, newTunnelCounters } from '../../tunnel/limits.ts';
import type { Announcement } from '../../tunnel/tunnel.ts';
import { type CacheChange, type ClusterCache, DATABASE_KINDS, openClusterCache } from '../cache.ts';
import { type HostIdentityHolder, openHostIdentity } from '../identity.ts';
import type { RunningService } from '../service.ts';
import { AuditTrail } from './audit-trail.ts';
import { DatabaseCredentialCache } from './credentials.ts';
import { ServedDatabases } from './databases.ts';
import { databaseServerOf, Heartbeat, type HeartbeatMessage } from './heartbeat.ts';
import { HealthChecks } from './health.ts';
import { addressText, ProxyAddresses } from './proxies.ts';
import { readJoinToken } from './join-token.ts';
import { type Question, Sessions } from './sessions.ts';
import { Trust } from './trust.ts';

export type DatabaseServiceDeps = {
  /** With `database` set. */
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
  /** 0 to below 1; spreads retries, never secrets. Default Math.random. */
  readonly random?: () => number;
  /** Ends the attempts to join. */
  readonly signal?: AbortSignal;
};

/**
 * Starts the agent: its identity (joining when it has none, which waits for Auth), the audit journal, the databases, a tunnel to every proxy. Resolves as soon as it
 * works on its own; `readiness` tells when it is of use. Throws ConfigError, LoginError (token, pin) or StorageError (journal, identity file).
 */
export async function startDatabaseService(deps: DatabaseServiceDeps): Promise<RunningService> {
  const { config, clock, log } = deps;
  const settings = settingsOf(config);
  const databases = await readDatabases(settings);
  const join = await readJoinToken(config, log);
  const identity = await openHostIdentity({
    dataDir: config.dataDir,
    role: 'database',
    hostName: config.nodeName ?? hostname(),
    addresses: config.proxyServers.map(addressText),
    via: 'proxy',
    clock,
    log,
    ...(join === undefined ? {} : { join }),
    ...(deps.signal === undefined ? {} : { signal: deps.signal }),
    ...(deps.random === undefined ? {} : { random: deps.random }),
  });
  try {
    const service = new DatabaseService(deps, settings, identity);
    service.begin(config, settings, databases);
    return service;
  } catch (error) {
    identity.close();
    throw error;
  }
}

class DatabaseService implements RunningService {
  readonly name = 'database';
  readonly addresses = {};
  readonly #deps: DatabaseServiceDeps;
  readonly #random: () => number;
  readonly #identity: HostIdentityHolder;
  readonly #cache: ClusterCache;
  readonly #trust: Trust;
  readonly #audit: AuditTrail;
  readonly #databases: ServedDatabases;
  readonly #health: HealthChecks;
  readonly #heartbeat: Heartbeat;
  readonly #sessions: Sessions;
  readonly #dialer: Dialer;
  readonly #proxies: ProxyAddresses;
  readonly #cancelTag = randomInt(0x1000);
  readonly #policyListeners = new Set<() => void>();
  #policyChanged = false;
  #tunnelContext: { readonly key: string; readonly context: SecureContext } | undefined;
  #settings: DatabaseServiceConfig;
  #cacheReady = false;

  constructor(deps: DatabaseServiceDeps, settings: DatabaseServiceConfig, identity: HostIdentityHolder) {
    const { clock, log, instruments, config } = deps;
    this.#deps = deps;
    this.#random = deps.random ?? Math.random;
    this.#identity = identity;
    this.#settings = settings;
    this.#audit = new AuditTrail({
      dataDir: config.dataDir,
      journal: settings.journal,
      host: { cluster_name: identity.clusterName, server_id: identity.hostId },
      send: (batch, signal) => this.#ingest(batch, signal),
      clock,
      log,
      instruments,
      random: this.#random,
    });
    this.#cache = openClusterCache({
      client: identity.connection.client,
      kinds: DATABASE_KINDS,
      clock,
      log,
      random: this.#random,
    });
    this.#trust = new Trust({
      clusterName: identity.clusterName,
      certificates: (type) => this.#authorities(type),
      log,
    });
    this.#databases = new ServedDatabases({ log, onChange: () => this.#databasesChanged() });
    const credentials = new DatabaseCredentialCache({
      issue: (request) => this.#issue(request),
      databaseAuthorities: () => this.#authorities('db'),
      clock,
      log,
    });
    this.#health = new HealthChecks({
      ...settings.healthCheck,
      clock,
      log,
      random: this.#random,
      secureContext: (database) => credentials.healthContext(database),
      onChange: () => this.#presenceChanged(),
    });
    this.#heartbeat = new Heartbeat({
      send: (message) => this.#beat(message),
      servers: () =>
        this.#databases
          .all()
          .map((served) => databaseServerOf(served, identity, this.#health.of(served.database.metadata.name))),
      clock,
      log,
      random: this.#random,
    });
    this.#sessions = new Sessions({
      hostId: identity.hostId,
      clusterName: identity.clusterName,
      limits: settings.limits,
      databases: this.#databases,
      trust: this.#trust,
      credentials,
      cancelKeys: new CancelKeys(this.#cancelTag),
      writer: this.#audit.writer,
      decide: (question) => this.#decide(question),
      onPolicyChange: (callback) => this.#onPolicyChange(callback),
      clock,
      log,
      instruments,
    });
    this.#dialer = this.#makeDialer(settings);
    this.#proxies = new ProxyAddresses((addresses) => {
      this.#dialer.setProxies(addresses);
      identity.useAddresses(addresses);
    });
  }

  /** Everything that moves by itself. */
  begin(config: Config, settings: DatabaseServiceConfig, databases: readonly Database[]): void {
    this.#audit.start();
    this.#cache.onChange((change) => this.#cacheChanged(change));
    this.#cache.ready.then(() => this.#cacheFilled()).catch(() => {});
    this.#databases.configure(databases, settings.resources);
    this.#proxies.configure(config.proxyServers);
    this.#heartbeat.changed();
  }

  readiness(): { readonly ready: boolean; readonly reason?: string } {
    const reason = this.#notReady();
    return reason === undefined ? { ready: true } : { ready: false, reason };
  }

  async reload(config: Config): Promise<void> {
    const settings = settingsOf(config);
    const databases = await readDatabases(settings);
    this.#sessions.useLimits(settings.limits);
    this.#databases.configure(databases, settings.resources);
    this.#databases.useDynamic(this.#cache.databases());
    this.#proxies.configure(config.proxyServers);
    if (
      JSON.stringify([settings.journal, settings.tunnel, settings.healthCheck]) !==
      JSON.stringify([this.#settings.journal, this.#settings.tunnel, this.#settings.healthCheck])
    ) {
      this.#deps.log.warn({}, 'changed settings of journal, tunnel or health_check count after a restart');
    }
    this.#settings = {
      ...settings,
      journal: this.#settings.journal,
      tunnel: this.#settings.tunnel,
      healthCheck: this.#settings.healthCheck,
    };
    this.#deps.log.info({ databases: this.#databases.all().length }, 'configuration reloaded');
  }

  async drain(timeoutMs: number): Promise<void> {
    const { log } = this.#deps;
    this.#dialer.drain();
    await this.#sessions.drain(timeoutMs);
    this.#health.close();
    await this.#heartbeat
      .goodbye()
      .catch((error: unknown) => log.debug({ err: error }, 'the auth service was not told that this agent stops'));
    await this.#audit.close(shipTimeoutMs);
    this.#dialer.close();
    await this.#cache.close();
    this.#identity.close();
  }

  #notReady(): string | undefined {
    if (!this.#identity.valid()) return "this host's certificate expired; the auth service did not renew it";
    if (!this.#cacheReady) return 'roles and locks are not here yet: the auth service was not reached';
    if (this.#dialer.connectedCount === 0) return 'no tunnel to any proxy';
    const failure = this.#audit.failure;
    return failure === undefined ? undefined : 'the audit journal failed';
  }

  // Cluster state.

  #cacheFilled(): void {
    this.#cacheReady = true;
    this.#databases.useDynamic(this.#cache.databases());
    this.#proxies.useKnown(this.#cache.proxies());
    for (const type of authorityTypes) this.#keepAuthorities(type);
  }

  #cacheChanged({ kind, name }: CacheChange): void {
    if (kind === 'lock') this.#tellPolicy();
    else if (kind === 'db') this.#databases.useDynamic(this.#cache.databases());
    else if (kind === 'proxy_server') this.#proxies.useKnown(this.#cache.proxies());
    else if (kind === 'authority') {
      const type = authorityTypes.find((known) => known === name);
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

  /** Many locks may change in one turn: sessions look once. */
  #tellPolicy(): void {
    if (this.#policyChanged) return;
    this.#policyChanged = true;
    setImmediate(() => {
      this.#policyChanged = false;
      for (const listener of this.#policyListeners) listener();
    });
  }

  #onPolicyChange(callback: () => void): () => void {
    // A wrapper, so that one callback given twice counts twice.
    const listener = (): void => callback();
    this.#policyListeners.add(listener);
    return () => void this.#policyListeners.delete(listener);
  }

  #decide({ opening, database, request }: Question): Grant | Denial {
    const preference = this.#cache.preference();
    if (!this.#cacheReady || preference === undefined) {
      return {
        type: 'Denial',
        reason: 'stale-locks',
        message: 'this agent does not know the roles and locks of the cluster yet',
        hint: 'try again in a moment',
        audit: 'the cluster cache is empty',
      };
    }
    return authorize({
      identity: opening.client.identity,
      certificate: opening.client,
      roleByName: (name) => this.#cache.role(name),
      database,
      databaseUser: request.databaseUser,
      databaseName: request.databaseName,
      replication: request.replication,
      locks: this.#cache.locks(),
      locksAgeMs: this.#cache.ageMs(),
      maxLockAgeMs: this.#settings.maxLockAgeMs,
      nowMs: this.#deps.clock.now(),
      clientAddress: hostOf(opening.opening.clientAddress),
      preference,
      hostId: this.#identity.hostId,
    });
  }

  // Presence.

  #databasesChanged(): void {
    this.#health.watch(this.#databases.all().map(({ database }) => database));
    this.#presenceChanged();
  }

  #presenceChanged(): void {
    this.#dialer.announce();
    this.#heartbeat.changed();
  }

  #announcement(): Announcement {
    const databases = this.#databases.all().map(({ database }) => {
      const { name } = database.metadata;
      return { name, protocol: database.spec.protocol, health: this.#health.of(name).status };
    });
    return { databases, cancelTag: this.#cancelTag, draining: false };
  }

  // Calls to Auth.

  async #beat(message: HeartbeatMessage): Promise<{ readonly nextSeconds: number }> {
    try {
      return await this.#identity.connection.client.heartbeat({
        resources: message.servers.map((server) => resourceToJson(server)),
        removed: [...message.removed],
        auditBacklogBytes: BigInt(this.#audit.backlogBytes),
        auditLagMilliseconds: BigInt(Math.round(this.#audit.lagMs)),
      });
    } catch (error) {
      throw fromConnectError(error);
    }
  }

  async #ingest(batch: CompressedBatch, signal: AbortSignal): Promise<Delivery> {
    try {
      await this.#identity.connection.client.ingestAudit(
        { eventsZstd: new Uint8Array(batch.eventsZstd), count: batch.count },
        { signal },
      );
      return { type: 'acknowledged' };
    } catch (error) {
      // Only what Auth says about the batch itself is for good.
      if (ConnectError.from(error).code === Code.InvalidArgument)
        return { type: 'refused', message: fromConnectError(error).message };
      throw fromConnectError(error);
    }
  }

  async #issue(request: {
    readonly opening: Buffer;
    readonly publicKey: Buffer;
    readonly databaseUser: string;
    readonly databaseName: string;
  }): Promise<string> {
    try {
      const answer = await this.#identity.connection.client.issueDatabaseCertificate(
        {
          opening: new Uint8Array(request.opening),
          publicKey: new Uint8Array(request.publicKey),
          databaseUser: request.databaseUser,
          databaseName: request.databaseName,
        },
        { timeoutMs: issueTimeoutMs },
      );
      return answer.certificate;
    } catch (cause) {
      const known = fromConnectError(cause);
      const publicMessage =
        known instanceof UpstreamError
          ? 'the auth service is away, and this agent holds no certificate for you and this database'
          : known.publicMessage;
      throw new UpstreamError('DATABASE_CERTIFICATE', `no certificate for the database: ${known.message}`, {
        cause: known,
        publicMessage,
      });
    }
  }

  // Tunnels.

  #makeDialer(settings: DatabaseServiceConfig): Dialer {
    const { clock, log, instruments } = this.#deps;
    const counters = newTunnelCounters();
    instruments.metrics.gauge(
      'tessera_agent_tunnels',
      'Tunnels to proxies that are up.',
      () => this.#dialer.connectedCount,
    );
    instruments.metrics.gauge(
      'tessera_agent_tunnel_credit_stalls',
      'Times a stream had bytes to send and no credit.',
      () => counters.creditStalls,
    );
    return new Dialer({
      connect: (address, signal) => this.#connectTunnel(address, signal),
      announcement: () => this.#announcement(),
      onSession: (session) => this.#sessions.open(session),
      onCancel: (message) => this.#sessions.cancel(message),
      clock,
      random: this.#random,
      onLink: ({ address, state, error }) => log.info({ proxy: address, state, reason: error?.message }, 'tunnel'),
      onFault: (error) => log.error({ err: error }, 'tunnel fault'),
      counters,
      limits: {
        ...DEFAULT_MUX_LIMITS,
        maxStreams: settings.tunnel.maxStreams,
        maxStreamWindowBytes: settings.tunnel.maxStreamWindowBytes,
        keepAliveMs: settings.tunnel.keepAliveIntervalMs,
        keepAliveTimeoutMs: settings.tunnel.keepAliveTimeoutMs,
      },
    });
  }

  async #connectTunnel(address: string, signal: AbortSignal) {
    let hostId: string | undefined;
    const dial = dialTunnel({
      secureContext: () => this.#tunnelSecureContext(),
      verifyProxy: (certificate) => {
        const options = {
          authorities: this.#trust.of('host'),
          nowMs: this.#deps.clock.now(),
          roles: ['proxy'] as const,
          usage: 'server' as const,
        };
        hostId = verifyHostCertificate(certificate, options).identity.hostId;
      },
    });
    const socket = await dial(address, signal);
    // After this turn: it may retire the very link that is being made.
    if (hostId !== undefined) {
      const id = hostId;
      setImmediate(() => this.#proxies.answered(address, id));
    }
    return socket;
  }

  #tunnelSecureContext(): SecureContext {
    const { certificate, privateKey } = this.#identity.current();
    const ca = this.#authorities('host');
    const key = `${certificate}\n${ca.join('\n')}`;
    if (this.#tunnelContext?.key !== key) {
      this.#tunnelContext = {
        key,
        context: createSecureContext({ cert: certificate, key: privateKey, ca: [...ca], minVersion: 'TLSv1.3' }),
      };
    }
    return this.#tunnelContext.context;
  }
}

function settingsOf(config: Config): DatabaseServiceConfig {
  if (config.database === undefined) throw new BugError('the database service was started without its configuration');
  return config.database;
}

/** The databases of the file with their `ca_cert_file` read. Throws ConfigError that names every unreadable one. */
async function readDatabases(settings: DatabaseServiceConfig): Promise<readonly Database[]> {
  const problems: string[] = [];
  const databases = await Promise.all(
    settings.databases.map(async ({ database, caCertFile }) => {
      if (caCertFile === undefined) return database;
      try {
        const pem = await readFile(caCertFile, 'utf8');
        createSecureContext({ ca: pem });
        return { ...database, spec: { ...database.spec, tls: { ...database.spec.tls, ca_cert: pem } } };
      } catch {
        problems.push(
          `database ${database.metadata.name}: ca_cert_file ${caCertFile} can not be read as certificates in PEM`,
        );
        return database;
      }
    }),
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return databases;
}

/** `1.2.3.4:5` or `[::1]:5` without the port. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/u, '$1');
}

const authorityTypes = ['user', 'host', 'db', 'db-client'] as const satisfies readonly AuthorityType[];
const issueTimeoutMs = 10_000;
/** At the end, for the last events to reach Auth; the rest waits on disk for the next start. */
const shipTimeoutMs = 5000;
