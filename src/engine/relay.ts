import { LimitError, ProtocolError, StorageError } from '../errors.ts';
import type { Timer } from '../telemetry/clock.ts';
import { Held } from '../wire/held.ts';
import type { Dialogue } from './dialogue.ts';
import type { Closed, Refusal, RelaySession } from './engine.ts';
import { askToStop, auditUnavailable, boundaryWaitMs, withOutcome } from './relay-ending.ts';
import { recordMalformed } from './session-events.ts';
import { shutdownRefusal } from './session-watch.ts';

/** Bytes that came with the opening, behind the last message of it. The relay begins with them. */
export type EarlyBytes = { readonly fromClient: Buffer; readonly fromDatabase: Buffer };

/**
 * Moves bytes both ways until one side ends; the same for every protocol. Synchronous per chunk: client bytes are read by the dialogue, its events are committed
 * to the journal, and only then does the database get what the dialogue lets through, and the client what the dialogue answers itself. A chunk waits here (unread
 * further, so bounded by the channel's window) while the journal is full, while `journal_sync: always` is at work, or while too many statements are unanswered.
 * Resolves once, never rejects; the client's channel is ended then, the database's is destroyed by its owner.
 */
export function relay(session: RelaySession, dialogue: Dialogue, early: EarlyBytes): Promise<Closed> {
  return new Promise((resolve) => {
    new Relay(session, dialogue, resolve).start(early);
  });
}

class Relay {
  readonly #session: RelaySession;
  readonly #dialogue: Dialogue;
  readonly #resolve: (closed: Closed) => void;
  /** A client chunk that is recorded and waits for the journal; undefined: none does. */
  #recorded: Buffer | undefined;
  /** What the database gets of the chunk recorded last, and our own requests behind it. */
  #passing: Buffer = empty;
  #requests: Buffer | undefined;
  /** What the client sent behind it, not yet looked at. */
  readonly #held = new Held();
  #blocked = false;
  /** Bytes of the client to be told as consumed when the database takes more, and when the client has taken our answers. */
  #owedToClient = 0;
  #owedForAnswers = 0;
  /** Bytes of the database to be told as consumed when the client takes more. */
  #owedToDatabase = 0;
  /** True when the client has whole messages only: a last word may be written now. */
  #atBoundary = true;
  #ending: Refusal | undefined;
  #refusalCause: Error | undefined;
  #endingTimer: Timer | undefined;
  #stopping: Promise<Error | undefined> | undefined;
  #resultsTimer: Timer | undefined;
  #clientEnded = false;
  #done = false;
  readonly #aborted = (): void => this.#refuse(shutdownRefusal(this.#session.signal));

  constructor(session: RelaySession, dialogue: Dialogue, resolve: (closed: Closed) => void) {
    this.#session = session;
    this.#dialogue = dialogue;
    this.#resolve = resolve;
    session.counters.current = () => dialogue.current;
  }

  start({ fromClient, fromDatabase }: EarlyBytes): void {
    const { client, database, signal } = this.#session;
    if (signal.aborted) {
      this.#aborted();
      return;
    }
    signal.addEventListener('abort', this.#aborted, { once: true });
    if (fromDatabase.length > 0) this.#fromDatabase(fromDatabase);
    database.channel.receive({
      data: (chunk) => this.#fromDatabase(chunk),
      drain: () => this.#databaseDrained(),
      end: () => this.#finish({ by: this.#clientEnded ? 'client' : 'database' }),
      close: (error) =>
        this.#finish({ by: this.#clientEnded ? 'client' : 'database', ...(error === undefined ? {} : { error }) }),
    });
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
    const dialogue = this.#dialogue;
    try {
      this.#passing = dialogue.fromClient(chunk);
      this.#requests = dialogue.takeRequests();
    } catch (error) {
      this.#fault(error, chunk);
      return false;
    }
    const { counters } = this.#session;
    counters.statements = dialogue.statements;
    counters.running = dialogue.running;
    if (dialogue.mustEnd !== undefined) {
      this.#endAtOnce(dialogue.mustEnd);
      return false;
    }
    if (!dialogue.dirty) return true;
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
    this.#dialogue.dirty = false;
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

  /** The chunk recorded last is in the journal: the database gets what is for it, the client what is due to it. */
  #forward(chunk: Buffer): void {
    const { client, database } = this.#session;
    const passing = this.#passing;
    const requests = this.#requests;
    // An idle session must not keep alive the buffer that its last chunk is a part of.
    this.#passing = empty;
    this.#requests = undefined;
    let free = passing.length === 0 || database.channel.write(passing);
    if (requests !== undefined) free = database.channel.write(requests) && free;
    const answers = this.#dialogue.takeAnswers();
    const heard = answers === undefined || client.write(answers);
    if (!heard) this.#owedForAnswers += chunk.length;
    else if (!free) this.#owedToClient += chunk.length;
    else client.consumed(chunk.length);
    if (this.#dialogue.saturated) this.#blocked = true;
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
    const { counters, client, database } = this.#session;
    counters.bytesFromDatabase += chunk.length;
    if (this.#done) return;
    let bytes: Buffer;
    let requests: Buffer | undefined;
    try {
      bytes = this.#dialogue.fromDatabase(chunk);
      requests = this.#dialogue.takeRequests();
    } catch (error) {
      this.#databaseFault(error, chunk);
      return;
    }
    let free = bytes.length === 0 || client.write(bytes);
    // Not while a chunk waits for the journal: what is due may be its answers.
    if (this.#recorded === undefined && this.#ending === undefined) {
      const answers = this.#dialogue.takeAnswers();
      if (answers !== undefined) free = client.write(answers) && free;
    }
    if (requests !== undefined) this.#request(requests);
    if (free) database.channel.consumed(chunk.length);
    else this.#owedToDatabase += chunk.length;
    this.#atBoundary = this.#dialogue.atBoundary;
    this.#answered();
  }

  /** Our own request: behind what the client sent before, also when that waits. */
  #request(requests: Buffer): void {
    if (this.#recorded === undefined) this.#session.database.channel.write(requests);
    else this.#requests = this.#requests === undefined ? requests : Buffer.concat([this.#requests, requests]);
  }

  #answered(): void {
    const { counters, clock } = this.#session;
    const dialogue = this.#dialogue;
    const running = dialogue.running;
    if (running < counters.running) counters.lastActivityMs = clock.now();
    counters.running = running;
    if (dialogue.dirty) this.#commitSoon();
    if (this.#ending !== undefined) {
      if (this.#atBoundary) this.#sayEnd(this.#ending);
    } else if (dialogue.mustEnd !== undefined) {
      this.#endAtOnce(dialogue.mustEnd);
    } else if (this.#blocked && this.#recorded === undefined && !dialogue.saturated) {
      this.#release();
    }
  }

  #clientDrained(): void {
    const { client, database } = this.#session;
    const answered = this.#owedForAnswers;
    this.#owedForAnswers = 0;
    if (database.channel.congested) this.#owedToClient += answered;
    else if (answered > 0) client.consumed(answered);
    const owed = this.#owedToDatabase;
    this.#owedToDatabase = 0;
    if (owed > 0) database.channel.consumed(owed);
  }

  /** Results ride with the next statement's write; when none comes, they are written alone, a little later. */
  #commitSoon(): void {
    if (this.#resultsTimer !== undefined) return;
    this.#resultsTimer = this.#session.clock.after(resultsDelayMs, () => this.#commitResults(), { background: true });
  }

  #commitResults(): void {
    this.#resultsTimer = undefined;
    if (this.#done || !this.#dialogue.dirty || this.#recorded !== undefined) return;
    try {
      if (this.#session.recorder.commit() === 'written') this.#dialogue.dirty = false;
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
      this.#recordMalformed(error, chunk ?? empty, 'client');
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

  #recordMalformed(error: ProtocolError, chunk: Buffer, from: 'client' | 'database'): void {
    try {
      recordMalformed(this.#session.recorder, error, { chunk, from });
    } catch {
      // The session ends with the protocol error anyway; its end is recorded, or fails loudly, in session.ts.
    }
    this.#commitLast();
  }

  /** The dialogue found what no single request can be refused for. Nothing of the chunk goes on; what was recorded of it stays. */
  #endAtOnce(refusal: Refusal): void {
    this.#commitLast();
    this.#refuse(refusal);
  }

  /** What is buffered belongs to bytes that are not forwarded, or to results: a full journal delays only the log. */
  #commitLast(): void {
    try {
      if (this.#session.recorder.commit() === 'written') this.#dialogue.dirty = false;
    } catch {
      // As above: the session ends, and session.ts meets the same error.
    }
  }

  /** The database broke its own protocol. Its bytes of this chunk are not passed on. */
  #databaseFault(error: unknown, chunk: Buffer): void {
    if (error instanceof ProtocolError) this.#recordMalformed(error, chunk, 'database');
    const cause = error instanceof Error ? error : new Error('unknown fault');
    const refusal: Refusal =
      error instanceof StorageError
        ? auditUnavailable
        : { reason: 'internal', message: 'the database sent a malformed answer', hint: 'tell your administrator' };
    this.#refusalCause = cause;
    if (this.#atBoundary) this.#sayEnd(refusal);
    else this.#cut(refusal);
  }

  /**
   * Ends the session with a word to the client, which can be said only between two messages of the database. Nothing of the client goes to the database
   * from here on; a running statement is stopped.
   */
  #refuse(refusal: Refusal, cause?: Error): void {
    if (this.#done || this.#ending !== undefined) return;
    this.#ending = refusal;
    this.#refusalCause = cause;
    this.#dropHeld();
    if (this.#dialogue.running > 0) this.#stopping = askToStop(this.#session.database);
    if (this.#atBoundary) this.#sayEnd(refusal);
    else this.#endingTimer = this.#session.clock.after(boundaryWaitMs, () => this.#cut(refusal), { background: true });
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
    this.#session.client.write(this.#dialogue.lastWord(refusal));
    this.#cut(refusal);
  }

  /** Without a word: the client hangs in the middle of a message. */
  #cut(refusal: Refusal): void {
    const error = this.#refusalCause;
    this.#finish({ by: 'refusal', refusal, ...(error === undefined ? {} : { error }) });
  }

  #finish(closed: Closed): void {
    if (this.#done) return;
    this.#done = true;
    const { client, database, signal, counters } = this.#session;
    signal.removeEventListener('abort', this.#aborted);
    this.#endingTimer?.cancel();
    this.#resultsTimer?.cancel();
    const left = this.#dialogue.running > 0 ? this.#stopping : undefined;
    try {
      this.#dialogue.finish();
    } catch {
      // The recorder refuses: session.ts meets the same error when it records the end, and says so.
    }
    counters.statements = this.#dialogue.statements;
    counters.running = 0;
    this.#held.clear();
    client.end();
    database.channel.end();
    const how: Closed = closed.by === 'database' && this.#dialogue.terminated ? { by: 'client' } : closed;
    void withOutcome(how, left).then(this.#resolve);
  }
}

const empty = Buffer.alloc(0);

/** How long results may wait for a statement to ride with. */
const resultsDelayMs = 50;
