import { lockInForce } from '../../access/locks.ts';
import type { Refusal } from '../../engine/engine.ts';
import { LoginError } from '../../errors.ts';
import type { DatabaseProtocol, Route, UserIdentity, VerifiedCertificate } from '../../resource/identity.ts';
import type { Lock } from '../../resource/resource.ts';
import { plainIp } from './client-address.ts';

/** A person whose certificate is for one database. */
export type RoutedCertificate = VerifiedCertificate<UserIdentity & { readonly route: Route }>;

export type AdmissionOptions = {
  /** As presented; undefined: none was. */
  readonly certificateDer: Buffer | undefined;
  readonly protocol: DatabaseProtocol;
  readonly clientIp: string;
  /** src/pki/verify.ts over the user authorities that are trusted now. Throws LoginError with a CertificateFault. */
  readonly verify: (der: Buffer) => VerifiedCertificate<UserIdentity>;
  readonly locks: Iterable<Lock>;
  readonly nowMs: number;
};

export type Admission =
  | { readonly type: 'admitted'; readonly certificate: RoutedCertificate }
  | { readonly type: 'refused'; readonly refusal: Refusal; readonly fault: AdmissionFault };

/** For the audit log: who could not prove who they are and why, or who did and is kept out. */
export type AdmissionFault =
  | { readonly type: 'unproven'; readonly code: string; readonly message: string }
  | { readonly type: 'denied'; readonly certificate: RoutedCertificate };

/**
 * The proxy's own look at a client, so that a refusal can be said in the database's words before an agent is troubled. The agent decides again, and alone
 * decides what the person may do; nothing that passes here is trusted there.
 */
export function admitClient(options: AdmissionOptions): Admission {
  if (options.certificateDer === undefined) {
    return unproven(
      'NO_CERTIFICATE',
      'no-certificate',
      'a client certificate is required',
      'sign in with "tsh login" and connect with "tsh db connect" or "tsh db login"',
    );
  }
  let certificate: VerifiedCertificate<UserIdentity>;
  try {
    certificate = options.verify(options.certificateDer);
  } catch (error) {
    return refuseCertificate(error);
  }
  if (!hasRoute(certificate)) {
    return unproven(
      'NO_ROUTE',
      'wrong-route',
      'this certificate is not for a database',
      'get one for a database with "tsh db login"',
    );
  }
  const { route, pinnedAddress } = certificate.identity;
  if (route.protocol !== options.protocol) {
    return unproven(
      'WRONG_PROTOCOL',
      'wrong-route',
      `this certificate is for a ${route.protocol} database, and the client speaks ${options.protocol}`,
    );
  }
  if (pinnedAddress !== undefined && plainIp(pinnedAddress) !== options.clientIp) {
    return denied(certificate, {
      reason: 'wrong-source-address',
      message: 'this certificate may be used from one other address only',
      hint: 'sign in again from here with "tsh login"',
    });
  }
  const hit = lockInForce(options.locks, lockSubjectOf(certificate), options.nowMs);
  if (hit !== undefined) return denied(certificate, { reason: 'locked', message: hit.message });
  return { type: 'admitted', certificate };
}

/** What of a session can be locked. */
export function lockSubjectOf(certificate: RoutedCertificate) {
  const { identity, fingerprint } = certificate;
  return {
    user: identity.user,
    roles: identity.roles,
    databaseService: identity.route.service,
    certificate: fingerprint,
  };
}

function hasRoute(certificate: VerifiedCertificate<UserIdentity>): certificate is RoutedCertificate {
  return certificate.identity.route !== undefined;
}

function refuseCertificate(error: unknown): Admission {
  const code = error instanceof LoginError ? error.code : 'CERT_UNVERIFIABLE';
  // The words for the audit log may say more (when it expired) than those for the client.
  const cause = error instanceof LoginError ? error.message : undefined;
  if (code === 'CERT_EXPIRED')
    return unproven(
      code,
      'certificate-expired',
      'the client certificate has expired',
      'get a new one with "tsh db login"',
      cause,
    );
  if (code === 'CERT_NOT_YET_VALID')
    return unproven(
      code,
      'bad-certificate',
      'the client certificate is not valid yet',
      "check this machine's clock",
      cause,
    );
  const text = error instanceof LoginError ? error.publicMessage : 'certificate: can not be verified';
  return unproven(code, 'bad-certificate', text, 'get a certificate of this cluster with "tsh db login"', cause);
}

function unproven(
  code: string,
  reason: Refusal['reason'],
  message: string,
  hint?: string,
  cause: string = message,
): Admission {
  const refusal = { reason, message, ...(hint === undefined ? {} : { hint }) };
  return { type: 'refused', refusal, fault: { type: 'unproven', code, message: cause } };
}

function denied(certificate: RoutedCertificate, refusal: Refusal): Admission {
  return { type: 'refused', refusal, fault: { type: 'denied', certificate } };
}
