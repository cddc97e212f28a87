import { LoginError } from '../../errors.ts';
import { lockInForce, type LockSubject } from '../../access/locks.ts';
import { CERTIFICATE_BACKDATE_MS } from '../../pki/issue.ts';
import { verifyHostCertificate, verifyUserCertificate } from '../../pki/verify.ts';
import type { HostIdentity, UserIdentity, VerifiedCertificate } from '../../resource/identity.ts';
import type { User } from '../../resource/resource.ts';
import type { AuthContext } from './context.ts';
import type { Connection } from './listener.ts';

/** Who calls: read anew for every call, so that an expired certificate, a removed user or a lock ends what an open connection may do. */
export type Caller =
  | { readonly type: 'anonymous'; readonly address: string }
  | Person
  | {
      readonly type: 'service';
      readonly role: 'proxy' | 'database';
      readonly hostId: string;
      readonly certificate: VerifiedCertificate<HostIdentity>;
      readonly address: string;
    }
  | { readonly type: 'admin'; readonly certificate: VerifiedCertificate<HostIdentity>; readonly address: string };

export type Person = {
  readonly type: 'person';
  readonly certificate: VerifiedCertificate<UserIdentity>;
  readonly user: User;
  /** The certificate's identity with the roles and traits as they are stored now: what decisions are made with. */
  readonly identity: UserIdentity;
  readonly address: string;
  /** Set for a person who calls from a browser. */
  readonly webSession?: { readonly startedMs: number };
};

/**
 * Throws LoginError for a certificate that is not good (`CertificateFault`), a certificate with a route (`ROUTE_CERTIFICATE`), a person who is no more (`USER_GONE`), a wrong
 * address (`WRONG_ADDRESS`) or a lock (`LOCKED`).
 */
export async function identifyCaller(connection: Connection, context: AuthContext): Promise<Caller> {
  const { address, certificateDer } = connection;
  if (certificateDer === undefined) return { type: 'anonymous', address };
  const nowMs = context.clock.now();
  const host = asHost(certificateDer, context, nowMs);
  if (host !== undefined) return identifyHost(host, address, context);
  const certificate = verifyUserCertificate(certificateDer, { authorities: context.authorities.users, nowMs });
  return identifyPerson(certificate, address, context);
}

/** For audit events: who did it. */
export function actorOf(caller: Caller): {
  readonly user?: string;
  readonly user_kind?: 'local' | 'sso' | 'system';
  readonly 'addr.remote': string;
} {
  const remote = { 'addr.remote': caller.address };
  switch (caller.type) {
    case 'anonymous':
      return remote;
    case 'person':
      return { user: caller.certificate.identity.user, user_kind: caller.certificate.identity.userKind, ...remote };
    case 'service':
      return { user: `${caller.hostId}.${caller.role}`, user_kind: 'system', ...remote };
    case 'admin':
      return { user: 'admin', user_kind: 'system', ...remote };
  }
}

function asHost(der: Buffer, context: AuthContext, nowMs: number): VerifiedCertificate<HostIdentity> | undefined {
  try {
    return verifyHostCertificate(der, {
      authorities: context.authorities.hosts,
      nowMs,
      roles: ['proxy', 'database', 'admin'],
      usage: 'client',
    });
  } catch (error) {
    // Not signed by the host authority: perhaps a person's. Every other fault is the answer.
    if (error instanceof LoginError && error.code === 'CERT_FOREIGN_AUTHORITY') return undefined;
    throw error;
  }
}

async function identifyHost(
  certificate: VerifiedCertificate<HostIdentity>,
  address: string,
  context: AuthContext,
): Promise<Caller> {
  const { hostId, role } = certificate.identity;
  if (role === 'admin') return { type: 'admin', certificate, address };
  if (role === 'auth') throw new LoginError('CERT_WRONG_ROLE', 'certificate: an auth service does not call itself');
  await refuseLocked({ serverId: hostId, certificate: certificate.fingerprint }, context);
  return { type: 'service', role, hostId, certificate, address };
}

/** Who a certificate's person is now. Throws LoginError as {@link identifyCaller} does. */
export async function identifyPerson(
  certificate: VerifiedCertificate<UserIdentity>,
  address: string,
  context: AuthContext,
): Promise<Person> {
  const { identity } = certificate;
  if (identity.route !== undefined) {
    throw new LoginError(
      'ROUTE_CERTIFICATE',
      `this certificate is for database ${identity.route.service} only; use the one of "tsh login"`,
    );
  }
  if (identity.pinnedAddress !== undefined && identity.pinnedAddress !== address) {
    throw new LoginError(
      'WRONG_ADDRESS',
      'this certificate may only be used from the address it was issued to; sign in again from here',
    );
  }
  const stored = await context.records.read('user', identity.user);
  if (stored === undefined || isOfFormer(stored.resource, certificate)) throw userGone(identity.user);
  await refuseLocked(
    { user: identity.user, roles: stored.resource.spec.roles, certificate: certificate.fingerprint },
    context,
  );
  const { roles, traits } = stored.resource.spec;
  return { type: 'person', certificate, user: stored.resource, identity: { ...identity, roles, traits }, address };
}

/** The certificate was issued before the user's record was made: to a removed user of the same name. */
export function isOfFormer({ spec }: User, certificate: VerifiedCertificate): boolean {
  // Certificates are dated back, in whole seconds.
  const issuedMs = certificate.notBeforeMs + CERTIFICATE_BACKDATE_MS + 1000;
  return spec.created_by !== undefined && issuedMs <= Date.parse(spec.created_by.time);
}

/** For a certificate whose user was removed. */
export function userGone(name: string): LoginError {
  return new LoginError('USER_GONE', `user ${name} does not exist any more`);
}

/** Throws LoginError `LOCKED` with the lock's own words. */
export async function refuseLocked(
  subject: LockSubject,
  context: Pick<AuthContext, 'records' | 'clock'>,
): Promise<void> {
  const locks = (await context.records.list('lock')).map((stored) => stored.resource);
  const hit = lockInForce(locks, subject, context.clock.now());
  if (hit !== undefined) throw new LoginError('LOCKED', hit.message);
}
