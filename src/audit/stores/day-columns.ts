import type { StatementSync } from 'node:sqlite';
import { IndexDamage } from './index-damage.ts';

/**
 * Events of a day as columns of small whole numbers, some thousand rows to a block: a filter or a count looks at bytes in a row, not at rows of a table, so a million
 * events take tens of milliseconds whatever is asked. Names (users, databases, sessions, kinds of event) stand as numbers of the day's dictionary; 0 is none.
 */
export type Column = (typeof COLUMNS)[number];
/** One event's numbers. `time` is in milliseconds since 1970. */
export type Row = { readonly [C in Column]: number };

/** Rows that are read together. */
export interface Block {
  /** Id of the first row; the others follow without a gap. */
  readonly first: number;
  readonly count: number;
  readonly minTime: number;
  readonly maxTime: number;
  /** To be added to the values of the column `time`. */
  readonly timeBase: number;
  /** The values in order of id. */
  values(column: Column): ArrayLike<number>;
}

/** The numbers in the smallest width that takes all of them: 1, 2, 4 or 8 bytes each (8: as double, exact to 2^53). Not negative. */
export function packColumn(values: readonly number[]): Uint8Array {
  let max = 0;
  for (const value of values) if (value > max) max = value;
  const packed =
    max < 2 ** 8
      ? Uint8Array.from(values)
      : max < 2 ** 16
        ? Uint16Array.from(values)
        : max < 2 ** 32
          ? Uint32Array.from(values)
          : Float64Array.from(values);
  return new Uint8Array(packed.buffer);
}

/** The opposite. Throws IndexDamage when the bytes are not `count` numbers. */
export function unpackColumn(bytes: Uint8Array, count: number): ArrayLike<number> {
  const width = bytes.length / count;
  // A view needs its own alignment.
  const { buffer, byteOffset } = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice();
  if (width === 1) return bytes;
  if (width === 2) return new Uint16Array(buffer, byteOffset, count);
  if (width === 4) return new Uint32Array(buffer, byteOffset, count);
  if (width === 8) return new Float64Array(buffer, byteOffset, count);
  throw new IndexDamage(`column of ${bytes.length} bytes for ${count} rows`);
}

/** A block of the index; a column is read when it is asked for the first time. `read`: SELECT of one column's bytes by `columnId`. */
export class StoredBlock implements Block {
  readonly first: number;
  readonly count: number;
  readonly minTime: number;
  readonly maxTime: number;
  readonly #read: StatementSync;
  readonly #columns = new Map<Column, ArrayLike<number>>();

  constructor(at: Pick<Block, 'first' | 'count' | 'minTime' | 'maxTime'>, read: StatementSync) {
    this.first = at.first;
    this.count = at.count;
    this.minTime = at.minTime;
    this.maxTime = at.maxTime;
    this.#read = read;
  }

  get timeBase(): number {
    return this.minTime;
  }

  values(column: Column): ArrayLike<number> {
    let values = this.#columns.get(column);
    if (values === undefined) {
      const bytes = this.#read.get(columnId(this.first, column))?.['bytes'];
      values = unpackColumn(bytes instanceof Uint8Array ? bytes : new Uint8Array(), this.count);
      this.#columns.set(column, values);
    }
    return values;
  }
}

/** Rows that are not packed yet; never empty. */
export class TailBlock implements Block {
  readonly first: number;
  readonly count: number;
  readonly minTime: number;
  readonly maxTime: number;
  readonly timeBase = 0;
  readonly #rows: readonly Row[];

  constructor(first: number, rows: readonly Row[]) {
    this.first = first;
    this.count = rows.length;
    this.#rows = rows;
    let min = Number.POSITIVE_INFINITY;
    let max = 0;
    for (const { time } of rows) {
      min = Math.min(min, time);
      max = Math.max(max, time);
    }
    this.minTime = min;
    this.maxTime = max;
  }

  values(column: Column): ArrayLike<number> {
    return this.#rows.map((row) => row[column]);
  }
}

/** Where a column of a block stands in the table `columns`. */
export function columnId(first: number, column: Column): number {
  return first * COLUMNS.length + COLUMNS.indexOf(column);
}

/** In the order of the table; a change of it is a new version of the index. */
export const COLUMNS = ['time', 'user', 'db', 'session', 'kind', 'offset', 'length'] as const;
/** Rows of a full block. */
export const BLOCK_ROWS = 4096;
