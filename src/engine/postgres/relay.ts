import { LimitError, ProtocolError, StorageError } from '../../errors.ts';
import { Conversation } from '../../protocol/postgres/conversation.ts';
import { DEFAULT_CONVERSATION_LIMITS, type ConversationLimits } from '../../protocol/postgres/records.ts';
import type { Timer } from '../../telemetry/clock.ts';
import { Held } from '../../wire/held.ts';
import type { Closed, DatabaseConnection, Refusal, RelayLimits, RelaySession } from '../engine.ts';
import { shutdownRefusal } from '../session-watch.ts';
import { PostgresRequest } from './accept.ts';
import { PostgresDatabase } from './connect.ts';
import { encodeRefusal } from './refuse.ts';
import { StatementEvents } from './statement-events.ts';

/**
 * Moves bytes both ways until one side ends. Synchronous per chunk: client bytes are read by the conversation, its events are committed to the
 * journal, and only then the very same chunk goes to the database. A chunk waits here (unread further, so bounded by the channel's window) while the
 * journal is full, while `journal_sync: always` is at work, or while too many statements are unanswered. Resolves once, never rejects; the client's channel is
 * ended then, the database's is destroyed by its owner.
 */
export function relayPostgres(session: RelaySession): Promise<Closed> {
  return new Promise((resolve) => {
    new Relay(session, resolve).start();
  });
}

class Relay {
  readonly #session: RelaySession;
  readonly #conversation: Conversation;
  readonly #events: StatementEvents;
  readonly #resolve: (closed: Closed) => void;
  /** A client chunk that is recorded and waits for the journal. */
  #recorded: Buffer | undefined;
  /** What the client sent behind it, not yet looked at. */
  readonly #held = new Held();
  #blocked = false;
  /** Bytes written to a congested channel, to be told as consumed when it drains. */
  #owedToClient = 0;
  #owedToDatabase = 0;
  /** True when the client has whole messages only: an ErrorResponse may be written now. */
  #atBoundary = true;
  #ending: Refusal | undefined;
  #endingTimer: Timer | undefined;
  #resultsTimer: Timer | undefined;
  #clientEnded = false;
  #done = false;
  readonly #aborted = (): void => this.#refuse(shutdownRefusal(this.#session.signal));

  constructor(session: RelaySession, resolve: (closed: Closed) => void) {
    this.#session = session;
    this.#resolve = resolve;
    this.#events = new StatementEvents(session.recorder);
    this.#conversation = new Conversation(this.#events, {
      limits: conversationLimits(session.limits),
      now: () => session.clock.monotonic(),
      mapNotificationPid: pidMapping(session.database),
    });
  }

  start(): void {
    const { client, database, request, signal } = this.#session;
    if (signal.aborted) {
      this.#aborted();
      return;
    }
    signal.addEventListener('abort', this.#aborted, { once: true });
    const fromDatabase = database.details instanceof PostgresDatabase ? database.details.early : empty;
    if (fromDatabase.length > 0) this.#fromDatabase(fromDatabase);
    database.channel.receive({
      data: (chunk) => this.#fromDatabase(chunk),
      drain: () => this.#databaseDrained(),
      end: () => this.#finish({ by: this.#clientEnded ? 'client' : 'database' }),
      close: (error) =>
        this.#finish({ by: this.#clientEnded ? 'client' : 'database', ...(error === undefined ? {} : { error }) }),
    });
    const fromClient = request.details instanceof PostgresRequest ? request.details.early : empty;
    if (fromClient.length > 0) this.#fromClient(fromClient);
    if (this.#done) return;
    client.receive({
      data: (chunk) => this.#fromClient(chunk),
      drain: () => this.#clientDrained(),
      end: () => this.#clientEnd(),
      close: (error) => this.#finish({ by: 'client', ...(error === undefined ? {} : { error }) }),
    });
  }

  // Client to database.

  #fromClient(chunk: Buffer): void {
    const { counters, clock } = this.#session;
    counters.bytesFromClient += chunk.length;
    counters.lastActivityMs = clock.now();
    if (this.#ending !== undefined || this.#done) {
      this.#session.client.consumed(chunk.length);
      return;
    }
    if (this.#blocked || !this.#held.empty) {
      this.#held.keep(chunk);
      return;
    }
    if (this.#record(chunk)) this.#forward(chunk);
  }

  /** Writes the chunk's events to the journal. False: the chunk is held (or the session is over). */
  #record(chunk: Buffer): boolean {
    try {
      this.#conversation.fromClient(chunk);
    } catch (error) {
      this.#fault(error, chunk);
      return false;
    }
    const { counters } = this.#session;
    counters.statements = this.#events.statements;
    counters.running = this.#conversation.running;
    if (!this.#events.dirty) return true;
    return this.#commit(chunk);
  }

  #commit(chunk: Buffer): boolean {
    const { recorder } = this.#session;
    let outcome: 'written' | 'full';
    try {
      outcome = recorder.commit();
    } catch (error) {
      this.#fault(error, chunk);
      return false;
    }
    if (outcome === 'full') {
      this.#hold(chunk);
      recorder.onSpace((space) => this.#space(space));
      return false;
    }
    this.#events.dirty = false;
    const synced = recorder.synced();
    if (synced === undefined) return true;
    this.#hold(chunk);
    synced.then(
      () => this.#release(),
      (error: unknown) => this.#fault(error, chunk),
    );
    return false;
  }

  /** The chunk is recorded, and waits at the head of the line. */
  #hold(chunk: Buffer): void {
    this.#blocked = true;
    this.#recorded = chunk;
  }

  #space(outcome: 'space' | 'gave-up'): void {
    const chunk = this.#recorded;
    if (this.#done || chunk === undefined) return;
    if (outcome === 'gave-up') this.#refuse(auditUnavailable);
    else if (this.#commit(chunk)) this.#release();
  }

  /** What was held may go now, in order. */
  #release(): void {
    this.#blocked = false;
    while (!this.#blocked && this.#ending === undefined && !this.#done) {
      const recorded = this.#recorded;
      this.#recorded = undefined;
      const chunk = recorded ?? this.#held.take();
      if (chunk === undefined) break;
      if (recorded !== undefined || this.#record(chunk)) this.#forward(chunk);
    }
    if (this.#waiting === 0 && this.#clientEnded) this.#session.database.channel.end();
  }

  #forward(chunk: Buffer): void {
    const { client, database } = this.#session;
    if (database.channel.write(chunk)) client.consumed(chunk.length);
    else this.#owedToClient += chunk.length;
    if (this.#conversation.saturated) this.#blocked = true;
  }

  #databaseDrained(): void {
    const owed = this.#owedToClient;
    this.#owedToClient = 0;
    if (owed > 0) this.#session.client.consumed(owed);
  }

  #clientEnd(): void {
    this.#clientEnded = true;
    if (this.#waiting === 0) this.#session.database.channel.end();
  }

  // Database to client.

  #fromDatabase(chunk: Buffer): void {
    const { client, counters, database } = this.#session;
    counters.bytesFromDatabase += chunk.length;
    if (this.#done) return;
    let bytes: Buffer;
    try {
      bytes = this.#conversation.fromDatabase(chunk);
    } catch (error) {
      this.#databaseFault(error);
      return;
    }
    if (bytes.length === 0 || client.write(bytes)) database.channel.consumed(chunk.length);
    else this.#owedToDatabase += chunk.length;
    this.#atBoundary = this.#conversation.atDatabaseBoundary;
    this.#answered();
  }

  #answered(): void {
    const { counters, clock } = this.#session;
    const running = this.#conversation.running;
    if (running < counters.running) counters.lastActivityMs = clock.now();
    counters.running = running;
    if (this.#events.dirty) this.#commitSoon();
    if (this.#ending !== undefined) {
      if (this.#atBoundary) this.#sayEnd(this.#ending);
    } else if (this.#blocked && this.#recorded === undefined && !this.#conversation.saturated) {
      this.#release();
    }
  }

  #clientDrained(): void {
    const owed = this.#owedToDatabase;
    this.#owedToDatabase = 0;
    if (owed > 0) this.#session.database.channel.consumed(owed);
  }

  /** Results ride with the next statement's write; when none comes, they are written alone, a little later. */
  #commitSoon(): void {
    if (this.#resultsTimer !== undefined) return;
    this.#resultsTimer = this.#session.clock.after(resultsDelayMs, () => this.#commitResults(), { background: true });
  }

  #commitResults(): void {
    this.#resultsTimer = undefined;
    if (this.#done || !this.#events.dirty || this.#recorded !== undefined) return;
    try {
      if (this.#session.recorder.commit() === 'written') this.#events.dirty = false;
      else this.#commitSoon();
    } catch (error) {
      this.#fault(error, undefined);
    }
  }

  // Endings.

  /** Something failed while the client's bytes were read: its fault, the journal's or ours. */
  #fault(error: unknown, chunk: Buffer | undefined): void {
    if (this.#done) return;
    if (error instanceof ProtocolError) {
      this.#recordMalformed(error, chunk);
      this.#refuse({ reason: 'protocol-error', message: error.publicMessage });
      return;
    }
    if (error instanceof LimitError) {
      this.#refuse({ reason: 'protocol-error', message: error.publicMessage });
      return;
    }
    const refusal: Refusal =
      error instanceof StorageError ? auditUnavailable : { reason: 'internal', message: 'internal error' };
    this.#refuse(refusal, error instanceof Error ? error : new Error('unknown fault'));
  }

  #recordMalformed(error: ProtocolError, chunk: Buffer | undefined): void {
    try {
      this.#session.recorder.write('db.session.malformed_packet', 'TDB06I', {
        error: error.message,
        error_code: error.code,
        payload: (chunk ?? Buffer.alloc(0)).subarray(0, maxMalformedBytes).toString('base64'),
      });
      // What was buffered before belongs to bytes that are not forwarded, so a full journal delays only the log.
      if (this.#session.recorder.commit() === 'written') this.#events.dirty = false;
    } catch {
      // The session ends with the protocol error anyway; its end is recorded, or fails loudly, in session.ts.
    }
  }

  /** The database broke its own protocol. Its bytes of this chunk are not passed on. */
  #databaseFault(error: unknown): void {
    const cause = error instanceof Error ? error : new Error('unknown fault');
    const refusal: Refusal =
      error instanceof StorageError
        ? auditUnavailable
        : { reason: 'internal', message: 'the database sent a malformed answer', hint: 'tell your administrator' };
    this.#refusalCause = cause;
    if (this.#atBoundary) this.#sayEnd(refusal);
    else this.#cut(refusal);
  }

  #refusalCause: Error | undefined;

  /**
   * Ends the session with a word to the client, which can be said only between two messages of the database. Nothing of the client goes to the database
   * from here on; a running statement is stopped.
   */
  #refuse(refusal: Refusal, cause?: Error): void {
    if (this.#done || this.#ending !== undefined) return;
    this.#ending = refusal;
    this.#refusalCause = cause;
    this.#dropHeld();
    if (this.#conversation.running > 0) void this.#session.database.cancel();
    if (this.#atBoundary) {
      this.#sayEnd(refusal);
      return;
    }
    this.#endingTimer = this.#session.clock.after(boundaryWaitMs, () => this.#cut(refusal), { background: true });
  }

  /** Bytes of the client that wait here, unconsumed. */
  get #waiting(): number {
    return (this.#recorded?.length ?? 0) + this.#held.bytes;
  }

  #dropHeld(): void {
    const count = this.#waiting;
    this.#held.clear();
    this.#recorded = undefined;
    if (count > 0) this.#session.client.consumed(count);
  }

  #sayEnd(refusal: Refusal): void {
    this.#session.client.write(encodeRefusal(refusal));
    this.#finish(this.#closedBy(refusal));
  }

  /** The client hangs in the middle of a message: no word can be said. */
  #cut(refusal: Refusal): void {
    this.#finish(this.#closedBy(refusal));
  }

  #closedBy(refusal: Refusal): Closed {
    return { by: 'refusal', refusal, ...(this.#refusalCause === undefined ? {} : { error: this.#refusalCause }) };
  }

  #finish(closed: Closed): void {
    if (this.#done) return;
    this.#done = true;
    const { client, database, signal, counters } = this.#session;
    signal.removeEventListener('abort', this.#aborted);
    this.#endingTimer?.cancel();
    this.#resultsTimer?.cancel();
    try {
      this.#conversation.finish();
    } catch {
      // The recorder refuses: session.ts meets the same error when it records the end, and says so.
    }
    counters.statements = this.#events.statements;
    counters.running = 0;
    this.#held.clear();
    client.end();
    database.channel.end();
    this.#resolve(closed.by === 'database' && this.#events.terminated ? { by: 'client' } : closed);
  }
}

function conversationLimits(limits: RelayLimits): ConversationLimits {
  return {
    ...DEFAULT_CONVERSATION_LIMITS,
    maxStatementBytes: limits.maxAuditedStatementBytes,
    maxBindBytes: Math.max(DEFAULT_CONVERSATION_LIMITS.maxBindBytes, limits.maxAuditedValuesBytes),
    maxValuesBytes: limits.maxAuditedValuesBytes,
    maxPreparedStatements: limits.maxPreparedStatements,
    maxPipelined: Math.max(minPipelined, limits.maxPipelinedStatements),
  };
}

/** NotificationResponse names backends by process id: the session's own is shown as the client knows it. */
function pidMapping({ details, backendId }: DatabaseConnection): (pid: number) => number {
  const clientPid = details instanceof PostgresDatabase ? details.clientPid : undefined;
  return (pid) => (pid === backendId && clientPid !== undefined ? clientPid : pid);
}

const empty = Buffer.alloc(0);

const auditUnavailable: Refusal = {
  reason: 'audit-unavailable',
  message: 'the audit log can not take further statements now, so this session ends',
  hint: 'try again later, or tell your administrator',
};

/** How long results may wait for a statement to ride with. */
const resultsDelayMs = 50;
/** How long a client may hang inside a message before a session that must end is cut. */
const boundaryWaitMs = 2000;
/** Of a malformed chunk kept in its event. */
const maxMalformedBytes = 512;
/** The conversation's own minimum: the database may hold back that many answers. */
const minPipelined = 4096;
