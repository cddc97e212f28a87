/** `GetMyselfResponse.traits_json`, a JSON object of lists, as rows by name; what is no list of texts is left out. */
export function traitsOf(json: string): readonly (readonly [name: string, values: readonly string[]])[] {
  const parsed = parse(json);
  if (typeof parsed !== 'object' || parsed === null) return [];
  return Object.entries(parsed as Readonly<Record<string, unknown>>)
    .filter((entry): entry is [string, string[]] => isTexts(entry[1]))
    .toSorted(([a], [b]) => a.localeCompare(b));
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
