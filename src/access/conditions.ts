import { parseLabelExpression } from '../resource/expression.ts';
import type { UserIdentity } from '../resource/identity.ts';
import type { Node } from '../resource/predicate.ts';
import type { Labels, Role, RoleConditions } from '../resource/resource.ts';
import { allows, compileEntries, denies, traitOf, type Entries } from './entries.ts';
import { evaluateCondition, EvaluationError, type Value } from './evaluate.ts';

/** One role made ready for decisions. */
export type CompiledRole = { readonly name: string; readonly allow: Conditions; readonly deny: Conditions };
export type Conditions = {
  readonly labels: readonly { readonly key: string; readonly values: Entries }[];
  /** `broken`: could not be read. */
  readonly expression: Node | 'broken' | undefined;
  readonly users: Entries;
  readonly names: Entries;
  /** `logical`, or `*` for physical as well. */
  readonly replication: readonly string[];
  readonly localInfile: boolean;
};

/** Compiled once for each role object: resources are frozen and replaced as a whole. */
export function compiledRole(role: Role): CompiledRole {
  const known = compiledRoles.get(role);
  if (known !== undefined) return known;
  const { allow, deny } = role.spec;
  const compiled = { name: role.metadata.name, allow: compileConditions(allow), deny: compileConditions(deny) };
  compiledRoles.set(role, compiled);
  return compiled;
}

/** Every key of `db_labels` matches (and there is one), and so does the expression; a role that names neither allows nothing. */
export function labelsAllow(conditions: Conditions, identity: UserIdentity, labels: Labels): boolean {
  if (conditions.labels.length === 0 && conditions.expression === undefined) return false;
  for (const { key, values } of conditions.labels) {
    if (key === '*') {
      if (!allowsAnything(values)) return false;
    } else if (!Object.hasOwn(labels, key) || !allows(values, identity.traits, labels[key] ?? '')) return false;
  }
  return conditions.expression === undefined || holds(conditions.expression, identity, labels, false);
}

/** Any key of `db_labels` matches, or the expression does (or has no answer). */
export function labelsDeny(conditions: Conditions, identity: UserIdentity, labels: Labels): boolean {
  for (const { key, values } of conditions.labels) {
    if (key === '*') return true;
    if (Object.hasOwn(labels, key) && denies(values, identity.traits, labels[key] ?? '')) return true;
  }
  return conditions.expression !== undefined && holds(conditions.expression, identity, labels, true);
}

const compiledRoles = new WeakMap<Role, CompiledRole>();

function compileConditions(conditions: RoleConditions): Conditions {
  const text = conditions.db_labels_expression;
  const parsed = text === undefined || text === '' ? undefined : parseLabelExpression(text);
  return {
    labels: Object.entries(conditions.db_labels ?? {}).map(([key, values]) => ({
      key,
      values: compileEntries(values),
    })),
    expression: parsed === undefined ? undefined : 'node' in parsed ? parsed.node : 'broken',
    users: compileEntries(conditions.db_users ?? []),
    names: compileEntries(conditions.db_names ?? []),
    replication: conditions.db_replication ?? [],
    localInfile: conditions.db_local_infile === true,
  };
}

function allowsAnything(values: Entries): boolean {
  return !values.broken && values.patterns.some((pattern) => pattern.kind === 'any');
}

function holds(expression: Node | 'broken', identity: UserIdentity, labels: Labels, whenUnclear: boolean): boolean {
  if (expression === 'broken') return whenUnclear;
  try {
    return evaluateCondition(expression, { labels, path: (parts) => valueOf(parts, identity, labels) });
  } catch (error: unknown) {
    if (error instanceof EvaluationError) return whenUnclear;
    throw error;
  }
}

/** An absent label is an empty string, an absent trait an empty list. */
function valueOf(parts: readonly string[], identity: UserIdentity, labels: Labels): Value {
  const [first, second, third, fourth] = parts;
  if (first === 'labels' && second !== undefined) return Object.hasOwn(labels, second) ? (labels[second] ?? '') : '';
  if (second === 'spec' && third === 'traits' && fourth !== undefined) return traitOf(identity.traits, fourth);
  if (second === 'spec' && third === 'roles') return identity.roles;
  if (second === 'metadata' && third === 'name') return identity.user;
  throw new EvaluationError('unknown name');
}
