import { join } from 'node:path';
import { StorageError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { DayFile } from './day-file.ts';
import { DayIndex } from './day-index.ts';
import { DayView } from './day-view.ts';
import { isIndexDamage } from './index-damage.ts';

/** What reads need of a day, whether it is written or not. */
export type ReadableDay = Pick<DayView, 'reader' | 'indexed'>;

/** The days of a store that are open: some for writing, more for reading alone; never one for both, as a view must not see its index change. The least recently used are closed. */
export class OpenDays {
  readonly #directory: string;
  readonly #log: Log;
  readonly #files = new Map<string, Open<DayFile>>();
  readonly #views = new Map<string, Open<DayView | undefined>>();
  /** Days being closed: they are opened again afterwards. */
  readonly #closing = new Map<string, Promise<void>>();

  constructor(directory: string, log: Log) {
    this.#directory = directory;
    this.#log = log;
  }

  /**
   * For writing. Throws StorageError; `AUDIT_INDEX_DAMAGED`: the day's index could not be read and was thrown away, so the same again makes a new one from the day's file.
   */
  async write<T>(day: string, use: (file: DayFile) => Promise<T>): Promise<T> {
    const view = this.#views.get(day);
    if (view !== undefined && !this.#files.has(day)) this.#giveUp(this.#views, day, view);
    const entry = this.#take(this.#files, day, () => DayFile.open(this.#directory, day, this.#log));
    try {
      const file = await entry.opening;
      return await use(file).finally(() => {
        if (file.broken) this.#giveUp(this.#files, day, entry);
      });
    } catch (error) {
      if (isIndexDamage(error)) throw this.#damaged(this.#files, day, entry, error);
      if (error instanceof StorageError && error.code === 'AUDIT_DAY_OPEN') this.#giveUp(this.#files, day, entry);
      throw error;
    } finally {
      this.#leave(this.#files, entry, MAX_OPEN_FILES);
    }
  }

  /** For reading. Throws as `write` does. */
  async read<T>(day: string, use: (readable: ReadableDay) => Promise<T>): Promise<T> {
    if (this.#files.has(day)) return this.write(day, use);
    const entry = this.#take(this.#views, day, () => DayView.open(this.#directory, day));
    try {
      const view = await entry.opening;
      if (view !== undefined) return await use(view);
      this.#giveUp(this.#views, day, entry);
    } catch (error) {
      throw isIndexDamage(error) ? this.#damaged(this.#views, day, entry, error) : error;
    } finally {
      this.#leave(this.#views, entry, MAX_OPEN_VIEWS);
    }
    return this.write(day, use);
  }

  /** Closes all. Nothing may be in use. */
  async close(): Promise<void> {
    for (const [day, entry] of this.#files) this.#giveUp(this.#files, day, entry);
    for (const [day, entry] of this.#views) this.#giveUp(this.#views, day, entry);
    await Promise.all(this.#closing.values());
  }

  #take<D extends Closable | undefined>(map: Map<string, Open<D>>, day: string, open: () => Promise<D>): Open<D> {
    const known = map.get(day);
    const entry = known ?? newEntry(this.#afterClosing(day, open));
    // Most recently used last.
    map.delete(day);
    map.set(day, entry);
    entry.users += 1;
    return entry;
  }

  async #afterClosing<D>(day: string, open: () => Promise<D>): Promise<D> {
    for (let closing = this.#closing.get(day); closing !== undefined; closing = this.#closing.get(day)) await closing;
    return open();
  }

  #leave<D extends Closable | undefined>(map: Map<string, Open<D>>, entry: Open<D>, most: number): void {
    entry.users -= 1;
    if (entry.users === 0) entry.unused();
    for (const [other, unused] of map) {
      if (map.size <= most) return;
      if (unused.users === 0) this.#giveUp(map, other, unused);
    }
  }

  /** Closes the day and throws its index away. Nothing is lost: the index holds nothing that the file does not. */
  #damaged<D extends Closable | undefined>(
    map: Map<string, Open<D>>,
    day: string,
    entry: Open<D>,
    cause: unknown,
  ): StorageError {
    if (map.get(day) === entry) {
      this.#log.error({ day, err: cause }, 'audit store: the index of a day is damaged; it is made anew from its file');
      this.#giveUp(map, day, entry, () => DayIndex.remove(join(this.#directory, `${day}.index`)));
    }
    return new StorageError('AUDIT_INDEX_DAMAGED', `audit store: the index of ${day} was damaged; try again`, {
      cause,
    });
  }

  /** It is closed when its last user is done, and opened anew for the next; `closed` is called in between. */
  #giveUp<D extends Closable | undefined>(
    map: Map<string, Open<D>>,
    day: string,
    entry: Open<D>,
    closed: () => void = () => {},
  ): void {
    if (map.get(day) !== entry) return;
    map.delete(day);
    const before = this.#closing.get(day);
    const closing = this.#discard(entry, before, closed).finally(() => {
      if (this.#closing.get(day) === closing) this.#closing.delete(day);
    });
    this.#closing.set(day, closing);
  }

  async #discard(
    entry: Open<Closable | undefined>,
    before: Promise<void> | undefined,
    closed: () => void,
  ): Promise<void> {
    await before;
    if (entry.users > 0) await new Promise<void>((resolve) => (entry.unused = resolve));
    try {
      await (await entry.opening)?.close();
    } catch (error) {
      this.#log.debug({ err: error }, 'audit store: a day was given up');
    }
    try {
      closed();
    } catch (error) {
      this.#log.error({ err: error }, 'audit store: a damaged index can not be removed');
    }
  }
}

type Closable = { close(): Promise<void> };
type Open<D> = { readonly opening: Promise<D>; users: number; unused: () => void };

function newEntry<D>(opening: Promise<D>): Open<D> {
  return { opening, users: 0, unused: () => {} };
}

const MAX_OPEN_FILES = 8;
const MAX_OPEN_VIEWS = 100;
