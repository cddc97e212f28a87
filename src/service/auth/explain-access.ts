import type { ExplainAccessRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { explainAccess as explain, explainRules } from '../../access/explain.ts';
import { lockInForce } from '../../access/locks.ts';
import { allowedOn } from '../../access/reach.ts';
import { sessionMfaDemanded } from '../../access/session-mfa.ts';
import { sessionOptions } from '../../access/session.ts';
import { ConfigError, StorageError } from '../../errors.ts';
import type { Traits, UserIdentity } from '../../resource/identity.ts';
import { parseResourceOf } from '../../resource/parse.ts';
import type { ClusterAuthPreference, Database, Lock, Role, User } from '../../resource/resource.ts';
import { preferenceOf, type AuthContext } from './context.ts';
import { knownDatabases } from './databases.ts';
import type { Call } from './gate.ts';

/** Who can reach what, and why: a user as they are, or with roles, traits and drafts as if. Nothing is changed and nothing is issued. */
export async function explainAccess(request: ExplainAccessRequest, { context }: Call) {
  const drafts = draftRoles(request.draftRolesJson);
  const identity = await identityOf(request, context);
  const { roles, missing } = await rolesOf(identity.roles, drafts, context);
  const { databaseUser, databaseName } = request;
  const question: Question = {
    identity,
    roles,
    missing,
    wanted: { databaseUser: databaseUser || undefined, databaseName: databaseName || undefined },
    locks: (await context.records.list('lock')).map((stored) => stored.resource),
    preference: await preferenceOf(context),
    nowMs: context.clock.now(),
  };
  const databases: ReturnType<typeof explained>[] = [];
  for (const database of await databasesOf(request.database, context)) {
    databases.push(explained(database, question));
    if (databases.length % DATABASES_PER_SLICE === 0) await new Promise(setImmediate);
  }
  const rules = explainRules(roles).map(({ role, deny, resource, rule }) => {
    return { resource, verbs: [...rule.verbs], role, deny, where: rule.where ?? '' };
  });
  return { databases, rules };
}

type Question = {
  readonly identity: UserIdentity;
  readonly roles: readonly Role[];
  /** Names of roles that do not exist. */
  readonly missing: readonly string[];
  readonly wanted: { readonly databaseUser: string | undefined; readonly databaseName: string | undefined };
  readonly locks: readonly Lock[];
  readonly preference: ClusterAuthPreference;
  readonly nowMs: number;
};

function explained(database: Database, question: Question) {
  const { identity, roles } = question;
  const { allowed, reasons, roles: ofRoles } = explain(identity, roles, database, question.wanted);
  const reach = allowedOn(identity, roles, database) ?? NOTHING;
  const locked = lockOn(database, question);
  return {
    database: database.metadata.name,
    protocol: database.spec.protocol,
    allowed: allowed && locked.length === 0,
    reasons: [...locked, ...reasons, ...notesOf(database, question)],
    allowedUsers: [...reach.allowedUsers],
    deniedUsers: [...reach.deniedUsers],
    allowedNames: [...reach.allowedNames],
    deniedNames: [...reach.deniedNames],
    roles: [...ofRoles],
  };
}

function draftRoles(texts: readonly string[]): ReadonlyMap<string, Role> {
  if (texts.length > MAX_DRAFTS)
    throw new ConfigError([`draft_roles_json: expected at most ${MAX_DRAFTS}, got ${texts.length}`]);
  return new Map(texts.map((text) => parseResourceOf('role', text)).map((role) => [role.metadata.name, role]));
}

/** The person that is asked about; roles and traits that are given count in place of the user's own. */
async function identityOf(request: ExplainAccessRequest, context: AuthContext): Promise<UserIdentity> {
  if (request.roles.length > MAX_ROLES)
    throw new ConfigError([`roles: expected at most ${MAX_ROLES}, got ${request.roles.length}`]);
  const given = request.traitsJson === '' ? undefined : readTraits(request.traitsJson);
  const user = request.user === '' ? undefined : await userOf(request.user, context);
  const spec = user?.spec ?? { roles: [], traits: {}, created_by: undefined };
  return {
    kind: 'user',
    user: request.user,
    userKind: spec.created_by?.connector === undefined ? 'local' : 'sso',
    roles: request.roles.length > 0 ? request.roles : spec.roles,
    traits: given ?? spec.traits,
  };
}

async function userOf(name: string, context: AuthContext): Promise<User> {
  const stored = await context.records.read('user', name);
  if (stored === undefined) throw new StorageError('NOT_FOUND', `user ${name.slice(0, 128)} does not exist`);
  return stored.resource;
}

function readTraits(text: string): Traits {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new ConfigError(['traits_json: expected a JSON object of lists']);
  }
  // A user's own traits have the same shape and limits.
  const user = { kind: 'user', version: 'v2', metadata: { name: 'as-if' }, spec: { roles: [], traits: parsed } };
  return parseResourceOf('user', user).spec.traits;
}

async function rolesOf(
  names: readonly string[],
  drafts: ReadonlyMap<string, Role>,
  context: AuthContext,
): Promise<{ readonly roles: readonly Role[]; readonly missing: readonly string[] }> {
  const roles: Role[] = [];
  const missing: string[] = [];
  for (const name of new Set(names)) {
    const role = drafts.get(name) ?? (await context.records.read('role', name))?.resource;
    if (role === undefined) missing.push(name);
    else roles.push(role);
  }
  return { roles, missing };
}

/** What else counts. */
function notesOf(database: Database, { identity, roles, missing, preference }: Question): string[] {
  const notes = missing.map((name) => `role ${name.slice(0, 128)} does not exist, so it counts for nothing`);
  if (sessionMfaDemanded(identity, roles, preference, database))
    notes.push('a second factor is asked for each session');
  if (sessionOptions(roles, preference).pinSourceIp)
    notes.push('certificates may be used from the address of the sign-in alone');
  return notes;
}

/** Each database once, and once more where agents describe it with other labels. */
async function databasesOf(name: string, context: AuthContext): Promise<Database[]> {
  const all = (await knownDatabases(context)).map((known) => known.database);
  const found = new Map(
    all
      .filter(({ metadata }) => name === '' || metadata.name === name)
      .map((database) => [
        JSON.stringify([database.metadata.name, database.spec.protocol, database.metadata.labels]),
        database,
      ]),
  );
  if (name !== '' && found.size === 0)
    throw new StorageError(
      'NOT_FOUND',
      `database ${name.slice(0, 128)} does not exist, and no agent serves one of this name`,
    );
  return [...found.values()].toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
}

/** The sentence of a lock in force; empty: there is none. */
function lockOn(database: Database, { identity, locks, nowMs }: Question): string[] {
  const { user, roles } = identity;
  const subject = { ...(user === '' ? {} : { user }), roles, databaseService: database.metadata.name };
  const hit = lockInForce(locks, subject, nowMs);
  return hit === undefined ? [] : [`${hit.message} (lock ${hit.lock.metadata.name})`];
}

const NOTHING = { allowedUsers: [], deniedUsers: [], allowedNames: [], deniedNames: [] };
const MAX_DRAFTS = 50;
const MAX_ROLES = 200;
const DATABASES_PER_SLICE = 20;
