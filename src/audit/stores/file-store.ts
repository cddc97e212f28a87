import { mkdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { StorageError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { type DirectoryLock, lockDirectory } from '../directory-lock.ts';
import { type CountQuery, type Counts, Tally } from '../count.ts';
import { printCursor, type SearchPage, type SearchQuery } from '../search.ts';
import type { StoredEvent } from '../stored-event.ts';
import type { Place } from './day-reader.ts';
import { OpenDays } from './open-days.ts';
import type { SearchableStore } from './store.ts';

/**
 * `file:///var/lib/tessera/log`: one JSON document a line, a file per UTC day of the events' own time, each with its index. Files may be copied at any time; an old
 * day is forgotten by deleting its two files. The directory belongs to one process.
 */
export class FileStore implements SearchableStore {
  readonly name: string;
  readonly #directory: string;
  readonly #lock: DirectoryLock;
  readonly #days: OpenDays;
  #queue: Write[] = [];
  #pumping: Promise<void> | undefined;
  #closed = false;

  private constructor(directory: string, log: Log, lock: DirectoryLock) {
    this.name = `file://${directory}`;
    this.#directory = directory;
    this.#days = new OpenDays(directory, log);
    this.#lock = lock;
  }

  /** Makes the directory (0700) when it is missing. Throws StorageError. */
  static open(directory: string, log: Log): FileStore {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new StorageError('AUDIT_STORE_OPEN', `audit store ${directory} cannot be made`, { cause });
    }
    return new FileStore(directory, log, lockDirectory(directory));
  }

  /** Writes that come while one is under way share the next fdatasync. */
  write(events: readonly StoredEvent[]): Promise<readonly StoredEvent[]> {
    if (this.#closed)
      return Promise.reject(new StorageError('AUDIT_STORE_CLOSED', `audit store ${this.name} is closed`));
    return new Promise((resolve, reject) => {
      this.#queue.push({ events, resolve, reject });
      this.#pumping ??= this.#pump();
    });
  }

  search(query: SearchQuery): Promise<SearchPage> {
    return withNewIndex(() => this.#search(query));
  }

  count(query: CountQuery): Promise<Counts> {
    return withNewIndex(() => this.#count(query));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#pumping;
    await this.#days.close();
    this.#lock.release();
  }

  async #search(query: SearchQuery): Promise<SearchPage> {
    const lines: string[] = [];
    let bytes = 0;
    for (const day of await this.#daysOf(query)) {
      const after = query.after?.day === day ? query.after : undefined;
      // One more than asked for tells whether there is a next page.
      const want = query.limit - lines.length + 1;
      const { taken, text, more } = await this.#days.read(day, async (file) => {
        await file.indexed();
        const places = await file.reader.find(query, after, want);
        const fitting = fit(places, want - 1, bytes);
        return { taken: fitting, text: await file.reader.lines(fitting), more: fitting.length < places.length };
      });
      lines.push(...text);
      bytes += taken.reduce((sum, { length }) => sum + length, 0);
      const last = taken.at(-1);
      if (more && last !== undefined)
        return { events: lines, nextCursor: printCursor({ day, timeMs: last.timeMs, id: last.id }, query.descending) };
      if (more) return { events: lines, nextCursor: printCursor(edgeOf(day, query.descending), query.descending) };
    }
    return { events: lines };
  }

  async #count(query: CountQuery): Promise<Counts> {
    const tally = new Tally(query);
    for (const day of await this.#daysOf({ ...query.filter, descending: false })) {
      await this.#days.read(day, async (file) => {
        await file.indexed();
        await file.reader.count(query.filter, tally);
      });
    }
    return tally.result();
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      const writes = this.#take();
      try {
        const fresh = await this.#append(writes.flatMap(({ events }) => events));
        for (const { events, resolve } of writes) resolve(events.filter((event) => fresh.delete(event)));
      } catch (error) {
        for (const { reject } of writes) reject(error);
      }
    }
    this.#pumping = undefined;
  }

  #take(): Write[] {
    let count = 0;
    const many = this.#queue.findIndex(({ events }) => (count += events.length) > GROUP_EVENTS);
    return this.#queue.splice(0, many < 0 ? this.#queue.length : Math.max(1, many));
  }

  async #append(events: readonly StoredEvent[]): Promise<Set<StoredEvent>> {
    const fresh = new Set<StoredEvent>();
    for (const [day, ofDay] of Map.groupBy(events, (event) => event.day)) {
      const stored = await withNewIndex(() => this.#days.write(day, (file) => file.append(ofDay)));
      for (const event of stored) fresh.add(event);
    }
    return fresh;
  }

  /** Days that can hold a match, in the query's order. */
  async #daysOf(query: Omit<SearchQuery, 'limit'>): Promise<string[]> {
    const names = await readdir(this.#directory);
    const days = names.filter((name) => DAY_FILE.test(name)).map((name) => name.slice(0, 10));
    const from = query.fromMs === undefined ? '' : dayOf(query.fromMs);
    const to = query.toMs === undefined ? '9999-99-99' : dayOf(query.toMs);
    const first = query.after?.day;
    const inRange = days.filter((day) => day >= from && day <= to);
    if (query.descending)
      return inRange
        .filter((day) => first === undefined || day <= first)
        .toSorted()
        .toReversed();
    return inRange.filter((day) => first === undefined || day >= first).toSorted();
  }
}

/** Again when an index was found damaged: it is made anew then. More than a few at once are a disk that goes on losing. */
async function withNewIndex<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      const damaged = error instanceof StorageError && error.code === 'AUDIT_INDEX_DAMAGED';
      if (!damaged || attempt >= MAX_DAMAGED) throw error;
    }
  }
}

type Write = {
  readonly events: readonly StoredEvent[];
  readonly resolve: (fresh: readonly StoredEvent[]) => void;
  readonly reject: (error: unknown) => void;
};

/** As many as asked for and as fit a page; a single large one always does, unless the page already has something. */
function fit(places: readonly Place[], count: number, bytesBefore: number): Place[] {
  const fitting: Place[] = [];
  let bytes = bytesBefore;
  for (const place of places.slice(0, count)) {
    if (bytes > 0 && bytes + place.length > MAX_PAGE_BYTES) break;
    fitting.push(place);
    bytes += place.length;
  }
  return fitting;
}

/** Before everything of the day, in the order of the search. */
function edgeOf(day: string, descending: boolean) {
  return { day, timeMs: descending ? 999_999_999_999_999 : 0, id: 0 };
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

const DAY_FILE = /^\d{4}-\d{2}-\d{2}\.log$/;
const GROUP_EVENTS = 20_000;
/** maxDamagedIndexes: that one search or write repairs. */
const MAX_DAMAGED = 5;
/** Of one page's lines: what an answer over the API may weigh. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;
