import { LoginError } from '../errors.ts';
import type { Traits } from '../resource/identity.ts';

/** What a provider said, flat: every attribute a list of texts. The bounds of what becomes a person's traits. */

/** maxAttributes, maxAttributeValues (of one), maxAttributeName, maxAttributeValue (UTF-16 units), maxTraitBytes (all traits, as JSON: they travel in certificates). */
export const ATTRIBUTE_LIMITS = {
  attributes: 200,
  values: 1000,
  nameLength: 256,
  valueLength: 1024,
  traitBytes: 9 * 1024,
} as const;

/**
 * Claims as attributes: texts as they are, numbers and booleans as text, lists value by value, objects by their paths (`realm_access.roles`). A name that stands there itself wins over a path.
 * Values that no trait could hold (too long, control characters, objects inside lists) are left out and named in `dropped`. Throws LoginError `SSO_ATTRIBUTES_TOO_MANY`.
 */
export function attributesOf(claims: Readonly<Record<string, unknown>>): {
  readonly attributes: Traits;
  readonly dropped: readonly string[];
} {
  const found = new Map<string, readonly string[]>();
  const dropped: string[] = [];
  const add = (name: string, value: unknown, depth: number): void => {
    if (value === null || value === undefined) return;
    if (typeof value === 'object' && !Array.isArray(value)) {
      if (depth >= MAX_DEPTH) dropped.push(name.slice(0, ATTRIBUTE_LIMITS.nameLength));
      else for (const [key, inner] of Object.entries(value)) add(`${name}.${key}`, inner, depth + 1);
      return;
    }
    if (found.has(name)) return;
    const values = (Array.isArray(value) ? value : [value]).map(asText);
    const good = values.filter((text) => text !== undefined);
    if (good.length < values.length || !isName(name)) dropped.push(name.slice(0, ATTRIBUTE_LIMITS.nameLength));
    if (!isName(name)) return;
    if (good.length > ATTRIBUTE_LIMITS.values)
      throw tooMany(`${name} has ${good.length} values: maxAttributeValues ${ATTRIBUTE_LIMITS.values}`);
    found.set(name, [...new Set(good)]);
    if (found.size > ATTRIBUTE_LIMITS.attributes)
      throw tooMany(`expected at most maxAttributes ${ATTRIBUTE_LIMITS.attributes}`);
  };
  const isPlain = (value: unknown): boolean => typeof value !== 'object' || Array.isArray(value);
  for (const [name, value] of Object.entries(claims)) if (isPlain(value)) add(name, value, 0);
  for (const [name, value] of Object.entries(claims)) if (!isPlain(value)) add(name, value, 0);
  // Names come from outside: __proto__ must stay a name.
  return { attributes: Object.fromEntries(found), dropped };
}

/** The attributes that become the person's traits. Throws LoginError `SSO_TRAITS_TOO_LARGE` for more than certificates hold: leaving some out could take a person out of a rule that denies. */
export function traitsOf(attributes: Traits, hidden: readonly string[] = []): Traits {
  const traits = Object.fromEntries(
    Object.entries(attributes).filter(([name, values]) => values.length > 0 && !hidden.includes(name)),
  );
  const bytes = Buffer.byteLength(JSON.stringify(traits));
  if (bytes <= ATTRIBUTE_LIMITS.traitBytes) return traits;
  const [largest = ''] = Object.keys(traits).toSorted((a, b) => sizeOf(traits[b]) - sizeOf(traits[a]));
  throw new LoginError(
    'SSO_TRAITS_TOO_LARGE',
    `the provider says ${bytes} bytes of attributes: maxTraitBytes ${ATTRIBUTE_LIMITS.traitBytes}, most of it is ${JSON.stringify(largest.slice(0, 64))}; have the provider send less of it (only the groups that matter here)`,
  );
}

function sizeOf(values: readonly string[] | undefined): number {
  return JSON.stringify(values ?? []).length;
}

function asText(value: unknown): string | undefined {
  const text =
    typeof value === 'string'
      ? value
      : typeof value === 'number' || typeof value === 'boolean'
        ? String(value)
        : undefined;
  return text !== undefined && text.length <= ATTRIBUTE_LIMITS.valueLength && text.isWellFormed() && !CONTROL.test(text)
    ? text
    : undefined;
}

function isName(name: string): boolean {
  return name !== '' && name !== '__proto__' && name.length <= ATTRIBUTE_LIMITS.nameLength && !CONTROL.test(name);
}

function tooMany(what: string): LoginError {
  return new LoginError(
    'SSO_ATTRIBUTES_TOO_MANY',
    `the provider says too much of this person: ${what}; have it send less`,
  );
}

const CONTROL = /[\u0000-\u001f\u007f]/;
const MAX_DEPTH = 4;
