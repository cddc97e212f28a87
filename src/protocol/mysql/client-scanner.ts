import { ProtocolError } from '../../errors.ts';
import { HeldBytes } from './held-bytes.ts';
import { Outflow } from './outflow.ts';
import { HEADER_BYTES, MAX_PAYLOAD } from './packet.ts';

/** Who judges and counts what the client sends. Views are valid during the call only. */
export interface CommandSink {
  /** A whole command in one packet. Returns what goes to the database instead (nothing: an empty buffer); undefined: the packet as it is. */
  command(payload: Buffer): Buffer | undefined;
  /** The beginning of a command that is too long to be kept back: whether it goes on, and what goes before it. The view stays valid up to `longEnd`. */
  longBegin(beginning: Buffer): { readonly passes: boolean; readonly before?: Buffer | undefined };
  /** More of it. */
  longBytes(bytes: Buffer): void;
  /** Its last byte is here. `sequence` is that of its last packet. */
  longEnd(sequence: number): void;
  /** More of a file that the database asked for; called before the bytes go on. */
  fileBytes(count: number): void;
  /** The file has ended with a packet of this sequence number. */
  fileEnd(sequence: number): void;
}

/**
 * Cuts commands out of what a client sends, fed chunks cut anywhere.
 *
 *     UInt24LE length | UInt8 sequence | payload;   a packet of 2^24 - 1 bytes is continued by the next one
 *
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html
 *
 * A command of up to `maxHeldBytes` is kept back until it is whole. Any throw leaves it unusable: end the connection.
 */
export class ClientScanner {
  readonly #sink: CommandSink;
  readonly #limit: number;
  readonly #out = new Outflow();
  readonly #held = new HeldBytes();
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerLength = 0;
  #mode: 'command' | 'long' | 'file' = 'command';
  /** Of the packet under way, in long commands and files: bytes to come, and whether the next packet continues it. */
  #remaining = 0;
  #continued = false;
  /** Of the next packet. */
  #sequence = 0;
  /** What is under way goes to the database. */
  #passing = true;
  /** Of the file's part under way. */
  #partBytes = 0;

  constructor(maxHeldBytes: number, sink: CommandSink) {
    this.#limit = Math.min(Math.max(maxHeldBytes, leastHeldBytes), MAX_PAYLOAD - 1);
    this.#sink = sink;
  }

  /** Walks one chunk; returns what goes to the database. */
  push(chunk: Buffer): Buffer {
    this.#out.begin(chunk);
    let at = 0;
    while (at < chunk.length) at = this.#mode === 'command' ? this.#command(chunk, at) : this.#stream(chunk, at);
    return this.#out.finish();
  }

  /** No command and no file stands half in the database's stream: a request of our own may be put in. */
  get betweenCommands(): boolean {
    return this.#mode === 'command';
  }

  /** Of the client's next packet, in the middle of a file. */
  get nextSequence(): number {
    return this.#sequence;
  }

  /** The client sends a file now, whose first packet has this sequence number. Throws `MYSQL_EARLY_COMMAND` when it has begun to send something else. */
  beginFile(sequence: number): void {
    if (this.#mode !== 'command' || this.#held.length > 0)
      throw new ProtocolError(
        'MYSQL_EARLY_COMMAND',
        'mysql: client sent a command where the database waits for a file, expected nothing before its answer',
      );
    this.#mode = 'file';
    this.#passing = true;
    this.#sequence = sequence & 0xff;
    this.#remaining = 0;
    this.#partBytes = 0;
  }

  /** A packet's header or a whole command begins at `at`, or some of it is held already. */
  #command(chunk: Buffer, at: number): number {
    if (this.#held.length === 0 && chunk.length - at >= HEADER_BYTES) {
      const size = chunk.readUIntLE(at, 3);
      const end = at + HEADER_BYTES + size;
      if (size <= this.#limit && end <= chunk.length) {
        checkFirst(chunk[at + 3]);
        const instead = this.#sink.command(chunk.subarray(at + HEADER_BYTES, end));
        if (instead === undefined) this.#out.pass(end);
        else this.#replace(end, instead);
        return end;
      }
    }
    return this.#hold(chunk, at);
  }

  #replace(end: number, instead: Buffer): void {
    this.#out.skip(end);
    this.#out.put(instead);
  }

  #hold(chunk: Buffer, from: number): number {
    const held = this.#held;
    let at = held.fill(chunk, from, HEADER_BYTES);
    if (held.length >= HEADER_BYTES) {
      const size = held.view.readUIntLE(0, 3);
      checkFirst(held.view[3]);
      at = held.fill(chunk, at, HEADER_BYTES + Math.min(size, this.#limit));
      this.#out.skip(at);
      if (held.length === HEADER_BYTES + Math.min(size, this.#limit)) this.#judge(held.take(), size);
      return at;
    }
    this.#out.skip(at);
    return at;
  }

  /** What was held is enough to judge. */
  #judge(packet: Buffer, size: number): void {
    const payload = packet.subarray(HEADER_BYTES);
    if (size <= this.#limit) {
      this.#out.put(this.#sink.command(payload) ?? packet);
      return;
    }
    const { passes, before } = this.#sink.longBegin(payload);
    this.#passing = passes;
    if (before !== undefined) this.#out.put(before);
    if (passes) this.#out.put(packet);
    this.#mode = 'long';
    this.#remaining = size - this.#limit;
    this.#continued = size === MAX_PAYLOAD;
    this.#sequence = 1;
  }

  /** In a long command or a file. */
  #stream(chunk: Buffer, at: number): number {
    if (this.#remaining === 0) return this.#nextHeader(chunk, at);
    const to = Math.min(chunk.length, at + this.#remaining);
    this.#remaining -= to - at;
    if (this.#mode === 'long') this.#sink.longBytes(chunk.subarray(at, to));
    else this.#sink.fileBytes(to - at);
    this.#decide(to);
    if (this.#remaining === 0) this.#packetEnd();
    return to;
  }

  #nextHeader(chunk: Buffer, from: number): number {
    let at = from;
    while (this.#headerLength < HEADER_BYTES && at < chunk.length) {
      this.#header[this.#headerLength] = chunk[at] ?? 0;
      this.#headerLength += 1;
      at += 1;
    }
    this.#decide(at);
    if (this.#headerLength < HEADER_BYTES) return at;
    this.#headerLength = 0;
    const sequence = this.#header.readUInt8(3);
    if (sequence !== this.#sequence) throw wrongSequence(sequence, this.#sequence);
    this.#sequence = (sequence + 1) & 0xff;
    this.#remaining = this.#header.readUIntLE(0, 3);
    this.#partBytes += this.#remaining;
    this.#continued = this.#remaining === MAX_PAYLOAD;
    if (this.#remaining === 0) this.#packetEnd();
    return at;
  }

  #decide(to: number): void {
    if (this.#passing) this.#out.pass(to);
    else this.#out.skip(to);
  }

  #packetEnd(): void {
    if (this.#continued) return;
    const last = (this.#sequence - 1) & 0xff;
    if (this.#mode === 'long') {
      this.#mode = 'command';
      this.#sink.longEnd(last);
    } else if (this.#partBytes === 0) {
      this.#mode = 'command';
      this.#sink.fileEnd(last);
    }
    this.#partBytes = 0;
  }
}

/** Below this a command's fixed fields would not fit into what is held of it. */
const leastHeldBytes = 64;

function checkFirst(sequence: number | undefined): void {
  if (sequence !== 0) throw wrongSequence(sequence, 0);
}

function wrongSequence(got: number | undefined, expected: number): ProtocolError {
  return new ProtocolError(
    'MYSQL_CLIENT_SEQUENCE',
    `mysql: client sent a packet with the sequence number ${got}, expected ${expected}`,
  );
}
