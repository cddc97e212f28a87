import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { ProtocolError } from '../errors.ts';

/**
 * Key pairs of people, services and authorities: P-256 only, by node:crypto alone, so that `tsh` can use this file without the X.509 library.
 */

/** A fresh key pair. The private half never leaves the machine that made it; only `publicKeyDer` is sent. */
export type GeneratedKeyPair = {
  /** PKCS#8, PEM. Belongs into a file of mode 0600. */
  readonly privateKeyPem: string;
  /** SubjectPublicKeyInfo, DER, always 91 bytes. */
  readonly publicKeyDer: Buffer;
};

/** Makes a P-256 key pair (about 0.1 ms). */
export function generateKeyPair(): GeneratedKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    publicKeyDer: publicKey.export({ type: 'spki', format: 'der' }),
  };
}

/**
 * Reads a SubjectPublicKeyInfo that a peer sent. Only the one canonical form of a P-256 key is taken: named curve, uncompressed point, on the curve.
 * RSA, other curves, explicit curve parameters, compressed points and trailing bytes are a ProtocolError `PKI_PUBLIC_KEY_INVALID`.
 */
export function parsePublicKey(der: Uint8Array): KeyObject {
  const bytes = Buffer.from(der.buffer, der.byteOffset, der.byteLength);
  if (bytes.length !== P256_SPKI_LENGTH) {
    throw invalidPublicKey(
      `expected a P-256 SubjectPublicKeyInfo of ${P256_SPKI_LENGTH} bytes, got ${bytes.length} bytes`,
    );
  }
  if (!bytes.subarray(0, P256_SPKI_PREFIX.length).equals(P256_SPKI_PREFIX)) {
    throw invalidPublicKey(
      'expected a P-256 SubjectPublicKeyInfo with a named curve and an uncompressed point, got another algorithm or form',
    );
  }
  try {
    return createPublicKey({ key: bytes, format: 'der', type: 'spki' });
  } catch (cause) {
    throw invalidPublicKey('expected a point on the curve P-256, got one that is not', cause);
  }
}

/** Reads a PKCS#8 P-256 private key in PEM, as `generateKeyPair` made it. The error never shows any of it. */
export function parsePrivateKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem' });
  } catch {
    // No cause: OpenSSL's text could repeat input.
    throw new ProtocolError(
      'PKI_PRIVATE_KEY_INVALID',
      'private key: expected a PKCS#8 P-256 key in PEM, got something that is not a private key',
    );
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new ProtocolError(
      'PKI_PRIVATE_KEY_INVALID',
      `private key: expected a P-256 key, got ${key.asymmetricKeyType ?? 'an unknown type'}`,
    );
  }
  return key;
}

/** The public half of a private key as SubjectPublicKeyInfo, DER. */
export function publicKeyDerOf(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
}

function invalidPublicKey(text: string, cause?: unknown): ProtocolError {
  return new ProtocolError('PKI_PUBLIC_KEY_INVALID', `public key: ${text}`, { cause });
}

/**
 *     SEQUENCE { SEQUENCE { OID ecPublicKey, OID prime256v1 }, BIT STRING 0x00 0x04 | x (32) | y (32) }
 *
 * RFC 5480 section 2.
 */
const P256_SPKI_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const P256_SPKI_LENGTH = 91;
