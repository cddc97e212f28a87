import { auditEvent } from '../../audit/event.ts';
import { issueCertificate, type IssuedCertificate } from '../../pki/issue.ts';
import { databaseClientProfile, hostProfile, userProfile, type CertificateProfile } from '../../pki/profiles.ts';
import type { AlternativeNames } from '../../pki/names.ts';
import type { HostIdentity, UserIdentity } from '../../resource/identity.ts';
import { actorOf, type Caller } from './caller.ts';
import { emit, type AuthContext } from './context.ts';

/** Every certificate that Auth signs for somebody else goes through here: counted, limited, and told to the audit log. */

export type Wish = { readonly publicKey: Uint8Array; readonly ttlMs: number; readonly caller: Caller };

export async function issueForUser(
  identity: UserIdentity,
  wish: Wish,
  context: AuthContext,
): Promise<IssuedCertificate> {
  const issued = await issue(userProfile(identity), wish, context);
  await emit(
    context,
    auditEvent('TC000I', {
      cert_type: 'user',
      identity: {
        user: identity.user,
        roles: identity.roles,
        expires: new Date(issued.notAfterMs).toISOString(),
        client_ip: identity.loginAddress,
        prev_identity_expires:
          identity.previousExpiresMs === undefined ? undefined : new Date(identity.previousExpiresMs).toISOString(),
        route_to_database: identity.route && {
          service_name: identity.route.service,
          protocol: identity.route.protocol,
          username: identity.route.databaseUser,
          database: identity.route.databaseName,
        },
      },
      fingerprint: issued.fingerprint,
      serial: issued.serial,
      user: identity.user,
      user_kind: identity.userKind,
      'addr.remote': wish.caller.address,
    }),
  );
  return issued;
}

export async function issueForHost(
  identity: HostIdentity,
  names: AlternativeNames,
  wish: Wish,
  context: AuthContext,
): Promise<IssuedCertificate> {
  const issued = await issue(hostProfile(identity, names), wish, context);
  const told = {
    host_id: identity.hostId,
    host_name: identity.hostName,
    role: identity.role,
    expires: new Date(issued.notAfterMs).toISOString(),
  };
  await emit(
    context,
    auditEvent('TC000I', {
      cert_type: 'host',
      identity: told,
      fingerprint: issued.fingerprint,
      serial: issued.serial,
      ...actorOf(wish.caller),
    }),
  );
  return issued;
}

/** For an agent, in the name of `person`, to sign in to a database as `databaseUser`. */
export async function issueForDatabaseUser(
  of: {
    readonly databaseUser: string;
    readonly person: UserIdentity;
    readonly service: string;
    readonly sessionId: string;
  },
  wish: Wish,
  context: AuthContext,
): Promise<IssuedCertificate> {
  const issued = await issue(databaseClientProfile(of.databaseUser), wish, context);
  const told = {
    user: of.person.user,
    username: of.databaseUser,
    service_name: of.service,
    expires: new Date(issued.notAfterMs).toISOString(),
  };
  await emit(
    context,
    auditEvent('TC000I', {
      cert_type: 'database',
      identity: told,
      fingerprint: issued.fingerprint,
      serial: issued.serial,
      ...actorOf(wish.caller),
      sid: of.sessionId,
      db_service: of.service,
      db_user: of.databaseUser,
    }),
  );
  return issued;
}

async function issue(profile: CertificateProfile, wish: Wish, context: AuthContext): Promise<IssuedCertificate> {
  const authority = context.authorities.signing(profile.authority);
  const issued = await context.signatures.run(() =>
    issueCertificate(authority, profile, {
      publicKeyDer: wish.publicKey,
      ttlMs: wish.ttlMs,
      nowMs: context.clock.now(),
    }),
  );
  context.instruments.certificatesIssued.of({ type: profile.name }).value += 1;
  return issued;
}
