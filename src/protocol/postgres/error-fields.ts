import { Reader } from '../../wire/reader.ts';
import { maxErrorFieldBytes, type ServerError } from './records.ts';
import { wholeCharacters } from './text.ts';

/**
 * Every field of an ErrorResponse or NoticeResponse by its letter: (Byte1 letter | text, zero-terminated)* | zero.
 * https://www.postgresql.org/docs/current/protocol-error-fields.html
 */
export function decodeErrorFields(bytes: Uint8Array, start = 0, end = bytes.length): ReadonlyMap<string, string> {
  const reader = new Reader('postgres: ErrorResponse', 'PG_ERROR_RESPONSE', bytes, start, end);
  const fields = new Map<string, string>();
  for (;;) {
    const letter = reader.uint8('field type');
    if (letter === 0) break;
    fields.set(String.fromCharCode(letter), reader.cstring('field'));
  }
  reader.end();
  return fields;
}

/**
 * The audited fields. Tolerant: a database (or one that only speaks its protocol) may send less, and an error cut at the scanner's cap still tells its
 * beginning.
 */
export function decodeServerError(bytes: Buffer, start: number, end: number): ServerError {
  const found = new Map<number, string>();
  let at = start;
  while (at < end && bytes[at] !== 0) {
    const letter = bytes[at] ?? 0;
    const zero = bytes.indexOf(0, at + 1);
    const stop = zero < 0 || zero > end ? end : zero;
    const kept =
      stop - at - 1 > maxErrorFieldBytes ? wholeCharacters(bytes, at + 1, at + 1 + maxErrorFieldBytes) : stop;
    if (AUDITED.has(letter)) found.set(letter, bytes.toString('utf8', at + 1, kept));
    at = stop + 1;
  }
  const detail = found.get(0x44);
  const hint = found.get(0x48);
  return {
    severity: found.get(0x56) ?? found.get(0x53) ?? '',
    code: found.get(0x43) ?? '',
    message: found.get(0x4d) ?? '',
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** S severity, V its non-localised form, C code, M message, D detail, H hint. */
const AUDITED: ReadonlySet<number> = new Set([0x53, 0x56, 0x43, 0x4d, 0x44, 0x48]);
