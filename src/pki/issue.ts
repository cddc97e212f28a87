import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { X509Certificate } from 'node:crypto';
import { BugError, LimitError } from '../errors.ts';
import type { Authority } from './authority.ts';
import { buildCertificate, subjectNameOf } from './builder.ts';
import { encodeIdentity, IDENTITY_OID } from './identity.ts';
import { parsePublicKey } from './keys.ts';
import type { CertificateProfile, ExtendedKeyUsage } from './profiles.ts';

/** A certificate as issued. */
export type IssuedCertificate = {
  /** The leaf alone. */
  readonly pem: string;
  readonly der: Buffer;
  /** Lower-case hex SHA-256 of the DER. */
  readonly fingerprint: string;
  /** Lower-case hex. */
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
};

/** `publicKeyDer`: SubjectPublicKeyInfo as the peer sent it, unchecked. `ttlMs`: from now; at least a second. */
export type IssueOptions = { readonly publicKeyDer: Uint8Array; readonly ttlMs: number; readonly nowMs: number };

/**
 * Signs one certificate: the only way to one. The result never outlives the authority. Throws ProtocolError `PKI_PUBLIC_KEY_INVALID` for anything but a P-256
 * key, LimitError `PKI_TTL_TOO_LONG` beyond the profile's limit, `PKI_ROUTE_IDENTITY_TOO_LARGE` for what would not fit into a session opening.
 */
export async function issueCertificate(
  authority: Authority,
  profile: CertificateProfile,
  options: IssueOptions,
): Promise<IssuedCertificate> {
  // A profile and an authority that do not belong together would turn a database's certificate into a person's.
  if (authority.type !== profile.authority) {
    throw new BugError(
      `profile ${profile.name} is signed by the ${profile.authority} authority, got the ${authority.type} authority`,
    );
  }
  parsePublicKey(options.publicKeyDer);
  const { notBeforeMs, notAfterMs } = validity(authority, profile, options);
  const der = await buildCertificate({
    subject: [{ CN: [profile.commonName] }],
    issuerName: subjectNameOf(authority.certificateDer),
    publicKeyDer: options.publicKeyDer,
    signerPublicKeyDer: new X509Certificate(authority.certificateDer).publicKey.export({ type: 'spki', format: 'der' }),
    signingKey: authority.privateKey,
    notBeforeMs,
    notAfterMs,
    extensions: extensionsOf(authority, profile),
  });
  if (profile.name === 'user-route' && der.length > MAX_ROUTE_CERTIFICATE_BYTES) {
    throw new LimitError(
      'PKI_ROUTE_CERTIFICATE_TOO_LARGE',
      `certificate of ${der.length} bytes exceeds maxRouteCertificateBytes ${MAX_ROUTE_CERTIFICATE_BYTES}: give the person fewer or shorter roles and traits`,
    );
  }
  const parsed = new X509Certificate(der);
  return {
    pem: parsed.toString(),
    der,
    fingerprint: parsed.fingerprint256.replaceAll(':', '').toLowerCase(),
    serial: parsed.serialNumber.toLowerCase(),
    notBeforeMs,
    notAfterMs,
  };
}

function validity(
  authority: Authority,
  profile: CertificateProfile,
  { ttlMs, nowMs }: IssueOptions,
): { notBeforeMs: number; notAfterMs: number } {
  if (!(ttlMs >= 1000))
    throw new LimitError('PKI_TTL_TOO_SHORT', `certificate lifetime: expected at least 1 second, got ${ttlMs} ms`);
  if (ttlMs > profile.maxTtlMs) {
    throw new LimitError(
      'PKI_TTL_TOO_LONG',
      `lifetime of ${ttlMs} ms exceeds maxTtlMs ${profile.maxTtlMs} of ${profile.name} certificates`,
    );
  }
  // X.509 has whole seconds; never round up what a role allows.
  const notAfterMs = Math.floor(Math.min(nowMs + ttlMs, authority.notAfterMs) / 1000) * 1000;
  if (notAfterMs <= nowMs)
    throw new LimitError('PKI_AUTHORITY_EXPIRED', `the ${authority.type} authority has expired, rotate it`);
  return { notBeforeMs: Math.floor((nowMs - CERTIFICATE_BACKDATE_MS) / 1000) * 1000, notAfterMs };
}

function extensionsOf(authority: Authority, profile: CertificateProfile): x509.Extension[] {
  const { names, identity } = profile;
  const extensions: x509.Extension[] = [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(profile.extendedKeyUsages.map((usage) => EXTENDED_KEY_USAGE_OIDS[usage])),
  ];
  if (names.dnsNames.length + names.ipAddresses.length > 0) {
    extensions.push(
      new x509.SubjectAlternativeNameExtension([
        ...names.dnsNames.map((value) => ({ type: 'dns' as const, value })),
        ...names.ipAddresses.map((value) => ({ type: 'ip' as const, value })),
      ]),
    );
  }
  // Never critical: OpenSSL refuses a chain with a critical extension that it does not know.
  if (identity !== undefined) {
    extensions.push(
      new x509.Extension(IDENTITY_OID, false, encodeIdentity({ clusterName: authority.clusterName, identity })),
    );
  }
  return extensions;
}

/** certificateBackdate: every certificate begins this long before now, for machines whose clocks are behind. */
export const CERTIFICATE_BACKDATE_MS = 60_000;
/** maxRouteCertificateBytes: a session opening carries the certificate and must fit into a tunnel stream's opening header of 16 KiB. */
export const MAX_ROUTE_CERTIFICATE_BYTES = 12 * 1024;
/** RFC 5280 section 4.2.1.12. */
const EXTENDED_KEY_USAGE_OIDS = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const satisfies Record<ExtendedKeyUsage, string>;
