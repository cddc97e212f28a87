import { ProtocolError } from '../errors.ts';

/**
 * Bounds-checked reading of one message. Every read either succeeds or throws a ProtocolError that names the message and the field, with the
 * code `<CODE>_TOO_SHORT`, `<CODE>_UNTERMINATED` or `<CODE>_TRAILING`. Integers are big-endian (network order) unless the name says otherwise.
 */
export class Reader {
  readonly #name: string;
  readonly #code: string;
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  /**
   * Reads `bytes[start, end)`. `name` stands in messages (`postgres: Bind`), `code` begins error codes (`PG_BIND`). The reader keeps a view:
   * the bytes must not change while it lives.
   */
  constructor(name: string, code: string, bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#name = name;
    this.#code = code;
    this.#bytes = toBuffer(bytes);
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#end - this.#at;
  }

  /** Where the next read begins, as an index into the bytes given to the constructor. */
  get offset(): number {
    return this.#at;
  }

  uint8(field: string): number {
    return this.#bytes.readUInt8(this.#take(field, 1));
  }

  uint16(field: string): number {
    return this.#bytes.readUInt16BE(this.#take(field, 2));
  }

  int16(field: string): number {
    return this.#bytes.readInt16BE(this.#take(field, 2));
  }

  uint24(field: string): number {
    return this.#bytes.readUIntBE(this.#take(field, 3), 3);
  }

  uint32(field: string): number {
    return this.#bytes.readUInt32BE(this.#take(field, 4));
  }

  int32(field: string): number {
    return this.#bytes.readInt32BE(this.#take(field, 4));
  }

  uint16LE(field: string): number {
    return this.#bytes.readUInt16LE(this.#take(field, 2));
  }

  uint24LE(field: string): number {
    return this.#bytes.readUIntLE(this.#take(field, 3), 3);
  }

  uint32LE(field: string): number {
    return this.#bytes.readUInt32LE(this.#take(field, 4));
  }

  uint64LE(field: string): bigint {
    return this.#bytes.readBigUInt64LE(this.#take(field, 8));
  }

  /** The next Int32 without reading it; zero when fewer than four bytes are left. */
  peekInt32(): number {
    return this.remaining < 4 ? 0 : this.#bytes.readInt32BE(this.#at);
  }

  int64(field: string): bigint {
    return this.#bytes.readBigInt64BE(this.#take(field, 8));
  }

  /** A zero-terminated UTF-8 string; invalid bytes become U+FFFD (see {@link cstringLatin1} for a lossless form). */
  cstring(field: string): string {
    const start = this.#at;
    return this.#bytes.toString('utf8', start, this.#terminator(field));
  }

  /** A zero-terminated string, one character a byte: lossless whatever the peer's encoding, so safe as a map key. */
  cstringLatin1(field: string): string {
    const start = this.#at;
    const zero = this.#terminator(field);
    return zero === start ? '' : this.#bytes.toString('latin1', start, zero);
  }

  /** The next `count` bytes, as a view: copy what outlives the message. */
  bytes(field: string, count: number): Buffer {
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new ProtocolError(`${this.#code}_BAD_LENGTH`, `${this.#name} ${field} has the impossible length ${count}`);
    }
    const start = this.#take(field, count);
    return this.#bytes.subarray(start, start + count);
  }

  /** All bytes not yet read, as a view. */
  rest(): Buffer {
    const start = this.#at;
    this.#at = this.#end;
    return this.#bytes.subarray(start, this.#end);
  }

  /** A reader of the next `count` bytes, which this one skips. Its errors name this message and `field`. */
  sub(field: string, count: number): Reader {
    const view = this.bytes(field, count);
    return new Reader(`${this.#name} ${field}`, this.#code, view);
  }

  skip(field: string, count: number): void {
    if (count < 0)
      throw new ProtocolError(`${this.#code}_BAD_LENGTH`, `${this.#name} ${field} has the impossible length ${count}`);
    this.#take(field, count);
  }

  /** Throws when bytes are left. */
  end(): void {
    if (this.#at !== this.#end) {
      throw new ProtocolError(`${this.#code}_TRAILING`, `${this.#name} has ${this.#end - this.#at} trailing bytes`);
    }
  }

  /** A ProtocolError in this message's name, for rules that the reader does not know. */
  fault(suffix: string, what: string): ProtocolError {
    return new ProtocolError(`${this.#code}_${suffix}`, `${this.#name} ${what}`);
  }

  #take(field: string, count: number): number {
    const start = this.#at;
    if (this.#end - start < count) {
      const got = this.#end - start;
      throw new ProtocolError(`${this.#code}_TOO_SHORT`, `${this.#name} ${field} needs ${count} bytes, got ${got}`);
    }
    this.#at = start + count;
    return start;
  }

  #zero(): number {
    const near = Math.min(this.#end, this.#at + nearBytes);
    for (let at = this.#at; at < near; at += 1) if (this.#bytes[at] === 0) return at;
    return near < this.#end ? this.#bytes.indexOf(0, near) : -1;
  }

  #terminator(field: string): number {
    const zero = this.#zero();
    if (zero < 0 || zero >= this.#end) {
      throw new ProtocolError(`${this.#code}_UNTERMINATED`, `${this.#name} ${field} has no terminating zero`);
    }
    this.#at = zero + 1;
    return zero;
  }
}

/** Names are short: a search in place costs less than a call into the runtime. */
const nearBytes = 32;

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
