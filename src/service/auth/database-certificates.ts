import type { IssueDatabaseCertificateRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { authorize } from '../../access/grant.ts';
import { auditEvent } from '../../audit/event.ts';
import { LoginError } from '../../errors.ts';
import { parsePublicKey } from '../../pki/keys.ts';
import { verifyOpening, type VerifiedOpening } from '../../pki/opening.ts';
import type { Role } from '../../resource/resource.ts';
import { isOfFormer, userGone, type Caller } from './caller.ts';
import { issueForDatabaseUser } from './certificates.ts';
import { emit, preferenceOf, type AuthContext } from './context.ts';
import type { Call } from './gate.ts';
import { servedDatabase } from './presence.ts';

/** How long an agent may sign in to a database for a person before it must show a new opening. */
export const DATABASE_TTL_MS = 10 * 60_000;

/**
 * A credential for one database user, for an agent that shows a fresh opening of a session with a person who may have it. Everything is checked again here: the opening,
 * the person's certificate in it, that the agent serves the database, and the access itself with the roles, locks and settings of this moment.
 */
export async function issueDatabaseCertificate(
  request: IssueDatabaseCertificateRequest,
  { caller, context }: Call<Extract<Caller, { type: 'service' }>>,
) {
  try {
    parsePublicKey(request.publicKey);
    const verified = verifyOpening(request.opening, {
      hostAuthorities: context.authorities.hosts,
      userAuthorities: context.authorities.users,
      nowMs: context.clock.now(),
      agentHostId: caller.hostId,
      maxAgeMs: MAX_OPENING_AGE_MS,
    });
    const roles = await requireAccess(request, verified, caller.hostId, context);
    const { client, opening } = verified;
    const ttlMs = Math.min(DATABASE_TTL_MS, client.notAfterMs - context.clock.now());
    const issued = await issueForDatabaseUser(
      {
        databaseUser: request.databaseUser,
        person: client.identity,
        service: client.identity.route.service,
        sessionId: opening.sessionId,
      },
      { publicKey: request.publicKey, ttlMs, caller },
      context,
    );
    return { certificate: issued.pem, expires: new Date(issued.notAfterMs).toISOString(), roles: [...roles] };
  } catch (error) {
    if (error instanceof LoginError) {
      const who = {
        user: `${caller.hostId}.${caller.role}`,
        user_kind: 'system',
        'addr.remote': caller.address,
      } as const;
      await emit(
        context,
        auditEvent('TAP00W', {
          method: 'issueDatabaseCertificate',
          error: error.message,
          caller: 'service',
          success: false,
          ...who,
        }),
      );
    }
    throw error;
  }
}

const MAX_OPENING_AGE_MS = 60_000;

async function requireAccess(
  request: IssueDatabaseCertificateRequest,
  verified: VerifiedOpening,
  hostId: string,
  context: AuthContext,
): Promise<readonly string[]> {
  const { client, opening } = verified;
  const { service } = client.identity.route;
  const database = await servedDatabase(hostId, service, context);
  if (database === undefined)
    throw new LoginError(
      'DATABASE_NOT_SERVED',
      `this agent does not serve database ${service}, as far as its heartbeats say`,
    );
  const user = (await context.records.read('user', client.identity.user))?.resource;
  if (user === undefined || isOfFormer(user, client)) throw userGone(client.identity.user);
  // A role taken away since the certificate was made counts at once; one added since counts with the next certificate.
  const names = client.identity.roles.filter((name) => user.spec.roles.includes(name));
  const roles = new Map<string, Role>();
  for (const name of names) {
    const role = (await context.records.read('role', name))?.resource;
    if (role !== undefined) roles.set(name, role);
  }
  // So does a trait taken away: what the certificate says and what the record says must both allow it.
  for (const traits of [client.identity.traits, user.spec.traits]) {
    const decided = authorize({
      identity: { ...client.identity, traits },
      certificate: client,
      sessionId: opening.sessionId,
      roleByName: (name) => roles.get(name),
      database,
      databaseUser: request.databaseUser,
      databaseName: request.databaseName,
      // The agent decides about replication when it knows the start-up packet.
      replication: 'none',
      locks: (await context.records.list('lock')).map((stored) => stored.resource),
      locksAgeMs: 0,
      nowMs: context.clock.now(),
      clientAddress: opening.clientAddress
        .slice(0, opening.clientAddress.lastIndexOf(':'))
        .replace(/^\[(.*)\]$/u, '$1'),
      preference: await preferenceOf(context),
      hostId,
    });
    if ('type' in decided) throw new LoginError('DATABASE_DENIED', decided.message);
  }
  return [...roles.keys()];
}
