import type { FileHandle } from 'node:fs/promises';
import { LRUCache } from 'lru-cache';
import { StorageError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { breathe } from '../breathe.ts';
import { readStoredLine } from '../stored-event.ts';
import { type DayIndex, SOURCE_LENGTH } from './day-index.ts';

/**
 * Keeps a day's index behind its file: in the background, with a twentieth of the time at first and half of it when much is left, so that recording is never held up by what only searches need; at full
 * speed when a search waits or too much is left. What is not indexed yet is known by uid in memory. After a crash it begins where the index ends.
 */
export class DayIndexer {
  readonly #index: DayIndex;
  readonly #file: FileHandle;
  readonly #path: string;
  readonly #log: Log;
  /** Of events in the file behind the index. */
  readonly #known = new Set<string>();
  /** By what a uid begins with: the highest end in the index, or higher. Who counts upwards is known to be new without a look into the index. */
  readonly #highest = new LRUCache<string, string>({ max: MAX_SOURCES });
  #offset: number;
  #size: number;
  #urgent = 0;
  #running: Promise<void> | undefined;
  #hurry: (() => void) | undefined;
  #closed = false;
  #failure: unknown;

  constructor(index: DayIndex, file: FileHandle, size: number, at: { readonly path: string; readonly log: Log }) {
    this.#index = index;
    this.#file = file;
    this.#path = at.path;
    this.#log = at.log;
    this.#offset = index.indexedBytes;
    this.#size = size;
  }

  /** Whether an event with this uid is in the file. */
  has(uid: string): boolean {
    if (this.#known.has(uid)) return true;
    const source = uid.slice(0, SOURCE_LENGTH);
    const end = uid.slice(SOURCE_LENGTH);
    let highest = this.#highest.get(source);
    if (highest === undefined) {
      highest = this.#index.highestLike(uid)?.slice(-end.length) ?? '';
      this.#highest.set(source, highest);
    }
    return end <= highest && this.#index.has(uid);
  }

  /** Tells that these events are in the file now, on disk, up to `size`. Resolves at once, or, when maxUnindexedEvents is reached, after the index caught up. */
  async appended(uids: Iterable<string>, size: number): Promise<void> {
    for (const uid of uids) this.#known.add(uid);
    this.#size = size;
    if (this.#known.size > MAX_UNINDEXED_EVENTS) await this.caughtUp();
    else this.#running ??= this.#run();
  }

  /** Resolves when everything that is in the file now is in the index. Throws what the index or the file failed with. */
  async caughtUp(): Promise<void> {
    const target = this.#size;
    this.#urgent += 1;
    try {
      while (this.#offset < target) {
        this.#hurry?.();
        this.#running ??= this.#run();
        await this.#running;
        if (this.#failure !== undefined) throw this.#failure;
      }
    } finally {
      this.#urgent -= 1;
    }
  }

  /** Stops after the chunk under way; the rest is indexed when the day is opened again. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#hurry?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    // A disk that was full is asked again.
    this.#failure = undefined;
    let damaged = 0;
    try {
      while (this.#offset < this.#size && !this.#closed) {
        const startedMs = performance.now();
        damaged += await this.#indexChunk();
        if (this.#urgent > 0 || this.#offset === this.#size) continue;
        const rest = this.#known.size < MAX_UNINDEXED_EVENTS / 2 ? LONG_REST : SHORT_REST;
        await this.#pause((performance.now() - startedMs) * rest);
      }
    } catch (error) {
      this.#index.rollback();
      this.#failure = error;
      this.#log.error({ path: this.#path, err: error }, 'audit store: the index can not be written; recording goes on');
    } finally {
      this.#running = undefined;
    }
    if (damaged > 0) {
      const fields = { path: this.#path, lines: damaged };
      this.#log.error(fields, 'audit store: lines that are no events were left in the file and out of the index');
    }
  }

  async #indexChunk(): Promise<number> {
    const { lines, offset } = await this.#read();
    this.#index.begin();
    const indexed: string[] = [];
    let damaged = 0;
    let count = 0;
    for (let start = 0; start < lines.length;) {
      const end = lines.indexOf(NEWLINE, start);
      const event = readStoredLine(lines.toString('utf8', start, end));
      if (event === undefined) damaged += 1;
      else {
        this.#index.add(event, offset + start, end - start);
        indexed.push(event.uid);
      }
      start = end + 1;
      count += 1;
      if (count % EVENTS_PER_SLICE === 0) await breathe();
    }
    this.#index.commit(offset + lines.length);
    this.#offset = offset + lines.length;
    // Not before the commit: after a rollback they are known here or nowhere.
    for (const uid of indexed) {
      this.#known.delete(uid);
      this.#raise(uid);
    }
    return damaged;
  }

  /** Whole lines from where the index ends. */
  async #read(): Promise<{ readonly lines: Buffer; readonly offset: number }> {
    const left = this.#size - this.#offset;
    // Every commit makes a part of the words' index that is merged later: fewer and larger ones when much is left.
    for (let bytes = left > 4 * LARGE_CHUNK_BYTES ? LARGE_CHUNK_BYTES : CHUNK_BYTES; ; bytes *= 2) {
      const want = Math.min(bytes, left);
      const { buffer, bytesRead } = await this.#file.read(Buffer.allocUnsafe(want), 0, want, this.#offset);
      const end = buffer.subarray(0, bytesRead).lastIndexOf(NEWLINE) + 1;
      if (end > 0) return { lines: buffer.subarray(0, end), offset: this.#offset };
      if (bytesRead < bytes) {
        throw new StorageError('AUDIT_DAY_CHANGED', `audit store: ${this.#path} changed while it was read`);
      }
    }
  }

  #raise(uid: string): void {
    const source = uid.slice(0, SOURCE_LENGTH);
    const end = uid.slice(SOURCE_LENGTH);
    const highest = this.#highest.peek(source);
    if (highest !== undefined && end > highest) this.#highest.set(source, end);
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#hurry = undefined;
  }
}

const NEWLINE = 0x0a;
const CHUNK_BYTES = 256 * 1024;
/** Its commit takes some 15 ms. */
const LARGE_CHUNK_BYTES = 1024 * 1024;
/** A few milliseconds of work. */
const EVENTS_PER_SLICE = 250;
/** Parts of rest for one of work, while little is left to index, and when much is. */
const LONG_REST = 19;
const SHORT_REST = 1;
/** maxUidSources: uids' beginnings remembered, one a session; for others the index is asked. */
const MAX_SOURCES = 50_000;
/** maxUnindexedEvents: some 30 MB of uids; beyond it recording waits for the index. */
const MAX_UNINDEXED_EVENTS = 200_000;
