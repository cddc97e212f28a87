import type { RE2JS } from 're2js';
import { compilePattern, compileRegex } from '../resource/pattern.ts';
import type { Node } from '../resource/predicate.ts';

/** Evaluates the expression language of roles. What names mean is the caller's `Scope`. */

export type Value = boolean | string | readonly string[];

/** Gives the value of a path; throws EvaluationError for one it does not know. */
export type Scope = {
  path(parts: readonly string[]): Value;
  /** For `labels_matching`. */
  readonly labels?: { readonly [key: string]: string };
};

/** An expression that has no answer: allow rules then do not apply, deny rules do. */
export class EvaluationError extends Error {}

/** The value of the tree. Depth and size were bounded when it was parsed. Throws EvaluationError, and nothing else. */
export function evaluate(node: Node, scope: Scope): Value {
  switch (node.type) {
    case 'string':
      return node.value;
    case 'path':
      return scope.path(node.parts);
    case 'call':
      return call(node, scope);
    case 'not':
      return !condition(evaluate(node.of, scope));
    case 'and':
      return condition(evaluate(node.left, scope)) && condition(evaluate(node.right, scope));
    case 'or':
      return condition(evaluate(node.left, scope)) || condition(evaluate(node.right, scope));
    case 'equal':
      return string(evaluate(node.left, scope)) === string(evaluate(node.right, scope));
    case 'unequal':
      return string(evaluate(node.left, scope)) !== string(evaluate(node.right, scope));
  }
}

/** The value of a condition. Throws EvaluationError when it is none. */
export function evaluateCondition(node: Node, scope: Scope): boolean {
  return condition(evaluate(node, scope));
}

type Call = Extract<Node, { type: 'call' }>;
type Body = (args: readonly Value[], scope: Scope, node: Call) => Value;

const functions: ReadonlyMap<string, Body> = new Map<string, Body>([
  ['contains', ([all, one]) => list(all).includes(string(one))],
  ['equals', ([left, right]) => string(left) === string(right)],
  ['contains_any', ([all, some]) => list(some).some((value) => list(all).includes(value))],
  // Nothing asked for is not "all of it": an empty list must not open anything.
  ['contains_all', ([all, some]) => list(some).length > 0 && list(some).every((value) => list(all).includes(value))],
  ['regexp.match', ([of], _, node) => strings(of).some((value) => regexOf(node).test(value))],
  ['regexp.replace', ([of, , by], _, node) => map(of, (value) => replace(regexOf(node), value, string(by)))],
  ['email.local', ([of]) => map(of, localPart)],
  ['strings.upper', ([of]) => map(of, (value) => value.toUpperCase())],
  ['strings.lower', ([of]) => map(of, (value) => value.toLowerCase())],
  ['labels_matching', ([key], scope) => labelsMatching(string(key), scope)],
  ['set', (args) => args.map(string)],
]);

function call(node: Call, scope: Scope): Value {
  const body = functions.get(node.name);
  if (body === undefined) throw new EvaluationError(`unknown function ${node.name}`);
  return body(
    node.args.map((arg) => evaluate(arg, scope)),
    scope,
    node,
  );
}

function condition(value: Value): boolean {
  if (typeof value !== 'boolean') throw new EvaluationError('expected a condition');
  return value;
}

function string(value: Value | undefined): string {
  if (typeof value !== 'string') throw new EvaluationError('expected a string');
  return value;
}

function list(value: Value | undefined): readonly string[] {
  if (typeof value !== 'object') throw new EvaluationError('expected a list');
  return value;
}

function strings(value: Value | undefined): readonly string[] {
  return typeof value === 'string' ? [value] : list(value);
}

/** Applies to a string or to each of a list; undefined drops a list's entry and makes a string empty. */
function map(value: Value | undefined, of: (text: string) => string | undefined): Value {
  if (typeof value === 'string') return of(value) ?? '';
  return list(value).flatMap((text) => of(text) ?? []);
}

function localPart(address: string): string {
  const match = /^(?:[^<>@]*<)?([^<>@\s]+)@[^<>@\s]+>?$/.exec(address);
  if (match?.[1] === undefined) throw new EvaluationError('email.local: expected an e-mail address');
  return match[1];
}

function labelsMatching(key: string, scope: Scope): readonly string[] {
  const pattern = compilePattern(key);
  if (pattern.kind === 'invalid') throw new EvaluationError('labels_matching: expected a pattern');
  return Object.entries(scope.labels ?? {}).flatMap(([name, value]) => (pattern.matches(name) ? [value] : []));
}

/** The second argument of a call is a quoted expression, compiled once for the life of the tree. */
const compiled = new WeakMap<Call, RE2JS>();

function regexOf(node: Call): RE2JS {
  const known = compiled.get(node);
  if (known !== undefined) return known;
  const source = node.args[1];
  if (source?.type !== 'string') throw new EvaluationError(`${node.name}: expected a quoted regular expression`);
  try {
    const regex = compileRegex(source.value);
    compiled.set(node, regex);
    return regex;
  } catch (error: unknown) {
    throw new EvaluationError(`${node.name}: not a regular expression`, { cause: error });
  }
}

/** Of one text after a replacement, in UTF-16 units. */
const maxReplacedLength = 64 * 1024;

/** Every match replaced; `$1`, `${1}`, `$name`, `${name}` and `$$` as in Go. A text without a match is dropped. */
function replace(regex: RE2JS, text: string, template: string): string | undefined {
  const matcher = regex.matcher(text);
  const names = regex.namedGroups();
  let out = '';
  let from = 0;
  let found = false;
  while (matcher.find()) {
    found = true;
    const group = (name: string): string => {
      const index = Object.hasOwn(names, name) ? names[name] : /^\d{1,3}$/.test(name) ? Number(name) : undefined;
      return index === undefined || index > regex.groupCount() ? '' : (matcher.group(index) ?? '');
    };
    out += text.slice(from, matcher.start());
    let size = out.length;
    out += template.replaceAll(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
      const by = whole === '$$' ? '$' : group(braced ?? bare ?? '');
      size += by.length;
      // Nested replacements multiply.
      if (size > maxReplacedLength)
        throw new EvaluationError(`regexp.replace: result exceeds maxReplacedLength ${maxReplacedLength}`);
      return by;
    });
    from = matcher.end();
  }
  return found ? out + text.slice(from) : undefined;
}
