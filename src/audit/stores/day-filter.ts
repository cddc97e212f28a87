import type { DatabaseSync } from 'node:sqlite';
import type { EventFilter } from '../search.ts';
import type { Block, Column } from './day-columns.ts';
import { NAMES } from './day-index.ts';

/** A filter in the numbers of one day's dictionary; words are not part of it. */
export type DayFilter = {
  /** Inclusive and exclusive, milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
  readonly equal: readonly { readonly column: Column; readonly id: number }[];
  /** By number of the kind: 1 when it is asked for. Undefined: any. */
  readonly kinds: Uint8Array | undefined;
};

/** Undefined: the day has no such user, database, session or kind of event, so nothing of it can match. */
export function dayFilter(database: DatabaseSync, filter: EventFilter): DayFilter | undefined {
  const equal: { readonly column: Column; readonly id: number }[] = [];
  const find = database.prepare('SELECT id FROM names WHERE type = ? AND name = ?');
  for (const [column, name] of [
    ['user', filter.user],
    ['db', filter.database],
    ['session', filter.session],
  ] as const) {
    if (name === undefined) continue;
    const id = find.get(NAMES[column], name)?.['id'];
    if (typeof id !== 'number') return undefined;
    equal.push({ column, id });
  }
  const kinds = filter.events === undefined ? undefined : kindsOf(database, new Set(filter.events));
  if (kinds !== undefined && !kinds.includes(1)) return undefined;
  return { from: filter.fromMs ?? 0, to: filter.toMs ?? Number.MAX_SAFE_INTEGER, equal, kinds };
}

/** Every kind of event of the day: its number, name and code. */
export function dayKinds(
  database: DatabaseSync,
): readonly { readonly id: number; readonly event: string; readonly code: string }[] {
  return database
    .prepare('SELECT id, name FROM names WHERE type = ?')
    .all(NAMES.kind)
    .map((row) => {
      const [event = '', code = ''] = String(row['name']).split(' ');
      return { id: Number(row['id']), event, code };
    });
}

/** How many rows of the block match, and by row 1 when it does. */
export function matchingRows(block: Block, filter: DayFilter): { readonly count: number; readonly rows: Uint8Array } {
  const rows = new Uint8Array(block.count).fill(1);
  if (filter.from > block.minTime || filter.to <= block.maxTime) inTime(block, filter, rows);
  for (const { column, id } of filter.equal) {
    const values = block.values(column);
    for (let row = 0; row < rows.length; row += 1) if (values[row] !== id) rows[row] = 0;
  }
  if (filter.kinds !== undefined) {
    const { kinds } = filter;
    const values = block.values('kind');
    for (let row = 0; row < rows.length; row += 1) if (kinds[values[row] ?? 0] !== 1) rows[row] = 0;
  }
  let count = 0;
  for (let row = 0; row < rows.length; row += 1) count += rows[row] ?? 0;
  return { count, rows };
}

function inTime(block: Block, { from, to }: DayFilter, rows: Uint8Array): void {
  const values = block.values('time');
  const least = from - block.timeBase;
  const end = to - block.timeBase;
  for (let row = 0; row < rows.length; row += 1) {
    const time = values[row] ?? 0;
    if (time < least || time >= end) rows[row] = 0;
  }
}

function kindsOf(database: DatabaseSync, asked: ReadonlySet<string>): Uint8Array {
  const all = dayKinds(database);
  const kinds = new Uint8Array(1 + all.reduce((most, { id }) => Math.max(most, id), 0));
  for (const { id, event, code } of all) if (asked.has(event) || asked.has(code)) kinds[id] = 1;
  return kinds;
}
