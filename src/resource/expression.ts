import { compileRegex } from './pattern.ts';
import { parsePredicate, type Node } from './predicate.ts';

/**
 * The two uses of the expression language in roles, checked when a role is read so that evaluation can hardly fail:
 * `db_labels_expression` (a condition over `labels` and `user`) and templates in lists (`{{internal.db_users}}`).
 * Evaluation is in src/access/.
 */

/** A checked condition, or the problem. Type bool; see `functions` and `labelPath` for the words it knows. */
export function parseLabelExpression(text: string): { readonly node: Node } | { readonly problem: string } {
  const parsed = parsePredicate(text);
  if ('problem' in parsed) return parsed;
  const checked = typeOf(parsed.node, labelPath);
  if (typeof checked === 'object') return checked;
  return checked === 'bool' ? parsed : { problem: `expected a condition (true or false), got a ${checked}` };
}

/** An entry of a list in a role: text, or one `{{expression}}` with text around it. */
export type Template =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'template'; readonly before: string; readonly expression: Node; readonly after: string };

/** Splits and checks one entry. Type of the expression: a list of strings (a trait, or a function of one). */
export function parseTemplate(text: string): { readonly template: Template } | { readonly problem: string } {
  const open = text.indexOf('{{');
  if (open < 0)
    return text.includes('}}') ? { problem: 'expected {{ before }}' } : { template: { type: 'text', text } };
  const close = text.lastIndexOf('}}');
  if (close < open) return { problem: 'expected }} after {{' };
  const inner = text.slice(open + 2, close);
  if (inner.includes('{{')) return { problem: 'expected one {{...}} per entry, got two' };
  const parsed = parsePredicate(inner);
  if ('problem' in parsed) return { problem: `in {{...}}: ${parsed.problem}` };
  const checked = typeOf(parsed.node, templatePath);
  if (typeof checked === 'object') return { problem: `in {{...}}: ${checked.problem}` };
  if (checked !== 'list')
    return { problem: `in {{...}}: expected a trait such as internal.db_users, got a ${checked}` };
  return {
    template: { type: 'template', before: text.slice(0, open), expression: parsed.node, after: text.slice(close + 2) },
  };
}

type Type = 'bool' | 'string' | 'list';
type Problem = { readonly problem: string };
type PathType = (parts: readonly string[]) => Type | Problem;
/** `literal`: a quoted string. `same`: string or list, and the result has the same type. */
type Parameter = Type | 'literal' | 'pattern' | 'same';
type Signature = { readonly takes: readonly Parameter[]; readonly rest?: Parameter; readonly gives: Type | 'same' };

const functions: ReadonlyMap<string, Signature> = new Map<string, Signature>([
  ['contains', { takes: ['list', 'string'], gives: 'bool' }],
  ['contains_any', { takes: ['list', 'list'], gives: 'bool' }],
  ['contains_all', { takes: ['list', 'list'], gives: 'bool' }],
  ['regexp.match', { takes: ['same', 'pattern'], gives: 'bool' }],
  ['regexp.replace', { takes: ['same', 'pattern', 'literal'], gives: 'same' }],
  ['email.local', { takes: ['same'], gives: 'same' }],
  ['strings.upper', { takes: ['same'], gives: 'same' }],
  ['strings.lower', { takes: ['same'], gives: 'same' }],
  ['labels_matching', { takes: ['literal'], gives: 'list' }],
  ['set', { takes: [], rest: 'string', gives: 'list' }],
]);

/** Traits that `internal.` may name; `external.` may name any. */
const internalTraits: ReadonlySet<string> = new Set([
  'logins',
  'db_users',
  'db_names',
  'db_roles',
  'kubernetes_users',
  'kubernetes_groups',
  'windows_logins',
  'aws_role_arns',
  'azure_identities',
  'gcp_service_accounts',
  'host_user_uid',
  'host_user_gid',
  'github_orgs',
  'mcp_tools',
  'jwt',
]);

function labelPath(parts: readonly string[]): Type | Problem {
  if (parts[0] === 'labels' && parts.length === 2) return 'string';
  const name = parts.slice(0, 3).join('.');
  if (name === 'user.spec.traits' && parts.length === 4) return 'list';
  if (parts.length === 3 && name === 'user.metadata.name') return 'string';
  if (parts.length === 3 && name === 'user.spec.roles') return 'list';
  return {
    problem: `unknown name ${parts.join('.')}: expected labels["key"], user.spec.traits["name"], user.metadata.name or user.spec.roles`,
  };
}

function templatePath(parts: readonly string[]): Type | Problem {
  const [space, name] = parts;
  if (parts.length !== 2 || (space !== 'internal' && space !== 'external'))
    return { problem: `unknown name ${parts.join('.')}: expected internal.<trait> or external.<trait>` };
  if (space === 'internal' && !internalTraits.has(name ?? ''))
    return {
      problem: `unknown trait internal.${name}: expected one of ${[...internalTraits].slice(0, 4).join(', ')} (or external.${name})`,
    };
  return 'list';
}

function typeOf(node: Node, path: PathType): Type | Problem {
  switch (node.type) {
    case 'string':
      return 'string';
    case 'path':
      return path(node.parts);
    case 'call':
      return typeOfCall(node.name, node.args, path);
    case 'not':
      return expectTypes('bool', '!', [node.of], path) ?? 'bool';
    case 'and':
    case 'or':
      return expectTypes('bool', node.type === 'and' ? '&&' : '||', [node.left, node.right], path) ?? 'bool';
    case 'equal':
    case 'unequal':
      return expectTypes('string', node.type === 'equal' ? '==' : '!=', [node.left, node.right], path) ?? 'bool';
  }
}

function expectTypes(want: Type, of: string, nodes: readonly Node[], path: PathType): Problem | undefined {
  for (const node of nodes) {
    const got = typeOf(node, path);
    if (typeof got === 'object') return got;
    if (got !== want) return { problem: `${of} expects a ${want} on each side, got a ${got}` };
  }
  return undefined;
}

function typeOfCall(name: string, args: readonly Node[], path: PathType): Type | Problem {
  const signature = functions.get(name);
  if (signature === undefined)
    return { problem: `unknown function ${name}: expected one of ${[...functions.keys()].join(', ')}` };
  if (args.length < signature.takes.length || (args.length > signature.takes.length && signature.rest === undefined)) {
    return { problem: `${name} expects ${signature.takes.length} arguments, got ${args.length}` };
  }
  let same: Type = 'string';
  for (const [index, arg] of args.entries()) {
    const got = typeOf(arg, path);
    if (typeof got === 'object') return got;
    const wanted = signature.takes[index] ?? signature.rest ?? 'string';
    const problem = checkArgument(`${name} argument ${index + 1}`, wanted, arg, got);
    if (problem !== undefined) return problem;
    if (wanted === 'same') same = got;
  }
  return signature.gives === 'same' ? same : signature.gives;
}

function checkArgument(what: string, wanted: Parameter, arg: Node, got: Type): Problem | undefined {
  if (wanted === 'same')
    return got === 'bool' ? { problem: `${what}: expected a string or a list, got a bool` } : undefined;
  if (wanted !== 'literal' && wanted !== 'pattern')
    return got === wanted ? undefined : { problem: `${what}: expected a ${wanted}, got a ${got}` };
  if (arg.type !== 'string') return { problem: `${what}: expected a quoted string` };
  if (wanted === 'literal') return undefined;
  try {
    compileRegex(arg.value);
    return undefined;
  } catch (error: unknown) {
    return { problem: `${what}: ${error instanceof Error ? error.message : 'not a regular expression'}` };
  }
}
