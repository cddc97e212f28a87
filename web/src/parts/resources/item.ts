import { listAt, textAt, valueAt } from '../events/event.ts';

/** A resource as a page uses it. Every text in it was written by somebody else: shown as text, never as anything more. */
export type Item = {
  readonly kind: string;
  readonly name: string;
  readonly description: string;
  /** RFC 3339; empty: it does not end. */
  readonly expires: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: unknown;
  /** The document as the server sent it. */
  readonly json: string;
  /** What is replaced when it is written again. */
  readonly revision: bigint;
};

/** Reads what the server sent; a document that can not be read has empty fields, so that it still stands in a list. */
export function itemOf(resource: { readonly json: string; readonly revision: bigint }): Item {
  const document = parse(resource.json);
  const metadata = valueAt(document, 'metadata');
  return {
    kind: textAt(document, 'kind'),
    name: textAt(metadata, 'name'),
    description: textAt(metadata, 'description'),
    expires: textAt(metadata, 'expires'),
    labels: labelsOf(valueAt(metadata, 'labels')),
    spec: valueAt(document, 'spec') ?? {},
    json: resource.json,
    revision: resource.revision,
  };
}

/** By name, as people sort. */
export function byName(a: Item, b: Item): number {
  return a.name.localeCompare(b.name, undefined, { numeric: true });
}

/** Keys with a list of texts each, as of traits: in the order of the document; a single text is a list of one. */
export function listsOf(value: unknown): readonly (readonly [key: string, values: readonly string[]])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.keys(value).map((key) => {
    const single = textAt(value, key);
    return [key, single === '' ? listAt(value, key) : [single]] as const;
  });
}

/** Whether every word of `search` stands in one of the texts, whatever the case. */
export function matches(search: string, texts: readonly string[]): boolean {
  const all = texts.join('\n').toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

function labelsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.keys(value).map((key) => [key, textAt(value, key)]));
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
