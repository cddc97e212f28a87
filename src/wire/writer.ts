import { BugError } from '../errors.ts';

/**
 * A growing buffer for encoding messages. Integers are big-endian unless the name says otherwise. What does not fit its field is ours to prevent, so it is a BugError.
 * `finish` hands the bytes to the caller; the writer starts anew with a fresh buffer.
 */
export class Writer {
  #bytes: Buffer;
  #length = 0;

  constructor(initialBytes = 128) {
    this.#bytes = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  uint8(value: number): this {
    const at = this.#grow(1);
    this.#bytes.writeUInt8(checked(value, 0, 0xff), at);
    return this;
  }

  uint16(value: number): this {
    const at = this.#grow(2);
    this.#bytes.writeUInt16BE(checked(value, 0, 0xffff), at);
    return this;
  }

  int16(value: number): this {
    const at = this.#grow(2);
    this.#bytes.writeInt16BE(checked(value, -0x8000, 0x7fff), at);
    return this;
  }

  uint32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32BE(checked(value, 0, 0xffffffff), at);
    return this;
  }

  int32(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeInt32BE(checked(value, -0x80000000, 0x7fffffff), at);
    return this;
  }

  int64(value: bigint): this {
    const at = this.#grow(8);
    this.#bytes.writeBigInt64BE(value, at);
    return this;
  }

  uint16LE(value: number): this {
    const at = this.#grow(2);
    this.#bytes.writeUInt16LE(checked(value, 0, 0xffff), at);
    return this;
  }

  uint24LE(value: number): this {
    const at = this.#grow(3);
    this.#bytes.writeUIntLE(checked(value, 0, 0xffffff), at, 3);
    return this;
  }

  uint32LE(value: number): this {
    const at = this.#grow(4);
    this.#bytes.writeUInt32LE(checked(value, 0, 0xffffffff), at);
    return this;
  }

  uint64LE(value: bigint): this {
    if (value < 0n || value > 0xffff_ffff_ffff_ffffn)
      throw new BugError(`${value} does not fit 64 bits without a sign`);
    const at = this.#grow(8);
    this.#bytes.writeBigUInt64LE(value, at);
    return this;
  }

  /** Copies `bytes`. */
  bytes(bytes: Uint8Array): this {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** UTF-8 without a terminator. */
  string(text: string): this {
    const count = Buffer.byteLength(text);
    const at = this.#grow(count);
    this.#bytes.write(text, at, count, 'utf8');
    return this;
  }

  /** UTF-8 and a zero. A zero inside the text would end it early on the other side, so it is refused. */
  cstring(text: string): this {
    if (text.includes('\0')) throw new BugError('a zero-terminated string must not contain a zero');
    return this.string(text).uint8(0);
  }

  /** Overwrites four bytes written before, for lengths known only at the end. */
  patchInt32(at: number, value: number): this {
    if (at < 0 || at + 4 > this.#length)
      throw new BugError(`patch at ${at} is outside the ${this.#length} bytes written`);
    this.#bytes.writeInt32BE(checked(value, -0x80000000, 0x7fffffff), at);
    return this;
  }

  /** The bytes written so far, now the caller's. */
  finish(): Buffer {
    const done = this.#bytes.subarray(0, this.#length);
    this.#bytes = Buffer.allocUnsafeSlow(128);
    this.#length = 0;
    return done;
  }

  #grow(count: number): number {
    const at = this.#length;
    const need = at + count;
    if (need > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(need, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, at);
      this.#bytes = larger;
    }
    this.#length = need;
    return at;
  }
}

function checked(value: number, min: number, max: number): number {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new BugError(`${value} does not fit a field of ${min} to ${max}`);
  return value;
}
