import { X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { LoginError } from '../errors.ts';
import type { VerifiedCertificate } from '../resource/identity.ts';
import type { AuthorityType } from '../resource/resource.ts';
import type { Pin } from './pin.ts';
import { pinOf } from './pin.ts';

/** One certificate of a trusted authority, ready to check signatures with. */
export type TrustAnchor = {
  readonly certificate: X509Certificate;
  readonly publicKey: KeyObject;
  readonly pin: Pin;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
};

/** What a verification remembers: content and signature, never that it is still valid. */
export type RememberedCertificate = { readonly verified: VerifiedCertificate; readonly anchor: TrustAnchor };

/**
 * The public half of one authority: every generation that is trusted now. Immutable: when the trusted certificates change make a new one, and whatever was verified against the
 * old one is forgotten with it. An empty one trusts nobody.
 */
export class TrustedAuthorities {
  readonly type: AuthorityType;
  readonly clusterName: string;
  /** PEM, for `ca` of a TLS context. */
  readonly certificates: readonly string[];
  readonly anchors: readonly TrustAnchor[];
  /** By fingerprint; for verify.ts alone. */
  readonly remembered: LRUCache<string, RememberedCertificate>;

  /**
   * Throws LoginError `PKI_AUTHORITY_INVALID` when a certificate is no authority of this type and cluster. `maxRemembered` (verifiedCertificateCacheSize,
   * default 10,000) bounds the certificates whose verification is remembered, about 4 KiB each.
   */
  constructor(
    type: AuthorityType,
    clusterName: string,
    certificates: readonly string[],
    options: { readonly maxRemembered?: number } = {},
  ) {
    this.type = type;
    this.clusterName = clusterName;
    this.certificates = Object.freeze([...certificates]);
    if (certificates.length > MAX_ANCHORS) {
      throw new LoginError(
        'PKI_AUTHORITY_INVALID',
        `${type} authority: ${certificates.length} certificates exceed maxAuthorityGenerations ${MAX_ANCHORS}`,
      );
    }
    this.anchors = certificates.map((pem) => parseAnchor(type, clusterName, pem));
    this.remembered = new LRUCache({ max: options.maxRemembered ?? 10_000 });
  }

  /** The pins of all generations, `sha256:...`. */
  get pins(): readonly Pin[] {
    return this.anchors.map((anchor) => anchor.pin);
  }
}

/** The common name that tells an authority of one type and cluster from every other. */
export function authorityCommonName(type: AuthorityType, clusterName: string): string {
  return `${clusterName} ${type} CA`;
}

function parseAnchor(type: AuthorityType, clusterName: string, pem: string): TrustAnchor {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (cause) {
    throw new LoginError(
      'PKI_AUTHORITY_INVALID',
      `${type} authority: expected a certificate in PEM, got something else`,
      { cause },
    );
  }
  const { publicKey } = certificate;
  if (
    !certificate.ca ||
    publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1' ||
    !certificate.verify(publicKey)
  ) {
    throw new LoginError(
      'PKI_AUTHORITY_INVALID',
      `${type} authority: expected a self-signed P-256 CA certificate, got another`,
    );
  }
  if (certificate.subject !== `O=${clusterName}\nCN=${authorityCommonName(type, clusterName)}`) {
    throw new LoginError(
      'PKI_AUTHORITY_INVALID',
      `${type} authority: expected the ${type} authority of cluster ${clusterName}, got the certificate of another`,
    );
  }
  return {
    certificate,
    publicKey,
    pin: pinOf(certificate.raw),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  };
}

const MAX_ANCHORS = 8;
