import { hostname } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { AuditLog } from '../../audit/audit-log.ts';
import { parseCount } from '../../audit/count.ts';
import { parseSearch } from '../../audit/search.ts';
import type { AuthConfig, Config } from '../../config/schema.ts';
import { ConfigError, LimitError, LoginError } from '../../errors.ts';
import { openDataKeyFile } from '../../pki/data-key.ts';
import { verifyClientAddress } from '../../pki/signed-address.ts';
import type { HostRole } from '../../resource/identity.ts';
import { Passwords } from '../../sso/local/password.ts';
import { CallRate, tooManyRefused } from '../../sso/local/rate.ts';
import { openSqliteStore } from '../../state/sqlite/sqlite-store.ts';
import type { Store } from '../../state/store.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import type { RunningService } from '../service.ts';
import { apiHandler } from './adapter.ts';
import { openAuthorities } from './authorities.ts';
import { ConnectorProviders } from './connector-providers.ts';
import { Slots, type AuditPort, type AuthContext } from './context.ts';
import { Durability } from './durability.ts';
import { openCluster } from './first-start.ts';
import { makeToken } from './join.ts';
import { Listener } from './listener.ts';
import {
  localAddress,
  makeListenerCredentials,
  OwnRenewal,
  writeAdminFiles,
  type OwnCertificatesDeps,
} from './own-certificates.ts';
import { Records } from './records.ts';
import { AuthRefusals } from './refusals.ts';
import { SessionBoard } from './session-board.ts';

/** The Auth Service: certificate authority, users, roles, tokens, locks, presence, the audit log; one port that speaks the API of proto/. */

export type AuthServiceDeps = {
  /** With `auth` set. */
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
  readonly version: string;
  /** Default Math.random; spreads retries, never secrets. */
  readonly random?: () => number;
};

export interface RunningAuthService extends RunningService {
  readonly name: 'auth';
  /** For a proxy or agent in the same process: a join token good for one use within five minutes, and the pins. */
  localJoin(role: 'proxy' | 'database'): Promise<{ readonly token: string; readonly caPins: readonly string[] }>;
}

/**
 * Opens (at the first start: makes) state, authorities and audit log, listens, and writes the local administrator's files. Throws ConfigError (cluster name, addresses), StorageError
 * (state, data key, folders).
 */
export async function startAuthService(deps: AuthServiceDeps): Promise<RunningAuthService> {
  const settings = deps.config.auth;
  if (settings === undefined) throw new ConfigError(['auth_service: is not enabled']);
  const durability = new Durability(() => deps.clock.monotonic());
  const store = durability.store(
    openSqliteStore({
      path: join(deps.config.dataDir, 'auth', 'state.db'),
      now: () => deps.clock.now(),
      maxLogRows: settings.limits.maxWatchHistory,
    }),
  );
  let audit: AuditLog | undefined;
  try {
    const records = new Records(store);
    const now = (): number => deps.clock.now();
    const cluster = await openCluster(settings.clusterName, { store, records, now });
    const sealer = openDataKeyFile(settings.caKeyFile);
    const authorities = await openAuthorities(cluster.clusterName, { store, sealer, now });
    audit = await openAuditLog(settings, cluster, deps);
    for (const [destination, backlog] of audit.backlogs)
      deps.instruments.auditBacklogs.add({ service: 'auth', destination }, backlog);
    const closing = new AbortController();
    const context = contextOf(deps, settings, {
      store,
      records,
      authorities,
      sealer,
      audit: durability.audit(auditPort(audit)),
      closing: closing.signal,
    });
    const own = {
      authorities,
      hostId: cluster.hostId,
      hostName: deps.config.nodeName ?? hostname(),
      dataDir: deps.config.dataDir,
      clock: deps.clock,
      log: deps.log,
    };
    return await openService(context, { own, audit, store, closing, settings, durability });
  } catch (error) {
    await audit?.close(0);
    await store.close();
    throw error;
  }
}

function contextOf(
  deps: AuthServiceDeps,
  config: AuthConfig,
  parts: Pick<AuthContext, 'store' | 'records' | 'authorities' | 'sealer' | 'audit' | 'closing'>,
): AuthContext {
  const { limits } = config;
  return {
    ...parts,
    clusterName: parts.authorities.clusterName,
    version: deps.version,
    config,
    passwords: new Passwords({ maxConcurrent: limits.maxPasswordHashes }),
    providers: new ConnectorProviders({ store: parts.store, now: () => deps.clock.now() }),
    refusals: new AuthRefusals({ ...deps, audit: parts.audit, limits }),
    anonymousRate: new CallRate({ perMinute: limits.anonymousRatePerMinute, burst: limits.anonymousBurst }),
    refusedRate: new CallRate(
      { perMinute: limits.anonymousRatePerMinute, burst: limits.anonymousBurst },
      tooManyRefused,
    ),
    signatures: new Slots(
      limits.maxSignatures,
      () =>
        new LimitError(
          'SIGNATURES_BUSY',
          'too many certificates are being signed (max_signatures); try again in a moment',
        ),
      MAX_WAITING_SIGNATURES,
    ),
    watches: new Slots(
      limits.maxWatches,
      () => new LimitError('WATCHES_BUSY', 'too many services watch the cluster (max_watches)'),
    ),
    sessions: new SessionBoard(deps.clock),
    clock: deps.clock,
    log: deps.log,
    instruments: deps.instruments,
  };
}

type Parts = {
  readonly own: OwnCertificatesDeps;
  readonly audit: AuditLog;
  readonly store: Store;
  readonly closing: AbortController;
  readonly settings: AuthConfig;
  readonly durability: Durability;
};

async function openService(context: AuthContext, parts: Parts): Promise<RunningAuthService> {
  const listener = new Listener({
    host: parts.settings.listenAddr.host,
    port: parts.settings.listenAddr.port,
    limits: parts.settings.limits,
    credentials: await makeListenerCredentials(parts.own),
    handler: apiHandler(context),
    verifyAddress: (value) =>
      ipOf(
        verifyClientAddress(value, { hostAuthorities: context.authorities.hosts, nowMs: context.clock.now() }).client
          .address,
      ),
    refused: (address, code, reason) => {
      context.log.warn({ address, reason }, 'auth: a connection was refused');
      const told = context.refusals.record(address, code, reason);
      told.catch((error: unknown) => context.log.debug({ err: error }, 'auth: a refused connection was not recorded'));
    },
    log: context.log,
  });
  const listening = await listener.listen();
  const address = localAddress(listening);
  try {
    await writeAdminFiles(address, parts.own);
  } catch (error) {
    listener.close();
    throw error;
  }
  const renewal = new OwnRenewal(parts.own, { address, renewed: (credentials) => listener.renew(credentials) });
  context.log.info(
    { cluster_name: context.clusterName, address: listening, ca_pin: context.authorities.hostPins()[0] },
    'auth service is listening',
  );
  return new AuthServiceProcess(context, { ...parts, listener, renewal, listening });
}

class AuthServiceProcess implements RunningAuthService {
  readonly name = 'auth';
  readonly addresses: Readonly<Record<string, string>>;
  readonly #context: AuthContext;
  readonly #parts: Parts & { readonly listener: Listener; readonly renewal: OwnRenewal };
  #draining = false;

  constructor(
    context: AuthContext,
    parts: Parts & { readonly listener: Listener; readonly renewal: OwnRenewal; readonly listening: string },
  ) {
    this.#context = context;
    this.#parts = parts;
    this.addresses = { api: parts.listening };
  }

  readiness(): { readonly ready: boolean; readonly reason?: string } {
    if (this.#draining) return { ready: false, reason: 'draining' };
    const { reason } = this.#parts.durability;
    return reason === undefined ? { ready: true } : { ready: false, reason };
  }

  async reload(config: Config): Promise<void> {
    if (JSON.stringify(config.auth) === JSON.stringify(this.#parts.settings)) return;
    this.#context.log.warn({}, 'changed settings of auth_service count after a restart');
  }

  async drain(timeoutMs: number): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    const { listener, renewal, audit, store, closing } = this.#parts;
    renewal.close();
    closing.abort(new LoginError('AUTH_CLOSING', 'the auth service is shutting down'));
    listener.stopAccepting();
    const until = this.#context.clock.monotonic() + Math.min(timeoutMs, MAX_DRAIN_MS);
    while (listener.connections > 0 && this.#context.clock.monotonic() < until)
      await this.#context.clock.sleep(DRAIN_POLL_MS);
    listener.close();
    this.#context.refusals.close();
    await audit.close();
    await store.close();
  }

  async localJoin(role: 'proxy' | 'database'): Promise<{ readonly token: string; readonly caPins: readonly string[] }> {
    const wish = { roles: [role === 'proxy' ? 'proxy' : 'db'], ttlMs: LOCAL_TOKEN_TTL_MS, value: '', uses: 1 };
    const token = await makeToken(wish, { user: `${this.#parts.own.hostId}.auth`, user_kind: 'system' }, this.#context);
    return { token: token.token, caPins: token.caPins };
  }
}

/** Calls are short; streams end at once. */
const MAX_DRAIN_MS = 10_000;
const DRAIN_POLL_MS = 20;
/** About two seconds of signing. */
const MAX_WAITING_SIGNATURES = 1000;
const LOCAL_TOKEN_TTL_MS = 5 * 60_000;

function openAuditLog(
  settings: AuthConfig,
  cluster: { readonly clusterName: string; readonly hostId: string },
  deps: AuthServiceDeps,
): Promise<AuditLog> {
  return AuditLog.open(
    {
      clusterName: cluster.clusterName,
      hostId: cluster.hostId,
      uris: settings.auditEvents.map((destination) =>
        destination.type === 'file' ? pathToFileURL(destination.directory).href : 'stdout://',
      ),
      backlogDirectory: join(deps.config.dataDir, 'audit-backlog'),
      limits: {
        maxCompressedBytes: settings.limits.maxRequestBytes,
        maxBatchBytes: settings.limits.maxAuditBatchBytes,
      },
    },
    { clock: deps.clock, log: deps.log, random: deps.random ?? Math.random, instruments: deps.instruments },
  );
}

function auditPort(audit: AuditLog): AuditPort {
  return {
    emit: (event) => audit.emit(event),
    ingest: async (zstd, caller: { readonly hostId: string; readonly role: HostRole }) =>
      (await audit.ingest(zstd, caller)).stored,
    search: (request) => audit.search(parseSearch(request)),
    count: (request) => audit.count(parseCount(request)),
    follow: (request, signal) => audit.follow(parseSearch(request), signal),
  };
}

function ipOf(hostPort: string): string {
  return hostPort.slice(0, hostPort.lastIndexOf(':')).replace(/^\[(.*)\]$/u, '$1');
}
