import type { UserIdentity } from '../resource/identity.ts';
import { parsePredicate, type Node } from '../resource/predicate.ts';
import type { Resource, Role, Rule } from '../resource/resource.ts';
import { traitOf } from './entries.ts';
import { evaluateCondition, EvaluationError, type Value } from './evaluate.ts';

/** Things that rules speak about and that are not resources of their own. */
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
  // Who may read all may read without secrets; who may not read even that may not read all.
  return deny
    ? verb === 'read' && rule.verbs.includes('readnosecrets')
    : verb === 'readnosecrets' && rule.verbs.includes('read');
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
  const name = parts.slice(0, 3).join('.');
  if (parts.length === 3 && name === 'user.metadata.name') return identity.user;
  if (parts.length === 3 && name === 'user.spec.roles') return identity.roles;
  if (parts.length === 4 && name === 'user.spec.traits') return traitOf(identity.traits, parts[3] ?? '');
  if (parts.length === 2 && name === 'session.participants' && participants !== undefined) return participants;
  if (resource !== undefined) {
    const labels = resource.metadata.labels ?? {};
    if (parts.length === 2 && name === 'resource.kind') return resource.kind;
    if (parts.length === 3 && name === 'resource.metadata.name') return resource.metadata.name;
    if (parts.length === 4 && name === 'resource.metadata.labels')
      return Object.hasOwn(labels, parts[3] ?? '') ? (labels[parts[3] ?? ''] ?? '') : '';
  }
  throw new EvaluationError(`unknown name ${parts.join('.')}`);
}
