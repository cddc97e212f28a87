import { parseTemplate } from '../resource/expression.ts';
import type { Traits } from '../resource/identity.ts';
import { compilePattern, surroundedPattern, type Pattern } from '../resource/pattern.ts';
import type { Node } from '../resource/predicate.ts';
import { evaluate, EvaluationError, type Value } from './evaluate.ts';

/** A list of a role (`db_users`, a label's values) made ready: patterns, and templates that wait for a person's traits. */
export type Entries = {
  readonly patterns: readonly Pattern[];
  readonly templates: readonly { readonly before: string; readonly expression: Node; readonly after: string }[];
  /** An entry could not be read: nothing for allow, a hit for deny. */
  readonly broken: boolean;
};

/** Never throws: what can not be read makes the list `broken`. */
export function compileEntries(texts: readonly string[]): Entries {
  const patterns: Pattern[] = [];
  const templates: Entries['templates'][number][] = [];
  let broken = false;
  for (const text of texts) {
    const parsed = parseTemplate(text);
    if ('problem' in parsed) broken = true;
    else if (parsed.template.type === 'template') templates.push(parsed.template);
    else patterns.push(compilePattern(text));
  }
  return { patterns, templates, broken: broken || patterns.some((pattern) => pattern.kind === 'invalid') };
}

/**
 * The list for one person: a trait of several values gives an entry each, an absent one gives none. The values of a bare
 * `{{internal.x}}` or `{{external.x}}` are patterns like any other; a computed value, or one with text around, stands for itself alone.
 */
export function expandEntries(
  entries: Entries,
  traits: Traits,
): { readonly patterns: readonly Pattern[]; readonly broken: boolean } {
  if (entries.templates.length === 0) return entries;
  const patterns = [...entries.patterns];
  let broken = entries.broken;
  for (const { before, expression, after } of entries.templates) {
    const bare = expression.type === 'path' && before === '' && after === '';
    const values = traitValues(expression, traits);
    if (values === undefined) broken = true;
    for (const value of values ?? []) {
      if (value === '') continue;
      const pattern = bare ? compilePattern(value) : surroundedPattern(before, value, after);
      broken ||= pattern.kind === 'invalid';
      patterns.push(pattern);
    }
  }
  return { patterns, broken };
}

/** An entry allows the value. */
export function allows(entries: Entries, traits: Traits, value: string): boolean {
  return expandEntries(entries, traits).patterns.some((pattern) => pattern.matches(value));
}

/** An entry denies the value, or one could not be understood. */
export function denies(entries: Entries, traits: Traits, value: string): boolean {
  const { patterns, broken } = expandEntries(entries, traits);
  return broken || patterns.some((pattern) => pattern.matches(value));
}

/** A person's trait; never one of JavaScript's own names. */
export function traitOf(traits: Traits, name: string): readonly string[] {
  return Object.hasOwn(traits, name) ? (traits[name] ?? []) : [];
}

function traitValues(expression: Node, traits: Traits): readonly string[] | undefined {
  try {
    const value: Value = evaluate(expression, { path: (parts) => traitOf(traits, parts[1] ?? '') });
    return typeof value === 'object' ? value : undefined;
  } catch (error: unknown) {
    if (error instanceof EvaluationError) return undefined;
    throw error;
  }
}
