import { ConfigError, LimitError } from '../errors.ts';
import { type EventFilter, parseFilter, type SearchRequest } from './search.ts';

/** A question for figures as a person asks it (CountAuditRequest). */
export type CountRequest = {
  readonly filter: Omit<SearchRequest, 'limit' | 'cursor' | 'descending'>;
  /** Equal spans between `from` and `to`, which are needed then; 0 or absent: none. At most 500. */
  readonly buckets?: number;
  /** Empty or absent: no groups. */
  readonly groupBy?: string;
  /** Largest groups; 0 or absent: 20, at most 100. */
  readonly top?: number;
};

/** A checked one. */
export type CountQuery = {
  readonly filter: EventFilter;
  readonly buckets: number;
  readonly groupBy: GroupBy | undefined;
  readonly top: number;
};
export type GroupBy = (typeof GROUPS)[number];

/** Exact. `refused`: events whose code says that something was refused or failed (its last letter is W or E). */
export type Counts = {
  /** `fromMs`: the first millisecond of the span. */
  readonly buckets: readonly { readonly fromMs: number; readonly count: number; readonly refused: number }[];
  /** Largest first, equal ones by name. */
  readonly groups: readonly { readonly value: string; readonly count: number; readonly refused: number }[];
  readonly total: number;
};

/** Throws ConfigError with every problem. */
export function parseCount(request: CountRequest): CountQuery {
  const problems: string[] = [];
  const filter = parseFilter(request.filter, problems);
  const { buckets = 0, top = 0 } = request;
  if (whole('buckets', buckets, MAX_BUCKETS, problems) && buckets > 0 && problems.length === 0 && !hasSpan(filter))
    problems.push('buckets: expected filter.from and filter.to, the first before the second');
  whole('top', top, MAX_TOP, problems);
  const asked = request.groupBy ?? '';
  const groupBy = GROUPS.find((name) => name === asked);
  if (asked !== '' && groupBy === undefined) problems.push(`group_by: expected one of ${GROUPS.join(', ')} or nothing`);
  if (problems.length > 0) throw new ConfigError(problems);
  return { filter, buckets, groupBy, top: top === 0 ? DEFAULT_TOP : top };
}

function whole(name: string, count: number, most: number, problems: string[]): boolean {
  if (Number.isSafeInteger(count) && count >= 0 && count <= most) return true;
  problems.push(`${name}: expected 0 to ${most}, got ${count}`);
  return false;
}

function hasSpan({ fromMs, toMs }: EventFilter): boolean {
  return fromMs !== undefined && toMs !== undefined && fromMs < toMs;
}

/** Adds up the figures of several days. */
export class Tally {
  readonly groupBy: GroupBy | undefined;
  /** Of the spans; empty when none are asked for. */
  readonly counts: Float64Array;
  readonly refused: Float64Array;
  readonly fromMs: number;
  /** Of one span; not a whole number. */
  readonly spanMs: number;
  readonly #top: number;
  readonly #groups = new Map<string, { count: number; refused: number }>();
  total = 0;
  #withWords = 0;

  constructor({ filter, buckets, groupBy, top }: CountQuery) {
    this.groupBy = groupBy;
    this.#top = top;
    this.counts = new Float64Array(buckets);
    this.refused = new Float64Array(buckets);
    this.fromMs = filter.fromMs ?? 0;
    this.spanMs = buckets === 0 ? 0 : ((filter.toMs ?? 0) - this.fromMs) / buckets;
  }

  add(value: string, count: number, refused: number): void {
    const group = this.#groups.get(value) ?? { count: 0, refused: 0 };
    if (group.count === 0) this.#groups.set(value, group);
    if (this.#groups.size > MAX_GROUPS)
      throw new LimitError(
        'AUDIT_COUNT_GROUPS',
        `more than maxCountGroups ${MAX_GROUPS} different values are to be grouped; choose a shorter time or more filters`,
      );
    group.count += count;
    group.refused += refused;
  }

  /** Counts those that were found by words. Throws LimitError `AUDIT_COUNT_WORDS` when they are too many: a part of them would look like all. */
  checkWords(count: number): void {
    this.#withWords += count;
    if (this.#withWords <= MAX_WITH_WORDS) return;
    throw new LimitError(
      'AUDIT_COUNT_WORDS',
      `more than maxCountedByWords ${MAX_WITH_WORDS} events have these words; choose a shorter time, more filters or rarer words`,
    );
  }

  result(): Counts {
    return {
      buckets: [...this.counts].map((count, index) => ({
        fromMs: Math.ceil(this.fromMs + index * this.spanMs),
        count,
        refused: this.refused[index] ?? 0,
      })),
      groups: [...this.#groups]
        .map(([value, group]) => ({ value, ...group }))
        .toSorted((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
        .slice(0, this.#top),
      total: this.total,
    };
  }
}

/** The last letter of a code: W denied or warned, E failed. */
export function saysRefused(code: string): boolean {
  return code.endsWith('W') || code.endsWith('E');
}

const GROUPS = ['event', 'code', 'user', 'database'] as const;
const MAX_BUCKETS = 500;
const MAX_TOP = 100;
const DEFAULT_TOP = 20;
const MAX_GROUPS = 100_000;
const MAX_WITH_WORDS = 2_000_000;
