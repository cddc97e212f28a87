import type { DatabaseSync } from 'node:sqlite';
import { saysRefused, type Tally } from '../count.ts';
import type { Block, Column } from './day-columns.ts';
import { dayKinds } from './day-filter.ts';

/** The figures of one day, by the numbers of its dictionary until it is done. */
export class DayTally {
  readonly tally: Tally;
  /** What is grouped by; undefined: nothing. */
  readonly column: Column | undefined;
  /** By number of the kind: 1 when it says that something was refused. */
  readonly refusing: Uint8Array;
  readonly counts: Float64Array;
  readonly refused: Float64Array;
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync, tally: Tally) {
    this.#database = database;
    this.tally = tally;
    this.column = tally.groupBy === undefined ? undefined : COLUMN_OF[tally.groupBy];
    const numbers = 1 + Number(database.prepare('SELECT coalesce(max(id), 0) AS id FROM names').get()?.['id']);
    this.refusing = new Uint8Array(numbers);
    for (const { id, code } of dayKinds(database)) if (saysRefused(code)) this.refusing[id] = 1;
    const groups = this.column === undefined ? 0 : numbers;
    this.counts = new Float64Array(groups);
    this.refused = new Float64Array(groups);
  }

  /** Hands the groups over, by name. */
  finish(): void {
    const { groupBy } = this.tally;
    if (groupBy === undefined) return;
    const names = new Map<number, string>();
    if (groupBy === 'event' || groupBy === 'code')
      for (const kind of dayKinds(this.#database)) names.set(kind.id, kind[groupBy]);
    const find = this.#database.prepare('SELECT name FROM names WHERE id = ?');
    for (const [id, count] of this.counts.entries()) {
      // 0: an event without a user, or without a database, belongs to no group.
      if (id === 0 || count === 0) continue;
      this.tally.add(names.get(id) ?? String(find.get(id)?.['name']), count, this.refused[id] ?? 0);
    }
  }
}

/** Counts the rows that are marked with 1. */
export function countBlock(block: Block, rows: Uint8Array, day: DayTally): void {
  const { tally } = day;
  const kinds = block.values('kind');
  const times = tally.counts.length === 0 ? undefined : block.values('time');
  const groups = day.column === undefined ? undefined : block.values(day.column);
  const offset = block.timeBase - tally.fromMs;
  for (let row = 0; row < rows.length; row += 1) {
    if (rows[row] !== 1) continue;
    const refused = day.refusing[kinds[row] ?? 0] ?? 0;
    tally.total += 1;
    if (times !== undefined) {
      // Not beyond the last: a quotient may be rounded up to it.
      const span = Math.min(Math.floor(((times[row] ?? 0) + offset) / tally.spanMs), tally.counts.length - 1);
      tally.counts[span] = (tally.counts[span] ?? 0) + 1;
      tally.refused[span] = (tally.refused[span] ?? 0) + refused;
    }
    if (groups !== undefined) {
      const group = groups[row] ?? 0;
      day.counts[group] = (day.counts[group] ?? 0) + 1;
      day.refused[group] = (day.refused[group] ?? 0) + refused;
    }
  }
}

const COLUMN_OF = { event: 'kind', code: 'kind', user: 'user', database: 'db' } as const;
