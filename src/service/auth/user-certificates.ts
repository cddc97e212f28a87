import type { IssueUserCertificateRequest, MfaProof } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { authorize } from '../../access/grant.ts';
import { allowedOn, resolveRoute } from '../../access/reach.ts';
import { sessionTtl } from '../../access/session.ts';
import { sessionMfaDemanded } from '../../access/session-mfa.ts';
import type { Denial } from '../../access/decision.ts';
import { LoginError } from '../../errors.ts';
import type { Route, UserIdentity } from '../../resource/identity.ts';
import type { Database, Role } from '../../resource/resource.ts';
import { routeFromGen, routeToGen } from '../../rpc/convert.ts';
import { factorsOf, type FactorKind } from '../../sso/local/second-factors.ts';
import type { Person } from './caller.ts';
import { issueForUser } from './certificates.ts';
import { preferenceOf, type AuthContext } from './context.ts';
import { knownDatabases } from './databases.ts';
import { factorDeps } from './factor-deps.ts';
import type { Call } from './gate.ts';
import { isEmpty, requireProof } from './mfa-proof.ts';
import { rolesOfUser } from './sign-in.ts';

/**
 * A certificate with a route (or another identity certificate) from an identity certificate. Nothing grows: roles and traits are those of the record, the end is never
 * after the caller's, the second factor and the pinned address stay what they were. Where each session needs a second factor, it must be shown here, and what it opens ends
 * soon. Throws LoginError `DATABASE_DENIED`, `DATABASE_PROTOCOL`, `SESSION_MFA_REQUIRED`, `SECOND_FACTOR_REFUSED`.
 */
export async function issueUserCertificate(request: IssueUserCertificateRequest, { caller, context }: Call<Person>) {
  const roles = await rolesOfUser(caller.user, context);
  const allowed =
    request.route === undefined ? undefined : await allowedRoute(routeFromGen(request.route), caller, roles, context);
  const route = allowed?.route;
  const sessionMfa =
    allowed?.demandsMfa === true ? await shown(request.mfa, allowed.route, caller, context) : undefined;
  const leftMs = caller.certificate.notAfterMs - context.clock.now();
  const preference = await preferenceOf(context);
  const ttlMs = Math.min(
    leftMs,
    sessionMfa === undefined ? leftMs : preference.spec.session_mfa_ttl,
    sessionTtl(roles, preference, request.ttlSeconds === 0 ? leftMs : request.ttlSeconds * 1000),
  );
  const { route: _none, ...identity } = caller.identity;
  const pinned =
    identity.pinnedAddress ??
    (roles.some((role) => role.spec.options.pin_source_ip === true) ? caller.address : undefined);
  const wanted: UserIdentity = {
    ...identity,
    ...(pinned === undefined ? {} : { pinnedAddress: pinned }),
    ...(route === undefined ? {} : { route, previousExpiresMs: caller.certificate.notAfterMs }),
    ...(sessionMfa === undefined ? {} : { sessionMfa }),
  };
  const issued = await issueForUser(wanted, { publicKey: request.publicKey, ttlMs, caller }, context);
  return { certificate: issued.pem, ...(route === undefined ? {} : { route: routeToGen(route) }) };
}

async function shown(
  proof: MfaProof | undefined,
  route: Route,
  caller: Person,
  context: AuthContext,
): Promise<FactorKind> {
  const database = JSON.stringify(route.service.slice(0, 128));
  if (!isEmpty(proof)) return requireProof(caller, proof, `open a session with database ${database}`, context);
  const { oneTimeCode, passkeys } = await factorsOf(caller.certificate.identity.user, await factorDeps(context));
  throw new LoginError(
    'SESSION_MFA_REQUIRED',
    oneTimeCode || passkeys > 0
      ? `database ${database} needs a second factor for each session: run "tsh db login" and show it`
      : `database ${database} needs a second factor for each session, and you have none: add one with "tsh mfa add"`,
  );
}

type AllowedRoute = { readonly route: Route; readonly demandsMfa: boolean };

async function allowedRoute(
  wanted: Route,
  caller: Person,
  roles: readonly Role[],
  context: AuthContext,
): Promise<AllowedRoute> {
  const candidates = (await knownDatabases(context))
    .filter((known) => known.database.metadata.name === wanted.service)
    .map((known) => known.database)
    // What a person may not see is not there: no refusal tells one from the other.
    .filter((database) => allowedOn(caller.identity, roles, database) !== undefined);
  // Several agents may serve one name with labels of their own: one that allows is enough here, each decides again for itself.
  let refusal: LoginError | undefined;
  let allowed: AllowedRoute | undefined;
  const preference = await preferenceOf(context);
  for (const database of candidates) {
    const outcome = await tryDatabase(wanted, database, caller, roles, context);
    if (!('type' in outcome)) {
      const demandsMfa = sessionMfaDemanded(caller.identity, roles, preference, database);
      // Whichever agent takes the session, the certificate is good there.
      allowed = { route: allowed?.route ?? outcome, demandsMfa: demandsMfa || allowed?.demandsMfa === true };
      continue;
    }
    refusal ??= new LoginError(
      'DATABASE_DENIED',
      outcome.hint === undefined ? outcome.message : `${outcome.message} (${outcome.hint})`,
    );
  }
  if (allowed !== undefined) return allowed;
  // The same words for what is not there and what the person may not see.
  throw (
    refusal ??
    new LoginError(
      'DATABASE_DENIED',
      `access to db denied: user ${JSON.stringify(caller.identity.user)}, database ${JSON.stringify(wanted.service.slice(0, 128))} (run "tsh db ls" to see which databases you may use)`,
    )
  );
}

async function tryDatabase(
  wanted: Route,
  database: Database,
  caller: Person,
  roles: readonly Role[],
  context: AuthContext,
): Promise<Route | Denial> {
  const resolved = resolveRoute(caller.identity, roles, database, wanted);
  if (resolved.type === 'Denial') return resolved;
  if (database.spec.protocol !== wanted.protocol) {
    throw new LoginError(
      'DATABASE_PROTOCOL',
      `database ${database.metadata.name}: expected protocol ${database.spec.protocol}, got ${wanted.protocol}`,
    );
  }
  const { type: _type, ...names } = resolved;
  const route: Route = { service: wanted.service, protocol: wanted.protocol, ...names };
  if (route.databaseUser === undefined || route.databaseName === undefined) return route;
  const decided = authorize({
    // As the certificate will be: whether a second factor must be shown for it is asked when nothing else is against it.
    identity: {
      ...caller.identity,
      route,
      sessionMfa: 'otp',
      pinnedAddress: caller.identity.pinnedAddress ?? caller.address,
    },
    certificate: caller.certificate,
    roleByName: (name) => roles.find((role) => role.metadata.name === name),
    database,
    databaseUser: route.databaseUser,
    databaseName: route.databaseName,
    replication: 'none',
    locks: (await context.records.list('lock')).map((stored) => stored.resource),
    locksAgeMs: 0,
    nowMs: context.clock.now(),
    clientAddress: caller.address,
    preference: await preferenceOf(context),
  });
  return 'type' in decided ? decided : route;
}
