import { ProtocolError } from '../../errors.ts';
import type { Answers } from './answers.ts';
import { HeldBytes } from './held-bytes.ts';
import { Outflow } from './outflow.ts';
import { HEADER_BYTES, MAX_PAYLOAD } from './packet.ts';
import type { SessionState } from './session-state.ts';

/**
 * Walks the packets that a database sends, fed chunks cut anywhere. Rows and column definitions go on as they come and are only counted; what decides something is
 * kept back until it is whole, at most `maxHeldBytes`. Any throw leaves it unusable: end the connection.
 */
export class DatabaseScanner {
  readonly #answers: Answers;
  readonly #state: SessionState;
  readonly #maxHeldBytes: number;
  readonly #out = new Outflow();
  readonly #held = new HeldBytes();
  /** Held and to be held of the packet under way, header included; zero: not known yet. */
  #wanted = 0;
  /** Of a packet that goes on as it comes: bytes still to come, and whether the next packet continues it. */
  #remaining = 0;
  #continued = false;
  /** Stream offset of the chunk being walked. */
  #base = 0;
  /** While a chunk is walked, and for ever behind a throw, which keeps all of it from the client: the number of a packet put in its place. */
  #inPlace: number | undefined;

  constructor(state: SessionState, answers: Answers) {
    this.#state = state;
    this.#answers = answers;
    this.#maxHeldBytes = Math.max(leastHeldBytes, state.options.limits.maxHeldBytes);
  }

  /** Walks one chunk; returns what goes to the client. */
  push(chunk: Buffer): Buffer {
    this.#inPlace = this.nextSequence;
    this.#out.begin(chunk);
    let at = 0;
    while (at < chunk.length) {
      if (this.#answers.stopped) {
        this.#out.skip(chunk.length);
        break;
      }
      at = this.#remaining > 0 ? this.#goOn(chunk, at) : this.#packet(chunk, at);
    }
    this.#base += chunk.length;
    this.#inPlace = undefined;
    return this.#out.finish();
  }

  /** The session is over. */
  settle(): void {
    this.#answers.settle(this.#base);
  }

  /** What went to the client stands between two packets. */
  get atBoundary(): boolean {
    return (this.#remaining === 0 && !this.#continued) || this.#answers.muted;
  }

  /** Of a packet of our own put in now. */
  get nextSequence(): number {
    return this.#inPlace ?? this.#answers.nextSequence(this.#wanted > 0);
  }

  #goOn(chunk: Buffer, at: number): number {
    const to = Math.min(chunk.length, at + this.#remaining);
    this.#remaining -= to - at;
    this.#decide(to);
    if (this.#remaining === 0) this.#passed(to);
    return to;
  }

  #packet(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#held.length === 0) {
      if (this.#answers.inRows && !this.#continued) at = this.#rows(chunk, at);
      if (this.#remaining > 0 || at >= chunk.length) return at;
      if (chunk.length - at > HEADER_BYTES) return this.#inChunk(chunk, at);
    }
    return this.#gather(chunk, at);
  }

  /** Rows that begin in this chunk with their header and one byte more, quickly. */
  #rows(chunk: Buffer, from: number): number {
    const answers = this.#answers;
    const { length } = chunk;
    let { sequence } = answers;
    let rows = 0;
    let at = from;
    let end = from;
    while (length - at > HEADER_BYTES) {
      const size = (chunk[at] ?? 0) | ((chunk[at + 1] ?? 0) << 8) | ((chunk[at + 2] ?? 0) << 16);
      if ((chunk[at + HEADER_BYTES] ?? 0) >= firstOfOthers || size === 0 || size === MAX_PAYLOAD) break;
      if (chunk[at + 3] !== sequence) break;
      sequence = (sequence + 1) & 0xff;
      rows += 1;
      end = at + HEADER_BYTES + size;
      at = end;
    }
    answers.sequence = sequence;
    answers.rows += rows;
    if (end > length) this.#remaining = end - length;
    const to = Math.min(end, length);
    if (rows > 0) this.#decide(to);
    return to;
  }

  /** A packet's header and one byte more stand in the chunk. */
  #inChunk(chunk: Buffer, at: number): number {
    const size = chunk.readUIntLE(at, 3);
    const bodyAt = at + HEADER_BYTES;
    if (!this.#begin(size, chunk[bodyAt] ?? 0, chunk[at + 3] ?? 0)) {
      this.#remaining = size;
      this.#decide(bodyAt);
      if (size === 0) this.#passed(bodyAt);
      return bodyAt;
    }
    const end = bodyAt + size;
    if (end > chunk.length) return this.#gather(chunk, at);
    this.#wanted = 0;
    const muted = this.#answers.muted;
    const instead = this.#whole(chunk.subarray(bodyAt, end), chunk[at + 3] ?? 0, end);
    if (muted) this.#out.skip(end);
    else if (instead === undefined) this.#out.pass(end);
    else {
      this.#out.skip(end);
      this.#out.put(instead);
    }
    this.#putLocals();
    return end;
  }

  /** A packet that stands in several chunks is kept back as far as it must be. */
  #gather(chunk: Buffer, from: number): number {
    const held = this.#held;
    let at = held.fill(chunk, from, HEADER_BYTES);
    if (held.length >= HEADER_BYTES && this.#wanted === 0) {
      const size = held.view.readUIntLE(0, 3);
      if (size > 0) at = held.fill(chunk, at, HEADER_BYTES + 1);
      this.#out.skip(at);
      if (held.length === HEADER_BYTES && size > 0) return at;
      if (!this.#begin(size, size === 0 ? -1 : held.view.readUInt8(HEADER_BYTES), held.view.readUInt8(3))) {
        this.#releaseBeginning(size, at);
        return at;
      }
    }
    if (this.#wanted > 0) at = held.fill(chunk, at, this.#wanted);
    this.#out.skip(at);
    if (this.#wanted > 0 && held.length === this.#wanted) this.#releaseWhole(at);
    return at;
  }

  #releaseBeginning(size: number, at: number): void {
    const bytes = this.#held.take();
    if (!this.#answers.muted) this.#out.put(bytes);
    this.#remaining = size - (bytes.length - HEADER_BYTES);
    if (this.#remaining === 0) this.#passed(at);
  }

  #releaseWhole(at: number): void {
    this.#wanted = 0;
    const bytes = this.#held.take();
    const muted = this.#answers.muted;
    const instead = this.#whole(bytes.subarray(HEADER_BYTES), bytes.readUInt8(3), at);
    if (!muted) this.#out.put(instead ?? bytes);
    this.#putLocals();
  }

  /** True: the packet is to be kept back until it is whole. */
  #begin(size: number, first: number, sequence: number): boolean {
    const follows = this.#continued;
    this.#continued = size === MAX_PAYLOAD;
    if (follows) {
      this.#answers.follow(sequence);
      return false;
    }
    if (!this.#answers.begin(size, size === 0 ? -1 : first, sequence)) return false;
    if (size > this.#maxHeldBytes)
      throw new ProtocolError(
        'MYSQL_ANSWER_TOO_LONG',
        `mysql: the database's answer is a packet of ${size} bytes, expected at most maxHeldBytes ${this.#maxHeldBytes}`,
      );
    this.#wanted = HEADER_BYTES + size;
    return true;
  }

  #whole(payload: Buffer, sequence: number, end: number): Buffer | undefined {
    this.#answers.position = this.#base + end;
    return this.#answers.packet(payload, sequence);
  }

  #passed(at: number): void {
    if (this.#continued) return;
    this.#answers.position = this.#base + at;
    this.#answers.passed();
    this.#putLocals();
  }

  /** Our own answers to what the client asked behind what is answered now. */
  #putLocals(): void {
    if (this.#state.queue.head?.local === undefined) return;
    const bytes = this.#state.takeLocals();
    if (bytes !== undefined) this.#out.put(bytes);
  }

  #decide(to: number): void {
    if (this.#answers.muted) this.#out.skip(to);
    else this.#out.pass(to);
  }
}

/** A row does not begin so, unless it is 16 MiB long. */
const firstOfOthers = 0xfe;
/** Below this not even an error would fit. */
const leastHeldBytes = 1024;
