import type { UserIdentity } from '../resource/identity.ts';
import type { ClusterAuthPreference, Database, Role } from '../resource/resource.ts';
import { compiledRole, labelsAllow } from './conditions.ts';

/**
 * Whether a session with this database needs a second factor of its own (`require_session_mfa`): the cluster demands it, or a role does that matters here. A role matters when
 * its labels allow the database, whatever users and names it allows there, and when it names no databases at all (such a role only sets options). So a role for production
 * does not nag in development, and nobody gets around it by a second role for the same database.
 */
export function sessionMfaDemanded(
  identity: UserIdentity,
  roles: readonly Role[],
  preference: ClusterAuthPreference,
  database: Database,
): boolean {
  if (preference.spec.require_session_mfa) return true;
  const labels = database.metadata.labels ?? {};
  return roles.some((role) => {
    if (role.spec.options.require_session_mfa !== true) return false;
    const { allow } = compiledRole(role);
    const namesNone = allow.labels.length === 0 && allow.expression === undefined;
    return namesNone || labelsAllow(allow, identity, labels);
  });
}
