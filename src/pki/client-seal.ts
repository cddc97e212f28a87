import {
  createCipheriv,
  createDecipheriv,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { ProtocolError } from '../errors.ts';
import { parsePublicKey, publicKeyDerOf } from './keys.ts';

/**
 * What Auth gives to tsh by way of a browser, readable for tsh alone: ephemeral P-256 ECDH, HKDF-SHA256 (RFC 5869), AES-256-GCM. By node:crypto alone, as tsh loads it.
 *
 *     version 0x01 | ephemeral key, SubjectPublicKeyInfo (91) | ciphertext | tag (16)
 */

/** Seals at most 64 KiB for whoever holds the private half of `publicKeyDer` (SubjectPublicKeyInfo, P-256, unchecked). It opens under the same `context` only. Throws ProtocolError `PKI_PUBLIC_KEY_INVALID`. */
export function sealFor(publicKeyDer: Uint8Array, plaintext: Uint8Array, context: string): Buffer {
  if (plaintext.length > MAX_PLAINTEXT_BYTES)
    throw new ProtocolError(
      'PKI_SEAL_TOO_LARGE',
      `sealed answer: expected at most maxPlaintextBytes ${MAX_PLAINTEXT_BYTES}, got ${plaintext.length} bytes`,
    );
  const recipient = parsePublicKey(publicKeyDer);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const ephemeral = publicKey.export({ type: 'spki', format: 'der' });
  const secret = diffieHellman({ privateKey, publicKey: recipient });
  const recipientDer = recipient.export({ type: 'spki', format: 'der' });
  const { key, nonce } = keyOf(secret, { ephemeral, recipient: recipientDer, context });
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  const header = Buffer.concat([VERSION, ephemeral]);
  cipher.setAAD(header);
  return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** What was sealed for this key and context. Throws ProtocolError `PKI_SEAL_INVALID`: changed, cut, for another key or another context. */
export function openSealed(privateKey: KeyObject, sealed: Uint8Array, context: string): Buffer {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (bytes.length < HEADER_BYTES + TAG_BYTES || bytes.length > HEADER_BYTES + MAX_PLAINTEXT_BYTES + TAG_BYTES)
    throw invalid();
  if (!bytes.subarray(0, 1).equals(VERSION)) throw invalid();
  try {
    const ephemeral = bytes.subarray(1, HEADER_BYTES);
    const publicKey = parsePublicKey(ephemeral);
    const recipient = publicKeyDerOf(privateKey);
    const { key, nonce } = keyOf(diffieHellman({ privateKey, publicKey }), { ephemeral, recipient, context });
    const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(bytes.subarray(0, HEADER_BYTES));
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(HEADER_BYTES, bytes.length - TAG_BYTES)), decipher.final()]);
  } catch {
    // One answer for everything: which check failed is nobody's business.
    throw invalid();
  }
}

/** The context of what a request of tsh gets (StartClientLogin, StartMfaConfirmation). */
export function sealContext(requestId: string): string {
  return `client-login/${requestId}`;
}

// Key and nonce are of this one text: the ephemeral key is never used again.
function keyOf(
  secret: Buffer,
  of: { readonly ephemeral: Buffer; readonly recipient: Buffer; readonly context: string },
): { readonly key: Buffer; readonly nonce: Buffer } {
  const salt = Buffer.concat([of.ephemeral, of.recipient]);
  const bytes = Buffer.from(hkdfSync('sha256', secret, salt, `${LABEL}${of.context}`, KEY_BYTES + NONCE_BYTES));
  return { key: bytes.subarray(0, KEY_BYTES), nonce: bytes.subarray(KEY_BYTES) };
}

function invalid(): ProtocolError {
  return new ProtocolError(
    'PKI_SEAL_INVALID',
    'sealed answer: expected one for this key and request, got another or a changed one',
  );
}

const LABEL = 'tessera client seal v1\0';
const VERSION = Buffer.from([1]);
const SPKI_BYTES = 91;
const HEADER_BYTES = 1 + SPKI_BYTES;
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** maxPlaintextBytes: a certificate with the most roles and the cluster's authorities has less than half of it. */
const MAX_PLAINTEXT_BYTES = 64 * 1024;
