import { hash, timingSafeEqual, X509Certificate } from 'node:crypto';
import { ProtocolError } from '../errors.ts';

/**
 * Pins of authorities: what an agent's or a person's command line names so that the very first connection is already safe.
 * Needs node:crypto alone, so that `tsh` starts fast.
 */

/** `sha256:` and 64 lower-case hex digits: the SHA-256 of the certificate's SubjectPublicKeyInfo. Survives renewal of the certificate under the same key. */
export type Pin = `sha256:${string}`;

/** The pin of a certificate in PEM or DER. Throws ProtocolError `PKI_CERTIFICATE_MALFORMED`. */
export function pinOf(certificate: string | Uint8Array): Pin {
  let spki: Buffer;
  try {
    spki = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  } catch (cause) {
    throw new ProtocolError(
      'PKI_CERTIFICATE_MALFORMED',
      'certificate: expected an X.509 certificate in PEM or DER, got something else',
      { cause },
    );
  }
  return `sha256:${hash('sha256', spki, 'hex')}`;
}

/** Reads a pin as a person typed it (upper case is taken). Throws ProtocolError `PKI_PIN_MALFORMED`. */
export function parsePin(text: string): Pin {
  const match = /^sha256:([0-9a-f]{64})$/i.exec(text.trim());
  const digits = match?.[1];
  if (digits === undefined) {
    throw new ProtocolError(
      'PKI_PIN_MALFORMED',
      'CA pin: expected "sha256:" and 64 hexadecimal digits, got something else',
    );
  }
  return `sha256:${digits.toLowerCase()}`;
}

/** True when the certificate (PEM or DER) is of the key that `pin` names. Compares in constant time. A malformed pin throws. */
export function checkPin(certificate: string | Uint8Array, pin: string): boolean {
  return timingSafeEqual(Buffer.from(pinOf(certificate)), Buffer.from(parsePin(pin)));
}
