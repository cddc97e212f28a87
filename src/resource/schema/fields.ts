import { z } from 'zod';
import { parseDuration } from '../duration.ts';
import { compilePattern } from '../pattern.ts';
import { parseTemplate } from '../expression.ts';

/** The building blocks of all kinds' schemas. Every one refuses what it does not understand. */

/** Accepted, kept as it is, not acted upon: keys of the ecosystem's files for things Tessera does not do. */
export const kept = z.unknown().optional();

/** Makes a shape part of keys that are `kept`. */
export function keptKeys<K extends string>(keys: readonly K[]): { [key in K]: typeof kept } {
  const shape: Partial<Record<K, typeof kept>> = {};
  for (const key of keys) shape[key] = kept;
  return shape as { [key in K]: typeof kept };
}

/** YAML's null where a value may be absent. */
export function optional<T extends z.ZodType>(inner: T): z.ZodOptional<z.ZodPreprocess<z.ZodOptional<T>>> {
  return z.preprocess((value) => value ?? undefined, inner.optional()).optional();
}

/** `true`, `false` and the older words of YAML 1.1, in any case. */
export const flag = z.preprocess((value) => {
  if (typeof value !== 'string') return value;
  const word = value.toLowerCase();
  if (word === 'yes' || word === 'on' || word === 'true') return true;
  return word === 'no' || word === 'off' || word === 'false' ? false : value;
}, z.boolean());

/** Text with units to milliseconds. A bare number is refused (0 means 0), so that nobody guesses seconds. */
export const duration = z.union([z.string(), z.number()]).transform((value, context) => {
  const ms = value === 0 ? 0 : typeof value === 'string' ? parseDuration(value) : undefined;
  if (ms !== undefined) return ms;
  context.addIssue({
    code: 'custom',
    message: `expected a duration with units such as 8h, 15m or 1h30m, got ${JSON.stringify(value).slice(0, 40)}`,
  });
  return z.NEVER;
});

/** RFC 3339 in, the same moment in UTC with milliseconds out. The ecosystem's zero time means none. */
export const time = z.union([z.string(), z.date()]).transform((value, context) => {
  const text = typeof value === 'string' ? value : value.toISOString();
  if (text.startsWith('0001-01-01')) return undefined;
  const ms = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)$/.test(text)
    ? Date.parse(text.replace(' ', 'T'))
    : Number.NaN;
  if (Number.isFinite(ms)) return new Date(ms).toISOString();
  context.addIssue({ code: 'custom', message: 'expected a time such as 2026-01-31T18:00:00Z' });
  return z.NEVER;
});

/** maxNameLength of a resource. */
export const nameLimit = 128;
/** Part of file names, certificate subjects and URL paths: letters, digits and `_ . @ + : = -`, not beginning with a dot or dash. */
export const namePattern = /^[A-Za-z0-9_@+][A-Za-z0-9_.@+:=-]*$/;

/** A resource's name; `what` for the message. */
export function nameOf(
  what: string,
  pattern: RegExp = namePattern,
  characters = '_ . @ + : = -',
  limit = nameLimit,
): z.ZodType<string, unknown> {
  return z
    .string()
    .min(1)
    .max(limit)
    .refine((text) => pattern.test(text) && !text.includes('..'), {
      error: `expected a ${what} of letters, digits and ${characters}, beginning with a letter or digit`,
    });
}

/** Free text for people: no control characters but line ends, so that a terminal is safe to print it. */
export const text = z
  .string()
  .max(4096)
  .refine((value) => !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(value), {
    error: 'expected text without control characters',
  });

const labelLimit = 256;
const labelKey = z
  .string()
  .min(1)
  .max(labelLimit)
  .refine((key) => /^[A-Za-z0-9_.\-/:*=+@ ]+$/.test(key), {
    error: 'expected a label key of letters, digits and . - _ / : * = + @',
  });

/** Labels of a resource: one value a key. */
export const labels = z.record(labelKey, z.string().max(labelLimit).pipe(text));

/** One value of a list that people match with: a literal, `*`, a glob, `^regex$`, or text with one `{{template}}`. */
export const matchEntry = z
  .string()
  .min(1)
  .max(1024)
  .superRefine((value, context) => {
    const parsed = parseTemplate(value);
    if ('problem' in parsed) {
      context.addIssue({ code: 'custom', message: parsed.problem });
    } else if (parsed.template.type === 'text') {
      const { kind, problem } = compilePattern(value);
      if (kind === 'invalid') context.addIssue({ code: 'custom', message: problem ?? 'not a regular expression' });
    }
  });

/** A string or a list of strings, always a list afterwards; null is an empty list. */
export function listOf<T extends z.ZodType>(entry: T): z.ZodPreprocess<z.ZodArray<T>> {
  return z.preprocess((value) => {
    if (value === null) return [];
    return typeof value === 'string' ? [value] : value;
  }, z.array(entry).max(10_000));
}

/** A label matcher: `{env: prod}` and `{env: [prod, stage]}` are the same; the key `*` stands for every label and takes only `*`. */
export const labelMatcher = z.record(labelKey, listOf(matchEntry)).superRefine((matcher, context) => {
  const any = Object.hasOwn(matcher, '*') ? matcher['*'] : undefined;
  if (any !== undefined && !any.every((value) => value === '*')) {
    context.addIssue({
      code: 'custom',
      path: ['*'],
      message: 'the label key * stands for every label and takes only the value *',
    });
  }
});

/** host:port, `[::1]:5432` for IPv6. */
export const hostPort = z
  .string()
  .max(300)
  .refine((value) => splitHostPort(value) !== undefined, { error: 'expected host:port such as db.internal:5432' });

/** Host (without brackets) and port (0 to 65535), or undefined. */
export function splitHostPort(value: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?)):(\d{1,5})$/.exec(value);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || host.includes('..') || port > 65_535 ? undefined : { host, port };
}
