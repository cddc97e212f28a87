import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** The words of one day: which rows have a phrase. */
export class DayWords {
  readonly #phrase: string;
  readonly #between: StatementSync;

  private constructor(database: DatabaseSync, words: readonly string[]) {
    this.#phrase = quoted(words);
    // One text for all ids: a row for each would cost more than finding it.
    this.#between = database.prepare(
      "SELECT group_concat(rowid, ' ') AS ids FROM (SELECT rowid FROM words WHERE words MATCH ? AND rowid BETWEEN ? AND ?)",
    );
  }

  /** Undefined: a word of the phrase is nowhere in the day. Takes microseconds, however frequent the words are. */
  static of(database: DatabaseSync, words: readonly string[]): DayWords | undefined {
    const any = database.prepare('SELECT 1 FROM words WHERE words MATCH ? LIMIT 1');
    for (const word of new Set(words)) if (any.get(quoted([word])) === undefined) return undefined;
    return new DayWords(database, words);
  }

  /** The ids with the phrase from `first` to `last`, ascending. */
  idsBetween(first: number, last: number): number[] {
    const ids = this.#between.get(this.#phrase, first, last)?.['ids'];
    return typeof ids === 'string' ? ids.split(' ').map(Number) : [];
  }
}

/** Words between quotes are only words to FTS5: no operator, column or prefix can come of them. */
function quoted(words: readonly string[]): string {
  return `"${words.join(' ').replaceAll('"', '""')}"`;
}
