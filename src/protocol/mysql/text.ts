import { createHash } from 'node:crypto';
import type { StatementText } from './records.ts';

/**
 * SQL bytes for audit. What is not valid UTF-8 (a client with another character set) loses no byte: it is kept one character a byte and says so.
 * Above `maxBytes` bytes the text is its beginning, ending at a whole UTF-8 character, with the SHA-256 of all of `bytes`.
 *
 * `whole` is for a command of which only a beginning was kept: length in bytes and lower-case hex SHA-256 of the whole SQL, computed by who saw it pass.
 */
export function statementText(
  bytes: Uint8Array,
  maxBytes: number,
  whole?: { readonly bytes: number; readonly sha256: string },
): StatementText {
  const all = toBuffer(bytes);
  if (whole === undefined && all.length <= maxBytes) return { ...decoded(all), bytes: all.length };
  const end = Math.min(all.length, Math.max(0, maxBytes));
  const kept = all.subarray(0, end);
  const border = wholeCharacters(kept);
  const shown = decoded(kept.subarray(0, border));
  const sha256 = whole?.sha256 ?? createHash('sha256').update(all).digest('hex');
  // Only the cut made it look like UTF-8 no more when the rest is; a text in another character set keeps the byte that was set aside.
  const text = shown.encoding === 'latin1' ? decoded(kept) : shown;
  return { ...text, bytes: whole?.bytes ?? all.length, sha256 };
}

/** UTF-8 when the bytes are, else one character a byte. */
function decoded(bytes: Buffer): { readonly text: string; readonly encoding?: 'latin1' } {
  const text = utf8Text(bytes);
  return text === undefined ? { text: bytes.toString('latin1'), encoding: 'latin1' } : { text };
}

/** The text, or undefined when the bytes are not valid UTF-8. */
export function utf8Text(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8');
  return text.includes('\uFFFD') && !Buffer.from(text, 'utf8').equals(bytes) ? undefined : text;
}

/** Where the last whole UTF-8 character of `bytes` ends: what a cut may have left of one at the end is not counted. */
export function wholeCharacters(bytes: Buffer): number {
  const { length } = bytes;
  for (let back = 1; back <= 3 && back <= length; back += 1) {
    const byte = bytes[length - back] ?? 0;
    if (byte < 0x80) return length;
    if (byte >= 0xc0) return characterBytes(byte) > back ? length - back : length;
  }
  return length;
}

/** A buffer over the same memory. */
export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function characterBytes(lead: number): number {
  if (lead >= 0xf0) return 4;
  return lead >= 0xe0 ? 3 : 2;
}
