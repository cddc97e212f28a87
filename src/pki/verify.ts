import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { hash, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { BugError, LoginError } from '../errors.ts';
import type { HostIdentity, HostRole, Identity, UserIdentity, VerifiedCertificate } from '../resource/identity.ts';
import { decodeIdentity, IDENTITY_OID } from './identity.ts';
import type { ExtendedKeyUsage } from './profiles.ts';
import { HOST_EXTENDED_KEY_USAGES } from './profiles.ts';
import type { RememberedCertificate, TrustAnchor, TrustedAuthorities } from './trust.ts';

/**
 * From bytes that a peer showed to somebody we know. Nothing of a certificate is looked at by JavaScript before its signature by one of our own authorities held.
 */

/** Every way to be refused, each a LoginError's `code`. */
export type CertificateFault =
  | 'CERT_EXPIRED'
  | 'CERT_NOT_YET_VALID'
  | 'CERT_FOREIGN_AUTHORITY'
  | 'CERT_AUTHORITY_EXPIRED'
  | 'CERT_WRONG_USAGE'
  | 'CERT_WRONG_KIND'
  | 'CERT_WRONG_ROLE'
  | 'CERT_WRONG_CLUSTER'
  | 'CERT_IS_AUTHORITY'
  | 'CERT_NO_IDENTITY'
  | 'CERT_IDENTITY_MALFORMED'
  | 'CERT_MALFORMED';

export type VerifyOptions = { readonly authorities: TrustedAuthorities; readonly nowMs: number };

/**
 * A person's certificate, with or without a route (`identity.route` tells; the caller decides which one it wants). `authorities` must be the user authorities.
 * Throws LoginError with a `CertificateFault`. A repeat costs microseconds; validity is checked each time. The result is shared: do not change `der`.
 */
export function verifyUserCertificate(der: Uint8Array, options: VerifyOptions): VerifiedCertificate<UserIdentity> {
  requireType(options.authorities, 'user');
  const verified = verify(der, options);
  if (!isUser(verified)) throw fault('CERT_WRONG_KIND', "expected a person's certificate, got a service's");
  return verified;
}

/**
 * A service's certificate. `authorities` must be the host authorities. `roles`: which are welcome. `usage`: what the peer does with it in this connection (`client` when it dialled us);
 * absent when it only signed something.
 */
export function verifyHostCertificate(
  der: Uint8Array,
  options: VerifyOptions & { readonly roles: readonly HostRole[]; readonly usage?: 'client' | 'server' },
): VerifiedCertificate<HostIdentity> {
  requireType(options.authorities, 'host');
  const verified = verify(der, options);
  if (!isHost(verified)) throw fault('CERT_WRONG_KIND', "expected a service's certificate, got a person's");
  const { role } = verified.identity;
  if (!options.roles.includes(role))
    throw fault('CERT_WRONG_ROLE', `expected a service of role ${options.roles.join(' or ')}, got ${role}`);
  const usages: readonly ExtendedKeyUsage[] = HOST_EXTENDED_KEY_USAGES[role];
  if (options.usage !== undefined && !usages.includes(`${options.usage}Auth`)) {
    throw fault('CERT_WRONG_USAGE', `a certificate of role ${role} is not good for ${options.usage} authentication`);
  }
  return verified;
}

/**
 * Whose certificate it is by content and signature, though it may be over, not begun, or of a kind that is not wanted: to say so in the audit log when it was refused, never to let
 * anybody in. undefined: not issued by these authorities, or not in order.
 */
export function holderOf(der: Uint8Array, authorities: TrustedAuthorities): Identity | undefined {
  try {
    return recall(der, authorities).verified.identity;
  } catch (error) {
    if (error instanceof LoginError) return undefined;
    throw error;
  }
}

/** The public key of a verified certificate, to check what its holder signed. */
export function publicKeyOf(verified: VerifiedCertificate): KeyObject {
  const known = publicKeys.get(verified);
  if (known === undefined)
    throw new BugError('publicKeyOf takes only what verifyUserCertificate or verifyHostCertificate gave');
  return known;
}

function verify(der: Uint8Array, { authorities, nowMs }: VerifyOptions): VerifiedCertificate {
  const known = recall(der, authorities);
  checkTime(known, nowMs);
  return known.verified;
}

/** Everything but time. */
function recall(der: Uint8Array, authorities: TrustedAuthorities): RememberedCertificate {
  if (der.length > MAX_CERTIFICATE_BYTES)
    throw fault('CERT_MALFORMED', `${der.length} bytes exceed maxCertificateBytes ${MAX_CERTIFICATE_BYTES}`);
  const fingerprint = hash('sha256', der, 'hex');
  let known = authorities.remembered.get(fingerprint);
  if (known === undefined) {
    known = examine(Buffer.from(der), fingerprint, authorities);
    authorities.remembered.set(fingerprint, known);
  }
  return known;
}

function checkTime({ verified, anchor }: RememberedCertificate, nowMs: number): void {
  // Written so that a clock that gives NaN refuses.
  if (!(nowMs >= verified.notBeforeMs))
    throw fault('CERT_NOT_YET_VALID', `valid only from ${iso(verified.notBeforeMs)}, check the clocks`);
  if (!(nowMs < verified.notAfterMs)) throw fault('CERT_EXPIRED', `expired at ${iso(verified.notAfterMs)}`);
  if (!(nowMs < anchor.notAfterMs && nowMs >= anchor.notBeforeMs))
    throw fault('CERT_AUTHORITY_EXPIRED', 'its authority is not valid now, rotate it');
}

/** Everything but time. `der` is our own copy. */
function examine(der: Buffer, fingerprint: string, authorities: TrustedAuthorities): RememberedCertificate {
  const certificate = parseNative(der);
  const anchor = authorities.anchors.find((one) => isSignedBy(certificate, one));
  if (anchor === undefined) {
    throw fault(
      'CERT_FOREIGN_AUTHORITY',
      `not signed by a trusted ${authorities.type} authority of cluster ${authorities.clusterName}`,
    );
  }
  const parsed = parseExtensions(der);
  // Both, for OpenSSL does not call a CA what may not sign certificates.
  if (certificate.ca || parsed.getExtension(x509.BasicConstraintsExtension)?.ca !== false) {
    throw fault('CERT_IS_AUTHORITY', "expected a person's or service's certificate, got an authority's");
  }
  if (!hasLowSignature(parsed))
    throw fault('CERT_MALFORMED', 'its signature is not in the form in which certificates are issued');
  const { clusterName, identity } = identityOf(parsed);
  if (clusterName !== authorities.clusterName)
    throw fault('CERT_WRONG_CLUSTER', `expected cluster ${authorities.clusterName}, got another`);
  checkUsage(parsed, identity);
  checkSubject(parsed, identity);
  const verified: VerifiedCertificate = Object.freeze({
    identity,
    clusterName,
    fingerprint,
    serial: certificate.serialNumber.toLowerCase(),
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
    der,
  });
  publicKeys.set(verified, certificate.publicKey);
  return { verified, anchor };
}

function parseNative(der: Buffer): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch (cause) {
    throw fault('CERT_MALFORMED', 'expected an X.509 certificate in DER', cause);
  }
  // Trailing bytes or another encoding would give the same certificate another fingerprint, past a lock on it.
  if (!certificate.raw.equals(der)) throw fault('CERT_MALFORMED', 'expected exactly one certificate in DER');
  return certificate;
}

function isSignedBy(certificate: X509Certificate, anchor: TrustAnchor): boolean {
  try {
    return certificate.checkIssued(anchor.certificate) && certificate.verify(anchor.publicKey);
  } catch {
    return false;
  }
}

function parseExtensions(der: Buffer): x509.X509Certificate {
  try {
    return new x509.X509Certificate(der);
  } catch (cause) {
    throw fault('CERT_MALFORMED', 'expected an X.509 certificate in DER', cause);
  }
}

function identityOf(parsed: x509.X509Certificate): ReturnType<typeof decodeIdentity> {
  const found = parsed.extensions.filter((extension) => extension.type === IDENTITY_OID);
  const [extension] = found;
  if (extension === undefined)
    throw fault('CERT_NO_IDENTITY', 'it says nobody, expected a certificate issued for a person or service');
  if (found.length > 1) throw fault('CERT_MALFORMED', 'it says twice who it is for');
  return decodeIdentity(new Uint8Array(extension.value));
}

function checkUsage(parsed: x509.X509Certificate, identity: Identity): void {
  const keyUsage = parsed.getExtension(x509.KeyUsagesExtension)?.usages;
  if (keyUsage !== x509.KeyUsageFlags.digitalSignature)
    throw fault('CERT_WRONG_USAGE', 'expected the key usage digitalSignature alone');
  const wanted: readonly ExtendedKeyUsage[] =
    identity.kind === 'user' ? ['clientAuth'] : HOST_EXTENDED_KEY_USAGES[identity.role];
  const usages: readonly unknown[] = parsed.getExtension(x509.ExtendedKeyUsageExtension)?.usages ?? [];
  if (usages.length !== wanted.length || !wanted.every((usage) => usages.includes(EXTENDED_KEY_USAGE_OIDS[usage]))) {
    throw fault('CERT_WRONG_USAGE', `expected the extended key usages ${wanted.join(', ')} alone`);
  }
}

function checkSubject(parsed: x509.X509Certificate, identity: Identity): void {
  const names = parsed.subjectName.getField('CN');
  const wanted = identity.kind === 'user' ? identity.user : identity.hostId;
  if (names.length !== 1 || names[0] !== wanted)
    throw fault('CERT_IDENTITY_MALFORMED', 'its subject and its identity name different holders');
}

/**
 * See builder.ts: the high form would be a second certificate with another fingerprint. OpenSSL has already verified the signature, and takes only
 * canonical DER: SEQUENCE (short length, for 72 bytes at most) { INTEGER r, INTEGER s }.
 */
function hasLowSignature(parsed: x509.X509Certificate): boolean {
  const signature = Buffer.from(parsed.signature);
  const s = signature.subarray(4 + (signature[3] ?? 0) + 2);
  return s.length > 0 && BigInt(`0x${s.toString('hex')}`) <= P256_ORDER / 2n;
}

function isUser(verified: VerifiedCertificate): verified is VerifiedCertificate<UserIdentity> {
  return verified.identity.kind === 'user';
}

function isHost(verified: VerifiedCertificate): verified is VerifiedCertificate<HostIdentity> {
  return verified.identity.kind === 'host';
}

function requireType(authorities: TrustedAuthorities, type: 'user' | 'host'): void {
  if (authorities.type !== type)
    throw new BugError(`expected the ${type} authorities, got the ${authorities.type} authorities`);
}

function fault(code: CertificateFault, text: string, cause?: unknown): LoginError {
  return new LoginError(code, `certificate: ${text}`, { cause });
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** maxCertificateBytes: an identity of 16 KiB and everything around it. */
const MAX_CERTIFICATE_BYTES = 20 * 1024;
const EXTENDED_KEY_USAGE_OIDS = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const satisfies Record<ExtendedKeyUsage, string>;
/** SEC 2 section 2.4.2. */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const publicKeys = new WeakMap<VerifiedCertificate, KeyObject>();
