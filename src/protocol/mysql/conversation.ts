import { Answers } from './answers.ts';
import { ClientScanner } from './client-scanner.ts';
import { DatabaseScanner } from './database-scanner.ts';
import type { ConversationObserver, ConversationOptions, ServerError } from './records.ts';
import { Requests } from './requests.ts';
import { SessionState } from './session-state.ts';

/**
 * A MySQL or MariaDB session after sign-in, seen from between client and database: what the client asks for, which answer belongs to which, and what of both
 * may go on. Pure: bytes in, bytes and records (records.ts) out, no clock and no I/O of its own.
 *
 *     const conversation = new Conversation(observer, options);
 *     client data:    const bytes = conversation.fromClient(chunk); recorder.commit(); database.write(bytes); client.write(conversation.takeAnswers());
 *                     if (conversation.saturated) stop consuming from the client until it is false again
 *     database data:  const bytes = conversation.fromDatabase(chunk); client.write(bytes); database.write(conversation.takeRequests());
 *     both:           if (conversation.mustEnd) say it and end the session
 *     at the end:     conversation.finish();
 *
 * Begins behind the OK of the sign-in. A command up to `maxHeldBytes` is kept back until it is whole and judged; a longer one is judged by that much of it, then
 * streams, and is reported when its last byte is in the chunk: the database can not act on it before it has that byte. What goes on unchanged goes on in the
 * Buffer it came in.
 *
 * A throw (ProtocolError, LimitError, or whatever the observer threw) means: do not forward this chunk, end the session; the conversation must then only
 * be finished.
 *
 * What it can not see: SQL inside SQL (PREPARE ... FROM, routines, EXECUTE IMMEDIATE). A change of the default database made there shows in the database's session
 * tracking and is judged then; LOAD DATA LOCAL made there shows in the database's request for a file and ends the session.
 */
export class Conversation {
  readonly #state: SessionState;
  readonly #now: () => number;
  readonly #client: ClientScanner;
  readonly #answers: Answers;
  readonly #database: DatabaseScanner;

  constructor(observer: ConversationObserver, options: ConversationOptions) {
    this.#now = options.now;
    this.#state = new SessionState(observer, options);
    const requests = new Requests(this.#state);
    const { maxHeldBytes, maxStatementBytes } = options.limits;
    // A text that is to be kept must be held that long, and the command's byte before it.
    this.#client = new ClientScanner(Math.max(maxHeldBytes, maxStatementBytes + 1), requests);
    this.#answers = new Answers(this.#state, this.#client);
    this.#database = new DatabaseScanner(this.#state, this.#answers);
    requests.onFileEnd = (sequence) => this.#answers.fileEnded(sequence);
  }

  /** Reads what the client sent; reports requests. Returns what the database gets after the commit. The whole of `chunk` counts as consumed. */
  fromClient(chunk: Buffer): Buffer {
    if (this.#state.mustEnd !== undefined) return NOTHING;
    this.#state.nowMs = this.#now();
    return this.#client.push(chunk);
  }

  /** Reads what the database sent; reports results. Returns what the client gets. The whole of `chunk` counts as consumed. */
  fromDatabase(chunk: Buffer): Buffer {
    if (this.#state.mustEnd !== undefined) return NOTHING;
    this.#state.nowMs = this.#now();
    return this.#database.push(chunk);
  }

  /** Answers of our own that became due by what the client sent, for behind everything returned so far. */
  takeAnswers(): Buffer | undefined {
    return this.#state.takeDueAnswers();
  }

  /** A request of our own for the database, whose answer is kept from the client. Goes before anything that `fromClient` returns later. */
  takeRequests(): Buffer | undefined {
    return this.#state.takeOwnRequest();
  }

  /** The session is over: what is unanswered gets its result. Idempotent. */
  finish(): void {
    this.#state.nowMs = this.#now();
    this.#database.settle();
    this.#state.abandon();
  }

  /** Too much is unanswered: take no more from the client until answers came. */
  get saturated(): boolean {
    return this.#state.saturated;
  }

  /** Requests without an answer. */
  get running(): number {
    return this.#state.queue.requests;
  }

  /** What went to the client stands between two packets: one of our own may be put in. */
  get atDatabaseBoundary(): boolean {
    return this.#database.atBoundary;
  }

  /** The sequence number of a packet of our own put in now: as the answer to the client's next command, or within the answer under way. */
  get nextSequence(): number {
    return this.#database.nextSequence;
  }

  /** Set when the session must end now, for a reason that no single request can be refused for. Nothing goes on any more then. */
  get mustEnd(): ServerError | undefined {
    return this.#state.mustEnd;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
