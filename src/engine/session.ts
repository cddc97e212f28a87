import type { Denial, Grant } from '../access/grant.ts';
import type { Recorder } from '../audit/recorder.ts';
import { LimitError } from '../errors.ts';
import type { Route, UserIdentity, VerifiedCertificate } from '../resource/identity.ts';
import type { Database } from '../resource/resource.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Instruments } from '../telemetry/instruments.ts';
import type { Log } from '../telemetry/log.ts';
import type { Channel } from '../wire/channel.ts';
import type { CancelKeys } from './cancel-keys.ts';
import type { ConnectionCounts } from './connection-counts.ts';
import { connectRefusal } from './connect-refusal.ts';
import type {
  Accepted,
  AccessRequest,
  Admission,
  AdmittedSession,
  Closed,
  DatabaseConnection,
  DatabaseTarget,
  Engine,
  Refusal,
  RelayCounters,
  RelayLimits,
  RelaySession,
  ServerFacts,
} from './engine.ts';
import { leave } from './leave.ts';
import { recordDisconnect, recordEnd, recordRejected, recordStart, recordStartFailed } from './session-events.ts';
import type { OwnSessionIds, SessionIds, SessionsElsewhere } from './session-ids.ts';
import { stopOf } from './session-stop.ts';
import { shutdownRefusal, signInEndsMs, watchSession } from './session-watch.ts';

/** Everything one session needs; made by service/database from a verified session opening. */
export type SessionParts = {
  readonly engine: Engine;
  readonly client: Channel;
  readonly sessionId: string;
  /** Verified by the caller, chain and validity and usage, and its route is one of this agent's databases. */
  readonly certificate: VerifiedCertificate<UserIdentity>;
  readonly route: Route;
  readonly database: Database;
  /** What the client was told in clear before TLS, byte for byte; absent when its server did not speak first. */
  readonly greeting?: Buffer;
  /** What the health check knows of the database's server. */
  readonly server?: ServerFacts;
  readonly target: DatabaseTarget;
  /** authorize() over the caches as they are now; `goesOn`: the session was granted before, and the certificate may have ended since. A throw counts as a denial. */
  readonly decide: (request: AccessRequest, goesOn: boolean) => Grant | Denial;
  /** A pen in the audit journal for this session. A throw refuses the session with `audit-unavailable`. */
  readonly openRecorder: (subject: { readonly databaseUser: string; readonly databaseName: string }) => Recorder;
  readonly onPolicyChange: (callback: () => void) => () => void;
  /** The client was told yes; the result is called when the session is over. */
  readonly admitted: (session: AdmittedSession) => () => void;
  readonly connections: ConnectionCounts;
  readonly cancelKeys: CancelKeys;
  readonly ids: SessionIds;
  /** How this session reaches the same person's at other agents. */
  readonly elsewhere: SessionsElsewhere;
  /** Aborted (with a Refusal as reason) when this session must end because its service does. */
  readonly signal: AbortSignal;
  readonly limits: SessionLimits;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
};

export type SessionLimits = RelayLimits & {
  /** The client must have said who it wants to be within this time. Default 10 s. */
  readonly acceptTimeoutMs: number;
  readonly maxStartupBytes: number;
};

/**
 * The one path from a client to a database, the same for every protocol: accept, authorize, record the start, connect, admit, relay, record the
 * end. No step can be skipped: connect takes the Grant that only authorize makes, and the start is in the journal before the database is asked.
 * A failing look-up is a denial. Resolves when everything is over and both channels are ended; never rejects.
 */
export async function runSession(parts: SessionParts): Promise<Closed> {
  const session = new Session(parts);
  try {
    return await session.run();
  } catch (error) {
    parts.log.error({ err: error }, 'session ended by a fault of ours');
    return await session.turnAway(undefined, {
      reason: 'internal',
      message: 'internal error',
      hint: `tell your administrator the session id ${parts.sessionId}`,
    });
  }
}

class Session {
  readonly #parts: SessionParts;
  readonly #startedMs: number;
  readonly #startedAt: number;
  readonly #counters: RelayCounters;
  readonly #ids: OwnSessionIds;
  /** Aborted with a Refusal when the session must end. */
  readonly #ending = new AbortController();
  /** Everything that must be undone at the end, in reverse order. */
  readonly #undo: (() => void)[] = [];

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.#startedMs = parts.clock.now();
    this.#startedAt = parts.clock.monotonic();
    this.#ids = parts.ids.of(parts.certificate.identity.user, parts.database.metadata.name);
    this.#counters = {
      bytesFromClient: 0,
      bytesFromDatabase: 0,
      statements: 0,
      lastActivityMs: this.#startedMs,
      running: 0,
    };
  }

  async run(): Promise<Closed> {
    const accepted = await this.#accept();
    switch (accepted.type) {
      case 'gone':
        this.#parts.client.destroy();
        return { by: 'client', ...(accepted.error === undefined ? {} : { error: accepted.error }) };
      case 'cancel':
        await this.#parts.engine.cancel(accepted.packet, this.#parts.cancelKeys);
        this.#parts.client.end();
        return { by: 'client' };
      case 'refused':
        return await this.#deny(accepted.request, accepted.refusal, accepted.refusal.message);
      case 'request':
        return await this.#authorize(accepted.request);
    }
  }

  /** Says no to the client and counts it. */
  async turnAway(request: AccessRequest | undefined, refusal: Refusal): Promise<Closed> {
    const { engine, client, instruments } = this.#parts;
    instruments.dbErrors.of({ component: 'agent', db_protocol: engine.protocol, reason: refusal.reason }).value += 1;
    await engine.refuse(client, request, refusal);
    return { by: 'refusal', refusal };
  }

  async #accept(): Promise<Accepted> {
    const { engine, client, route, greeting, server, signal, limits, clock } = this.#parts;
    const late = new AbortController();
    const timer = clock.after(limits.acceptTimeoutMs, () => late.abort(), { background: true });
    try {
      const options = {
        route,
        signal: AbortSignal.any([signal, late.signal]),
        maxStartupBytes: limits.maxStartupBytes,
        ...(greeting === undefined ? {} : { greeting }),
        ...(server === undefined ? {} : { server }),
      };
      return await engine.accept(client, options);
    } finally {
      timer.cancel();
    }
  }

  async #authorize(request: AccessRequest): Promise<Closed> {
    const { certificate, connections } = this.#parts;
    const decision = this.#decide(request, false);
    if ('reason' in decision) return await this.#deny(request, refusalOf(decision), decision.audit);
    const maximum = decision.options.maxConnections;
    const release = connections.acquire(certificate.identity.user, maximum);
    if (release === undefined) return await this.#tooMany(request, maximum ?? 0);
    try {
      return await this.#start(decision, request);
    } finally {
      release();
    }
  }

  #decide(request: AccessRequest, goesOn: boolean): Grant | Denial {
    try {
      return this.#parts.decide(request, goesOn);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'access could not be decided, so it is denied');
      return {
        type: 'Denial',
        reason: 'access-denied',
        message: 'access could not be decided',
        hint: 'try again, or tell your administrator',
        audit: 'look-up failed',
      };
    }
  }

  async #deny(request: AccessRequest | undefined, refusal: Refusal, audit: string): Promise<Closed> {
    this.#recordAside(request, (recorder) => recordStartFailed(recorder, refusal, audit));
    this.#parts.log.info({ reason: refusal.reason }, 'session refused');
    return await this.turnAway(request, refusal);
  }

  async #tooMany(request: AccessRequest, maximum: number): Promise<Closed> {
    const refusal: Refusal = {
      reason: 'too-many-connections',
      message: `you have ${maximum} sessions open, as many as your roles allow`,
      hint: 'close one and try again',
    };
    this.#recordAside(request, (recorder) => {
      recordRejected(recorder, maximum);
      recordStartFailed(recorder, refusal, 'max_connections reached');
    });
    return await this.turnAway(request, refusal);
  }

  /** A refused session's event. When the journal can not take it the refusal stands, and the operator's log says what is missing. */
  #recordAside(request: AccessRequest | undefined, write: (recorder: Recorder) => void): void {
    const { route, log } = this.#parts;
    try {
      const recorder = this.#parts.openRecorder({
        databaseUser: request?.databaseUser ?? route.databaseUser ?? '',
        databaseName: request?.databaseName ?? route.databaseName ?? '',
      });
      write(recorder);
      if (recorder.commit() === 'full')
        log.error({}, 'the audit journal is full: a refused session waits in memory to be recorded');
    } catch (error) {
      log.error({ err: error }, 'a refused session could not be recorded');
    }
  }

  async #start(grant: Grant, request: AccessRequest): Promise<Closed> {
    let recorder: Recorder;
    try {
      recorder = this.#parts.openRecorder({ databaseUser: grant.databaseUser, databaseName: grant.databaseName });
      recordStart(recorder, request);
      await commitWaiting(recorder);
    } catch (error) {
      this.#parts.log.error({ err: error }, 'the start of a session could not be recorded');
      return await this.turnAway(request, auditUnavailable);
    }
    this.#undo.push(
      watchSession({
        grant,
        certificateExpiresMs: signInEndsMs(this.#parts.certificate),
        counters: this.#counters,
        clock: this.#parts.clock,
        decideAgain: () => this.#parts.decide(request, true),
        onPolicyChange: this.#parts.onPolicyChange,
        shutdown: this.#parts.signal,
        end: (refusal) => this.#ending.abort(refusal),
      }),
    );
    try {
      return await this.#connect(grant, request, recorder);
    } finally {
      for (const undo of this.#undo.reverse()) undo();
    }
  }

  async #connect(grant: Grant, request: AccessRequest, recorder: Recorder): Promise<Closed> {
    const { engine, target, log } = this.#parts;
    const { signal } = this.#ending;
    let database: DatabaseConnection;
    try {
      database = await engine.connect(grant, request, target, signal);
    } catch (error) {
      const refusal = signal.aborted ? shutdownRefusal(signal) : connectRefusal(error, this.#parts.sessionId);
      log.warn({ err: error, reason: refusal.reason }, 'the database could not be connected');
      recordStartFailed(recorder, refusal, messageOf(error));
      // Before the client hears of it; a full journal delays the event, not the answer.
      commitInTime(recorder, (failure) => log.error({ err: failure }, 'a failed connect could not be recorded'));
      const closed = await this.turnAway(request, refusal);
      this.#finish(recorder, closed, undefined);
      return closed;
    }
    let closed: Closed = { by: 'error' };
    try {
      closed = await this.#relay(grant, { request, recorder, database, signal });
    } finally {
      database.channel.destroy();
      this.#finish(recorder, closed, database);
    }
    return closed;
  }

  async #relay(
    grant: Grant,
    live: Pick<RelaySession, 'request' | 'recorder' | 'database' | 'signal'>,
  ): Promise<Closed> {
    const { engine, client, cancelKeys, elsewhere, limits, clock, log, instruments } = this.#parts;
    const { request, recorder, database } = live;
    const stop = stopOf({
      databaseUser: grant.databaseUser,
      recorder,
      commit: () =>
        commitInTime(recorder, (error) => log.error({ err: error }, 'a KILL of a session could not be recorded')),
      database,
      counters: this.#counters,
      end: (refusal) => this.#ending.abort(refusal),
      log,
    });
    let admission: Admission;
    try {
      admission = await engine.admit(client, request, database, { keys: cancelKeys, ids: this.#ids, stop });
    } catch (error) {
      client.destroy();
      return { by: 'client', error: error instanceof Error ? error : new Error(String(error)) };
    }
    this.#undo.push(() => admission.release());
    const protocol = { db_protocol: engine.protocol };
    instruments.dbSetupSeconds.observe(protocol, (clock.monotonic() - this.#startedAt) / 1000);
    this.#undo.push(this.#parts.admitted({ grant, request, startedMs: this.#startedMs, counters: this.#counters }));
    const closed = await engine.relay({
      ...live,
      client,
      options: grant.options,
      mayUse: (databaseName) => this.#mayUse(request, databaseName),
      ids: this.#ids,
      elsewhere,
      limits,
      counters: this.#counters,
      clock,
    });
    leave(client, clock);
    instruments.dbSessionSeconds.observe(protocol, (clock.monotonic() - this.#startedAt) / 1000);
    return closed;
  }

  /** The same question with another database name. */
  #mayUse(request: AccessRequest, databaseName: string): Refusal | undefined {
    const decision = this.#decide({ ...request, databaseName }, true);
    if (!('reason' in decision)) return undefined;
    const refusal = refusalOf(decision);
    if (refusal.reason !== 'access-denied') return refusal;
    const { route } = this.#parts;
    const bound = route.databaseName !== undefined && route.databaseName !== databaseName;
    return {
      ...refusal,
      hint: bound
        ? `your certificate is for database name ${JSON.stringify(route.databaseName)} alone; if your roles allow more (tsh db ls -v), run "tsh db login ${route.service} --db-name=" (no name)`
        : 'db_names of your roles say which names you may use: run "tsh db ls -v"',
    };
  }

  /** The last events. The session is over whatever the journal says, so a full one only delays them. */
  #finish(recorder: Recorder, closed: Closed, database: DatabaseConnection | undefined): void {
    const { log, clock, engine, instruments } = this.#parts;
    const reason = closed.refusal?.reason ?? (closed.by === 'error' ? 'internal' : undefined);
    if (database !== undefined && reason !== undefined) {
      instruments.dbErrors.of({ component: 'agent', db_protocol: engine.protocol, reason }).value += 1;
    }
    log.info({ closed_by: closed.by, reason, err: closed.error, executed: this.#counters.statements }, 'session ended');
    const mayRunOn = closed.statementMayRunOn;
    if (mayRunOn !== undefined)
      log.warn(
        { connection_id: database?.backendId, reason },
        `a running statement could not be stopped: ${messageOf(mayRunOn)}`,
      );
    try {
      if (database !== undefined && closed.refusal !== undefined)
        recordDisconnect(recorder, closed.refusal, closed.statementMayRunOn !== undefined);
      recordEnd(recorder, closed, {
        startedMs: this.#startedMs,
        endedMs: clock.now(),
        counters: this.#counters,
        database,
        protocol: engine.protocol,
      });
      commitInTime(recorder, (error) => log.error({ err: error }, 'the end of a session could not be recorded'));
    } catch (error) {
      log.error({ err: error }, 'the end of a session could not be recorded');
    }
  }
}

const auditUnavailable: Refusal = {
  reason: 'audit-unavailable',
  message: 'the audit log can not take this session now',
  hint: 'try again later, or tell your administrator',
};

function refusalOf(denial: Denial): Refusal {
  return {
    reason: denial.reason,
    message: denial.message,
    ...(denial.hint === undefined ? {} : { hint: denial.hint }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error';
}

/** Commits, waiting for room as the recorder allows; resolves when what was written is as durable as the journal is configured to be. */
async function commitWaiting(recorder: Recorder): Promise<void> {
  while (recorder.commit() === 'full') {
    const outcome = await new Promise<'space' | 'gave-up'>((resolve) => recorder.onSpace(resolve));
    if (outcome === 'gave-up') throw new LimitError('AUDIT_JOURNAL_FULL', 'the audit journal is at journal.max_bytes');
  }
  await recorder.synced();
}

/** Commits now or, when the journal is full, once there is room. */
function commitInTime(recorder: Recorder, failed: (error: unknown) => void): void {
  commitWaiting(recorder).catch(failed);
}
