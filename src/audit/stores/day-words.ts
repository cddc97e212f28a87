import type { DatabaseSync, StatementSync } from 'node:sqlite';

/**
 * The words of one day, in full-text tables of `SHARD_ROWS` ids each: SQLite looks for a phrase from the beginning of its table until it finds one, also when asked for
 * high ids only, so a table must be small enough for that to be nothing.
 */
export class DayWords {
  readonly #phrase: string;
  readonly #single: boolean;
  /** By number of the shard; those that lack a word are not here. */
  readonly #shards: ReadonlyMap<number, StatementSync>;
  /** A phrase's ids of one shard, the last that was asked for. */
  #kept: { readonly shard: number; readonly ids: readonly number[] } | undefined;

  private constructor(words: readonly string[], shards: ReadonlyMap<number, StatementSync>) {
    this.#phrase = quoted(words);
    this.#single = words.length === 1;
    this.#shards = shards;
  }

  /** Undefined: no part of the day has all words of the phrase. Takes microseconds a shard, however frequent the words are. `endId`: behind the last. */
  static of(database: DatabaseSync, words: readonly string[], endId: number): DayWords | undefined {
    const shards = new Map<number, StatementSync>();
    const single = [...new Set(words)].map((word) => quoted([word]));
    for (let shard = 0; shard <= shardOf(endId - 1); shard += 1) {
      const table = shardTable(shard);
      const any = database.prepare(`SELECT 1 FROM ${table} WHERE ${table} MATCH ? LIMIT 1`);
      if (single.some((word) => any.get(word) === undefined)) continue;
      // One text for all ids: a row for each would cost more than finding it. The casts: numbers are bound as REAL, by which FTS5 would not seek but read every row.
      const ids = `SELECT rowid FROM ${table} WHERE ${table} MATCH ? AND rowid >= CAST(? AS INTEGER) AND rowid <= CAST(? AS INTEGER)`;
      shards.set(shard, database.prepare(`SELECT group_concat(rowid, ' ') AS ids FROM (${ids})`));
    }
    return shards.size === 0 ? undefined : new DayWords(words, shards);
  }

  /** The ids with the phrase from `first` to `last`, ascending. */
  idsBetween(first: number, last: number): number[] {
    const found: number[] = [];
    for (let shard = shardOf(first); shard <= shardOf(last); shard += 1) {
      const read = this.#shards.get(shard);
      if (read === undefined) continue;
      const ids = this.#single ? this.#ask(read, first, last) : this.#whole(shard, read);
      // One by one: as arguments of one call, a shard's would not fit on the stack.
      for (const id of ids) if (id >= first && id <= last) found.push(id);
    }
    return found;
  }

  #whole(shard: number, read: StatementSync): readonly number[] {
    if (this.#kept?.shard !== shard) {
      const first = shard * SHARD_ROWS + 1;
      this.#kept = { shard, ids: this.#ask(read, first, first + SHARD_ROWS - 1) };
    }
    return this.#kept.ids;
  }

  #ask(read: StatementSync, first: number, last: number): number[] {
    const ids = read.get(this.#phrase, first, last)?.['ids'];
    return typeof ids === 'string' ? ids.split(' ').map(Number) : [];
  }
}

/** Which shard has the words of this id; ids begin with 1. */
export function shardOf(id: number): number {
  return Math.floor((id - 1) / SHARD_ROWS);
}

/** Its table's name. */
export function shardTable(shard: number): string {
  return `words_${shard}`;
}

/** Makes it. The text itself is not kept, only where words stand. */
export function shardSchema(shard: number): string {
  return `CREATE VIRTUAL TABLE ${shardTable(shard)} USING fts5(body, content = '', columnsize = 0, tokenize = 'unicode61 remove_diacritics 2')`;
}

/** Words between quotes are only words to FTS5: no operator, column or prefix can come of them. */
function quoted(words: readonly string[]): string {
  return `"${words.join(' ').replaceAll('"', '""')}"`;
}

/** Of a full-text table: a phrase that is nowhere takes some 15 ms to be not found. */
const SHARD_ROWS = 2 ** 17;
