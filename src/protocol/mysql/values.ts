import { createHash } from 'node:crypto';
import type { AuditedValue } from './records.ts';
import { utf8Text, wholeCharacters } from './text.ts';

/**
 * How many bytes a value of this type has in the binary protocol; `length-encoded`: a length-encoded integer says it; undefined: the servers do not
 * agree on the type or refuse it, so where the value ends can not be told. (MariaDB takes MEDIUMINT, YEAR, BIT and GEOMETRY for a NULL without bytes.)
 *
 * Type numbers are those of enum_field_types (field_types.h), fixed by the protocol.
 */
export function binaryValueSize(type: number): number | 'length-encoded' | undefined {
  return FIXED_SIZES.get(type) ?? (LENGTH_ENCODED.has(type) ? 'length-encoded' : undefined);
}

/**
 * One value as text for audit: what MySQL would print; bytes that are no text as `\x` and hex. Above `budget` bytes its beginning, length and digest.
 * `type` is the type byte, `unsigned` its flag. A date or time of a length that the specification does not know is hex too.
 */
export function auditedValue(type: number, unsigned: boolean, bytes: Buffer, budget: number): AuditedValue {
  if (FIXED_SIZES.has(type) || TEMPORAL.has(type)) {
    const text = scalarText(type, unsigned, bytes);
    if (text !== undefined) return text;
  }
  if (bytes.length <= budget) return (type === vector ? undefined : utf8Text(bytes)) ?? hex(bytes);
  const kept = bytes.subarray(0, Math.max(0, budget));
  const text = type === vector ? undefined : utf8Text(kept.subarray(0, wholeCharacters(kept)));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { value: text ?? hex(kept), bytes: bytes.length, sha256 };
}

function scalarText(type: number, unsigned: boolean, bytes: Buffer): string | undefined {
  switch (type) {
    case 1:
      return String(unsigned ? bytes.readUInt8(0) : bytes.readInt8(0));
    case 2:
      return String(unsigned ? bytes.readUInt16LE(0) : bytes.readInt16LE(0));
    case 3:
      return String(unsigned ? bytes.readUInt32LE(0) : bytes.readInt32LE(0));
    case 8:
      return String(unsigned ? bytes.readBigUInt64LE(0) : bytes.readBigInt64LE(0));
    case 4:
      return float32Text(bytes.readFloatLE(0));
    case 5:
      return numberText(bytes.readDoubleLE(0));
    case 11:
      return timeText(bytes);
    default:
      return dateText(type, bytes);
  }
}

/** The fewest digits that give the same single-precision number back. */
function float32Text(value: number): string {
  for (let digits = 1; digits <= 9; digits += 1) {
    const shown = Number(value.toPrecision(digits));
    if (Math.fround(shown) === value) return numberText(Object.is(value, -0) ? value : shown);
  }
  return numberText(value);
}

/** JavaScript's shortest text, without hiding the sign of zero. */
function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** u8 negative | u32 days | u8 hours | u8 minutes | u8 seconds | [u32 microseconds]; nothing at all for zero. */
function timeText(bytes: Buffer): string | undefined {
  if (bytes.length === 0) return '00:00:00';
  if (bytes.length !== 8 && bytes.length !== 12) return undefined;
  const hours = bytes.readUInt32LE(1) * 24 + bytes.readUInt8(5);
  const fraction = bytes.length === 12 ? `.${digits(bytes.readUInt32LE(8), 6)}` : '';
  return `${bytes[0] === 0 ? '' : '-'}${digits(hours, 2)}:${clockTail(bytes, 6)}${fraction}`;
}

/** u16 year | u8 month | u8 day | [u8 hour | u8 minute | u8 second | [u32 microseconds | [i16 offset in minutes]]]; nothing at all for zero. */
function dateText(type: number, bytes: Buffer): string | undefined {
  const { length } = bytes;
  if (length !== 0 && length !== 4 && length !== 7 && length !== 11 && length !== 13) return undefined;
  const day =
    length === 0
      ? '0000-00-00'
      : `${digits(bytes.readUInt16LE(0), 4)}-${digits(bytes.readUInt8(2), 2)}-${digits(bytes.readUInt8(3), 2)}`;
  if (length < 7) return type === 10 ? day : `${day} 00:00:00`;
  const clock = `${digits(bytes.readUInt8(4), 2)}:${clockTail(bytes, 5)}`;
  const fraction = length >= 11 ? `.${digits(bytes.readUInt32LE(7), 6)}` : '';
  return `${day} ${clock}${fraction}${length === 13 ? offsetText(bytes.readInt16LE(11)) : ''}`;
}

function clockTail(bytes: Buffer, at: number): string {
  return `${digits(bytes.readUInt8(at), 2)}:${digits(bytes.readUInt8(at + 1), 2)}`;
}

function offsetText(minutes: number): string {
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${digits(Math.floor(size / 60), 2)}:${digits(size % 60, 2)}`;
}

function digits(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

function hex(bytes: Buffer): string {
  return `\\x${bytes.toString('hex')}`;
}

/** TINY, SHORT, LONG, FLOAT, DOUBLE, LONGLONG. NULL (6) is only for a value whose bit in the NULL bitmap is set. */
const FIXED_SIZES: ReadonlyMap<number, number> = new Map([
  [1, 1],
  [2, 2],
  [3, 4],
  [4, 4],
  [5, 8],
  [8, 8],
]);

/** TIMESTAMP, DATE, TIME, DATETIME. */
const TEMPORAL: ReadonlySet<number> = new Set([7, 10, 11, 12]);

/** DECIMAL, the dates and times, VARCHAR, VECTOR, JSON, NEWDECIMAL, ENUM, SET, the BLOBs, VAR_STRING, STRING. */
const LENGTH_ENCODED: ReadonlySet<number> = new Set([
  0, 7, 10, 11, 12, 15, 242, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254,
]);

/** Never text, whatever its bytes look like. */
const vector = 242;
