import type { Refusal } from './engine.ts';

/**
 * What the relay (relay.ts) needs of a protocol: one live session's conversation, seen from between client and database. It records what the client asks
 * into the session's recorder (buffered; the relay commits) and decides what goes on. Synchronous, no I/O. A throw of ProtocolError, LimitError or StorageError ends
 * the session; only `finish` is called after it.
 */
export interface Dialogue {
  /**
   * Reads what the client sent. Returns what the database gets once the recorder has committed: the chunk itself when nothing is to be changed, less (even
   * nothing) while a request that may yet be refused is incomplete, or other bytes. The whole of `chunk` counts as consumed; bytes kept back are bounded.
   */
  fromClient(chunk: Buffer): Buffer;
  /** Reads what the database sent. Returns what the client gets. */
  fromDatabase(chunk: Buffer): Buffer;
  /**
   * Answers of our own that became due for the client (requests that were refused here), in order behind everything returned so far. Emptied by the call, which the relay
   * makes only when all that was recorded is committed.
   */
  takeAnswers(): Buffer | undefined;
  /**
   * Requests of our own that became due for the database, in order behind everything that `fromClient` returned so far; `fromDatabase` keeps their answers from the client.
   * Emptied by the call.
   */
  takeRequests(): Buffer | undefined;
  /** The session is over: what is unanswered gets its result. Idempotent. */
  finish(): void;
  /** Our last word to the client. Called only when `atBoundary`. */
  lastWord(refusal: Refusal): Buffer;

  /** True when the recorder holds events that were not committed; the relay sets it to false. */
  dirty: boolean;
  /** Set when the session must end now, for a reason that no single request can be refused for. The relay asks after each chunk of either direction. */
  readonly mustEnd: Refusal | undefined;
  /** Things asked to run so far. */
  readonly statements: number;
  /** The text of the statement that was asked last, while it is unanswered; the reference that audit has, nothing is made for it. */
  readonly current: string | undefined;
  /** Statements without an answer. */
  readonly running: number;
  /** Too much is unanswered: nothing more is taken from the client until that changes. */
  readonly saturated: boolean;
  /** What went to the client stands between two messages. */
  readonly atBoundary: boolean;
  /** The client said goodbye. */
  readonly terminated: boolean;
}
