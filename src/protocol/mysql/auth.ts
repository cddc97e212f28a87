import { constants, createHash, createPublicKey, type KeyObject, publicEncrypt } from 'node:crypto';
import { ProtocolError } from '../../errors.ts';

/**
 * How a password is proved to MySQL and MariaDB, one function a plugin. All are pure. An empty password is proved by an empty answer throughout.
 * Passwords go over the wire as UTF-8.
 */

/** The plugins by their names on the wire. */
export const AUTH_PLUGIN = {
  NATIVE: 'mysql_native_password',
  CACHING_SHA2: 'caching_sha2_password',
  CLEAR: 'mysql_clear_password',
  ED25519: 'client_ed25519',
  PARSEC: 'parsec',
} as const;

/** What caching_sha2_password says in its data: the cached password fits, or the whole one is needed. */
export const CACHING_SHA2 = { FAST_OK: 0x03, FULL_NEEDED: 0x04 } as const;

/**
 * mysql_native_password: `SHA1(password) XOR SHA1(scramble, SHA1(SHA1(password)))`. Throws a ProtocolError `MYSQL_SCRAMBLE_LENGTH` unless the scramble has 20 bytes.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase_authentication_methods_native_password_authentication.html
 */
export function nativePasswordResponse(password: string, scramble: Uint8Array): Buffer {
  if (password === '') return Buffer.alloc(0);
  checkScramble(scramble, 20);
  const once = hash('sha1', Buffer.from(password));
  return xor(once, hash('sha1', scramble, hash('sha1', once)));
}

/**
 * caching_sha2_password, fast path: `SHA256(password) XOR SHA256(SHA256(SHA256(password)), scramble)`. Throws as {@link nativePasswordResponse}.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
 */
export function cachingSha2Response(password: string, scramble: Uint8Array): Buffer {
  if (password === '') return Buffer.alloc(0);
  checkScramble(scramble, 20);
  const once = hash('sha256', Buffer.from(password));
  return xor(once, hash('sha256', hash('sha256', once), scramble));
}

/** The password itself and a zero: mysql_clear_password, and the full path of caching_sha2_password. Only inside TLS that has verified the server. */
export function clearPassword(password: string): Buffer {
  return Buffer.from(`${password}\0`);
}

/**
 * caching_sha2_password, full path without TLS: the password and a zero, XORed with the scramble and encrypted (RSA-OAEP, SHA-1) for the server's key. The key
 * must come from configuration: one that the server sends in clear (for a packet of 0x02) proves nothing. Throws a ProtocolError `MYSQL_PUBLIC_KEY_BAD` (no RSA key of 2048 to
 * 16384 bits, or a password too long for it), `MYSQL_SCRAMBLE_LENGTH`.
 */
export function cachingSha2Encrypted(
  password: string,
  scramble: Uint8Array,
  publicKeyPem: string | Uint8Array,
): Buffer {
  checkScramble(scramble, 20);
  const key = rsaKey(publicKeyPem);
  const clear = clearPassword(password);
  const hidden = clear.map((byte, at) => byte ^ (scramble[at % scramble.length] ?? 0));
  try {
    return publicEncrypt({ key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }, hidden);
  } catch {
    // Without its cause, whose text is not ours to vouch for.
    throw badKey('the password is too long for the public key of the server');
  }
}

/** Throws `MYSQL_SCRAMBLE_LENGTH` unless the server's scramble has the length that a plugin expects. */
export function checkScramble(scramble: Uint8Array, bytes: number): void {
  if (scramble.length !== bytes)
    throw new ProtocolError('MYSQL_SCRAMBLE_LENGTH', `mysql: scramble has ${scramble.length} bytes, expected ${bytes}`);
}

const maxPemBytes = 8 * 1024;
const minRsaBits = 2048;
const maxRsaBits = 16_384;

function rsaKey(pem: string | Uint8Array): KeyObject {
  if (pem.length > maxPemBytes) throw badKey(`the public key of the server has ${pem.length} bytes`);
  let key: KeyObject;
  try {
    key = createPublicKey(typeof pem === 'string' ? pem : Buffer.from(pem));
  } catch {
    throw badKey('the public key of the server cannot be read');
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (key.asymmetricKeyType !== 'rsa' || bits < minRsaBits || bits > maxRsaBits)
    throw badKey(`the public key of the server is not an RSA key of ${minRsaBits} to ${maxRsaBits} bits`);
  return key;
}

function badKey(what: string): ProtocolError {
  return new ProtocolError('MYSQL_PUBLIC_KEY_BAD', `mysql: ${what}`);
}

function hash(algorithm: 'sha1' | 'sha256', ...parts: readonly Uint8Array[]): Buffer {
  const sum = createHash(algorithm);
  for (const part of parts) sum.update(part);
  return sum.digest();
}

function xor(left: Buffer, right: Buffer): Buffer {
  return Buffer.from(left.map((byte, at) => byte ^ (right[at] ?? 0)));
}
