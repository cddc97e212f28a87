import type { Lock, LockTarget } from '../resource/resource.ts';

/** What a session, a sign-in or a call can be locked by. Absent: can not be hit by that. */
export type LockSubject = {
  readonly user?: string;
  readonly roles?: readonly string[];
  readonly databaseService?: string;
  readonly serverId?: string;
  readonly accessRequests?: readonly string[];
  /** Lower-case hex SHA-256 of the certificate. */
  readonly certificate?: string;
  /** Of a live session. */
  readonly sessionId?: string;
};

/** A lock that hits. `message` is for the person: `lock targeting User:"x" is in force: <message>`. */
export type LockHit = { readonly lock: Lock; readonly message: string };

/**
 * The first lock in force at `nowMs` that hits the subject in any of its targets (a lock that names several is in force for each of
 * them). A lock whose expiry can not be read never expires.
 */
export function lockInForce(locks: Iterable<Lock>, subject: LockSubject, nowMs: number): LockHit | undefined {
  for (const lock of locks) {
    const hit = isOver(lock, nowMs) ? undefined : targetHit(lock.spec.target, subject);
    if (hit !== undefined) {
      const why = lock.spec.message === undefined || lock.spec.message === '' ? '' : `: ${lock.spec.message}`;
      return { lock, message: `lock targeting ${hit} is in force${why}` };
    }
  }
  return undefined;
}

/** The lock's end has passed. */
export function isOver(lock: Lock, nowMs: number): boolean {
  return passed(lock.spec.expires, nowMs) || passed(lock.metadata.expires, nowMs);
}

function passed(time: string | undefined, nowMs: number): boolean {
  return time !== undefined && Date.parse(time) <= nowMs;
}

function targetHit(target: LockTarget, subject: LockSubject): string | undefined {
  const { user, role, db_service: service, server_id: server, access_request: request, certificate } = target;
  if (isOne(user, subject.user)) return named('User', user);
  if (isAny(role, subject.roles)) return named('Role', role);
  if (isOne(service, subject.databaseService)) return named('DatabaseService', service);
  if (isOne(server, subject.serverId)) return named('ServerID', server);
  if (isAny(request, subject.accessRequests)) return named('AccessRequest', request);
  if (isOne(certificate, subject.certificate)) return named('Certificate', certificate);
  if (isOne(target.session_id, subject.sessionId)) return named('SessionID', target.session_id);
  return undefined;
}

function isOne(target: string | undefined, own: string | undefined): boolean {
  return target !== undefined && target === own;
}

function isAny(target: string | undefined, own: readonly string[] | undefined): boolean {
  return target !== undefined && own?.includes(target) === true;
}

function named(type: string, name = ''): string {
  return `${type}:${JSON.stringify(name)}`;
}
