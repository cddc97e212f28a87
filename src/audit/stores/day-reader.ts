import type { FileHandle } from 'node:fs/promises';
import type { DatabaseSync } from 'node:sqlite';
import { breathe } from '../breathe.ts';
import type { Tally } from '../count.ts';
import type { EventFilter, SearchQuery } from '../search.ts';
import { type Block, COLUMNS, type Row, StoredBlock, TailBlock } from './day-columns.ts';
import { countBlock, DayTally } from './day-tally.ts';
import { type DayFilter, dayFilter, matchingRows } from './day-filter.ts';
import { DayWords } from './day-words.ts';

/** Where an event of the day stands. */
export type Place = { readonly id: number; readonly timeMs: number; readonly offset: number; readonly length: number };

/**
 * Searches and counts one day on its own connection, so it sees whole commits only. Work goes by runs of blocks, as many as take a few milliseconds, with a breath
 * between, so that a search over millions of events does not hold up whoever signs in meanwhile.
 */
export class DayReader {
  readonly #database: DatabaseSync;
  readonly #file: FileHandle;

  /** Owns the connection, not the file. */
  constructor(database: DatabaseSync, file: FileHandle) {
    this.#database = database;
    this.#file = file;
  }

  /** The first `limit` places of the day in the query's order, after `after` when given. */
  async find(
    query: SearchQuery,
    after: { readonly timeMs: number; readonly id: number } | undefined,
    limit: number,
  ): Promise<Place[]> {
    const day = this.#open(query);
    if (day === undefined) return [];
    const { descending } = query;
    const order = descending ? newestFirst : oldestFirst;
    const behind = (place: { readonly timeMs: number; readonly id: number }): boolean =>
      after === undefined || order(after, place) < 0;
    const blocks = day.blocks
      .filter(
        (block) => after === undefined || (descending ? block.minTime <= after.timeMs : block.maxTime >= after.timeMs),
      )
      .toSorted((a, b) =>
        descending ? b.maxTime - a.maxTime || b.first - a.first : a.minTime - b.minTime || a.first - b.first,
      );
    const found: Place[] = [];
    await inRuns(
      blocks,
      (run) => {
        for (const { block, rows } of candidates(run, day)) found.push(...placesOf(block, rows, order, limit, behind));
        found.sort(order).splice(limit);
        return found;
      },
      (next) => {
        const last = found[limit - 1];
        return last !== undefined && (descending ? last.timeMs > next.maxTime : last.timeMs < next.minTime);
      },
    );
    return found;
  }

  /** Adds the day's matching events to the tally. Throws LimitError where words are in more events than are counted. */
  async count(filter: EventFilter, tally: Tally): Promise<void> {
    const day = this.#open(filter);
    if (day === undefined) return;
    const ofDay = new DayTally(this.#database, tally);
    await inRuns(day.blocks, (run) => {
      for (const { block, rows, count } of candidates(run, day)) {
        if (day.words !== undefined) tally.checkWords(count);
        countBlock(block, rows, ofDay);
      }
    });
    ofDay.finish();
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

  /** What the filter means in this day, and the blocks that can have something; undefined: nothing can match. */
  #open(filter: EventFilter): OpenDay | undefined {
    // Rows move from the tail to a block: both are looked at as of one moment. A block stays as it is.
    this.#database.exec('BEGIN');
    try {
      const numbers = dayFilter(this.#database, filter);
      if (numbers === undefined) return undefined;
      const inRange = ({ minTime, maxTime }: Block): boolean => maxTime >= numbers.from && minTime < numbers.to;
      const blocks = this.#blocks();
      const last = blocks.at(-1);
      if (filter.words === undefined || last === undefined)
        return { filter: numbers, words: undefined, blocks: blocks.filter(inRange) };
      const words = DayWords.of(this.#database, filter.words, last.first + last.count);
      return words && { filter: numbers, words, blocks: blocks.filter(inRange) };
    } finally {
      this.#database.exec('COMMIT');
    }
  }

  #blocks(): Block[] {
    const column = this.#database.prepare('SELECT bytes FROM columns WHERE id = ?');
    const blocks: Block[] = this.#database
      .prepare('SELECT first, count, min_time, max_time FROM blocks ORDER BY first')
      .all()
      .map((row) => {
        const at = {
          first: Number(row['first']),
          count: Number(row['count']),
          minTime: Number(row['min_time']),
          maxTime: Number(row['max_time']),
        };
        return new StoredBlock(at, column);
      });
    const tail = this.#database.prepare(`SELECT id, ${COLUMNS.join(', ')} FROM tail ORDER BY id`).all();
    const first = tail[0]?.['id'];
    if (typeof first === 'number') blocks.push(new TailBlock(first, tail as unknown as readonly Row[]));
    return blocks;
  }
}

type OpenDay = { readonly filter: DayFilter; readonly words: DayWords | undefined; readonly blocks: readonly Block[] };
type Candidates = { readonly block: Block; readonly rows: Uint8Array; readonly count: number };

/** Calls `work` for one run of neighbouring blocks after the other, in the order of the list, until `done` says so of the next one. */
async function inRuns(
  blocks: readonly Block[],
  work: (run: readonly Block[]) => void,
  done: (next: Block) => boolean = () => false,
): Promise<void> {
  let length = 1;
  for (let at = 0; at < blocks.length;) {
    const next = blocks[at];
    if (next === undefined || done(next)) return;
    const startedMs = performance.now();
    const end = runEnd(blocks, at, length);
    work(blocks.slice(at, end));
    at = end;
    const tookMs = performance.now() - startedMs;
    if (tookMs < RUN_MS / 2) length = Math.min(2 * length, MAX_RUN);
    else if (tookMs > RUN_MS) length = Math.max(1, Math.floor(length / 2));
    await breathe();
  }
}

/** A run has no gap, as the words of its ids are asked for at once. */
function runEnd(blocks: readonly Block[], at: number, length: number): number {
  let end = at + 1;
  while (end < blocks.length && end - at < length) {
    const [a, b] = [blocks[end - 1], blocks[end]];
    if (a === undefined || b === undefined) break;
    if (a.first + a.count !== b.first && b.first + b.count !== a.first) break;
    end += 1;
  }
  return end;
}

/** The matching rows of those blocks that have any. */
function candidates(run: readonly Block[], { filter, words }: OpenDay): Candidates[] {
  const found: Candidates[] = [];
  for (const block of run) {
    const { rows, count } = matchingRows(block, filter);
    if (count > 0) found.push({ block, rows, count });
  }
  return words === undefined || found.length === 0 ? found : withWords(found, words);
}

function withWords(found: readonly Candidates[], words: DayWords): Candidates[] {
  const both: Candidates[] = [];
  for (const neighbours of withoutGaps(found.toSorted((a, b) => a.block.first - b.block.first))) {
    const ids = words.idsBetween(...idsOf(neighbours));
    let at = 0;
    for (const { block, rows } of neighbours) {
      const kept = new Uint8Array(block.count);
      let count = 0;
      for (; at < ids.length && (ids[at] ?? 0) < block.first + block.count; at += 1) {
        const row = (ids[at] ?? 0) - block.first;
        if (rows[row] !== 1) continue;
        kept[row] = 1;
        count += 1;
      }
      if (count > 0) both.push({ block, rows: kept, count });
    }
  }
  return both;
}

/** Nobody asks for the words of blocks that have no row anyway. */
function withoutGaps(found: readonly Candidates[]): Candidates[][] {
  const parts: Candidates[][] = [];
  for (const each of found) {
    const part = parts.at(-1);
    const before = part?.at(-1)?.block;
    if (before !== undefined && before.first + before.count === each.block.first) part?.push(each);
    else parts.push([each]);
  }
  return parts;
}

/** The first and the last id that may be wanted. */
function idsOf(found: readonly Candidates[]): readonly [number, number] {
  const [first, last] = [found[0], found.at(-1)];
  if (first === undefined || last === undefined) return [0, -1];
  return [first.block.first + first.rows.indexOf(1), last.block.first + last.rows.lastIndexOf(1)];
}

type Order = (
  a: { readonly timeMs: number; readonly id: number },
  b: { readonly timeMs: number; readonly id: number },
) => number;
const oldestFirst: Order = (a, b) => a.timeMs - b.timeMs || a.id - b.id;
const newestFirst: Order = (a, b) => b.timeMs - a.timeMs || b.id - a.id;

function placesOf(
  block: Block,
  rows: Uint8Array,
  order: Order,
  limit: number,
  behind: (place: { readonly timeMs: number; readonly id: number }) => boolean,
): Place[] {
  const times = block.values('time');
  const keys: { readonly timeMs: number; readonly id: number }[] = [];
  for (let row = 0; row < rows.length; row += 1) {
    if (rows[row] !== 1) continue;
    const key = { timeMs: block.timeBase + (times[row] ?? 0), id: block.first + row };
    if (behind(key)) keys.push(key);
  }
  const first = keys.length <= limit ? keys : keys.sort(order).slice(0, limit);
  if (first.length === 0) return [];
  const [offsets, lengths] = [block.values('offset'), block.values('length')];
  return first.map(({ timeMs, id }) => {
    const row = id - block.first;
    return { id, timeMs, offset: offsets[row] ?? 0, length: lengths[row] ?? 0 };
  });
}

/** What one run of blocks may take before others have their turn. */
const RUN_MS = 8;
/** About a shard of words (day-words.ts). */
const MAX_RUN = 32;
