import type { Denial, Grant } from '../../access/grant.ts';
import type { AuditWriter } from '../../audit/writer.ts';
import type { DatabaseServiceConfig } from '../../config/schema.ts';
import type { CancelKeys } from '../../engine/cancel-keys.ts';
import { ConnectionCounts } from '../../engine/connection-counts.ts';
import type { AccessRequest, Refusal, ServerFacts } from '../../engine/engine.ts';
import { engineOf, isSupported } from '../../engine/registry.ts';
import { runSession, type SessionLimits } from '../../engine/session.ts';
import { SessionIds } from '../../engine/session-ids.ts';
import { TesseraError } from '../../errors.ts';
import { type AuditEvent, auditEvent } from '../../audit/event.ts';
import { verifyOpening, type VerifiedOpening } from '../../pki/opening.ts';
import type { Database } from '../../resource/resource.ts';
import { protocols } from '../../resource/schema/database.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';
import type { CancelMessage } from '../../tunnel/cancel.ts';
import type { IncomingSession } from '../../tunnel/dialer.ts';
import type { KillAnswer, KillMessage } from '../../tunnel/kill.ts';
import type { RejectReason } from '../../tunnel/tunnel.ts';
import type { Channel } from '../../wire/channel.ts';
import type { LiveSession } from './session-reports.ts';
import { RefusalTrail } from '../refusal-trail.ts';
import type { DatabaseCredentialCache } from './credentials.ts';
import type { ServedDatabases } from './databases.ts';
import { Kills } from './kills.ts';
import { ReplayGuard } from './replay.ts';
import type { Trust } from '../trust.ts';

export type SessionsOptions = {
  readonly hostId: string;
  readonly clusterName: string;
  readonly limits: DatabaseServiceConfig['limits'];
  readonly databases: ServedDatabases;
  readonly trust: Trust;
  readonly credentials: DatabaseCredentialCache;
  readonly cancelKeys: CancelKeys;
  /** What is known of a database's server. */
  readonly factsOf: (databaseName: string) => ServerFacts | undefined;
  /** Asks other agents for a session that is not here. */
  readonly sendKill: (message: KillMessage) => Promise<KillAnswer | undefined>;
  readonly writer: AuditWriter;
  /** Who may: authorize() over the cluster cache as it is now. */
  readonly decide: (question: Question) => Grant | Denial;
  /** Calls back when locks changed; returns what ends it. */
  readonly onPolicyChange: (callback: () => void) => () => void;
  /** A session was admitted or is over: what `admitted` gives is another list now. */
  readonly onChange?: () => void;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
};

/** One access to be decided. */
export type Question = {
  readonly opening: VerifiedOpening;
  readonly database: Database;
  readonly request: AccessRequest;
  /** Of the roles in the person's certificate those that Auth knew the person to have when the session began; undefined: not asked yet. A role taken away counts in later questions. */
  readonly rolesInForce?: readonly string[] | undefined;
  /** The session was granted before, and goes on. */
  readonly goesOn: boolean;
};

/** The sessions of this agent: takes what the tunnels bring, verifies it, and runs each until its end. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #replay: ReplayGuard;
  readonly #refusals: RefusalTrail;
  readonly #connections = new ConnectionCounts();
  readonly #ids = new SessionIds();
  readonly #kills: Kills;
  readonly #live = new Set<Promise<unknown>>();
  readonly #admitted = new Set<LiveSession>();
  readonly #stop = new AbortController();
  #limits: DatabaseServiceConfig['limits'];
  #draining = false;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#replay = new ReplayGuard({ windowMs: replayWindowMs, maxEntries: maxRememberedOpenings });
    const { writer, clock, log, instruments } = options;
    this.#refusals = new RefusalTrail({ writer, limits: () => this.#limits, clock, log, instruments });
    this.#kills = new Kills({
      hostId: options.hostId,
      trust: options.trust,
      ids: this.#ids,
      killRatePerMinute: () => this.#limits.killRatePerMinute,
      send: options.sendKill,
      onRefused: (proxy, reason, error) =>
        this.#refusals.record(proxy, reason, () =>
          auditEvent('T3007W', { success: false, error, reason, listener: 'kill', proxy }),
        ),
      clock,
      log,
    });
  }

  get count(): number {
    return this.#live.size;
  }

  /** The sessions whose clients were let in, as they go on. */
  get admitted(): ReadonlySet<LiveSession> {
    return this.#admitted;
  }

  /** For sessions that begin from now on. */
  useLimits(limits: DatabaseServiceConfig['limits']): void {
    this.#limits = limits;
  }

  /** For `Dialer.onSession`. Never throws. */
  open(incoming: IncomingSession): void {
    const verdict = this.#admit(incoming);
    if ('reject' in verdict) {
      this.#options.log.warn(
        { reason: verdict.message, proxy: incoming.proxyAddress },
        'a session opening was refused',
      );
      if (verdict.fault !== undefined) this.#recordRefusal(incoming, verdict.message, verdict.fault);
      incoming.reject(verdict.reject, verdict.message);
      return;
    }
    const session = this.#run(incoming.accept(), verdict.opening, verdict.database, incoming.opening);
    this.#live.add(session);
    void session.finally(() => this.#live.delete(session));
  }

  /** For `Dialer.onCancel`. Never throws. */
  cancel(message: CancelMessage): void {
    const protocol = protocols.find((one) => one === message.protocol);
    if (protocol === undefined || !isSupported(protocol)) return;
    engineOf(protocol)
      .cancel(message.packet, this.#options.cancelKeys)
      .then((outcome) => this.#options.log.debug({ outcome }, 'cancel request'))
      .catch((error: unknown) => this.#options.log.error({ err: error }, 'a cancel request failed'));
  }

  /** For `Dialer.onKill`. Never throws. */
  kill(message: KillMessage, proxyAddress: string): KillAnswer | undefined {
    return this.#kills.receive(message, proxyAddress);
  }

  /** No new sessions. Resolves when the last one ended, or when they were told to end because the time is over. */
  async drain(timeoutMs: number): Promise<void> {
    this.#draining = true;
    const late = this.#options.clock.after(timeoutMs, () => this.#stop.abort(shutdown), { background: true });
    if (timeoutMs <= 0) this.#stop.abort(shutdown);
    await this.#settled();
    late.cancel();
    this.#refusals.close();
  }

  async #settled(): Promise<void> {
    while (this.#live.size > 0) await Promise.allSettled(this.#live);
  }

  #admit(incoming: IncomingSession): Verdict {
    const { clock, trust, hostId, databases } = this.#options;
    if (this.#draining) return reject('retry-elsewhere', 'this agent is draining');
    if (this.#live.size >= this.#limits.maxSessions)
      return reject('limit', `maxSessions ${this.#limits.maxSessions} reached`);
    let opening: VerifiedOpening;
    try {
      opening = verifyOpening(incoming.opening, {
        hostAuthorities: trust.of('host'),
        userAuthorities: trust.of('user'),
        nowMs: clock.now(),
        agentHostId: hostId,
      });
    } catch (error) {
      const known = error instanceof TesseraError;
      return reject('refused', known ? error.message : 'the opening can not be verified', {
        code: known ? error.code : 'OPENING_UNVERIFIABLE',
      });
    }
    const { route } = opening.client.identity;
    const served = databases.get(route.service);
    if (served === undefined) return reject('retry-elsewhere', `database ${route.service} is not served here`);
    if (served.database.spec.protocol !== route.protocol || !isSupported(route.protocol)) {
      return reject(
        'refused',
        `database ${route.service} speaks ${served.database.spec.protocol}, the certificate is for ${route.protocol}`,
        { code: 'WRONG_PROTOCOL', opening },
      );
    }
    // Last, so that a refused opening takes no place.
    const seen = this.#replay.admit(opening.opening.sessionId, clock.now());
    if (seen === 'repeated')
      return reject('refused', 'the opening was used before', { code: 'OPENING_REPLAYED', opening });
    if (seen === 'full') return reject('limit', `maxRememberedOpenings ${maxRememberedOpenings} reached`);
    return { opening, database: served.database };
  }

  /**
   * What could be wrong with a proxy, or with who stands between: an opening that no honest proxy sends. That this agent is full, draining or does not serve the database is the
   * proxy's to tell, after it asked the other agents.
   */
  #recordRefusal(incoming: IncomingSession, message: string, { code, opening }: Fault): void {
    this.#refusals.record(incoming.proxyAddress, code, (): AuditEvent => {
      const about = { success: false, error: message, reason: code, listener: 'opening', proxy: incoming.proxyAddress };
      if (opening === undefined) return auditEvent('T3007W', about);
      const { identity, fingerprint } = opening.client;
      return auditEvent('T3007W', {
        ...about,
        fingerprint,
        host_id: opening.proxy.identity.hostId,
        sid: opening.opening.sessionId,
        user: identity.user,
        user_kind: identity.userKind,
        user_roles: identity.roles,
        db_service: identity.route.service,
        db_protocol: identity.route.protocol,
        'addr.remote': opening.opening.clientAddress,
      });
    });
  }

  async #run(client: Channel, opening: VerifiedOpening, database: Database, openingBytes: Buffer): Promise<void> {
    const { writer, cancelKeys, factsOf, clock, log, instruments, credentials, decide, onPolicyChange } = this.#options;
    const { sessionId, greeting } = opening.opening;
    const { identity } = opening.client;
    const server = factsOf(database.metadata.name);
    let rolesInForce: readonly string[] | undefined;
    try {
      await runSession({
        engine: engineOf(database.spec.protocol),
        client,
        ...(greeting === undefined ? {} : { greeting }),
        ...(server === undefined ? {} : { server }),
        sessionId,
        certificate: opening.client,
        route: identity.route,
        database,
        target: {
          database,
          connectTimeoutMs: this.#limits.connectTimeoutMs,
          credentials: async (databaseUser, databaseName) => {
            const asked = { identity, opening: openingBytes, database, databaseUser, databaseName };
            const given = await credentials.credentials(asked);
            if (given.rolesInForce.length > 0) rolesInForce = given.rolesInForce;
            return given;
          },
        },
        decide: (request, goesOn) => decide({ opening, database, request, rolesInForce, goesOn }),
        openRecorder: (subject) => writer.openSession(this.#constants(opening, database, subject)),
        onPolicyChange,
        admitted: (session) => this.#begin({ ...session, opening }),
        connections: this.#connections,
        cancelKeys,
        ids: this.#ids,
        elsewhere: this.#kills.of(opening, openingBytes),
        signal: this.#stop.signal,
        limits: sessionLimits(this.#limits),
        clock,
        log: log.child({ sid: sessionId, user: identity.user, db_service: database.metadata.name }),
        instruments,
      });
    } catch (error) {
      // runSession never rejects; if it did, the client must not hang.
      log.error({ err: error, sid: sessionId }, 'a session failed');
      client.destroy();
    }
  }

  #begin(session: LiveSession): () => void {
    const { instruments, onChange } = this.#options;
    const { metadata, spec } = session.grant.database;
    this.#admitted.add(session);
    const end = instruments.dbSessions.track(
      { db_protocol: spec.protocol, db_service: metadata.name },
      session.counters,
    );
    onChange?.();
    return () => {
      this.#admitted.delete(session);
      end();
      onChange?.();
    };
  }

  #constants(
    opening: VerifiedOpening,
    database: Database,
    subject: { readonly databaseUser: string; readonly databaseName: string },
  ) {
    const { identity } = opening.client;
    const { labels, name } = database.metadata;
    return {
      cluster_name: this.#options.clusterName,
      server_id: this.#options.hostId,
      sid: opening.opening.sessionId,
      user: identity.user,
      user_kind: identity.userKind,
      user_roles: identity.roles,
      db_service: name,
      db_protocol: database.spec.protocol,
      db_uri: database.spec.uri,
      db_name: subject.databaseName,
      db_user: subject.databaseUser,
      db_type: 'self-hosted',
      ...(labels === undefined ? {} : { db_labels: labels }),
      'addr.remote': opening.opening.clientAddress,
      ...(identity.mfa === undefined ? {} : { with_mfa: identity.mfa }),
    };
  }
}

type Verdict =
  | { readonly opening: VerifiedOpening; readonly database: Database }
  | { readonly reject: RejectReason; readonly message: string; readonly fault?: Fault };
/** For the audit log; `opening` when it is genuine. */
type Fault = { readonly code: string; readonly opening?: VerifiedOpening };

function reject(reason: RejectReason, message: string, fault?: Fault): Verdict {
  return { reject: reason, message, ...(fault === undefined ? {} : { fault }) };
}

function sessionLimits(limits: DatabaseServiceConfig['limits']): SessionLimits {
  return {
    maxAuditedStatementBytes: limits.maxAuditedStatementBytes,
    maxAuditedValuesBytes: limits.maxAuditedValuesBytes,
    maxPreparedStatements: limits.maxPreparedStatements,
    maxPipelinedStatements: limits.maxPipelinedStatements,
    maxStartupBytes: limits.maxStartupBytes,
    acceptTimeoutMs,
  };
}

const shutdown: Refusal = { reason: 'shutdown', message: 'the database service is stopping', hint: 'connect again' };
/** An opening is believed for 60 s, from a clock that may be 30 s ahead. */
const replayWindowMs = 91_000;
/** Openings within that window: a thousand new sessions a second, about 20 MB. */
const maxRememberedOpenings = 100_000;
/** For the start-up packet to come; the proxy has read the certificate by then. */
const acceptTimeoutMs = 15_000;
