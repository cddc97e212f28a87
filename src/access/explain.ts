import type { UserIdentity } from '../resource/identity.ts';
import type { Database, Labels, Role, RoleConditions, Rule } from '../resource/resource.ts';
import { compiledRole, labelsAllow, type CompiledRole, type Conditions } from './conditions.ts';
import { accessDenial, allowedBy, deniedBy, enforced, type Wanted } from './decide.ts';
import { allows, denies, expandEntries, type Entries } from './entries.ts';

/** Why roles open a database to somebody or do not, in sentences; it decides nothing: `allowed` is what `accessDenial` says, as in `authorize`. */

export type Verdict = 'allows' | 'denies' | 'labels do not match' | 'user not allowed' | 'name not allowed';
export type RoleExplanation = { readonly role: string; readonly verdict: Verdict; readonly why: string };
export type AccessExplanation = {
  /** The roles let the person in, with what of user and name is asked; undefined ones are not asked for. */
  readonly allowed: boolean;
  readonly reasons: readonly string[];
  readonly roles: readonly RoleExplanation[];
};

/** One database. `wanted`: what is asked for; what is undefined is not looked at. */
export function explainAccess(
  identity: UserIdentity,
  roles: readonly Role[],
  database: Database,
  wanted: Wanted,
): AccessExplanation {
  const allowed = accessDenial(identity, roles, database, wanted) === undefined;
  const asked = enforced(database, wanted);
  const explained = roles.map((role) => explainRole(identity, role, database.metadata.labels ?? {}, asked));
  return { allowed, reasons: reasonsOf(allowed, explained, asked), roles: explained };
}

/** What a role lets a person administer, rule by rule. */
export function explainRules(
  roles: readonly Role[],
): readonly { readonly role: string; readonly deny: boolean; readonly resource: string; readonly rule: Rule }[] {
  return roles.flatMap(({ metadata, spec }) =>
    [
      { deny: true, rules: spec.deny.rules ?? [] },
      { deny: false, rules: spec.allow.rules ?? [] },
    ].flatMap(({ deny, rules }) =>
      rules.flatMap((rule) => rule.resources.map((resource) => ({ role: metadata.name, deny, resource, rule }))),
    ),
  );
}

function reasonsOf(allowed: boolean, roles: readonly RoleExplanation[], asked: Wanted): string[] {
  if (roles.length === 0) return ['no role, so nothing is allowed'];
  const denying = roles.filter(({ verdict }) => verdict === 'denies');
  if (denying.length > 0) return denying.map(({ role, why }) => `role ${role} denies ${why}`);
  if (allowed)
    return roles.filter(({ verdict }) => verdict === 'allows').map(({ role, why }) => `role ${role} allows ${why}`);
  const near = roles.filter(({ verdict }) => verdict !== 'labels do not match');
  if (near.length === 0) return ['no role has labels that match'];
  if (asked.databaseUser === '') return ['no database user is given'];
  const parts = near.map(({ role, why }) => `role ${role}: the labels match, but ${why}`);
  // Two roles may each allow a part: together they do not count.
  return near.length > 1 ? [...parts, 'one single role must allow labels, user and name together'] : parts;
}

function explainRole(identity: UserIdentity, role: Role, labels: Labels, asked: Wanted): RoleExplanation {
  const compiled = compiledRole(role);
  const say = (verdict: Verdict, why: string): RoleExplanation => ({ role: compiled.name, verdict, why });
  if (deniedBy(compiled, identity, labels, asked) !== undefined)
    return say('denies', whyDenied(compiled, role.spec.deny, identity, labels, asked));
  const { allow } = compiled;
  const written = role.spec.allow;
  if (!labelsAllow(allow, identity, labels))
    return say('labels do not match', whyNotLabels(allow, written, identity, labels));
  const users = listText(allow.users, written.db_users, identity);
  const names = listText(allow.names, written.db_names, identity);
  if (allowedBy(compiled, identity, labels, asked))
    return say('allows', `${labelsText(allow, written, identity)}, users ${users}, names ${names}`);
  if (asked.databaseUser !== undefined && !allows(allow.users, identity.traits, asked.databaseUser))
    return say('user not allowed', `db_users are ${users}, which has no ${quoted(asked.databaseUser)}`);
  return say('name not allowed', `db_names are ${names}, which has no ${quoted(asked.databaseName ?? '')}`);
}

/** Which label, expression or list hits. */
function whyDenied(
  { deny }: CompiledRole,
  written: RoleConditions,
  identity: UserIdentity,
  labels: Labels,
  asked: Wanted,
): string {
  const { traits } = identity;
  for (const { key, values } of deny.labels) {
    if (key === '*') return 'every database (label *)';
    if (Object.hasOwn(labels, key) && denies(values, traits, labels[key] ?? ''))
      return `the label ${key}=${shown(labels[key] ?? '')}`;
  }
  if (asked.databaseUser !== undefined && denies(deny.users, traits, asked.databaseUser))
    return `the database user ${quoted(asked.databaseUser)} (db_users ${listText(deny.users, written.db_users, identity)})`;
  if (asked.databaseName !== undefined && denies(deny.names, traits, asked.databaseName))
    return `the database name ${quoted(asked.databaseName)} (db_names ${listText(deny.names, written.db_names, identity)})`;
  return `what its label expression says: ${shown(written.db_labels_expression ?? '')}`;
}

function whyNotLabels(allow: Conditions, written: RoleConditions, identity: UserIdentity, labels: Labels): string {
  if (allow.labels.length === 0 && allow.expression === undefined)
    return 'it names no database labels, so it opens none';
  const missed = allow.labels.flatMap(({ key, values }) => {
    const wants = `${key}=${listText(values, written.db_labels?.[key], identity)}`;
    if (key === '*') return expandEntries(values, {}).patterns.some(({ kind }) => kind === 'any') ? [] : [wants];
    if (!Object.hasOwn(labels, key)) return [`it wants ${wants}, and the database has no label ${key}`];
    const value = labels[key] ?? '';
    return allows(values, identity.traits, value)
      ? []
      : [`it wants ${wants}, and the database has ${key}=${shown(value)}`];
  });
  if (missed.length > 0) return missed.slice(0, MAX_SHOWN).join('; ');
  return `its label expression does not hold: ${shown(written.db_labels_expression ?? '')}`;
}

function labelsText(allow: Conditions, written: RoleConditions, identity: UserIdentity): string {
  const parts = allow.labels.map(({ key, values }) => `${key}=${listText(values, written.db_labels?.[key], identity)}`);
  if (allow.expression !== undefined) parts.push(`expression ${shown(written.db_labels_expression ?? '')}`);
  return `the labels ${parts.slice(0, MAX_SHOWN).join(' and ')}`;
}

/** What the list is for this person; a template that gives nothing is named, as that is what is to be looked at. */
function listText(entries: Entries, written: readonly string[] | undefined, { traits }: UserIdentity): string {
  const texts = [...new Set(expandEntries(entries, traits).patterns.map(({ text }) => text))];
  if (texts.length === 0)
    return written === undefined || written.length === 0
      ? 'none'
      : `none (${written.slice(0, MAX_SHOWN).map(shown).join(', ')} gives nothing for these traits)`;
  const more = texts.length > MAX_SHOWN ? ` and ${texts.length - MAX_SHOWN} more` : '';
  return `${texts.slice(0, MAX_SHOWN).map(shown).join(', ')}${more}`;
}

function shown(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
}

function quoted(text: string): string {
  return JSON.stringify(shown(text));
}

/** Of a list, in a sentence. */
const MAX_SHOWN = 20;
const MAX_TEXT = 200;
