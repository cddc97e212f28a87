import { randomInt } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';

import type { Config, DatabaseServiceConfig } from '../../config/schema.ts';
import { CancelKeys } from '../../engine/cancel-keys.ts';
import { BugError } from '../../errors.ts';
import type { Database, DatabaseServer } from '../../resource/resource.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Announcement } from '../../tunnel/tunnel.ts';
import { AuditTrail } from '../audit-trail.ts';
import { type CacheChange, type ClusterCache, DATABASE_KINDS, openClusterCache } from '../cache.ts';
import { type HostIdentityHolder, openHostIdentity } from '../identity.ts';
import type { RunningService } from '../service.ts';
import { AuthCalls } from './auth-calls.ts';
import { ClusterView } from './cluster-view.ts';
import { readDatabases } from './configured-databases.ts';
import { DatabaseCredentialCache } from './credentials.ts';
import { ServedDatabases } from './databases.ts';
import { announcedDatabase, databaseServerOf, Heartbeat } from './heartbeat.ts';
import { HealthChecks } from './health.ts';
import { readJoinToken } from '../join-token.ts';
import { addressText } from '../address-text.ts';
import { SessionReports } from './session-reports.ts';
import { Sessions } from './sessions.ts';
import { Trust } from '../trust.ts';
import { Tunnels } from './tunnels.ts';

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
    service.begin(config, databases);
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
  readonly #auth: AuthCalls;
  readonly #audit: AuditTrail;
  readonly #cache: ClusterCache;
  readonly #view: ClusterView;
  readonly #databases: ServedDatabases;
  readonly #health: HealthChecks;
  readonly #heartbeat: Heartbeat;
  readonly #sessions: Sessions;
  readonly #reports: SessionReports;
  readonly #tunnels: Tunnels;
  readonly #cancelTag = randomInt(0x1000);
  #settings: DatabaseServiceConfig;
  #cacheLooked = false;

  constructor(deps: DatabaseServiceDeps, settings: DatabaseServiceConfig, identity: HostIdentityHolder) {
    const { clock, log } = deps;
    this.#deps = deps;
    this.#random = deps.random ?? Math.random;
    this.#identity = identity;
    this.#settings = settings;
    this.#auth = new AuthCalls(identity.connection);
    // First what can fail: nothing else is begun when the journal can not be opened.
    this.#audit = this.#openAudit(settings);
    this.#cache = openClusterCache({
      client: identity.connection.client,
      kinds: DATABASE_KINDS,
      clock,
      log,
      random: this.#random,
    });
    this.#view = new ClusterView({
      cache: this.#cache,
      identity,
      maxLockAgeMs: () => this.#settings.maxLockAgeMs,
      clock,
      log,
    });
    this.#databases = new ServedDatabases({ log, onChange: () => this.#databasesChanged() });
    const credentials = new DatabaseCredentialCache({
      issue: this.#auth.issueDatabaseCertificate,
      databaseAuthorities: () => this.#view.authorities('db'),
      clock,
      log,
    });
    this.#health = this.#makeHealthChecks(settings, credentials);
    this.#heartbeat = this.#makeHeartbeat();
    const trust = new Trust({
      clusterName: identity.clusterName,
      certificates: (type) => this.#view.authorities(type),
      log,
    });
    this.#sessions = this.#makeSessions(settings, trust, credentials);
    this.#reports = new SessionReports({
      sessions: () => this.#sessions.admitted,
      send: this.#auth.reportSessions,
      clock,
      log,
      random: this.#random,
    });
    this.#tunnels = this.#makeTunnels(settings, trust);
  }

  /** Everything that moves by itself. */
  begin(config: Config, databases: readonly Database[]): void {
    this.#audit.start();
    this.#cache.onChange((change) => this.#cacheChanged(change));
    this.#databases.configure(databases, this.#settings);
    this.#tunnels.configure(config.proxyServers);
    this.#heartbeat.changed();
  }

  readiness(): { readonly ready: boolean; readonly reason?: string } {
    const reason = this.#notReady();
    return reason === undefined ? { ready: true } : { ready: false, reason };
  }

  async reload(config: Config): Promise<void> {
    const { log } = this.#deps;
    const next = settingsOf(config);
    const databases = await readDatabases(next);
    const { journal, tunnel, healthCheck } = this.#settings;
    const kept = { journal, tunnel, healthCheck };
    const asked = { journal: next.journal, tunnel: next.tunnel, healthCheck: next.healthCheck };
    if (JSON.stringify(kept) !== JSON.stringify(asked)) {
      log.warn({}, 'changed settings of journal, tunnel or health_check count after a restart');
    }
    this.#settings = { ...next, ...kept };
    this.#sessions.useLimits(next.limits);
    this.#databases.configure(databases, next);
    this.#tunnels.configure(config.proxyServers);
    log.info({ databases: this.#databases.all().length }, 'configuration reloaded');
  }

  async drain(timeoutMs: number): Promise<void> {
    const { log } = this.#deps;
    this.#tunnels.dialer.drain();
    await this.#sessions.drain(timeoutMs);
    this.#health.close();
    this.#reports.close();
    await this.#heartbeat
      .goodbye()
      .catch((error: unknown) => log.debug({ err: error }, 'the auth service was not told that this agent stops'));
    await this.#audit.close(shipTimeoutMs);
    this.#tunnels.dialer.close();
    await this.#cache.close();
    this.#identity.close();
  }

  #notReady(): string | undefined {
    if (!this.#identity.valid()) return "this host's certificate expired; the auth service did not renew it";
    if (!this.#view.filled) return 'roles and locks are not here yet: the auth service was not reached';
    if (this.#tunnels.dialer.connectedCount === 0) return 'no tunnel to any proxy';
    if (this.#heartbeat.lastSuccessMs === undefined) return 'the auth service does not know this agent yet';
    return this.#audit.failure === undefined ? undefined : 'the audit journal failed';
  }

  /** A full picture changes many resources in one turn: look once. */
  #cacheChanged({ kind }: CacheChange): void {
    if ((kind !== 'db' && kind !== 'proxy_server') || this.#cacheLooked) return;
    this.#cacheLooked = true;
    setImmediate(() => {
      this.#cacheLooked = false;
      this.#databases.useDynamic(this.#cache.databases());
      this.#tunnels.useKnown(this.#cache.proxies());
    });
  }

  #databasesChanged(): void {
    this.#health.watch(this.#databases.all().map(({ database }) => database));
    this.#presenceChanged();
  }

  #presenceChanged(): void {
    this.#tunnels.dialer.announce();
    this.#heartbeat.changed();
  }

  /** What Auth knows this agent to serve: for anything else it would refuse the first sessions their credentials. */
  #announcement(): Announcement {
    const known = this.#databases.all().filter(({ database }) => this.#heartbeat.knows(database.metadata.name));
    const databases = known.map(({ database }) => {
      return announcedDatabase(database, this.#health.of(database.metadata.name));
    });
    return { databases, cancelTag: this.#cancelTag, draining: false };
  }

  #presence(): readonly DatabaseServer[] {
    return this.#databases
      .all()
      .map((served) => databaseServerOf(served, this.#identity, this.#health.of(served.database.metadata.name)));
  }

  #openAudit(settings: DatabaseServiceConfig): AuditTrail {
    const { config, clock, log, instruments } = this.#deps;
    return new AuditTrail({
      service: 'database',
      directory: join(config.dataDir, 'database', 'journal'),
      journal: settings.journal,
      host: { cluster_name: this.#identity.clusterName, server_id: this.#identity.hostId },
      client: this.#identity.connection.client,
      clock,
      log,
      instruments,
      random: this.#random,
    });
  }

  #makeHealthChecks(settings: DatabaseServiceConfig, credentials: DatabaseCredentialCache): HealthChecks {
    const { clock, log } = this.#deps;
    return new HealthChecks({
      ...settings.healthCheck,
      clock,
      log,
      random: this.#random,
      secureContext: (database) => credentials.healthContext(database),
      onChange: () => this.#presenceChanged(),
    });
  }

  #makeHeartbeat(): Heartbeat {
    const { clock, log } = this.#deps;
    return new Heartbeat({
      send: (message) => this.#auth.heartbeat(message, this.#audit),
      servers: () => this.#presence(),
      clock,
      log,
      random: this.#random,
      onKnown: () => this.#tunnels.dialer.announce(),
    });
  }

  #makeSessions(settings: DatabaseServiceConfig, trust: Trust, credentials: DatabaseCredentialCache): Sessions {
    const { clock, log, instruments } = this.#deps;
    return new Sessions({
      hostId: this.#identity.hostId,
      clusterName: this.#identity.clusterName,
      limits: settings.limits,
      databases: this.#databases,
      trust,
      credentials,
      cancelKeys: new CancelKeys(this.#cancelTag),
      factsOf: (name) => this.#health.of(name).server,
      sendKill: (message) => this.#tunnels.dialer.kill(message),
      writer: this.#audit.writer,
      decide: this.#view.decide,
      onPolicyChange: this.#view.onPolicyChange,
      onChange: () => this.#reports.changed(),
      clock,
      log,
      instruments,
    });
  }

  #makeTunnels(settings: DatabaseServiceConfig, trust: Trust): Tunnels {
    const { clock, log, instruments } = this.#deps;
    return new Tunnels({
      settings: settings.tunnel,
      identity: this.#identity,
      trust,
      sessions: this.#sessions,
      announcement: () => this.#announcement(),
      clock,
      log,
      random: this.#random,
      instruments,
    });
  }
}

function settingsOf(config: Config): DatabaseServiceConfig {
  if (config.database === undefined) throw new BugError('the database service was started without its configuration');
  return config.database;
}

/** At the end, for the last events to reach Auth; the rest waits on disk for the next start. */
const shipTimeoutMs = 5000;
