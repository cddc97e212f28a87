import type { DatabaseProtocol, UserIdentity } from '../resource/identity.ts';
import type { Database, Role } from '../resource/resource.ts';
import { compiledRole, labelsAllow, labelsDeny, type CompiledRole } from './conditions.ts';
import type { AuthorizeRequest, Denial, SessionOptions } from './decision.ts';
import { allows, denies } from './entries.ts';
import { lockInForce } from './locks.ts';
import { rolesOf, sessionOptions } from './session.ts';
import { sessionMfaDemanded } from './session-mfa.ts';

/** Of a database user or name, in UTF-16 units: bounds what matching a client's text can cost. Every database's own limit is lower. */
const maxNameLength = 512;
/** Default of `maxLockAgeMs`. */
const defaultMaxLockAgeMs = 5 * 60_000;
const hint =
  'run "tsh db ls -v" to see which databases, users and names you may use, or ask an administrator for a role';

/** The whole decision but the making of the Grant: the options of the session, or why not. The order is that of `authorize`. */
export function decide(request: AuthorizeRequest): SessionOptions | Denial {
  const roles = rolesOf(request.identity, request.roleByName);
  const options = sessionOptions(roles, request.preference);
  return (
    (request.goesOn === true ? undefined : certificateDenial(request)) ??
    lockDenial(request, options) ??
    routeDenial(request) ??
    addressDenial(request, options) ??
    accessDenial(request.identity, roles, request.database, request) ??
    extrasOutcome(request, roles, options)
  );
}

/** What of a connection is asked about; undefined is not known yet and not asked. */
export type Wanted = { readonly databaseUser?: string | undefined; readonly databaseName?: string | undefined };

/**
 * No role denies, and one single role allows the labels, the user and the name together. Undefined when so. The person is told what
 * was refused, the audit log which role did.
 */
export function accessDenial(
  identity: UserIdentity,
  roles: readonly Role[],
  database: Database,
  wanted: Wanted,
): Denial | undefined {
  const asked = enforced(database, wanted);
  const labels = database.metadata.labels ?? {};
  if (asked.databaseUser === '') return refuse('no database user was given', identity, database, asked);
  if ([asked.databaseUser, asked.databaseName].some((name) => (name?.length ?? 0) > maxNameLength)) {
    return refuse(`the database user or name is longer than maxNameLength ${maxNameLength}`, identity, database, asked);
  }
  const compiled = roles.map(compiledRole);
  for (const role of compiled) {
    const what = deniedBy(role, identity, labels, asked);
    if (what !== undefined) return refuse(`role ${role.name} denies the ${what}`, identity, database, asked);
  }
  if (compiled.some((role) => allowedBy(role, identity, labels, asked))) return undefined;
  return refuse(
    'no single role allows the labels, the database user and the database name together',
    identity,
    database,
    asked,
  );
}

/** True when the role alone allows all that is asked. */
export function allowedBy(
  { allow }: CompiledRole,
  identity: UserIdentity,
  labels: { readonly [key: string]: string },
  asked: Wanted,
): boolean {
  return (
    labelsAllow(allow, identity, labels) &&
    (asked.databaseUser === undefined || allows(allow.users, identity.traits, asked.databaseUser)) &&
    (asked.databaseName === undefined || allows(allow.names, identity.traits, asked.databaseName))
  );
}

/** What the role denies, in a word; undefined: nothing. One hit is enough. */
export function deniedBy(
  { deny }: CompiledRole,
  identity: UserIdentity,
  labels: { readonly [key: string]: string },
  asked: Wanted,
): string | undefined {
  if (labelsDeny(deny, identity, labels)) return 'labels';
  if (asked.databaseUser !== undefined && denies(deny.users, identity.traits, asked.databaseUser))
    return 'database user';
  if (asked.databaseName !== undefined && denies(deny.names, identity.traits, asked.databaseName))
    return 'database name';
  return undefined;
}

/** Whether a connection may be open without a database name; where it may, the engine asks again at every change. */
const nameMayBeOpen: { readonly [P in DatabaseProtocol]: boolean } = {
  postgres: false,
  mysql: true,
  mongodb: true,
  redis: true,
  sqlserver: false,
};

/** What of it counts: an open database name is not asked about where a connection may be without one. */
export function enforced(database: Database, wanted: Wanted): Wanted {
  const open = wanted.databaseName === '' && nameMayBeOpen[database.spec.protocol];
  return { databaseUser: wanted.databaseUser, databaseName: open ? undefined : wanted.databaseName };
}

function certificateDenial({ certificate, identity, nowMs }: AuthorizeRequest): Denial | undefined {
  // Written so that a time that is not a number is refused too.
  const begun = certificate.notBeforeMs === undefined || nowMs >= certificate.notBeforeMs;
  if (begun && nowMs < certificate.notAfterMs) return undefined;
  return {
    type: 'Denial',
    reason: 'certificate-expired',
    message: begun
      ? 'your certificate has expired'
      : 'your certificate is not valid yet: compare the clocks of your machine and the cluster',
    hint: identity.route === undefined ? 'run "tsh login" again' : 'run "tsh db login" again',
    audit: `certificate of user ${quoted(identity.user)} ${begun ? 'has expired' : 'is not valid yet'}`,
  };
}

function lockDenial(request: AuthorizeRequest, options: SessionOptions): Denial | undefined {
  const { identity, database, certificate, hostId } = request;
  const hit = lockInForce(
    request.locks,
    {
      user: identity.user,
      roles: identity.roles,
      databaseService: database.metadata.name,
      certificate: certificate.fingerprint,
      ...(hostId === undefined ? {} : { serverId: hostId }),
      ...(request.sessionId === undefined ? {} : { sessionId: request.sessionId }),
      ...(identity.accessRequests === undefined ? {} : { accessRequests: identity.accessRequests }),
    },
    request.nowMs,
  );
  if (hit !== undefined) {
    return {
      type: 'Denial',
      reason: 'locked',
      message: hit.message,
      hint: 'ask an administrator',
      audit: `${hit.message} (lock ${hit.lock.metadata.name})`,
    };
  }
  const maxAgeMs = request.maxLockAgeMs ?? defaultMaxLockAgeMs;
  if (options.locking === 'best_effort' || request.locksAgeMs <= maxAgeMs) return undefined;
  return {
    type: 'Denial',
    reason: 'stale-locks',
    message: 'access is refused while the list of locks can not be refreshed',
    hint: 'try again in a moment, or tell an administrator that the Auth Service can not be reached',
    audit: `locks are ${Math.round(request.locksAgeMs / 1000)} s old, strict locking mode allows ${Math.round(maxAgeMs / 1000)} s (max_lock_age)`,
  };
}

/** A certificate with a route is good for that database (and user, and name, when it says them) alone. */
function routeDenial({ identity, database, databaseUser, databaseName }: AuthorizeRequest): Denial | undefined {
  const { route } = identity;
  if (route === undefined) return undefined;
  const asked = { databaseUser, databaseName };
  if (route.service !== database.metadata.name || route.protocol !== database.spec.protocol)
    return refuse('the certificate is for another database', identity, database, asked);
  if (route.databaseUser !== undefined && route.databaseUser !== databaseUser)
    return refuse('the certificate is for another database user', identity, database, asked);
  if (route.databaseName !== undefined && route.databaseName !== databaseName)
    return refuse('the certificate is for another database name', identity, database, asked);
  return undefined;
}

function addressDenial({ identity, clientAddress }: AuthorizeRequest, options: SessionOptions): Denial | undefined {
  const pinned = identity.pinnedAddress;
  if (pinned === undefined && !options.pinSourceIp) return undefined;
  if (pinned !== undefined && canonicalAddress(pinned) === canonicalAddress(clientAddress)) return undefined;
  return {
    type: 'Denial',
    reason: 'wrong-source-address',
    message: 'your certificate may be used only from the address you signed in from',
    hint: 'run "tsh login" again from here',
    audit:
      pinned === undefined
        ? `a role pins the source address, and the certificate carries none`
        : `certificate is pinned to ${pinned}, used from ${clientAddress}`,
  };
}

/** What roles must allow beside the access itself, and what the session needs beside roles. */
function extrasOutcome(
  request: AuthorizeRequest,
  roles: readonly Role[],
  options: SessionOptions,
): SessionOptions | Denial {
  const { identity, database } = request;
  const asked = enforced(database, request);
  const compiled = roles.map(compiledRole);
  const labels = database.metadata.labels ?? {};
  const kind = request.replication === 'none' ? 'logical' : request.replication;
  const covers = (kinds: readonly string[]): boolean => kinds.includes('*') || kinds.includes(kind);
  const replicationAllowed =
    !compiled.some((role) => covers(role.deny.replication)) &&
    compiled.some((role) => covers(role.allow.replication) && allowedBy(role, identity, labels, asked));
  if (request.replication !== 'none' && !replicationAllowed) {
    return {
      type: 'Denial',
      reason: 'replication-denied',
      message: `${kind} replication connections to database ${quoted(database.metadata.name)} are not allowed for user ${quoted(identity.user)}`,
      hint: `a role with db_replication: [${kind === 'logical' ? 'logical' : "'*'"}] allows them`,
      audit: `no role that allows this access has db_replication for ${kind} replication, or one denies it`,
    };
  }
  const requireSessionMfa = sessionMfaDemanded(identity, roles, request.preference, database);
  if (requireSessionMfa && !hasSessionMfa(identity)) {
    return {
      type: 'Denial',
      reason: 'session-mfa-required',
      message: `database ${quoted(database.metadata.name)} needs a second factor for each session, and your certificate was issued without one`,
      hint: 'run "tsh db login" again and show your second factor; the certificate then opens sessions for a few minutes',
      audit:
        'a role or the cluster demands a second factor for each session (require_session_mfa), the certificate has none',
    };
  }
  const localInfileAllowed =
    !compiled.some((role) => role.deny.localInfile) &&
    compiled.some((role) => role.allow.localInfile && allowedBy(role, identity, labels, asked));
  return { ...options, requireSessionMfa, replicationAllowed, localInfileAllowed };
}

// Only with the route it was shown for: what was shown at sign-in is hours old, and may be used by whoever has the certificate.
function hasSessionMfa({ route, sessionMfa }: UserIdentity): boolean {
  return route !== undefined && sessionMfa !== undefined;
}

function refuse(audit: string, identity: UserIdentity, database: Database, asked: Wanted): Denial {
  const named = [
    `user ${quoted(identity.user)}`,
    `database ${quoted(database.metadata.name)}`,
    ...(asked.databaseUser === undefined ? [] : [`database user ${quoted(asked.databaseUser)}`]),
    ...(asked.databaseName === undefined ? [] : [`database name ${quoted(asked.databaseName)}`]),
  ];
  return { type: 'Denial', reason: 'access-denied', message: `access to db denied: ${named.join(', ')}`, hint, audit };
}

/** Comes from clients: bounded, and control characters escaped. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 128 ? `${text.slice(0, 128)}...` : text).replaceAll(
    /[\u007f-\u009f\u2028-\u202e]/g,
    '?',
  );
}

/** One text for each address: IPv4 inside IPv6 unwrapped, zones dropped, IPv6 in its shortest form. */
function canonicalAddress(address: string): string {
  const bare = address
    .trim()
    .toLowerCase()
    .replace(/%.*$/, '')
    .replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/, '');
  if (!bare.includes(':')) return bare;
  return URL.canParse(`http://[${bare}]/`) ? new URL(`http://[${bare}]/`).hostname : bare;
}
