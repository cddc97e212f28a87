import type { Reader } from '../../wire/reader.ts';
import type { Writer } from '../../wire/writer.ts';

/**
 * Length-encoded integers and strings:
 *
 *     0..250 the value itself | 0xfc UInt16LE | 0xfd UInt24LE | 0xfe UInt64LE
 *
 * 0xfb is the NULL of a text row and 0xff the header of an error; neither is a number. A number may be written longer than needed, as servers accept it.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html
 */

/** A number up to 2^64 - 1. Throws `<CODE>_TOO_SHORT` and `<CODE>_BAD_NUMBER`. */
export function readLenenc(reader: Reader, field: string): bigint {
  const first = reader.uint8(field);
  return first === eightBytes ? reader.uint64LE(field) : BigInt(upTo24Bits(reader, field, first));
}

/** A length or count, which must not be above `remaining` of the reader. Throws as {@link readLenenc}, and `<CODE>_TOO_SHORT` for a longer one. */
export function readLength(reader: Reader, field: string): number {
  const first = reader.uint8(field);
  const length = first === eightBytes ? reader.uint64LE(field) : upTo24Bits(reader, field, first);
  if (length > reader.remaining)
    throw reader.fault('TOO_SHORT', `${field} claims ${length} bytes, got ${reader.remaining}`);
  return Number(length);
}

/** A string of bytes, as a view. Throws as {@link readLength}. */
export function readLenencBytes(reader: Reader, field: string): Buffer {
  return reader.bytes(field, readLength(reader, field));
}

/** In the shortest form. */
export function writeLenenc(writer: Writer, value: number | bigint): Writer {
  if (value < 0xfb) return writer.uint8(Number(value));
  if (value <= 0xffff) return writer.uint8(twoBytes).uint16LE(Number(value));
  if (value <= 0xffffff) return writer.uint8(threeBytes).uint24LE(Number(value));
  return writer.uint8(eightBytes).uint64LE(BigInt(value));
}

/** Copies `bytes` behind their length. */
export function writeLenencBytes(writer: Writer, bytes: Uint8Array): Writer {
  return writeLenenc(writer, bytes.length).bytes(bytes);
}

const twoBytes = 0xfc;
const threeBytes = 0xfd;
const eightBytes = 0xfe;

function upTo24Bits(reader: Reader, field: string, first: number): number {
  if (first < 0xfb) return first;
  if (first === twoBytes) return reader.uint16LE(field);
  if (first === threeBytes) return reader.uint24LE(field);
  throw reader.fault('BAD_NUMBER', `${field} begins with ${first}, which no length-encoded number does`);
}
