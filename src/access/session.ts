import type { UserIdentity } from '../resource/identity.ts';
import type { ClusterAuthPreference, Role } from '../resource/resource.ts';
import type { SessionOptions } from './decision.ts';

/** No certificate of a person lives longer, whatever roles and preferences say: 30 h. */
export const maxSessionTtlMs = 30 * 3_600_000;

/** The roles that the person's certificate names and that exist. One that no longer exists is simply not had. */
export function rolesOf(identity: UserIdentity, roleByName: (name: string) => Role | undefined): Role[] {
  return [...new Set(identity.roles)].flatMap((name) => roleByName(name) ?? []);
}

/** Over all roles: the smallest of the limits, and any one that demands is enough (also the cluster's own demands). */
export function sessionOptions(
  roles: readonly Role[],
  preference: ClusterAuthPreference,
  allowed: AllowedExtras = nothingExtra,
): SessionOptions {
  const options = roles.map((role) => role.spec.options);
  const idleTimeoutMs = smallest(options.map((option) => option.client_idle_timeout));
  const maxConnections = smallest(options.map((option) => option.max_connections));
  return {
    ...(idleTimeoutMs === undefined ? {} : { idleTimeoutMs }),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    disconnectExpiredCert:
      preference.spec.disconnect_expired_cert === true ||
      options.some((option) => option.disconnect_expired_cert === true),
    requireSessionMfa:
      preference.spec.require_session_mfa || options.some((option) => option.require_session_mfa === true),
    pinSourceIp: options.some((option) => option.pin_source_ip === true),
    locking:
      preference.spec.locking_mode === 'strict' || options.some((option) => option.lock === 'strict')
        ? 'strict'
        : 'best_effort',
    ...allowed,
  };
}

/** What a role may allow beside the access itself; decided for one access by `decide`. */
export type AllowedExtras = Pick<SessionOptions, 'replicationAllowed' | 'localInfileAllowed'>;

const nothingExtra: AllowedExtras = { replicationAllowed: false, localInfileAllowed: false };

/**
 * How long a person's new certificate may live, milliseconds: what was asked for (else the cluster's default), cut by the smallest
 * `max_session_ttl` of the roles and by `maxSessionTtlMs`. Never negative.
 */
export function sessionTtl(roles: readonly Role[], preference: ClusterAuthPreference, requestedMs?: number): number {
  const wanted =
    requestedMs === undefined || requestedMs <= 0 || Number.isNaN(requestedMs)
      ? preference.spec.default_session_ttl
      : requestedMs;
  return Math.max(
    0,
    Math.min(
      wanted,
      maxSessionTtlMs,
      smallest(roles.map((role) => role.spec.options.max_session_ttl)) ?? maxSessionTtlMs,
    ),
  );
}

/** Of the limits that are set; 0 sets none. */
function smallest(values: readonly (number | undefined)[]): number | undefined {
  const set = values.filter((value) => value !== undefined && value > 0);
  return set.length === 0 ? undefined : Math.min(...set.map(Number));
}
