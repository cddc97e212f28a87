import { listAt, textAt, valueAt } from '../../parts/events/event.ts';
import type { Item } from '../../parts/resources/item.ts';
import { traitsObject, type TraitRow } from '../../parts/resources/trait-rows.ts';

/** The connector that keeps a user; undefined for a local one. */
export function connectorOf(user: Item): { readonly kind: string; readonly name: string } | undefined {
  const connector = valueAt(valueAt(user.spec, 'created_by'), 'connector');
  const name = textAt(connector, 'id');
  return name === '' ? undefined : { kind: textAt(connector, 'type'), name };
}

export function rolesOf(user: Item): readonly string[] {
  return listAt(user.spec, 'roles');
}

/** RFC 3339; empty when it is not known. */
export function createdAt(user: Item): string {
  return textAt(valueAt(user.spec, 'created_by'), 'time');
}

export function createdBy(user: Item): string {
  return textAt(valueAt(user.spec, 'created_by'), 'user');
}

/** Locked by itself after wrong passwords; RFC 3339 of its end, or empty. Undefined: not locked so. */
export function lockoutOf(user: Item, nowMs: number): string | undefined {
  const status = valueAt(user.spec, 'status');
  if (textAt(status, 'is_locked') !== 'true') return undefined;
  const ends = textAt(status, 'lock_expires');
  return ends !== '' && Date.parse(ends) <= nowMs ? undefined : ends;
}

/** A new user, as the server takes it. */
export function newUserJson(name: string, roles: readonly string[], traits: readonly TraitRow[]): string {
  return JSON.stringify({
    kind: 'user',
    version: 'v2',
    metadata: { name: name.trim() },
    spec: { roles, traits: traitsObject(traits) },
  });
}

/** The stored document with other roles and traits; everything else as it was. */
export function changedUserJson(json: string, roles: readonly string[], traits: readonly TraitRow[]): string {
  const document: unknown = JSON.parse(json);
  const spec = { ...Object(valueAt(document, 'spec')), roles, traits: traitsObject(traits) };
  return JSON.stringify({ ...Object(document), spec });
}

/** The stored document without the lock that wrong passwords made. */
export function unlockedUserJson(json: string): string {
  const document: unknown = JSON.parse(json);
  const { status: _status, ...spec } = Object(valueAt(document, 'spec'));
  return JSON.stringify({ ...Object(document), spec });
}

export type NewUserProblems = { readonly name?: string; readonly roles?: string };

/** What is wrong, field by field. `taken` are the names there are. */
export function newUserProblems(name: string, roles: readonly string[], taken: readonly string[]): NewUserProblems {
  const wrongName = nameProblem(name.trim(), taken);
  return {
    ...(wrongName === undefined ? {} : { name: wrongName }),
    ...(roles.length === 0 ? { roles: 'Choose at least one: without a role nothing is allowed' } : {}),
  };
}

function nameProblem(name: string, taken: readonly string[]): string | undefined {
  if (name === '') return 'Give a name, such as alice or alice@example.com';
  if (name.length > 128) return 'At most 128 characters';
  if (!/^[A-Za-z0-9_@+](?:[A-Za-z0-9_.@+:=-])*$/.test(name)) return 'Letters, digits and _ . @ + : = - without blanks';
  if (name.includes('..')) return 'Not two dots beside each other';
  return taken.includes(name) ? 'A user of this name is there already' : undefined;
}
