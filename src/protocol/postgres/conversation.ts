import { Answers } from './answers.ts';
import { databaseRules } from './database-rules.ts';
import type { ConversationLimits, ConversationObserver, TransactionStatus } from './records.ts';
import { clientRules, Requests } from './requests.ts';
import { type CompiledRules, compileRules, MessageScanner } from './scanner.ts';
import { SessionState } from './session-state.ts';

/**
 * A PostgreSQL session after sign-in, seen from between client and database: which statements the client asks for, and which answer belongs
 * to which. Pure: bytes in, records out (records.ts), no clock and no I/O of its own.
 *
 *     const conversation = new Conversation(observer, { limits, now, mapNotificationPid });
 *     client data:    conversation.fromClient(chunk);  recorder.commit();  database.write(chunk);  // in this order, always
 *                     if (conversation.saturated) stop consuming from the client until it is false again
 *     database data:  const bytes = conversation.fromDatabase(chunk);  if (bytes.length > 0) client.write(bytes);
 *     at the end:     conversation.finish();
 *
 * A statement is reported when the last byte of its message is in the chunk; the database can not act on it before it has that byte, so earlier parts may
 * have been forwarded, and a text of any length streams through in bounded memory.
 *
 * Begins behind the first ReadyForQuery. A throw (ProtocolError, LimitError, or whatever the observer threw) means: do not forward this chunk, end the
 * session; the conversation must then only be finished.
 *
 * What it can not see: names changed inside functions and DO blocks (their SQL text is on record all the same). Names changed by SQL-level PREPARE,
 * DEALLOCATE, DECLARE, CLOSE show in command tags and turn later uses `uncertain`.
 */
export class Conversation {
  readonly #state: SessionState;
  readonly #now: () => number;
  readonly #client: MessageScanner;
  readonly #database: MessageScanner;
  readonly #answers: Answers;
  /** The beginning of a NotificationResponse whose process id is not here yet; at most 8 bytes. */
  #held: Buffer = EMPTY;

  constructor(observer: ConversationObserver, options: ConversationOptions) {
    const limits = { ...options.limits, maxPipelined: Math.max(minPipelined, options.limits.maxPipelined) };
    this.#state = new SessionState(limits, observer);
    this.#now = options.now;
    this.#answers = new Answers(this.#state, options.mapNotificationPid);
    this.#client = new MessageScanner(rulesFor(limits), new Requests(this.#state));
    this.#database = new MessageScanner(DATABASE_RULES, this.#answers);
    this.#answers.scanner = this.#database;
    this.#answers.clientScanner = this.#client;
  }

  /** Walks what the client sent; reports definitions and statements. Commit the journal, then forward the whole chunk. */
  fromClient(chunk: Buffer): void {
    this.#state.nowMs = this.#now();
    this.#client.push(chunk);
  }

  /**
   * Walks what the database sent; reports results. Returns what to forward now: mostly the same chunk (process ids changed in place), seldom up to
   * 8 bytes less, which then stand before the next one. The whole of `chunk` counts as consumed.
   */
  fromDatabase(chunk: Buffer): Buffer {
    this.#state.nowMs = this.#now();
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const decided = this.#database.push(bytes);
    this.#answers.chunkEnd();
    if (decided === bytes.length) {
      if (this.#held.length > 0) this.#held = EMPTY;
      return bytes;
    }
    this.#held = Buffer.from(bytes.subarray(decided));
    return bytes.subarray(0, decided);
  }

  /** The session is over (either side closed): every statement still unanswered gets its result. */
  finish(): void {
    this.#state.nowMs = this.#now();
    this.#answers.finish();
  }

  /** Too much is unanswered: take no more from the client until answers came. */
  get saturated(): boolean {
    const { queue, limits } = this.#state;
    return queue.length >= limits.maxPipelined || queue.memoryBytes >= limits.maxRememberedBytes;
  }

  /** Statements without an answer. */
  get running(): number {
    return this.#state.queue.statements;
  }

  /** As of the last ReadyForQuery. */
  get transactionStatus(): TransactionStatus {
    return this.#state.transactionStatus;
  }

  /** True when nothing waits for an answer: a message of the proxy's own may be put in on the database's behalf. */
  get idle(): boolean {
    return this.#state.queue.length === 0;
  }

  /** The client's stream stands between two messages. */
  get atClientBoundary(): boolean {
    return this.#client.atBoundary;
  }

  /** What was forwarded to the client stands between two messages: an ErrorResponse may be appended. */
  get atDatabaseBoundary(): boolean {
    return this.#database.atBoundary;
  }

  /** Answers that fitted no request: zero with PostgreSQL; otherwise results may stand at the wrong statement until the next ReadyForQuery. */
  get unmatchedAnswers(): number {
    return this.#answers.unmatched;
  }
}

export type ConversationOptions = {
  readonly limits: ConversationLimits;
  /** Milliseconds, monotonic, with fractions. */
  readonly now: () => number;
  /** NotificationResponse carries a backend's process id: given the real one, returns the one to show. Absent: unchanged. */
  readonly mapNotificationPid?: (pid: number) => number;
};

/** A database may hold back answers to this many messages until it sees a Sync (8 KiB of 5-byte answers, doubled and more). */
export const minPipelined = 4096;

const EMPTY: Buffer = Buffer.alloc(0);
const DATABASE_RULES = compileRules(databaseRules());

/** Sessions share limits, so they share the compiled table. */
function rulesFor(limits: ConversationLimits): CompiledRules {
  if (
    lastRules === undefined ||
    lastRules.maxStatementBytes !== limits.maxStatementBytes ||
    lastRules.maxBindBytes !== limits.maxBindBytes
  ) {
    const { maxStatementBytes, maxBindBytes } = limits;
    lastRules = { maxStatementBytes, maxBindBytes, rules: compileRules(clientRules(limits)) };
  }
  return lastRules.rules;
}

let lastRules:
  | { readonly maxStatementBytes: number; readonly maxBindBytes: number; readonly rules: CompiledRules }
  | undefined;
