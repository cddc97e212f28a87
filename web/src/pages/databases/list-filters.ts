import type { ListFilters } from './database.ts';

/** The list's filters as the address has them: a link leads to the same list. */
export function listFiltersOf(search: Readonly<Record<string, unknown>>): ListFilters {
  const { q, labels, protocol } = search;
  return {
    search: textOf(q),
    // A value may hold a comma, so each label is a JSON string of a list.
    labels: Array.isArray(labels) ? labels.map(textOf).filter(Boolean).slice(0, MOST_LABELS) : [],
    protocol: textOf(protocol),
  };
}

/** The same for the router; only what narrows. */
export function listSearchOf({ search, labels, protocol }: ListFilters): Record<string, unknown> {
  return {
    ...(search === '' ? {} : { q: search }),
    ...(labels.length === 0 ? {} : { labels: [...labels] }),
    ...(protocol === '' ? {} : { protocol }),
  };
}

/** A label put on, or taken off when it is there. */
export function withLabel(filters: ListFilters, label: string): ListFilters {
  const labels = filters.labels.includes(label)
    ? filters.labels.filter((other) => other !== label)
    : [...filters.labels, label];
  return { ...filters, labels };
}

const MOST_LABELS = 20;
const MOST_CHARACTERS = 500;

// The router reads what looks like a number as one.
function textOf(value: unknown): string {
  const text =
    typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
  return text.slice(0, MOST_CHARACTERS);
}
