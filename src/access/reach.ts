import type { UserIdentity } from '../resource/identity.ts';
import type { Database, Role } from '../resource/resource.ts';
import { compiledRole, labelsAllow, labelsDeny } from './conditions.ts';
import type { Denial } from './decision.ts';
import { accessDenial, allowedBy, deniedBy, type Wanted } from './decide.ts';
import { expandEntries, type Entries } from './entries.ts';

/** What a person may use of one database: patterns as the roles say them, traits filled in, sorted. `*` is any. */
export type Reach = {
  readonly allowedUsers: readonly string[];
  readonly deniedUsers: readonly string[];
  readonly allowedNames: readonly string[];
  readonly deniedNames: readonly string[];
};

/**
 * For lists (`tsh db ls`): undefined when no role's labels match, or a role denies the labels. The lists are unions over roles; that one
 * single role must allow a user and a name together is said by `authorize` alone.
 */
export function allowedOn(identity: UserIdentity, roles: readonly Role[], database: Database): Reach | undefined {
  const labels = database.metadata.labels ?? {};
  const compiled = roles.map(compiledRole);
  if (compiled.some((role) => labelsDeny(role.deny, identity, labels))) return undefined;
  const matching = compiled.filter((role) => labelsAllow(role.allow, identity, labels));
  if (matching.length === 0) return undefined;
  return {
    allowedUsers: texts(
      matching.map((role) => role.allow.users),
      identity,
      false,
    ),
    deniedUsers: texts(
      compiled.map((role) => role.deny.users),
      identity,
      true,
    ),
    allowedNames: texts(
      matching.map((role) => role.allow.names),
      identity,
      false,
    ),
    deniedNames: texts(
      compiled.map((role) => role.deny.names),
      identity,
      true,
    ),
  };
}

export type ResolvedRoute = {
  readonly type: 'ResolvedRoute';
  readonly databaseUser?: string;
  readonly databaseName?: string;
};

/**
 * Fills in what the person did not say when there is exactly one concrete possibility that roles allow: first the user, then the
 * name for that user. What stays open is said later by the client's own start-up packet. A Denial when what was said can not be allowed.
 */
export function resolveRoute(
  identity: UserIdentity,
  roles: readonly Role[],
  database: Database,
  wanted: Wanted,
): ResolvedRoute | Denial {
  const denial = accessDenial(identity, roles, database, wanted);
  if (denial !== undefined) return denial;
  const databaseUser = wanted.databaseUser ?? only('users', identity, roles, database, wanted);
  const databaseName = wanted.databaseName ?? only('names', identity, roles, database, { ...wanted, databaseUser });
  return {
    type: 'ResolvedRoute',
    ...(databaseUser === undefined ? {} : { databaseUser }),
    ...(databaseName === undefined ? {} : { databaseName }),
  };
}

/** The only value of the list that could be allowed; undefined when there are several, none, or a pattern leaves it open. */
function only(
  what: 'users' | 'names',
  identity: UserIdentity,
  roles: readonly Role[],
  database: Database,
  asked: Wanted,
): string | undefined {
  const labels = database.metadata.labels ?? {};
  const compiled = roles.map(compiledRole);
  const patterns = compiled
    .filter((role) => allowedBy(role, identity, labels, asked))
    .flatMap((role) => expandEntries(role.allow[what], identity.traits).patterns);
  if (patterns.some((pattern) => pattern.kind !== 'literal' && pattern.kind !== 'invalid')) return undefined;
  const key = what === 'users' ? 'databaseUser' : 'databaseName';
  const concrete = [
    ...new Set(patterns.filter((pattern) => pattern.kind === 'literal').map((pattern) => pattern.text)),
  ];
  const possible = concrete.filter(
    (text) => !compiled.some((role) => deniedBy(role, identity, labels, { ...asked, [key]: text }) !== undefined),
  );
  return possible.length === 1 ? possible[0] : undefined;
}

function texts(lists: readonly Entries[], identity: UserIdentity, withInvalid: boolean): string[] {
  const all = lists.flatMap((entries) => expandEntries(entries, identity.traits).patterns);
  return [
    ...new Set(all.filter((pattern) => withInvalid || pattern.kind !== 'invalid').map((pattern) => pattern.text)),
  ].toSorted();
}
