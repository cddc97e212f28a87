import type { z } from 'zod';
import { nearest } from './nearest.ts';

/** What zod found, in words that a person can act on. */

export type Locate = (keys: readonly PropertyKey[], of?: 'key' | 'value') => string;

/**
 * One line for each problem: `place: key: expected ..., got ...; did you mean ...`. `input` is what was parsed (for "got").
 * Strings from the input are shown only where a fixed word was expected, so no secret is repeated.
 */
export function describeIssues(
  schema: z.ZodType,
  issues: readonly z.core.$ZodIssue[],
  input: unknown,
  locate: Locate,
): string[] {
  return inFileOrder(issues.flatMap((issue) => describeIssue(schema, issue, input, locate)));
}

/** Problems of the form `path:line:column: ...` in the order of the file. */
export function inFileOrder(lines: readonly string[]): string[] {
  return lines
    .map((line) => ({ line, at: position(line) }))
    .toSorted((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1])
    .map(({ line }) => line);
}

function position(line: string): readonly [number, number] {
  const match = /:(\d+):(\d+): /.exec(line);
  return [Number(match?.[1] ?? 0), Number(match?.[2] ?? 0)];
}

type Issue = z.core.$ZodIssue;
type Of<C extends Issue['code']> = Extract<Issue, { code: C }>;

function describeIssue(schema: z.ZodType, issue: Issue, input: unknown, locate: Locate): string[] {
  const at = issue.path;
  const got = valueAt(input, at);
  const say = (what: string): string => `${locate(at)}: ${dotted(at)}${at.length > 0 ? ': ' : ''}${what}`;
  switch (issue.code) {
    case 'unrecognized_keys':
      return unknownKeys(schema, issue, locate);
    case 'invalid_type':
      return [say(wrongType(issue, got))];
    case 'invalid_value':
      return [say(wrongValue(issue, got))];
    case 'invalid_union':
      return wrongUnion(issue).flatMap((inner) =>
        describeIssue(schema, { ...inner, path: [...at, ...inner.path] }, input, locate),
      );
    case 'invalid_key':
      return issue.issues.map((inner) => `${locate(at, 'key')}: ${dotted(at)}: ${inner.message}`);
    case 'too_small':
      return [say(`expected at least ${issue.minimum}${unit(issue.origin, issue.minimum)}, got ${measured(got)}`)];
    case 'too_big':
      return [say(`expected at most ${issue.maximum}${unit(issue.origin, issue.maximum)}, got ${measured(got)}`)];
    default:
      return [say(issue.message)];
  }
}

function unknownKeys(schema: z.ZodType, { path, keys }: Of<'unrecognized_keys'>, locate: Locate): string[] {
  const known = knownKeys(schema, path);
  return keys.map((key) => {
    const meant = nearest(key, known);
    const hint = meant === undefined ? knownList(known) : `, did you mean ${meant}`;
    return `${locate([...path, key], 'key')}: ${dotted([...path, key])}: unknown key${hint}`;
  });
}

function wrongType({ expected }: Of<'invalid_type'>, got: unknown): string {
  if (got === undefined || got === null) return `is missing: expected ${expectedName(expected)}`;
  const quote = expected === 'string' && typeof got !== 'object' ? ' (put it in quotes)' : '';
  return `expected ${expectedName(expected)}, got ${typeName(got)}${quote}`;
}

function wrongValue({ values }: Of<'invalid_value'>, got: unknown): string {
  const words = values.map(String);
  if (got === undefined || got === null) return `is missing: expected ${oneOf(words)}`;
  const meant = typeof got === 'string' ? nearest(got, words) : undefined;
  return `expected ${oneOf(words)}, got ${shown(got)}${meant === undefined ? '' : `, did you mean ${meant}`}`;
}

/** The issues of the branch that came nearest: the one whose problems lie deepest. */
function wrongUnion({ errors }: Of<'invalid_union'>): readonly Issue[] {
  const depth = (issues: readonly Issue[]): number => Math.max(0, ...issues.map((issue) => issue.path.length));
  return errors.toSorted((a, b) => depth(b) - depth(a))[0] ?? [];
}

/** The keys that the object schema at `path` knows. Walks through wrappers; unions give all. */
function knownKeys(schema: unknown, path: readonly PropertyKey[]): string[] {
  let here: unknown[] = unwrap(schema);
  for (const key of path) {
    here = here.flatMap((inner) => {
      const def = definition(inner);
      if (def['type'] === 'object') return unwrap((def['shape'] as Record<PropertyKey, unknown>)[key]);
      if (def['type'] === 'array') return unwrap(def['element']);
      if (def['type'] === 'record') return unwrap(def['valueType']);
      return [];
    });
  }
  return here.flatMap((inner) =>
    definition(inner)['type'] === 'object' ? Object.keys(definition(inner)['shape'] as object) : [],
  );
}

function unwrap(schema: unknown): unknown[] {
  if (schema === undefined) return [];
  const def = definition(schema);
  if (def['type'] === 'pipe') return [...unwrap(def['in']), ...unwrap(def['out'])];
  if (def['type'] === 'union') return (def['options'] as unknown[]).flatMap(unwrap);
  if ('innerType' in def) return unwrap(def['innerType']);
  return [schema];
}

function definition(schema: unknown): Readonly<Record<string, unknown>> {
  return (schema as { readonly def?: Record<string, unknown> }).def ?? {};
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  let here = input;
  for (const key of path) {
    if (typeof here !== 'object' || here === null || !Object.hasOwn(here, key)) return undefined;
    here = (here as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return here;
}

/** `spec.allow.rules[0].verbs`. */
export function dotted(path: readonly PropertyKey[]): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index > 0 ? '.' : ''}${String(key)}`))
    .join('');
}

function typeName(value: unknown): string {
  if (value === undefined || value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'a map' : typeof value;
}

function expectedName(expected: string): string {
  if (expected === 'array') return 'a list';
  if (expected === 'object' || expected === 'record') return 'a map';
  if (expected === 'boolean') return 'true or false';
  return expected === 'int' ? 'a whole number' : expected;
}

function unit(origin: string, count: unknown): string {
  if (origin === 'string') return count === 1 ? ' character' : ' characters';
  return origin === 'array' ? (count === 1 ? ' entry' : ' entries') : '';
}

function measured(value: unknown): string {
  return typeof value === 'string' || Array.isArray(value) ? String(value.length) : String(value);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 64 ? `${value.slice(0, 64)}...` : value);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeName(value);
}

function oneOf(words: readonly string[]): string {
  return words.length === 1 ? (words[0] ?? '') : `one of ${words.join(', ')}`;
}

function knownList(known: readonly string[]): string {
  return known.length > 0 && known.length <= 12 ? ` (known: ${known.join(', ')})` : '';
}
