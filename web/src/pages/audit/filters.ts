import { refusalCodes } from '../../parts/events/kinds.ts';

/** What the audit page shows, exactly as its address says it: a link leads to the same view, and the back button undoes a change. */
export type AuditFilters = {
  /** A preset's key; empty when `from` and `to` say it. */
  readonly range: RangeKey | '';
  /** RFC 3339; empty: no bound. */
  readonly from: string;
  readonly to: string;
  readonly user: string;
  readonly database: string;
  readonly text: string;
  readonly session: string;
  /** Names of events; none: all. */
  readonly events: readonly string[];
  /** Only what was denied or failed. */
  readonly refused: boolean;
};

export type RangeKey = '15m' | '1h' | '24h' | '7d' | '30d' | '90d' | 'all';
export type Range = { readonly key: RangeKey; readonly label: string; readonly ms: number };

/** Ends now. `ms` is Infinity for everything there is. */
export const RANGES: readonly Range[] = [
  { key: '15m', label: 'Last 15 minutes', ms: 15 * 60_000 },
  { key: '1h', label: 'Last hour', ms: 3_600_000 },
  { key: '24h', label: 'Last 24 hours', ms: 86_400_000 },
  { key: '7d', label: 'Last 7 days', ms: 7 * 86_400_000 },
  { key: '30d', label: 'Last 30 days', ms: 30 * 86_400_000 },
  { key: '90d', label: 'Last 90 days', ms: 90 * 86_400_000 },
  { key: 'all', label: 'All time', ms: Number.POSITIVE_INFINITY },
];

export const NO_FILTERS: AuditFilters = {
  range: '24h',
  from: '',
  to: '',
  user: '',
  database: '',
  text: '',
  session: '',
  events: [],
  refused: false,
};

/** The filters of an address. What can not be read there is left out, never guessed. */
export function filtersOf(search: Readonly<Record<string, unknown>>): AuditFilters {
  const from = timeOf(search['from']);
  const to = timeOf(search['to']);
  const range = RANGES.find(({ key }) => key === search['range'])?.key;
  const session = textOf(search['session']);
  return {
    // Somebody who follows a link to a session wants all of it.
    range: from !== '' || to !== '' ? '' : (range ?? (session === '' ? NO_FILTERS.range : 'all')),
    from,
    to,
    user: textOf(search['user']),
    database: textOf(search['database']),
    text: textOf(search['text']),
    session,
    events: [
      ...new Set(
        textOf(search['events'])
          .split(',')
          .filter((name) => EVENT_NAME.test(name)),
      ),
    ].slice(0, MOST_EVENTS),
    refused: REFUSED.has(textOf(search['refused'])),
  };
}

/** The same as the address has it; only what differs from the usual view. */
export function searchOf(filters: AuditFilters): Record<string, string> {
  const { range, from, to, user, database, text, session, events, refused } = filters;
  const usual = session === '' ? NO_FILTERS.range : 'all';
  const entries: (readonly [string, string])[] = [
    ['range', from !== '' || to !== '' || range === usual ? '' : range],
    ['from', from],
    ['to', to],
    ['user', user],
    ['database', database],
    ['text', text],
    ['session', session],
    ['events', events.join(',')],
    // A word: the router would quote what reads as a number or a flag.
    ['refused', refused ? 'yes' : ''],
  ];
  return Object.fromEntries(entries.filter(([, value]) => value !== ''));
}

/** The span that is meant, in milliseconds; an absent bound is undefined. */
export function spanOf(filters: AuditFilters, nowMs: number): { readonly fromMs?: number; readonly toMs?: number } {
  if (filters.range === '') {
    return {
      ...(filters.from === '' ? {} : { fromMs: Date.parse(filters.from) }),
      ...(filters.to === '' ? {} : { toMs: Date.parse(filters.to) }),
    };
  }
  const ms = RANGES.find(({ key }) => key === filters.range)?.ms ?? Number.POSITIVE_INFINITY;
  return ms === Number.POSITIVE_INFINITY ? {} : { fromMs: nowMs - ms };
}

/** What SearchAudit, FollowAudit and CountAudit are asked. Undefined: nothing can match, as of these events none is ever refused. */
export function requestOf(filters: AuditFilters, nowMs: number): AuditRequest | undefined {
  const events = filters.refused ? refusalCodes(filters.events) : filters.events;
  if (filters.refused && events.length === 0) return undefined;
  const { fromMs, toMs } = spanOf(filters, nowMs);
  return {
    from: fromMs === undefined ? '' : new Date(fromMs).toISOString(),
    to: toMs === undefined ? '' : new Date(toMs).toISOString(),
    user: filters.user,
    database: filters.database,
    text: filters.text,
    sessionId: filters.session,
    events: [...events],
  };
}

/** The fields of SearchAuditRequest that narrow. */
export type AuditRequest = {
  readonly from: string;
  readonly to: string;
  readonly user: string;
  readonly database: string;
  readonly text: string;
  readonly sessionId: string;
  readonly events: string[];
};

/** How many filters beside the time are set. */
export function filterCount(filters: AuditFilters): number {
  const { user, database, text, session, events, refused } = filters;
  return [user !== '', database !== '', text !== '', session !== '', events.length > 0, refused].filter(Boolean).length;
}

/** Whether events that happen from now on can belong to the view. */
export function endsNow(filters: AuditFilters, nowMs: number): boolean {
  const { toMs } = spanOf(filters, nowMs);
  return toMs === undefined || toMs > nowMs;
}

/** A fixed span, to the second outwards, in place of whatever the filters said. */
export function withSpan(filters: AuditFilters, fromMs: number, toMs: number): AuditFilters {
  const [first, last] = fromMs <= toMs ? [fromMs, toMs] : [toMs, fromMs];
  const from = new Date(Math.floor(first / 1000) * 1000).toISOString();
  const to = new Date(Math.max(Math.ceil(last / 1000), Math.floor(first / 1000) + 1) * 1000).toISOString();
  return { ...filters, range: '', from, to };
}

/** The address of the audit page with these filters. */
export function auditPath(filters: Partial<AuditFilters>): {
  readonly to: '/audit';
  readonly search: Record<string, string>;
} {
  return { to: '/audit', search: searchOf({ ...NO_FILTERS, ...filters }) };
}

/** A value of the address as text: the router reads what looks like a number as one. */
function textOf(value: unknown): string {
  const text =
    typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
  return text.slice(0, MOST_CHARACTERS);
}

function timeOf(value: unknown): string {
  const text = textOf(value);
  const ms = TIME.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isFinite(ms) ? new Date(ms).toISOString() : '';
}

const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;
const REFUSED: ReadonlySet<string> = new Set(['yes', 'true', '1']);
const EVENT_NAME = /^[\w.]{1,100}$/;
/** The server's own limits. */
const MOST_CHARACTERS = 1000;
const MOST_EVENTS = 100;
