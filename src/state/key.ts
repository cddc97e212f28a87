import { LimitError, StorageError } from '../errors.ts';
import type { Json } from './store.ts';

/** What every implementation of the store takes for a key and a value, so that none differs from another. */

/** maxStateKeyBytes, in UTF-8. */
export const MAX_KEY_BYTES = 512;
/** maxStateValueBytes, as JSON in UTF-8. */
export const MAX_VALUE_BYTES = 1024 * 1024;

/** Throws unless `key` is a `/kind/name` path: begins with a slash, no control characters, at most `maxStateKeyBytes`. */
export function checkKey(key: string): void {
  if (!key.startsWith('/') || key.length < 2)
    throw new StorageError('STATE_KEY_INVALID', 'state key: expected a path that begins with a slash');
  checkText(key);
}

/** Throws unless `prefix` is empty or could begin a key. */
export function checkPrefix(prefix: string): void {
  if (prefix !== '' && !prefix.startsWith('/'))
    throw new StorageError('STATE_KEY_INVALID', 'state prefix: expected nothing or a path that begins with a slash');
  checkText(prefix);
}

/** The value as compact JSON. Throws LimitError `STATE_VALUE_TOO_LARGE`; the message never shows any of it. */
export function serialize(value: Json): string {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined)
    throw new StorageError('STATE_VALUE_INVALID', 'state value: expected JSON, got something that has no JSON');
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_VALUE_BYTES)
    throw new LimitError(
      'STATE_VALUE_TOO_LARGE',
      `state value of ${bytes} bytes exceeds maxStateValueBytes ${MAX_VALUE_BYTES}`,
    );
  return text;
}

/** Throws unless `expiresMs` is absent or a whole number of milliseconds since 1970. */
export function checkExpiry(expiresMs: number | undefined): void {
  if (expiresMs !== undefined && !(Number.isSafeInteger(expiresMs) && expiresMs >= 0)) {
    throw new StorageError('STATE_EXPIRY_INVALID', 'state expiry: expected whole milliseconds since 1970');
  }
}

function checkText(text: string): void {
  // U+10FFFF is no character; it ends the range of a prefix.
  if (!text.isWellFormed() || FORBIDDEN.test(text))
    throw new StorageError('STATE_KEY_INVALID', 'state key: control characters and lone surrogates are not allowed');
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_KEY_BYTES)
    throw new LimitError('STATE_KEY_TOO_LONG', `state key of ${bytes} bytes exceeds maxStateKeyBytes ${MAX_KEY_BYTES}`);
}

const FORBIDDEN = /[\u0000-\u001f\u007f\u{10ffff}]/u;
