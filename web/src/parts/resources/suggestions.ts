import { valueAt } from '../events/event.ts';
import { cursorPlace, type CursorPlace } from './cursor-path.ts';

/** What may stand where somebody types in a resource: keys and values of its JSON Schema, and what this cluster has. */

/** Text to offer: `label` is shown, `apply` is written, `detail` says what it is. */
export type Suggestion = { readonly label: string; readonly apply: string; readonly detail: string };
export type Suggestions = { readonly from: number; readonly all: readonly Suggestion[] };

/** Names that the cluster knows for the value (`of: 'value'`) or the keys at a path of the document. */
export type KnownNames = (path: readonly string[], of: 'key' | 'value') => readonly string[];

const MOST = 200;

export function suggestionsAt(
  text: string,
  position: number,
  schema: unknown,
  known: KnownNames,
): Suggestions | undefined {
  const place = cursorPlace(text, position);
  if (place === undefined) return undefined;
  const here = schemaAt(schema, place.path);
  const keys = place.mode === 'value' ? [] : keySuggestions(here, place, known);
  const values = place.mode === 'key' ? [] : valueSuggestions(here, place, known);
  const all = [...values, ...keys].slice(0, MOST);
  return all.length === 0 ? undefined : { from: place.from, all };
}

/** The schema at a path; where a list is allowed its entries' schema counts for a single value too. */
export function schemaAt(schema: unknown, path: readonly string[]): unknown {
  let here: unknown = schema;
  for (const step of path) {
    if (step === '[]') {
      here = valueAt(here, 'items');
      continue;
    }
    const properties = valueAt(here, 'properties');
    here = valueAt(properties, step) ?? valueAt(here, 'additionalProperties');
  }
  return here;
}

/** A text as YAML writes it where it stands alone: quoted when it would be read as something else. */
export function yamlScalar(text: string): string {
  const plain = /^[A-Za-z_/][A-Za-z0-9_./@+-]*$/.test(text) && !/^(?:true|false|null|yes|no|on|off|y|n)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}

function keySuggestions(schema: unknown, place: CursorPlace, known: KnownNames): readonly Suggestion[] {
  const properties = valueAt(schema, 'properties');
  const names = typeof properties === 'object' && properties !== null ? Object.keys(properties) : [];
  const required = requiredOf(schema);
  const written = names
    .filter((name) => valueAt(valueAt(properties, name), 'deprecated') !== true)
    .map((name) => {
      const own = valueAt(properties, name);
      return {
        label: name,
        apply: `${name}:${below(own, place)}`,
        detail: required.includes(name) ? `${typeWords(own)}, needed` : typeWords(own),
      };
    });
  const free = known(place.path, 'key').map((name) => ({
    label: name,
    apply: `${yamlScalar(name)}: `,
    detail: 'here',
  }));
  return [...written, ...free].filter(({ label }) => !place.siblings.includes(label));
}

// A map's keys go to the next line, unless everything stands in one.
function below(schema: unknown, place: CursorPlace): string {
  const isMap = typeof valueAt(schema, 'properties') === 'object';
  return isMap && !place.flow ? `\n${' '.repeat(place.column + 2)}` : ' ';
}

function valueSuggestions(schema: unknown, place: CursorPlace, known: KnownNames): readonly Suggestion[] {
  const own = valueAt(schema, 'type') === 'array' ? valueAt(schema, 'items') : schema;
  const fixed = fixedValues(own).map((value) => ({ label: value, apply: value, detail: 'value' }));
  const names = known(place.path, 'value').map((name) => ({ label: name, apply: yamlScalar(name), detail: 'here' }));
  return [...fixed, ...names];
}

function fixedValues(schema: unknown): readonly string[] {
  const single = valueAt(schema, 'const');
  if (typeof single === 'string') return [yamlScalar(single)];
  const several = valueAt(schema, 'enum');
  if (Array.isArray(several))
    return several.filter((value): value is string => typeof value === 'string' && value !== '').map(yamlScalar);
  return valueAt(schema, 'type') === 'boolean' ? ['true', 'false'] : [];
}

function requiredOf(schema: unknown): readonly string[] {
  const required = valueAt(schema, 'required');
  return Array.isArray(required) ? required.filter((name): name is string => typeof name === 'string') : [];
}

function typeWords(schema: unknown): string {
  if (valueAt(schema, 'const') !== undefined || Array.isArray(valueAt(schema, 'enum'))) return 'choice';
  const type = valueAt(schema, 'type');
  if (Array.isArray(type)) return 'duration';
  switch (type) {
    case 'array':
      return 'list';
    case 'object':
      return 'map';
    case 'boolean':
      return 'true or false';
    case 'integer':
    case 'number':
      return 'number';
    default:
      return 'text';
  }
}
