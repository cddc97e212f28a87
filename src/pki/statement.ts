import { isIP } from 'node:net';
import { LoginError, ProtocolError } from '../errors.ts';

/** The small JSON objects inside signed statements: strict reading and freshness, shared by opening.ts and signed-address.ts. */

/** Reads a flat JSON object that has all of `keys`, perhaps some of `others`, and nothing else. Throws ProtocolError with `code`. */
export function parseStatement<K extends string, O extends string = never>(
  bytes: Uint8Array,
  keys: readonly K[],
  code: string,
  others: readonly O[] = [],
): { readonly [key in K]: unknown } & { readonly [key in O]?: unknown } {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw new ProtocolError(code, 'signed statement: expected JSON in UTF-8');
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new ProtocolError(code, 'signed statement: expected an object');
  const known: readonly string[] = [...keys, ...others];
  if (!keys.every((key) => Object.hasOwn(document, key)) || !Object.keys(document).every((key) => known.includes(key)))
    throw new ProtocolError(code, `signed statement: expected the keys ${known.join(', ')} alone`);
  return document as { readonly [key in K]: unknown } & { readonly [key in O]?: unknown };
}

/** Refuses what was signed longer than `maxAgeMs` ago, or further than that allows in the future. LoginError `<prefix>_STALE` or `<prefix>_FROM_FUTURE`. */
export function checkFreshness(
  prefix: string,
  timeMs: number,
  options: { readonly nowMs: number; readonly maxAgeMs: number; readonly maxSkewMs: number },
): void {
  const ageMs = options.nowMs - timeMs;
  if (!(ageMs <= options.maxAgeMs))
    throw new LoginError(
      `${prefix}_STALE`,
      `signed ${ageMs} ms ago, exceeds maxAgeMs ${options.maxAgeMs}: check the clocks`,
    );
  if (!(ageMs >= -options.maxSkewMs)) {
    throw new LoginError(
      `${prefix}_FROM_FUTURE`,
      `signed ${-ageMs} ms in the future, exceeds maxSkewMs ${options.maxSkewMs}: check the clocks`,
    );
  }
}

/** True for `1.2.3.4:5` and `[::1]:5`. */
export function isHostPort(text: unknown): text is string {
  if (typeof text !== 'string' || text.length > MAX_HOST_PORT_LENGTH) return false;
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  if (match === null) return false;
  const [, v6, v4, port] = match;
  return (v6 === undefined ? isIP(v4 ?? '') === 4 : isIP(v6) === 6) && Number(port) <= 0xffff;
}

/** True for a time in milliseconds since 1970 as the statements write it. */
export function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** DEFAULT maxAgeMs of every signed statement: how long one may be on its way. */
export const DEFAULT_MAX_AGE_MS = 60_000;
/** DEFAULT maxSkewMs: how far a proxy's clock may be ahead of the reader's. */
export const DEFAULT_MAX_SKEW_MS = 30_000;
const MAX_HOST_PORT_LENGTH = 64;
