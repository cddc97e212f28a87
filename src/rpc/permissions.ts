import { kindOf } from '../resource/kinds.ts';
import {
  PutResourceRequest_Mode,
  type AuthService,
  type DeleteResourceRequest,
  type GetResourceRequest,
  type ListResourcesRequest,
  type PutResourceRequest,
} from '../../gen/tessera/auth/v1/auth_pb.ts';

/** Who may call which method of the Auth Service: one table, and it does not compile without a line for every method. Enforced in src/service/auth/gate.ts before a handler runs. */

export type Permission =
  /** Everybody, also without a certificate; limited by rate. */
  | { readonly kind: 'anonymous' }
  /** A person with an identity certificate; never one with a route. What they get depends on their roles. */
  | { readonly kind: 'person' }
  /** A joined service of one of these roles, as itself. */
  | { readonly kind: 'service'; readonly roles: readonly ('proxy' | 'database')[] }
  /** The administrator on the Auth machine, or a person whose roles' rules give every one of `needs`. */
  | { readonly kind: 'administration'; readonly needs: (request: unknown) => readonly RuleNeed[] };

/** Satisfied by a rule for `resource` with any one of `verbs`. */
export type RuleNeed = { readonly resource: string; readonly verbs: readonly Verb[] };
export type Verb = 'list' | 'create' | 'read' | 'readnosecrets' | 'update' | 'delete' | 'use';

type MethodName = keyof typeof AuthService.method;

export const PERMISSIONS = {
  ping: { kind: 'anonymous' },
  signIn: { kind: 'anonymous' },
  startInvite: { kind: 'anonymous' },
  acceptInvite: { kind: 'anonymous' },
  join: { kind: 'anonymous' },

  issueUserCertificate: { kind: 'person' },
  listDatabases: { kind: 'person' },

  renewHostCertificate: { kind: 'service', roles: ['proxy', 'database'] },
  issueDatabaseCertificate: { kind: 'service', roles: ['database'] },
  heartbeat: { kind: 'service', roles: ['proxy', 'database'] },
  watch: { kind: 'service', roles: ['proxy', 'database'] },
  ingestAudit: { kind: 'service', roles: ['proxy', 'database'] },

  getResource: administration((request: GetResourceRequest) => [readOf(request.kind)]),
  listResources: administration((request: ListResourcesRequest) => [
    { resource: request.kind, verbs: ['list'] },
    readOf(request.kind),
  ]),
  putResource: administration(putNeeds),
  deleteResource: administration((request: DeleteResourceRequest) => [{ resource: request.kind, verbs: ['delete'] }]),
  addUser: administration(() => [{ resource: 'user', verbs: ['create'] }]),
  resetUser: administration(() => [{ resource: 'user', verbs: ['update'] }]),
  addToken: administration(() => [{ resource: 'token', verbs: ['create'] }]),
  signDatabaseServer: administration(() => [{ resource: 'database_certificate', verbs: ['create'] }]),
  exportAuthority: administration(() => [{ resource: 'authority', verbs: ['read'] }]),
  searchAudit: administration(() => [
    { resource: 'event', verbs: ['list'] },
    { resource: 'event', verbs: ['read'] },
  ]),
  followAudit: administration(() => [
    { resource: 'event', verbs: ['list'] },
    { resource: 'event', verbs: ['read'] },
  ]),
  status: administration(() => [{ resource: 'db_server', verbs: ['list'] }]),
} as const satisfies Record<MethodName, Permission>;

// Each method's needs are called with that method's own request (gate.ts), which the table can not say in one type.
function administration<R>(
  needs: (request: R) => readonly RuleNeed[],
): Permission & { readonly kind: 'administration' } {
  return { kind: 'administration', needs: needs as (request: unknown) => readonly RuleNeed[] };
}

// A token's value is its name, so nothing of it can be shown without its secret.
function readOf(kind: string): RuleNeed {
  return { resource: kind, verbs: kind === 'token' ? ['read'] : ['read', 'readnosecrets'] };
}

function putNeeds(request: PutResourceRequest): readonly RuleNeed[] {
  const resource = kindIn(request.json);
  const create: RuleNeed = { resource, verbs: ['create'] };
  const update: RuleNeed = { resource, verbs: ['update'] };
  switch (request.mode) {
    case PutResourceRequest_Mode.CREATE:
      return [create];
    case PutResourceRequest_Mode.UPDATE:
      return [update];
    default:
      return [create, update];
  }
}

// A document may say its kind by an alias ("roles", "ROLE"): the rules are asked about the kind that will be written.
// Empty for a text that is no resource: no rule is for it, and the handler says what is wrong to those who may write everything.
function kindIn(json: string): string {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string'
      ? (kindOf(value.kind) ?? '')
      : '';
  } catch {
    return '';
  }
}
