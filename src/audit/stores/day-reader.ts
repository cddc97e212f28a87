import type { FileHandle } from 'node:fs/promises';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { breathe } from '../breathe.ts';
import type { SearchQuery } from '../search.ts';

/** Where an event of the day stands. */
export type Place = { readonly id: number; readonly timeMs: number; readonly offset: number; readonly length: number };

/**
 * Searches one day on its own connection, so it sees whole commits only. Work is cut into windows of some ten thousand index entries with a breath between,
 * so that a search over millions of events does not hold up whoever signs in meanwhile.
 */
export class DayReader {
  readonly #database: DatabaseSync;
  readonly #file: FileHandle;

  constructor(indexPath: string, file: FileHandle) {
    this.#database = new DatabaseSync(indexPath, { readOnly: true });
    this.#file = file;
  }

  /** The first `limit` places of the day in the query's order, after `after` when given. */
  async find(
    query: SearchQuery,
    after: { readonly timeMs: number; readonly id: number } | undefined,
    limit: number,
  ): Promise<Place[]> {
    const found: Place[] = [];
    let from = query.fromMs ?? 0;
    let to = query.toMs ?? Number.MAX_SAFE_INTEGER;
    if (after !== undefined && query.descending) to = Math.min(to, after.timeMs + 1);
    if (after !== undefined && !query.descending) from = Math.max(from, after.timeMs);
    const phrase = query.words === undefined ? undefined : ftsPhrase(query.words);
    if (phrase !== undefined && !this.#hasPhrase(phrase)) return found;
    const [driver, driverValue] = drivingCondition(query);
    while (from < to && found.length < limit) {
      const [windowFrom, windowTo] = this.#window(driver, driverValue, from, to, query.descending);
      found.push(...this.#read(query, phrase, windowFrom, windowTo, after, limit - found.length));
      if (query.descending) to = windowFrom;
      else from = windowTo;
      await breathe();
    }
    return found;
  }

  /** The lines at these places. */
  async lines(places: readonly Place[]): Promise<string[]> {
    const lines: string[] = [];
    for (const { offset, length } of places) {
      const { buffer } = await this.#file.read(Buffer.allocUnsafe(length), 0, length, offset);
      lines.push(buffer.toString('utf8'));
    }
    return lines;
  }

  close(): void {
    this.#database.close();
  }

  #hasPhrase(phrase: string): boolean {
    return this.#database.prepare('SELECT 1 FROM words WHERE words MATCH ? LIMIT 1').get(phrase) !== undefined;
  }

  /** The next stretch of time that holds at most `WINDOW_EVENTS` of the driving index (or a single millisecond). */
  #window(
    driver: string,
    value: SQLInputValue[],
    from: number,
    to: number,
    descending: boolean,
  ): readonly [number, number] {
    const sql = `SELECT time FROM events WHERE ${driver} time >= ? AND time < ? ORDER BY time ${descending ? 'DESC' : 'ASC'} LIMIT 1 OFFSET ${WINDOW_EVENTS}`;
    const time = this.#database.prepare(sql).get(...value, from, to)?.['time'];
    if (typeof time !== 'number') return [from, to];
    if (descending) return [Math.min(time + 1, to - 1), to];
    return [from, Math.max(time, from + 1)];
  }

  #read(
    query: SearchQuery,
    phrase: string | undefined,
    from: number,
    to: number,
    after: { readonly timeMs: number; readonly id: number } | undefined,
    limit: number,
  ): Place[] {
    const conditions = ['time >= ?', 'time < ?'];
    const values: SQLInputValue[] = [from, to];
    const add = (condition: string, ...more: SQLInputValue[]): void => {
      conditions.push(condition);
      values.push(...more);
    };
    if (query.user !== undefined) add('user = ?', query.user);
    if (query.database !== undefined) add('db = ?', query.database);
    if (query.events !== undefined) {
      const marks = query.events.map(() => '?').join(', ');
      add(`(event IN (${marks}) OR code IN (${marks}))`, ...query.events, ...query.events);
    }
    if (after !== undefined)
      add(query.descending ? '(time, id) < (?, ?)' : '(time, id) > (?, ?)', after.timeMs, after.id);
    if (phrase !== undefined) {
      const { low, high } = {
        ...this.#database
          .prepare('SELECT min(id) AS low, max(id) AS high FROM events WHERE time >= ? AND time < ?')
          .get(from, to),
      };
      if (typeof low !== 'number' || typeof high !== 'number') return [];
      add('id IN (SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?)', phrase, low, high);
    }
    const order = query.descending ? 'time DESC, id DESC' : 'time, id';
    const sql = `SELECT id, time, offset, length FROM events WHERE ${conditions.join(' AND ')} ORDER BY ${order} LIMIT ?`;
    return this.#database
      .prepare(sql)
      .all(...values, limit)
      .map((row) => ({
        id: Number(row['id']),
        timeMs: Number(row['time']),
        offset: Number(row['offset']),
        length: Number(row['length']),
      }));
  }
}

/** The index that the windows are measured by. Words are measured by time, for their ids must lie close together. */
function drivingCondition(query: SearchQuery): readonly [string, SQLInputValue[]] {
  if (query.words !== undefined) return ['', []];
  if (query.user !== undefined) return ['user = ? AND', [query.user]];
  if (query.database !== undefined) return ['db = ? AND', [query.database]];
  // A name with a dot is no code.
  const [event, ...others] = query.events ?? [];
  if (event !== undefined && others.length === 0 && event.includes('.')) return ['event = ? AND', [event]];
  return ['', []];
}

/** Words between quotes are only words to FTS5: no operator, column or prefix can come of them. */
function ftsPhrase(words: readonly string[]): string {
  return `"${words.join(' ').replaceAll('"', '""')}"`;
}

const WINDOW_EVENTS = 20_000;
