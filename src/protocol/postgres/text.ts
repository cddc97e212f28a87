import type { StatementText } from './records.ts';

/**
 * SQL bytes for audit. A client_encoding that is not UTF-8 must not lose bytes, so what is not valid UTF-8 is kept one character a byte and says so.
 * `digest` is present when the bytes were cut: a UTF-8 character cut in two at the end is then dropped, not replaced.
 */
export function decodeStatementText(
  bytes: Buffer,
  start: number,
  end: number,
  bodyBytes: number,
  digest: string | undefined,
): StatementText {
  const stop = digest === undefined ? end : wholeCharacters(bytes, start, end);
  const text = bytes.toString('utf8', start, stop);
  const cut = digest === undefined ? {} : { sha256: digest };
  if (text.includes('\uFFFD') && !Buffer.from(text, 'utf8').equals(bytes.subarray(start, stop))) {
    return { text: bytes.toString('latin1', start, end), encoding: 'latin1', bodyBytes, ...cut };
  }
  return { text, bodyBytes, ...cut };
}

/**
 * What the database tells names apart by: NAMEDATALEN - 1 bytes, the rest is cut off without a word. Takes and gives one character a byte.
 */
export function nameKey(latin1: string): string {
  return latin1.length > NAME_BYTES ? latin1.slice(0, NAME_BYTES) : latin1;
}

/** ASCII means the same in every client_encoding; other bytes may be another name after it changed, or the same as other bytes. */
export function isPlainName(latin1: string): boolean {
  for (let at = 0; at < latin1.length; at += 1) if (latin1.charCodeAt(at) > 0x7f) return false;
  return true;
}

/** A name as people read it, from its one-character-a-byte form. */
export function displayName(latin1: string): string {
  return isPlainName(latin1) ? latin1 : Buffer.from(latin1, 'latin1').toString('utf8');
}

const NAME_BYTES = 63;

/** Where the last whole UTF-8 character ends. */
export function wholeCharacters(bytes: Buffer, start: number, end: number): number {
  let at = end;
  while (at > start && end - at < 4) {
    at -= 1;
    const byte = bytes[at] ?? 0;
    if (byte < 0x80) return end;
    if (byte >= 0xc0) {
      const need = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return end - at >= need ? end : at;
    }
  }
  return end;
}
