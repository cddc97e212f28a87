// First: the library's dependency injection needs it, and throws at import without it.
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { hash, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/**
 * The only place that encodes X.509: every certificate of the cluster, authorities and leaves, is built and signed here. The library costs about 95 ms to import,
 * so nothing that `tsh` needs may import this file.
 */

/** What to put into a certificate; the caller decided and checked everything. */
export type CertificateContent = {
  /** Relative distinguished names in order, e.g. `[{ O: ['cluster'] }, { CN: ['name'] }]`. */
  readonly subject: readonly { readonly [type: string]: readonly string[] }[];
  /** DER of the issuer's name exactly as it stands in the issuer's certificate; absent: self-signed. */
  readonly issuerName?: ArrayBuffer;
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyDer: Uint8Array;
  /** SubjectPublicKeyInfo of the signer, for the authority key identifier. */
  readonly signerPublicKeyDer: Uint8Array;
  readonly signingKey: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: readonly x509.Extension[];
};

/** Builds and signs (ECDSA P-256, SHA-256); adds subject and authority key identifiers and a serial of 128 random bits. About 2 ms. */
export async function buildCertificate(content: CertificateContent): Promise<Buffer> {
  const subject = new x509.Name(
    content.subject.map((rdn) =>
      Object.fromEntries(Object.entries(rdn).map(([type, values]) => [type, verbatim(values)])),
    ),
  );
  const signingKey = content.signingKey.toCryptoKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: randomSerial(),
      subject,
      issuer: content.issuerName === undefined ? subject : new x509.Name(content.issuerName),
      notBefore: new Date(content.notBeforeMs),
      notAfter: new Date(content.notAfterMs),
      publicKey: Buffer.from(content.publicKeyDer),
      signingKey,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [
        ...content.extensions,
        new x509.SubjectKeyIdentifierExtension(keyIdentifier(content.publicKeyDer)),
        new x509.AuthorityKeyIdentifierExtension(keyIdentifier(content.signerPublicKeyDer)),
      ],
    },
    lowSigner,
  );
  return Buffer.from(certificate.rawData);
}

/** The subject's name of a certificate in DER, byte for byte: an issuer's name must be repeated exactly. */
export function subjectNameOf(certificateDer: Uint8Array): ArrayBuffer {
  return new x509.X509Certificate(Buffer.from(certificateDer)).subjectName.toArrayBuffer();
}

// Bare text would be read as RFC 4514 notation: x"postgres" and postg\res would both become postgres, and # begins raw DER.
function verbatim(values: readonly string[]): { utf8String: string }[] {
  return values.map((utf8String) => ({ utf8String }));
}

/** RFC 7093 section 2, method 1: the leftmost 160 bits of the SHA-256 of the key's bits. */
function keyIdentifier(publicKeyDer: Uint8Array): string {
  return hash('sha256', publicKeyDer.subarray(publicKeyDer.length - P256_POINT_BYTES), 'hex').slice(0, 40);
}

function randomSerial(): string {
  const serial = randomBytes(16);
  // Zero is no serial number, and the library takes an all-zero wish for none.
  return serial.every((byte) => byte === 0) ? randomSerial() : serial.toString('hex');
}

/**
 * An ECDSA signature (r, s) is as valid as (r, n - s), so whoever holds a certificate can make a second one from it with another fingerprint, and a lock on the fingerprint would
 * miss it. We issue the low form only and the verifier refuses the other.
 */
async function signLow(algorithm: SigningAlgorithm, key: SigningKey, data: SignedData): Promise<ArrayBuffer> {
  const signature = new Uint8Array(await crypto.subtle.sign(algorithm, key, data));
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).toString('hex')}`);
  if (s > P256_ORDER / 2n) signature.set(Buffer.from((P256_ORDER - s).toString(16).padStart(64, '0'), 'hex'), 32);
  return signature.buffer;
}

type SigningAlgorithm = Parameters<typeof crypto.subtle.sign>[0];
type SigningKey = Parameters<typeof crypto.subtle.sign>[1];
type SignedData = Parameters<typeof crypto.subtle.sign>[2];

const P256_POINT_BYTES = 65;
/** SEC 2 section 2.4.2. */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

x509.cryptoProvider.set(crypto);
/** The library's view of the Web Crypto API with our own last step after signing. It asks for nothing else when it has raw keys and a serial. */
const lowSigner = Object.create(crypto, {
  subtle: { value: Object.create(crypto.subtle, { sign: { value: signLow } }) },
}) as Crypto;
