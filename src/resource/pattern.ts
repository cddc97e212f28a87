import { RE2JS } from 're2js';

/**
 * The one string matcher of roles: `*`, globs (`prod-*`), regular expressions when the text is wrapped in `^...$`, else the literal.
 * RE2 syntax and semantics: time is linear in pattern times text, whatever the pattern. As in RE2, `^a|b$` means `^a` or `b$`.
 */
export type Pattern = {
  readonly text: string;
  readonly kind: 'any' | 'literal' | 'glob' | 'regex' | 'invalid';
  /** Why the pattern is `invalid`. */
  readonly problem?: string;
  matches(value: string): boolean;
};

/** Longest pattern, in UTF-16 units. */
export const maxPatternLength = 1024;
/** RE2's measure of a compiled expression: bounds counted repetitions inside repetitions. */
export const maxProgramSize = 2000;
/** Compiled patterns kept; the oldest goes first. */
const maxCached = 4096;

const cache = new Map<string, Pattern>();

/**
 * Compiles, remembering the last few thousand. Never throws: an `invalid` pattern matches nothing, and its user decides what is safe
 * (parsing refuses it, an allow rule skips it, a deny rule takes it as a hit).
 */
export function compilePattern(text: string): Pattern {
  const known = cache.get(text);
  if (known !== undefined) return known;
  const pattern = compile(text);
  if (cache.size >= maxCached) for (const oldest of cache.keys()) if (cache.delete(oldest)) break;
  cache.set(text, pattern);
  return pattern;
}

/** A regular expression on its own (no wrapping needed), under the same limits. Throws RangeError with the reason. */
export function compileRegex(text: string): RE2JS {
  if (text.length > maxPatternLength)
    throw new RangeError(`pattern of ${text.length} characters exceeds maxPatternLength ${maxPatternLength}`);
  let regex: RE2JS;
  try {
    regex = RE2JS.compile(text);
  } catch (error: unknown) {
    throw new RangeError(error instanceof Error ? error.message : 'not a regular expression', { cause: error });
  }
  if (regex.programSize() > maxProgramSize)
    throw new RangeError(`regular expression of ${regex.programSize()} steps exceeds maxProgramSize ${maxProgramSize}`);
  return regex;
}

function compile(text: string): Pattern {
  if (text === '*') return { text, kind: 'any', matches: () => true };
  if (text.length > maxPatternLength)
    return invalid(text, `pattern of ${text.length} characters exceeds maxPatternLength ${maxPatternLength}`);
  if (text.length > 1 && text.startsWith('^') && text.endsWith('$')) return compileExpression(text);
  if (!text.includes('*')) return { text, kind: 'literal', matches: (value) => value === text };
  return compileGlob(text);
}

function compileExpression(text: string): Pattern {
  try {
    const regex = compileRegex(text);
    return { text, kind: 'regex', matches: (value) => regex.test(value) };
  } catch (error: unknown) {
    return invalid(text, error instanceof Error ? error.message : 'not a regular expression');
  }
}

/** `*` is any run of characters. Parts are found left to right, earliest first, which is enough: no backtracking. */
function compileGlob(text: string): Pattern {
  const parts = text.split('*');
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  const middle = parts.slice(1, -1).filter((part) => part !== '');
  const matches = (value: string): boolean => {
    if (value.length < first.length + last.length || !value.startsWith(first) || !value.endsWith(last)) return false;
    let from = first.length;
    const end = value.length - last.length;
    for (const part of middle) {
      const at = value.indexOf(part, from);
      if (at < 0 || at + part.length > end) return false;
      from = at + part.length;
    }
    return true;
  };
  return { text, kind: 'glob', matches };
}

function invalid(text: string, problem: string): Pattern {
  return { text, kind: 'invalid', problem, matches: () => false };
}

/** Matches exactly `text`, whatever it looks like: for values that come from a person's traits. */
export function literalPattern(text: string): Pattern {
  return { text, kind: 'literal', matches: (value) => value === text };
}

/** A pattern in which `value` stands for itself between two pieces of pattern text, quoted as they need. */
export function surroundedPattern(before: string, value: string, after: string): Pattern {
  if (before.startsWith('^') && after.endsWith('$')) return compilePattern(`${before}${RE2JS.quote(value)}${after}`);
  if (!before.includes('*') && !after.includes('*')) return literalPattern(`${before}${value}${after}`);
  const glob = (text: string): string =>
    text
      .split('*')
      .map((part) => RE2JS.quote(part))
      .join('(?s:.*)');
  const pattern = compilePattern(`^${glob(before)}${RE2JS.quote(value)}${glob(after)}$`);
  return { ...pattern, text: `${before}${value}${after}` };
}
