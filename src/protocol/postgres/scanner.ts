import { createHash, type Hash } from 'node:crypto';
import { ProtocolError } from '../../errors.ts';

/**
 * Walks the messages of one direction of a PostgreSQL connection after start-up, fed chunks cut anywhere. Nothing is allocated for a skipped
 * message; only wanted bodies are looked at, in the chunk itself when they are whole in it.
 *
 *     Byte1 type | Int32 length, itself included | body
 *
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 *
 * **Push, then forward.** `push` reports a message when its last byte is in the chunk. The database acts on a message only when it has the last byte, so
 * a relay that forwards a chunk after its push (and after journalling what push reported) never lets an unrecorded statement run, however large it
 * is and however it was cut; earlier parts of an unfinished message may go ahead. Nothing but the current chunk is ever held back, with one
 * exception: {@link ScannerRules.head}.
 */
export interface MessageSink {
  /**
   * A wanted message is complete. Its body's first bytes (all of them unless longer than the type's cap) are `bytes[start, end)`, valid during the
   * call only. `total` is the whole body's length. `digest` is present when the body was cut: lower-case hex SHA-256 of the whole body.
   */
  message(type: number, bytes: Buffer, start: number, end: number, total: number, digest: string | undefined): void;
  /** The first bytes of a message named in {@link ScannerRules.head} stand at `bytes[start]`, and may be changed in place before forwarding. */
  head?(type: number, bytes: Buffer, start: number): void;
}

/** What one direction may carry and what of it is wanted. Build once, share among connections. */
export type ScannerRules = {
  /** In errors: `client` or `database`. */
  readonly peer: string;
  /** Every type letter that may come. Any other ends the conversation. */
  readonly allowed: string;
  /** Wanted types and how much of their body is kept (0: only that it came). */
  readonly wanted: ReadonlyMap<string, number>;
  /** The type whose messages and body bytes are counted in `rows` and `rowBytes` (DataRow), not reported. */
  readonly rowType?: string;
  /** As above, counted in `copies` and `copyBytes` (CopyData). */
  readonly copyType?: string;
  /**
   * A type whose first `bytes` body bytes are shown to {@link MessageSink.head} in one piece: a chunk that ends inside them is decided only up to
   * that message (see `push`).
   */
  readonly head?: { readonly type: string; readonly bytes: number };
};

/** PostgreSQL's MaxAllocSize: longer messages no server or client can take. */
export const maxMessageBytes = 0x3fffffff;

const SKIP = 0;
const WANTED = 1;
const ROW = 2;
const COPY = 3;
const REFUSED = 4;

/** {@link ScannerRules} as look-up tables; made once per set of limits by {@link compileRules}. */
export type CompiledRules = {
  readonly peer: string;
  readonly action: Uint8Array;
  readonly caps: Uint32Array;
  readonly headType: number;
  readonly headBytes: number;
};

/** Prepares rules for scanning. */
export function compileRules(rules: ScannerRules): CompiledRules {
  const action = new Uint8Array(256).fill(REFUSED);
  const caps = new Uint32Array(256);
  for (const letter of rules.allowed) action[letter.charCodeAt(0)] = SKIP;
  for (const [letter, cap] of rules.wanted) {
    action[letter.charCodeAt(0)] = WANTED;
    caps[letter.charCodeAt(0)] = cap;
  }
  if (rules.rowType !== undefined) action[rules.rowType.charCodeAt(0)] = ROW;
  if (rules.copyType !== undefined) action[rules.copyType.charCodeAt(0)] = COPY;
  return {
    peer: rules.peer,
    action,
    caps,
    headType: rules.head === undefined ? -1 : rules.head.type.charCodeAt(0),
    headBytes: rules.head?.bytes ?? 0,
  };
}

/** One direction's walker. Any throw (its own ProtocolError or the sink's) leaves it unusable: end the connection. */
export class MessageScanner {
  /** Messages of `rowType` seen, and their body bytes. */
  rows = 0;
  rowBytes = 0;
  /** Messages of `copyType` seen, and their body bytes. */
  copies = 0;
  copyBytes = 0;
  /** Stream offset just behind the message that is being reported, or else behind the last one whose header was seen. */
  messageEnd = 0;

  readonly #rules: CompiledRules;
  readonly #sink: MessageSink;
  readonly #header = Buffer.alloc(5);
  #headerLength = 0;
  /** Stream offset of the chunk being pushed. */
  #base = 0;
  /** Body bytes of the current message still to come. */
  #remaining = 0;
  #collecting = false;
  #type = 0;
  #total = 0;
  #body: Buffer = EMPTY;
  #kept = 0;
  #hash: Hash | undefined;

  constructor(rules: CompiledRules, sink: MessageSink) {
    this.#rules = rules;
    this.#sink = sink;
  }

  /** True between messages: a connection may end here without cutting one. */
  get atBoundary(): boolean {
    return this.#remaining === 0 && this.#headerLength === 0;
  }

  /**
   * Walks one chunk. Returns how many of its bytes are decided, which is all of them unless the chunk ends within the head of a
   * {@link ScannerRules.head} message: the bytes from the returned offset on (at most 4 + head bytes) must then not be forwarded but be put before
   * the next chunk and pushed again.
   */
  push(chunk: Buffer): number {
    const decided = this.#walk(chunk);
    this.#base += decided;
    return decided;
  }

  #walk(chunk: Buffer): number {
    const length = chunk.length;
    let at = 0;
    for (;;) {
      if (this.#remaining > 0) {
        at = this.#goOn(chunk, at);
        if (this.#remaining > 0) return length;
      }
      if (at >= length) return length;
      const messageAt = at;
      let type: number;
      let size: number;
      if (this.#headerLength === 0 && length - at >= 5) {
        type = chunk[at] ?? 0;
        size = chunk.readInt32BE(at + 1);
        at += 5;
      } else {
        if (this.#headerLength === 0 && chunk[at] === this.#rules.headType) return messageAt;
        at = this.#gather(chunk, at);
        if (this.#headerLength < 5) return length;
        this.#headerLength = 0;
        type = this.#header[0] ?? 0;
        size = this.#header.readInt32BE(1);
      }
      at = this.#message(chunk, at, type, size);
      if (at < 0) return messageAt;
    }
  }

  /** A message's header was read and its body begins at `at`. Returns where to go on, or -1 when its head must come whole. */
  #message(chunk: Buffer, at: number, type: number, size: number): number {
    const total = size - 4;
    const action = this.#rules.action[type] ?? REFUSED;
    if (action === REFUSED || size < 4 || size > maxMessageBytes) this.#refuse(type, size, action);
    const left = chunk.length - at;
    if (type === this.#rules.headType && total >= this.#rules.headBytes) {
      if (left < this.#rules.headBytes) return -1;
      this.#sink.head?.(type, chunk, at);
    }
    this.messageEnd = this.#base + at + total;
    if (action === WANTED) return this.#wanted(chunk, at, type, total);
    if (action !== SKIP) this.#count(action, total);
    if (total <= left) return at + total;
    this.#remaining = total - left;
    return chunk.length;
  }

  #wanted(chunk: Buffer, at: number, type: number, total: number): number {
    const cap = this.#rules.caps[type] ?? 0;
    if (chunk.length - at >= total && total <= cap) {
      this.#sink.message(type, chunk, at, at + total, total, undefined);
      return at + total;
    }
    this.#begin(type, total, cap);
    if (total === 0) this.#report();
    return at;
  }

  #count(action: number, total: number): void {
    if (action === ROW) {
      this.rows += 1;
      this.rowBytes += total;
    } else {
      this.copies += 1;
      this.copyBytes += total;
    }
  }

  /** The rest of a message that an earlier chunk began, as far as it is here. */
  #goOn(chunk: Buffer, at: number): number {
    const end = at + Math.min(this.#remaining, chunk.length - at);
    if (this.#collecting) this.#collect(chunk, at, end);
    this.#remaining -= end - at;
    if (this.#remaining === 0 && this.#collecting) this.#report();
    return end;
  }

  #gather(chunk: Buffer, from: number): number {
    let at = from;
    while (this.#headerLength < 5 && at < chunk.length) {
      this.#header[this.#headerLength] = chunk[at] ?? 0;
      this.#headerLength += 1;
      at += 1;
    }
    return at;
  }

  #refuse(type: number, size: number, action: number): never {
    if (action === REFUSED) {
      const shown = `0x${type.toString(16).padStart(2, '0')}`;
      throw new ProtocolError(
        'PG_UNKNOWN_MESSAGE',
        `postgres: ${this.#rules.peer} sent a message of the type ${shown}, which may not come here`,
      );
    }
    const limit = `4 to maxMessageBytes ${maxMessageBytes}`;
    throw new ProtocolError(
      'PG_BAD_LENGTH',
      `postgres: ${this.#rules.peer} sent a message of length ${size}, expected ${limit}`,
    );
  }

  #begin(type: number, total: number, cap: number): void {
    this.#collecting = true;
    this.#type = type;
    this.#total = total;
    this.#remaining = total;
    this.#kept = 0;
    this.#body = EMPTY;
    this.#hash = cap > 0 && total > cap ? createHash('sha256') : undefined;
  }

  #collect(chunk: Buffer, from: number, to: number): void {
    this.#hash?.update(chunk.subarray(from, to));
    const limit = Math.min(this.#total, this.#rules.caps[this.#type] ?? 0);
    const take = Math.min(to - from, limit - this.#kept);
    if (take <= 0) return;
    const need = this.#kept + take;
    if (need > this.#body.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(limit, Math.max(need, this.#body.length * 2, 256)));
      this.#body.copy(larger, 0, 0, this.#kept);
      this.#body = larger;
    }
    chunk.copy(this.#body, this.#kept, from, from + take);
    this.#kept = need;
  }

  #report(): void {
    const body = this.#body;
    const digest = this.#hash?.digest('hex');
    this.#collecting = false;
    this.#body = EMPTY;
    this.#hash = undefined;
    this.#sink.message(this.#type, body, 0, this.#kept, this.#total, digest);
  }
}

const EMPTY: Buffer = Buffer.alloc(0);
