import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StorageError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { breathe } from '../breathe.ts';
import { cutTornTail } from '../segment.ts';
import type { StoredEvent } from '../stored-event.ts';
import { DayIndex } from './day-index.ts';
import { DayIndexer } from './day-indexer.ts';
import { DayReader } from './day-reader.ts';

/**
 * One UTC day of events: `2026-03-11.log`, a JSON document a line, and `2026-03-11.index` beside it. The file is the truth. An append is: find what is new, write,
 * fdatasync; the index follows behind (day-indexer.ts), and `open` catches it up after a crash.
 */
export class DayFile {
  readonly reader: DayReader;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #index: DayIndex;
  readonly #indexer: DayIndexer;
  #size: number;
  #broken = false;

  private constructor(
    path: string,
    file: FileHandle,
    index: DayIndex,
    indexer: DayIndexer,
    size: number,
    reader: DayReader,
  ) {
    this.#path = path;
    this.#file = file;
    this.#index = index;
    this.#indexer = indexer;
    this.#size = size;
    this.reader = reader;
  }

  /** Opens or makes both, repairs what a crash left. Throws StorageError `AUDIT_DAY_OPEN`. */
  static async open(directory: string, day: string, log: Log): Promise<DayFile> {
    const path = join(directory, `${day}.log`);
    const indexPath = join(directory, `${day}.index`);
    let file: FileHandle | undefined;
    let index: DayIndex | undefined;
    try {
      file = await open(path, 'a+', 0o600);
      const size = wholeLines(path, log);
      index = await fittingIndex(indexPath, file, size, log);
      const indexer = new DayIndexer(index, file, size, { path, log });
      await indexer.caughtUp();
      return new DayFile(
        path,
        file,
        index,
        indexer,
        size,
        new DayReader(new DatabaseSync(indexPath, { readOnly: true }), file),
      );
    } catch (cause) {
      index?.close();
      await file?.close();
      throw new StorageError('AUDIT_DAY_OPEN', `audit store: ${path} cannot be opened`, { cause });
    }
  }

  /** True after a fault that left file and index apart: close it and open it anew. */
  get broken(): boolean {
    return this.#broken;
  }

  /** Adds those events whose uid is not here yet; resolves with them when they are on disk. One call at a time. Throws StorageError `AUDIT_DAY_WRITE`. */
  async append(events: readonly StoredEvent[]): Promise<readonly StoredEvent[]> {
    const start = this.#size;
    const fresh = new Map<string, StoredEvent>();
    try {
      for (const [at, event] of events.entries()) {
        if (!fresh.has(event.uid) && !this.#indexer.has(event.uid)) fresh.set(event.uid, event);
        if (at % EVENTS_PER_SLICE === EVENTS_PER_SLICE - 1) await breathe();
      }
      if (fresh.size === 0) return [];
      const bytes = Buffer.from([...fresh.values()].map(({ line }) => `${line}\n`).join(''));
      await this.#file.appendFile(bytes);
      await this.#file.datasync();
      this.#size = start + bytes.length;
    } catch (cause) {
      await this.#file.truncate(start).catch(() => {
        this.#broken = true;
      });
      throw new StorageError('AUDIT_DAY_WRITE', `audit store: ${this.#path} cannot be written`, { cause });
    }
    await this.#indexer.appended(fresh.keys(), this.#size);
    return [...fresh.values()];
  }

  /** Everything appended so far can be found by `reader` when this resolves. */
  async indexed(): Promise<void> {
    await this.#indexer.caughtUp();
  }

  async close(): Promise<void> {
    await this.#indexer.close();
    this.reader.close();
    this.#index.close();
    await this.#file.close();
  }
}

/** Cuts a torn last line off: it was never acknowledged. */
function wholeLines(path: string, log: Log): number {
  const { bytes, removed } = cutTornTail(path);
  if (removed > 0)
    log.warn({ path, bytes: removed }, 'audit store: cut off a torn last line that was never acknowledged');
  return bytes;
}

/** The index as it is when it fits the file, else an empty one. */
async function fittingIndex(path: string, file: FileHandle, size: number, log: Log): Promise<DayIndex> {
  let index: DayIndex | undefined;
  try {
    index = DayIndex.open(path);
    if ((await index.isOf(file, size)) !== 'foreign') return index;
    throw new Error('it does not fit the file');
  } catch (error) {
    index?.close();
    log.warn({ path, err: error }, 'audit store: making the index anew from the file');
    DayIndex.remove(path);
    return DayIndex.open(path);
  }
}

/** About a millisecond of work. */
const EVENTS_PER_SLICE = 500;
