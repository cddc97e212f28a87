import { auditEvent, type AuditEvent, type CommonFields } from '../../audit/event.ts';
import { BugError } from '../../errors.ts';
import type { Database, Lock, ProvisionToken, Resource, User } from '../../resource/resource.ts';

export type Change = 'create' | 'update' | 'delete';

/** The audit event of a change to a resource; `actor` did it. Nothing secret is told: a token's name stays out. */
export function changeEvent(change: Change, resource: Resource, actor: CommonFields): AuditEvent {
  switch (resource.kind) {
    case 'user':
      return userEvent(change, resource, actor);
    case 'role': {
      const { name, expires } = resource.metadata;
      return auditEvent(ROLE_CODES[change], { ...actor, name, expires, updated_by: actor.user });
    }
    case 'db':
      return databaseEvent(change, resource, actor);
    case 'token':
      return tokenEvent(change, resource, actor);
    case 'lock':
      return lockEvent(change, resource, actor);
    case 'cluster_auth_preference':
      return auditEvent('TCAUTH001I', { ...actor, name: resource.metadata.name });
    case 'oidc':
    case 'saml':
    case 'github': {
      const { name, expires } = resource.metadata;
      return auditEvent(CONNECTOR_CODES[resource.kind][change], { ...actor, name, expires, updated_by: actor.user });
    }
    case 'db_server':
    case 'proxy_server':
    case 'authority':
      throw new BugError(`${resource.kind} is not changed by people`);
  }
}

const CONNECTOR_CODES = {
  oidc: { create: 'T8100I', update: 'T8102I', delete: 'T8101I' },
  saml: { create: 'T8200I', update: 'T8202I', delete: 'T8201I' },
  github: { create: 'T8000I', update: 'T8002I', delete: 'T8001I' },
} as const;
const ROLE_CODES = { create: 'T9000I', update: 'T9002I', delete: 'T9001I' } as const;

function userEvent(change: Change, user: User, actor: CommonFields): AuditEvent {
  const { name, expires } = user.metadata;
  if (change === 'delete') return auditEvent('T1004I', { ...actor, name });
  const told = { ...actor, name, roles: user.spec.roles, connector: 'local', expires };
  return auditEvent(change === 'create' ? 'T1002I' : 'T1003I', told);
}

function databaseEvent(change: Change, database: Database, actor: CommonFields): AuditEvent {
  const { name, expires, labels } = database.metadata;
  if (change === 'delete') return auditEvent('TDB05I', { ...actor, name });
  const { protocol, uri } = database.spec;
  const told = { ...actor, name, expires, labels, protocol, uri, origin: 'dynamic' };
  return auditEvent(change === 'create' ? 'TDB03I' : 'TDB04I', told);
}

function tokenEvent(change: Change, token: ProvisionToken, actor: CommonFields): AuditEvent {
  const { roles, join_method: method } = token.spec;
  const { expires } = token.metadata;
  if (change === 'delete') return auditEvent('TJT01I', { ...actor, roles, expires });
  return auditEvent('TJT00I', { ...actor, roles, join_method: method, expires });
}

function lockEvent(change: Change, lock: Lock, actor: CommonFields): AuditEvent {
  const { name } = lock.metadata;
  if (change === 'delete') return auditEvent('TLK01I', { ...actor, name, updated_by: actor.user });
  const { target, message, expires = lock.metadata.expires } = lock.spec;
  return auditEvent('TLK00I', { ...actor, name, expires, updated_by: actor.user, target, message });
}
