import { createHash } from 'node:crypto';
import { Reader } from '../../wire/reader.ts';
import type { AuditedValue, BoundValues } from './records.ts';
import { wholeCharacters } from './text.ts';
import { decodeBinaryValue } from './values.ts';

/** The names of a Bind and where its formats begin. */
export type BindNames = { readonly portal: string; readonly statement: string; readonly reader: Reader };

/**
 * Reads the names, which come first.
 *
 *     portal, zero-terminated | statement, zero-terminated | formats | values | result formats
 *
 * The names are one character a byte (lossless map keys).
 */
export function readBindNames(bytes: Buffer, start: number, end: number): BindNames {
  const reader = new Reader('postgres: Bind', 'PG_BIND', bytes, start, end);
  const portal = reader.cstringLatin1('portal');
  const statement = reader.cstringLatin1('statement');
  return { portal, statement, reader };
}

/**
 * Reads formats and values: Int16 n | Int16 format * n | Int16 m | (Int32 length (-1: null) | bytes) * m.
 * `budget` bounds the value bytes kept together. `cut`: the body's tail is missing, so what the prefix holds is read and no more.
 */
export function readBoundValues(
  reader: Reader,
  types: readonly number[],
  budget: number,
  cut: { readonly sha256: string; readonly bodyBytes: number } | undefined,
): BoundValues {
  const formats = readFormats(reader, cut !== undefined);
  if (formats === undefined || (cut !== undefined && reader.remaining < 2)) return { values: [], count: 0, ...cut };
  const count = reader.uint16('value count');
  if (count === 0 && cut === undefined) return NO_VALUES;
  const values: AuditedValue[] = [];
  let left = budget;
  for (let index = 0; index < count; index += 1) {
    if (cut !== undefined && !hasWholeValue(reader)) break;
    const length = reader.int32('value length');
    if (length === -1) {
      values.push(null);
      continue;
    }
    const bytes = reader.bytes('value', length);
    const binary = (formats.length === 1 ? formats[0] : formats[index]) === 1;
    values.push(auditedValue(bytes, binary, types[index] ?? 0, left));
    left = Math.max(0, left - length);
  }
  return { values, count, ...cut };
}

/** One value as text; above `budget` bytes its beginning, length and digest. */
export function auditedValue(bytes: Buffer, binary: boolean, type: number, budget: number): AuditedValue {
  if (bytes.length <= budget)
    return (binary ? decodeBinaryValue(type, bytes) : bytes.toString('utf8')) ?? `\\x${bytes.toString('hex')}`;
  const shown =
    TEXT_TYPES.has(type) || !binary
      ? bytes.toString('utf8', 0, wholeCharacters(bytes, 0, budget))
      : `\\x${bytes.toString('hex', 0, budget)}`;
  return { value: shown, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** The values of a Bind without any. */
export const NO_VALUES: BoundValues = { values: [], count: 0 };

function readFormats(reader: Reader, cut: boolean): readonly number[] | undefined {
  if (cut && reader.remaining < 2) return undefined;
  const count = reader.uint16('format count');
  if (count === 0) return NONE;
  if (cut && reader.remaining < count * 2) return undefined;
  if (count === 1) return reader.uint16('format') === 0 ? NONE : ALL_BINARY;
  const formats: number[] = [];
  for (let index = 0; index < count; index += 1) formats.push(reader.uint16('format'));
  return formats;
}

function hasWholeValue(reader: Reader): boolean {
  return reader.remaining >= 4 && reader.remaining - 4 >= Math.max(0, reader.peekInt32());
}

const NONE: readonly number[] = [];
const ALL_BINARY: readonly number[] = [1];
const TEXT_TYPES: ReadonlySet<number> = new Set([18, 19, 25, 114, 142, 705, 1042, 1043]);
