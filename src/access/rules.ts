import type { UserIdentity } from '../resource/identity.ts';
import { parsePredicate, type Node } from '../resource/predicate.ts';
import type { Resource, Role, Rule } from '../resource/resource.ts';
import { traitOf } from './entries.ts';
import { evaluateCondition, EvaluationError, type Value } from './evaluate.ts';

export type RuleVerb = 'list' | 'create' | 'read' | 'readnosecrets' | 'update' | 'delete' | 'rotate' | 'use';

/** What `where` may look at beside the person. Absent: a rule that needs it is not understood. */
export type RuleContext = {
  readonly resource?: Resource;
  /** Of a recorded session: who took part. */
  readonly participants?: readonly string[];
};

/**
 * May the person do `verb` to things of `kind`? Some role's allow rule says so and no role's deny rule does. `*` is any kind or verb; `read`
 * includes `readnosecrets`. A `where` that can not be understood or answered does not allow, and does deny.
 */
export function ruleAllows(
  roles: readonly Role[],
  identity: UserIdentity,
  kind: string,
  verb: RuleVerb,
  context: RuleContext = {},
): boolean {
  const hits = (rules: readonly Rule[] | undefined, whenUnclear: boolean): boolean =>
    rules?.some(
      (rule) => covers(rule, kind, verb, whenUnclear) && whereHolds(rule.where, identity, context, whenUnclear),
    ) ?? false;
  return (
    !roles.some((role) => hits(role.spec.deny.rules, true)) && roles.some((role) => hits(role.spec.allow.rules, false))
  );
}

function covers(rule: Rule, kind: string, verb: RuleVerb, deny: boolean): boolean {
  if (!rule.resources.includes('*') && !rule.resources.includes(kind)) return false;
  if (rule.verbs.includes('*') || rule.verbs.includes(verb)) return true;
  // Reading includes reading without secrets; to deny, either word is enough for both.
  if (verb === 'readnosecrets') return rule.verbs.includes('read');
  return deny && verb === 'read' && rule.verbs.includes('readnosecrets');
}

function whereHolds(
  where: string | undefined,
  identity: UserIdentity,
  context: RuleContext,
  whenUnclear: boolean,
): boolean {
  if (where === undefined || where === '') return true;
  const node = parsedWhere(where);
  if (node === undefined) return whenUnclear;
  try {
    return evaluateCondition(node, { path: (parts) => valueOf(parts, identity, context) });
  } catch (error: unknown) {
    if (error instanceof EvaluationError) return whenUnclear;
    throw error;
  }
}

const maxCached = 1000;
const cache = new Map<string, Node | undefined>();

function parsedWhere(where: string): Node | undefined {
  if (cache.has(where)) return cache.get(where);
  const parsed = parsePredicate(where);
  const node = 'node' in parsed ? parsed.node : undefined;
  if (cache.size >= maxCached) cache.clear();
  cache.set(where, node);
  return node;
}

/** The documented names of `where`. */
function valueOf(parts: readonly string[], identity: UserIdentity, { resource, participants }: RuleContext): Value {
  const value = valueOfUser(parts, identity) ?? valueOfResource(parts, resource);
  if (value !== undefined) return value;
  if (parts.join('.') === 'session.participants' && participants !== undefined) return participants;
  throw new EvaluationError(`unknown name ${parts.join('.')}`);
}

function valueOfUser(parts: readonly string[], identity: UserIdentity): Value | undefined {
  const name = parts.slice(0, 3).join('.');
  if (parts.length === 3 && name === 'user.metadata.name') return identity.user;
  if (parts.length === 3 && name === 'user.spec.roles') return identity.roles;
  return parts.length === 4 && name === 'user.spec.traits' ? traitOf(identity.traits, parts[3] ?? '') : undefined;
}

function valueOfResource(parts: readonly string[], resource: Resource | undefined): Value | undefined {
  if (resource === undefined) return undefined;
  const [, , , key = ''] = parts;
  const labels = resource.metadata.labels ?? {};
  if (parts.join('.') === 'resource.kind') return resource.kind;
  if (parts.join('.') === 'resource.metadata.name') return resource.metadata.name;
  if (parts.length !== 4 || parts.slice(0, 3).join('.') !== 'resource.metadata.labels') return undefined;
  return Object.hasOwn(labels, key) ? (labels[key] ?? '') : '';
}
