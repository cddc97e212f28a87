import { createHash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';

/** What of a text goes into an event. `cut`, when set, is told beside it (`db_query_truncated`): the whole's length in bytes and SHA-256. */
export type BoundedText = {
  readonly text: string;
  readonly cut?: { readonly bytes: number; readonly sha256: string };
};

/**
 * At most `maxBytes` of UTF-8 of `source`, ending at a whole character; nothing is cut silently. Bytes that are not UTF-8 (a client with another
 * encoding) are shown with replacement characters, and as that loses something too, `cut` is set.
 */
export function boundText(source: string | Uint8Array, maxBytes: number): BoundedText {
  if (typeof source === 'string') {
    if (source.length * 3 <= maxBytes || Buffer.byteLength(source) <= maxBytes) return { text: source };
    return cutTo(Buffer.from(source), maxBytes);
  }
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  if (bytes.length <= maxBytes && isUtf8(bytes)) return { text: bytes.toString('utf8') };
  return cutTo(bytes, maxBytes);
}

function cutTo(bytes: Buffer, maxBytes: number): BoundedText {
  let end = Math.min(bytes.length, Math.max(0, maxBytes));
  // Back to the first byte of the character that the limit would split; a character has at most three more.
  for (let back = 0; back < 4 && end > 0 && end < bytes.length && isContinuation(bytes[end] ?? 0); back += 1) end -= 1;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  let text = bytes.toString('utf8', 0, end);
  // A replacement character is three bytes for one, so foreign bytes may grow.
  while (Buffer.byteLength(text) > maxBytes)
    text = text.slice(0, Math.floor((text.length * maxBytes) / Buffer.byteLength(text)));
  return { text, cut: { bytes: bytes.length, sha256 } };
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
