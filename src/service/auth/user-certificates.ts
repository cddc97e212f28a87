import type { IssueUserCertificateRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { authorize } from '../../access/grant.ts';
import { allowedOn, resolveRoute } from '../../access/reach.ts';
import { sessionTtl } from '../../access/session.ts';
import type { Denial } from '../../access/decision.ts';
import { LoginError } from '../../errors.ts';
import type { Route, UserIdentity } from '../../resource/identity.ts';
import type { Database, Role } from '../../resource/resource.ts';
import { routeFromGen, routeToGen } from '../../rpc/convert.ts';
import type { Person } from './caller.ts';
import { issueForUser } from './certificates.ts';
import { preferenceOf, type AuthContext } from './context.ts';
import { knownDatabases } from './databases.ts';
import type { Call } from './gate.ts';
import { rolesOfUser } from './sign-in.ts';

/**
 * A certificate with a route (or another identity certificate) from an identity certificate. Nothing grows: roles and traits are those of the record, the end is never
 * after the caller's, the second factor and the pinned address stay what they were.
 */
export async function issueUserCertificate(request: IssueUserCertificateRequest, { caller, context }: Call<Person>) {
  const roles = await rolesOfUser(caller.user, context);
  const route =
    request.route === undefined ? undefined : await allowedRoute(routeFromGen(request.route), caller, roles, context);
  const leftMs = caller.certificate.notAfterMs - context.clock.now();
  const preference = await preferenceOf(context);
  const ttlMs = Math.min(
    leftMs,
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
  };
  const issued = await issueForUser(wanted, { publicKey: request.publicKey, ttlMs, caller }, context);
  return { certificate: issued.pem, ...(route === undefined ? {} : { route: routeToGen(route) }) };
}

async function allowedRoute(
  wanted: Route,
  caller: Person,
  roles: readonly Role[],
  context: AuthContext,
): Promise<Route> {
  const candidates = (await knownDatabases(context))
    .filter((known) => known.database.metadata.name === wanted.service)
    .map((known) => known.database)
    // What a person may not see is not there: no refusal tells one from the other.
    .filter((database) => allowedOn(caller.identity, roles, database) !== undefined);
  // Several agents may serve one name with labels of their own: one that allows is enough here, each decides again for itself.
  let refusal: LoginError | undefined;
  for (const database of candidates) {
    const outcome = await tryDatabase(wanted, database, caller, roles, context);
    if (!('type' in outcome)) return outcome;
    refusal ??= new LoginError(
      'DATABASE_DENIED',
      outcome.hint === undefined ? outcome.message : `${outcome.message} (${outcome.hint})`,
    );
  }
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
    identity: { ...caller.identity, pinnedAddress: caller.identity.pinnedAddress ?? caller.address },
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
