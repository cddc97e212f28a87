import { createHash, createPrivateKey, type KeyObject, pbkdf2, sign } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { BugError, ProtocolError } from '../../errors.ts';
import { checkScramble } from './auth.ts';

/**
 * MariaDB's two plugins that sign with Ed25519.
 * https://mariadb.com/kb/en/authentication-plugin-ed25519/ and https://mariadb.com/kb/en/authentication-plugin-parsec/
 */

/** The most that a server may ask of PBKDF2: 1024 << 8 rounds, about a quarter of a second of one core. MariaDB's own default is 0. */
export const defaultMaxParsecFactor = 8;

/**
 * client_ed25519: an Ed25519 signature (RFC 8032 section 5.1.6) of the scramble, whose private key is the password itself, of any length, where the
 * standard has a seed of 32 bytes: so no stock implementation will do. Empty for an empty password. Throws a ProtocolError `MYSQL_SCRAMBLE_LENGTH` unless the
 * scramble has 32 bytes.
 */
export function ed25519Response(password: string, scramble: Uint8Array): Buffer {
  if (password === '') return Buffer.alloc(0);
  checkScramble(scramble, 32);
  const { scalar, prefix } = expand(password);
  const { Point } = ed25519;
  const publicKey = Point.BASE.multiply(scalar).toBytes();
  const nonce = hashToScalar(prefix, scramble);
  const point = Point.BASE.multiply(nonce).toBytes();
  const challenge = hashToScalar(point, publicKey, scramble);
  return Buffer.concat([point, Point.Fn.toBytes(Point.Fn.create(nonce + challenge * scalar))]);
}

/** What a server stores of a password for client_ed25519 (in base64 without padding). */
export function ed25519PublicKey(password: string): Buffer {
  return Buffer.from(ed25519.Point.BASE.multiply(expand(password).scalar).toBytes());
}

/** What a parsec server sends of the password's derivation, for an empty packet: `'P' | UInt8 factor | salt`. */
export type ParsecSalt = { readonly factor: number; readonly salt: Buffer };

/** Decodes the extended salt. Throws a ProtocolError `MYSQL_PARSEC_SALT`: an unknown derivation, a factor above `maxFactor`, a salt that is none. */
export function decodeParsecSalt(data: Uint8Array, maxFactor = defaultMaxParsecFactor): ParsecSalt {
  const [algorithm, factor = 0] = data;
  const salt = Buffer.from(data.subarray(2));
  if (algorithm !== pbkdf2Mark || salt.length < minSaltBytes || salt.length > maxSaltBytes)
    throw saltError('is not of PBKDF2 or has no sound salt');
  if (factor > Math.min(maxFactor, highestFactor))
    throw saltError(`asks for 1024 << ${factor} rounds, which exceeds maxParsecFactor ${maxFactor}`);
  return { factor, salt };
}

/**
 * parsec: `nonce | signature`, 32 and 64 bytes. Signed is the server's scramble and our nonce, with the Ed25519 key whose seed is
 * `PBKDF2-HMAC-SHA512(password, salt, 1024 << factor, 32 bytes)`. `nonce` is 32 random bytes, never used before. The derivation runs off the main thread.
 * Unlike elsewhere an empty password is proved too. Rejects with `MYSQL_SCRAMBLE_LENGTH` unless the scramble has 32 bytes.
 */
export async function parsecResponse(options: {
  readonly password: string;
  readonly salt: ParsecSalt;
  readonly scramble: Uint8Array;
  readonly nonce: Uint8Array;
}): Promise<Buffer> {
  const { password, salt, scramble, nonce } = options;
  checkScramble(scramble, 32);
  if (nonce.length !== 32) throw new BugError('a parsec nonce has 32 bytes');
  const seed = await derive(password, salt);
  const signature = sign(null, Buffer.concat([scramble, nonce]), seedKey(seed));
  return Buffer.concat([nonce, signature]);
}

const pbkdf2Mark = 0x50;
/** 2^30 rounds: above it the number of rounds would not fit the 31 bits that PBKDF2 takes. */
const highestFactor = 20;
const minSaltBytes = 8;
const maxSaltBytes = 255;
/** PKCS #8 of an Ed25519 key (RFC 8410 section 7) up to its seed. */
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');

function expand(password: string): { readonly scalar: bigint; readonly prefix: Buffer } {
  const digest = createHash('sha512').update(password, 'utf8').digest();
  const head = Buffer.from(digest.subarray(0, 32));
  // The clamping of RFC 8032 section 5.1.5.
  head.writeUInt8(head.readUInt8(0) & 248, 0);
  head.writeUInt8((head.readUInt8(31) & 127) | 64, 31);
  return { scalar: modOrder(head), prefix: digest.subarray(32) };
}

function hashToScalar(...parts: readonly Uint8Array[]): bigint {
  const sum = createHash('sha512');
  for (const part of parts) sum.update(part);
  return modOrder(sum.digest());
}

function modOrder(littleEndian: Buffer): bigint {
  return ed25519.Point.Fn.create(BigInt(`0x${Buffer.from(littleEndian).reverse().toString('hex')}`));
}

function derive(password: string, { salt, factor }: ParsecSalt): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  pbkdf2(password, salt, 1024 << factor, 32, 'sha512', (error, key) => (error === null ? resolve(key) : reject(error)));
  return promise;
}

function seedKey(seed: Buffer): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
}

function saltError(what: string): ProtocolError {
  return new ProtocolError('MYSQL_PARSEC_SALT', `mysql: extended salt of parsec ${what}`);
}
