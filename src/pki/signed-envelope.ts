import { sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { LimitError, LoginError, ProtocolError } from '../errors.ts';
import type { HostIdentity, VerifiedCertificate } from '../resource/identity.ts';
import type { TrustedAuthorities } from './trust.ts';
import { publicKeyOf, verifyHostCertificate } from './verify.ts';

/**
 * A short statement signed by a proxy with its host key, with the proxy's certificate inside, so that any reader with the host authorities can check it.
 *
 *     u8 version = 1 | u16 length, certificate DER | u16 length, body | signature r, s (64)
 *
 * Integers are big endian. The signature (ECDSA P-256, SHA-256) is over `purpose`, a zero byte and everything before the signature; purposes
 * differ, so a statement made for one is nothing for another.
 */

/** What a statement is for; part of what is signed. */
export type EnvelopePurpose = 'tessera session opening v1' | 'tessera client address v1';

/** Signs `body`. Throws LimitError when the whole exceeds `maxBytes`. Tens of microseconds. */
export function signEnvelope(
  purpose: EnvelopePurpose,
  body: Uint8Array,
  signer: { readonly key: KeyObject; readonly certificateDer: Uint8Array },
  maxBytes: number,
): Buffer {
  const total = FIXED_BYTES + signer.certificateDer.length + body.length;
  if (total > maxBytes)
    throw new LimitError(
      'PKI_ENVELOPE_TOO_LARGE',
      `${purpose} of ${total} bytes exceeds its limit of ${maxBytes} bytes`,
    );
  const signed = Buffer.concat([
    Buffer.from([VERSION]),
    u16(signer.certificateDer.length),
    signer.certificateDer,
    u16(body.length),
    body,
  ]);
  return Buffer.concat([
    signed,
    sign('sha256', signatureInput(purpose, signed), { key: signer.key, dsaEncoding: 'ieee-p1363' }),
  ]);
}

/**
 * Checks the form, the signer's certificate (role proxy) and the signature. `body` is a view of `bytes`. Throws ProtocolError `ENVELOPE_MALFORMED`, LoginError
 * `ENVELOPE_BAD_SIGNATURE`, or what the certificate's verification throws.
 */
export function openEnvelope(
  purpose: EnvelopePurpose,
  bytes: Uint8Array,
  options: { readonly hostAuthorities: TrustedAuthorities; readonly nowMs: number; readonly maxBytes: number },
): { readonly body: Buffer; readonly proxy: VerifiedCertificate<HostIdentity> } {
  const { signed, certificateDer, body, signature } = split(purpose, bytes, options.maxBytes);
  const proxy = verifyHostCertificate(certificateDer, {
    authorities: options.hostAuthorities,
    nowMs: options.nowMs,
    roles: ['proxy'],
  });
  if (
    !verify(
      'sha256',
      signatureInput(purpose, signed),
      { key: publicKeyOf(proxy), dsaEncoding: 'ieee-p1363' },
      signature,
    )
  ) {
    throw new LoginError(
      'ENVELOPE_BAD_SIGNATURE',
      `${purpose}: the signature is not of the proxy whose certificate it carries`,
    );
  }
  return { body, proxy };
}

type Parts = {
  readonly signed: Buffer;
  readonly certificateDer: Buffer;
  readonly body: Buffer;
  readonly signature: Buffer;
};

function split(purpose: EnvelopePurpose, source: Uint8Array, maxBytes: number): Parts {
  const bytes = Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  if (bytes.length > maxBytes) throw malformed(purpose, `expected at most ${maxBytes} bytes, got ${bytes.length}`);
  if (bytes.length < FIXED_BYTES)
    throw malformed(purpose, `expected at least ${FIXED_BYTES} bytes, got ${bytes.length}`);
  if (bytes[0] !== VERSION) throw malformed(purpose, `expected version ${VERSION}`);
  const certificateEnd = 3 + bytes.readUInt16BE(1);
  if (certificateEnd + 2 + SIGNATURE_BYTES > bytes.length)
    throw malformed(purpose, 'its certificate is longer than the whole');
  const bodyEnd = certificateEnd + 2 + bytes.readUInt16BE(certificateEnd);
  if (bodyEnd + SIGNATURE_BYTES !== bytes.length) throw malformed(purpose, 'its lengths do not add up');
  return {
    signed: bytes.subarray(0, bodyEnd),
    certificateDer: bytes.subarray(3, certificateEnd),
    body: bytes.subarray(certificateEnd + 2, bodyEnd),
    signature: bytes.subarray(bodyEnd),
  };
}

function signatureInput(purpose: EnvelopePurpose, signed: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${purpose}\0`, 'ascii'), signed]);
}

function u16(value: number): Buffer {
  if (value > 0xffff) throw new LimitError('PKI_ENVELOPE_TOO_LARGE', `a part of ${value} bytes exceeds 65535 bytes`);
  const bytes = Buffer.allocUnsafe(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function malformed(purpose: EnvelopePurpose, text: string): ProtocolError {
  return new ProtocolError('ENVELOPE_MALFORMED', `${purpose}: ${text}`);
}

const VERSION = 1;
const SIGNATURE_BYTES = 64;
const FIXED_BYTES = 1 + 2 + 2 + SIGNATURE_BYTES;
