/** Reading JSON of resources and events without their schemas, so that a list does not have to load them. */

/** The value at a path of keys, or undefined. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let found = value;
  for (const key of path)
    found =
      typeof found === 'object' && found !== null && Object.hasOwn(found, key) ? Reflect.get(found, key) : undefined;
  return found;
}

/** The text, number or truth value at a path as text; empty for anything else. */
export function textAt(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path);
  return typeof found === 'string'
    ? found
    : typeof found === 'number' || typeof found === 'boolean'
      ? String(found)
      : '';
}

/** The list of texts at a path; empty for anything else. */
export function listAt(value: unknown, ...path: readonly string[]): string[] {
  const found = at(value, ...path);
  return Array.isArray(found) ? found.map(String) : [];
}

/** `k=v,k2=v2` of a map of texts. */
export function labelsAt(value: unknown, ...path: readonly string[]): string {
  const found = at(value, ...path);
  if (typeof found !== 'object' || found === null) return '';
  return Object.entries(found)
    .map(([key, label]) => `${key}=${String(label)}`)
    .join(',');
}

/** Parses JSON that Auth sent. */
export function parseJson(text: string): unknown {
  return JSON.parse(text);
}
