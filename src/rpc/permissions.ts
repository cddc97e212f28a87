import { kindOf } from '../resource/kinds.ts';
import {
  PutResourceRequest_Mode,
  type AuthService,
  type CheckResourceRequest,
  type DeleteResourceRequest,
  type GetResourceRequest,
  type ListResourcesRequest,
  type PutResourceRequest,
} from '../../gen/tessera/auth/v1/auth_pb.ts';

/** Who may call which method of the Auth Service: one table, and it does not compile without a line for every method. Enforced in src/service/auth/gate.ts before a handler runs. */

export type Permission =
  /** Everybody, also without a certificate; limited by rate. `web: 'only'`: from a browser alone, as what it answers becomes a cookie; `'never'`: not from a browser. */
  | { readonly kind: 'anonymous'; readonly web?: 'only' | 'never' }
  /** A person with an identity certificate or a web session; never a certificate with a route. What they get depends on their roles. `web` as above. */
  | { readonly kind: 'person'; readonly web?: 'only' | 'never' }
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
  signIn: { kind: 'anonymous', web: 'never' },
  startInvite: { kind: 'anonymous' },
  acceptInvite: { kind: 'anonymous' },
  join: { kind: 'anonymous', web: 'never' },
  getSignInOptions: { kind: 'anonymous' },
  beginWebSignIn: { kind: 'anonymous', web: 'only' },
  beginPasskeySignIn: { kind: 'anonymous', web: 'only' },
  finishWebSignIn: { kind: 'anonymous', web: 'only' },
  endWebSession: { kind: 'anonymous', web: 'only' },
  startSso: { kind: 'anonymous', web: 'only' },
  startClientLogin: { kind: 'anonymous', web: 'never' },
  pollClientLogin: { kind: 'anonymous', web: 'never' },

  // A session's end must end all that came of it: nothing in a browser gets a certificate.
  issueUserCertificate: { kind: 'person', web: 'never' },
  listDatabases: { kind: 'person' },
  getMyself: { kind: 'person' },
  startMfaConfirmation: { kind: 'person', web: 'never' },
  getClientLogin: { kind: 'person', web: 'only' },
  decideClientLogin: { kind: 'person', web: 'only' },
  listMfaDevices: { kind: 'person' },
  beginMfaChallenge: { kind: 'person' },
  beginMfaAdd: { kind: 'person' },
  finishMfaAdd: { kind: 'person' },
  removeMfaDevice: { kind: 'person' },

  renewHostCertificate: { kind: 'service', roles: ['proxy', 'database'] },
  issueDatabaseCertificate: { kind: 'service', roles: ['database'] },
  heartbeat: { kind: 'service', roles: ['proxy', 'database'] },
  watch: { kind: 'service', roles: ['proxy', 'database'] },
  ingestAudit: { kind: 'service', roles: ['proxy', 'database'] },
  reportSessions: { kind: 'service', roles: ['database'] },
  finishSso: { kind: 'service', roles: ['proxy'] },
  getSamlMetadata: { kind: 'service', roles: ['proxy'] },

  getResource: administration((request: GetResourceRequest) => [readOf(request.kind)]),
  listResources: administration((request: ListResourcesRequest) => [
    { resource: ruleKind(request.kind), verbs: ['list'] },
    readOf(request.kind),
  ]),
  putResource: administration(putNeeds),
  // Reading a large text is work: for those whose editors ask for it, and they say the kind.
  checkResource: administration((request: CheckResourceRequest) => [
    { resource: ruleKind(kindOf(request.kind) ?? ''), verbs: ['create', 'update', 'read', 'readnosecrets'] },
  ]),
  deleteResource: administration((request: DeleteResourceRequest) => [
    { resource: ruleKind(request.kind), verbs: ['delete'] },
  ]),
  addUser: administration(() => [{ resource: 'user', verbs: ['create'] }]),
  resetUser: administration(() => [{ resource: 'user', verbs: ['update'] }]),
  addToken: administration(() => [{ resource: 'token', verbs: ['create'] }]),
  signDatabaseServer: administration(() => [{ resource: 'database_certificate', verbs: ['create'] }]),
  exportAuthority: administration(() => [{ resource: 'authority', verbs: ['read'] }]),
  // Every person: their own sessions need no rule. What else they see and may end is said by their rules (live-sessions.ts).
  listSessions: administration(() => []),
  watchSessions: administration(() => []),
  terminateSession: administration(() => []),
  searchAudit: administration(() => [
    { resource: 'event', verbs: ['list'] },
    { resource: 'event', verbs: ['read'] },
  ]),
  followAudit: administration(() => [
    { resource: 'event', verbs: ['list'] },
    { resource: 'event', verbs: ['read'] },
  ]),
  countAudit: administration(() => [
    { resource: 'event', verbs: ['list'] },
    { resource: 'event', verbs: ['read'] },
  ]),
  explainAccess: administration(() => [
    { resource: 'role', verbs: ['read', 'readnosecrets'] },
    { resource: 'user', verbs: ['read', 'readnosecrets'] },
    { resource: 'db', verbs: ['list'] },
  ]),
  startSsoTest: administration(() => [
    { resource: 'auth_connector', verbs: ['create'] },
    { resource: 'auth_connector', verbs: ['update'] },
  ]),
  getSsoTest: administration(() => [{ resource: 'auth_connector', verbs: ['create'] }]),
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
  return { resource: ruleKind(kind), verbs: kind === 'token' ? ['read'] : ['read', 'readnosecrets'] };
}

/** What rules call a kind: all connectors are `auth_connector`. */
export function ruleKind(kind: string): string {
  return kind === 'oidc' || kind === 'saml' || kind === 'github' ? 'auth_connector' : kind;
}

function putNeeds(request: PutResourceRequest): readonly RuleNeed[] {
  const resource = ruleKind(kindIn(request.json));
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
