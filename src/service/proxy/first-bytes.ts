import { MAX_CANCEL_BYTES, MIN_CANCEL_BYTES } from './cancel.ts';

/** What a connection's first bytes say it is. `more`: at least `need` bytes are needed to tell. */
export type FirstBytes =
  | { readonly type: 'more'; readonly need: number }
  | { readonly type: 'cancel'; readonly length: number }
  | {
      readonly type:
        | 'tls'
        | 'ssl-request'
        | 'gssenc-request'
        | 'startup'
        | 'proxy-v1'
        | 'proxy-v2'
        | 'http'
        | 'unknown';
    };

/** The length of PostgreSQL's SSLRequest and GSSENCRequest. */
export const ENCRYPTION_REQUEST_BYTES = 8;

/**
 * Tells the protocols of the public port apart (ARCHITECTURE.md, "Public port of a proxy"). No two begin alike: TLS with 0x16 0x03, PostgreSQL with a
 * zero byte (its packets have a length below 16 MiB first), the others with text or a signature.
 */
export function detectFirstBytes(bytes: Buffer): FirstBytes {
  const first = bytes[0];
  if (first === undefined) return { type: 'more', need: 1 };
  if (first === 0x16) return detectTls(bytes);
  if (first === 0x00) return detectPostgres(bytes);
  if (first === PROXY_V2[0]) return detectText(bytes, PROXY_V2, 'proxy-v2');
  const proxy = detectText(bytes, PROXY_V1, 'proxy-v1');
  return proxy.type === 'unknown' ? detectHttp(bytes) : proxy;
}

/** A packet that came over TLS where a start-up packet was expected. */
export function isCancelRequest(bytes: Buffer): boolean {
  return (
    bytes.length >= MIN_CANCEL_BYTES &&
    bytes.readUInt32BE(4) === CANCEL_REQUEST_CODE &&
    bytes.readUInt32BE(0) === bytes.length
  );
}

function detectTls(bytes: Buffer): FirstBytes {
  if (bytes.length < 2) return { type: 'more', need: 2 };
  return { type: bytes[1] === 0x03 ? 'tls' : 'unknown' };
}

function detectPostgres(bytes: Buffer): FirstBytes {
  if (bytes.length < 8) return { type: 'more', need: 8 };
  const length = bytes.readUInt32BE(0);
  const code = bytes.readUInt32BE(4);
  if (code === SSL_REQUEST_CODE) return { type: length === ENCRYPTION_REQUEST_BYTES ? 'ssl-request' : 'unknown' };
  if (code === GSSENC_REQUEST_CODE) return { type: length === ENCRYPTION_REQUEST_BYTES ? 'gssenc-request' : 'unknown' };
  if (code === CANCEL_REQUEST_CODE) {
    return length >= MIN_CANCEL_BYTES && length <= MAX_CANCEL_BYTES ? { type: 'cancel', length } : { type: 'unknown' };
  }
  const major = code >>> 16;
  return { type: length >= 8 && (major === 2 || major === 3 || major === 4) ? 'startup' : 'unknown' };
}

function detectText(bytes: Buffer, expected: Buffer, type: 'proxy-v1' | 'proxy-v2'): FirstBytes {
  const compared = Math.min(bytes.length, expected.length);
  if (!bytes.subarray(0, compared).equals(expected.subarray(0, compared))) return { type: 'unknown' };
  return compared === expected.length ? { type } : { type: 'more', need: expected.length };
}

function detectHttp(bytes: Buffer): FirstBytes {
  const text = bytes.toString('latin1', 0, LONGEST_METHOD + 1);
  const method = HTTP_METHODS.find((one) => text.startsWith(`${one} `));
  if (method !== undefined) return { type: 'http' };
  const possible = HTTP_METHODS.some((one) => `${one} `.startsWith(text));
  return possible ? { type: 'more', need: bytes.length + 1 } : { type: 'unknown' };
}

const SSL_REQUEST_CODE = 80_877_103;
const GSSENC_REQUEST_CODE = 80_877_104;
const CANCEL_REQUEST_CODE = 80_877_102;
const PROXY_V1 = Buffer.from('PROXY ');
const PROXY_V2 = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const HTTP_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'CONNECT', 'TRACE'] as const;
const LONGEST_METHOD = 7;
