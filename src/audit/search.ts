import { ConfigError } from '../errors.ts';
import type { StoredEvent } from './stored-event.ts';

/** A search as a person asks for it (flags of `tessera audit search`, SearchAuditRequest). */
export type SearchRequest = {
  /** RFC 3339, or a date; inclusive. Absent or empty: unbounded. */
  readonly from?: string;
  /** Exclusive. */
  readonly to?: string;
  readonly user?: string;
  /** Name of the `db` resource. */
  readonly database?: string;
  /** Of one session (`sid`). */
  readonly session?: string;
  /** Names or codes; any of them. */
  readonly events?: readonly string[];
  /** A word or a phrase of the statement or of any other text field. Case and accents do not matter. */
  readonly text?: string;
  /** 0 or absent: 500; at most 10,000. */
  readonly limit?: number;
  readonly cursor?: string;
  /** Newest first. */
  readonly descending?: boolean;
};

/** A checked search. */
export type SearchQuery = EventFilter & {
  readonly limit: number;
  readonly after?: Cursor;
  readonly descending: boolean;
};
export type EventFilter = {
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly user?: string;
  readonly database?: string;
  readonly session?: string;
  readonly events?: readonly string[];
  /** In order; never empty when present. */
  readonly words?: readonly string[];
};
/** Original JSON lines. `nextCursor` is there when there may be more. A page ends early when its lines are large. */
export type SearchPage = { readonly events: readonly string[]; readonly nextCursor?: string };
/** The place of one event in a store's order. */
export type Cursor = { readonly day: string; readonly timeMs: number; readonly id: number };

/** Throws ConfigError with every problem. */
export function parseSearch(request: SearchRequest): SearchQuery {
  const problems: string[] = [];
  const descending = request.descending ?? false;
  const after = optional(request.cursor, (text) => parseCursor(text, descending, problems));
  const limit = request.limit === undefined || request.limit === 0 ? DEFAULT_LIMIT : request.limit;
  if (!Number.isSafeInteger(limit) || limit < 0 || limit > MAX_LIMIT)
    problems.push(`limit: expected 1 to ${MAX_LIMIT}, got ${limit}`);
  const filter = parseFilter(request, problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return { ...filter, limit, descending, ...(after === undefined ? {} : { after }) };
}

/** What says where the next page begins. */
export function printCursor(cursor: Cursor, descending: boolean): string {
  return Buffer.from(`${descending ? 'd' : 'a'} ${cursor.day} ${cursor.timeMs} ${cursor.id}`).toString('base64url');
}

/** The same answer as a search gives, for an event as it arrives (`--follow`). */
export function matches(filter: EventFilter, event: StoredEvent): boolean {
  if (filter.fromMs !== undefined && event.timeMs < filter.fromMs) return false;
  if (filter.toMs !== undefined && event.timeMs >= filter.toMs) return false;
  if (filter.user !== undefined && event.user !== filter.user) return false;
  if (filter.database !== undefined && event.database !== filter.database) return false;
  if (filter.session !== undefined && event.session !== filter.session) return false;
  if (filter.events !== undefined && !filter.events.some((name) => name === event.event || name === event.code))
    return false;
  if (filter.words === undefined) return true;
  return ` ${wordsOf(event.text).join(' ')} `.includes(` ${filter.words.join(' ')} `);
}

/** Words as the index has them: letters and digits, small, without accents (SQLite's unicode61). */
export function wordsOf(text: string): string[] {
  const plain = text
    .normalize('NFD')
    .replaceAll(/[\u0300-\u036f]/g, '')
    .normalize('NFC')
    .toLowerCase();
  return plain.match(/[\p{L}\p{N}\p{Co}]+/gu) ?? [];
}

/** What of a search says which events are meant; adds what is wrong to `problems`. */
export function parseFilter(request: SearchRequest, problems: string[]): EventFilter {
  const fromMs = optional(request.from, (text) => parseTime('from', text, problems));
  const toMs = optional(request.to, (text) => parseTime('to', text, problems));
  const user = optional(request.user, (text) => short('user', text, problems));
  const database = optional(request.database, (text) => short('database', text, problems));
  const session = optional(request.session, (text) => short('session_id', text, problems));
  const text = optional(request.text, (given) => short('text', given, problems));
  const words = text === undefined ? undefined : wordsOf(text);
  if (words?.length === 0) problems.push('text: expected at least one letter or digit');
  const events = request.events?.filter((name) => name !== '') ?? [];
  if (events.length > MAX_EVENTS) problems.push(`events: expected at most ${MAX_EVENTS}, got ${events.length}`);
  for (const name of events) short('events', name, problems);
  return {
    ...(fromMs === undefined ? {} : { fromMs }),
    ...(toMs === undefined ? {} : { toMs }),
    ...(user === undefined ? {} : { user }),
    ...(database === undefined ? {} : { database }),
    ...(session === undefined ? {} : { session }),
    ...(events.length === 0 ? {} : { events: [...new Set(events)] }),
    ...(words === undefined ? {} : { words }),
  };
}

function parseTime(name: string, text: string, problems: string[]): number | undefined {
  const ms = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(ms)) return ms;
  problems.push(`${name}: expected a time like 2026-03-11T21:42:38Z or a date like 2026-03-11`);
  return undefined;
}

function parseCursor(text: string, descending: boolean, problems: string[]): Cursor | undefined {
  const plain = text.length > 200 ? '' : Buffer.from(text, 'base64url').toString('latin1');
  const [, order, day, timeMs, id] = CURSOR.exec(plain) ?? [];
  if (order === (descending ? 'd' : 'a') && day !== undefined) return { day, timeMs: Number(timeMs), id: Number(id) };
  problems.push('cursor: expected the next cursor of a page of the same search');
  return undefined;
}

function short(name: string, text: string, problems: string[]): string {
  if (text.length > MAX_TEXT) problems.push(`${name}: expected at most ${MAX_TEXT} characters, got ${text.length}`);
  return text;
}

function optional<T>(value: string | undefined, parse: (value: string) => T): T | undefined {
  return value === undefined || value === '' ? undefined : parse(value);
}

const DEFAULT_LIMIT = 500;
const MAX_LIMIT = 10_000;
const MAX_EVENTS = 100;
const MAX_TEXT = 1000;
const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;
const CURSOR = /^([ad]) (\d{4}-\d{2}-\d{2}) (\d{1,15}) (\d{1,15})$/;
