import { listAt } from '../../parts/events/event.ts';
import type { Item } from '../../parts/resources/item.ts';
import { traitsObject, type TraitRow } from '../../parts/resources/trait-rows.ts';

/** Of whom it is asked what they reach. */
export type Subject =
  /** Somebody who has the role that is being written, with these traits. */
  { readonly kind: 'role'; readonly traits: readonly TraitRow[] } | { readonly kind: 'user'; readonly user: Item };

/** The wire form of ExplainAccessRequest, without what is empty. */
export type Question = {
  readonly user: string;
  readonly roles: string[];
  readonly traitsJson: string;
  readonly draftRolesJson: string[];
  readonly databaseUser: string;
  readonly databaseName: string;
};

/** `draft` counts as if it were stored; a user who does not have it is asked about as if they had. */
export function questionOf(
  subject: Subject,
  draft: { readonly name: string; readonly json: string } | undefined,
  wanted: { readonly databaseUser: string; readonly databaseName: string },
): Question {
  const draftRolesJson = draft === undefined ? [] : [draft.json];
  if (subject.kind === 'role')
    return {
      user: '',
      roles: draft === undefined ? [] : [draft.name],
      traitsJson: JSON.stringify(traitsObject(subject.traits)),
      draftRolesJson,
      ...wanted,
    };
  const roles = listAt(subject.user.spec, 'roles');
  const asIf = draft !== undefined && !roles.includes(draft.name) ? [...roles, draft.name] : [];
  return { user: subject.user.name, roles: asIf, traitsJson: '', draftRolesJson, ...wanted };
}

/** "users reader, writer but not postgres"; `*` is any. */
export function reachWords(what: string, allowed: readonly string[], denied: readonly string[]): string {
  if (allowed.length === 0) return `no ${what}`;
  const yes = allowed.includes('*') ? `any ${what}` : `${what} ${allowed.join(', ')}`;
  return denied.length === 0 ? yes : `${yes}, but not ${denied.join(', ')}`;
}

/** Whether a database can be entered: `not` says what is missing where the roles open the database and yet leave nobody, or nothing, to be there as. MySQL needs no name. */
export function openingOf(answer: {
  readonly allowed: boolean;
  readonly protocol: string;
  readonly allowedUsers: readonly string[];
  readonly deniedUsers: readonly string[];
  readonly allowedNames: readonly string[];
  readonly deniedNames: readonly string[];
}): { readonly open: boolean; readonly not: string } {
  if (!answer.allowed) return { open: false, not: '' };
  const missing = [
    ...(isNothing(answer.allowedUsers, answer.deniedUsers) ? ['database user'] : []),
    ...(answer.protocol !== 'mysql' && isNothing(answer.allowedNames, answer.deniedNames) ? ['database name'] : []),
  ];
  if (missing.length === 0) return { open: true, not: '' };
  return { open: false, not: `Nobody gets in: the roles give no ${missing.join(' and no ')}.` };
}

function isNothing(allowed: readonly string[], denied: readonly string[]): boolean {
  return denied.includes('*') || allowed.every((one) => denied.includes(one));
}
