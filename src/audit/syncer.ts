import { close, closeSync, fdatasync, fsync, openSync } from 'node:fs';
import { promisify } from 'node:util';
import { StorageError } from '../errors.ts';
import type { Clock, Timer } from '../telemetry/clock.ts';

/**
 * Brings a journal's writes to disk in groups: one `fdatasync` in the thread pool for all that was written since the last. A failed sync is final: after it the
 * kernel may have dropped the pages and would report success the next time.
 */
export class Syncer {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #failed: (error: Error) => void;
  readonly #directoryFd: number;
  #fd: number | undefined;
  #retired: number[] = [];
  #directoryChanged = false;
  #dirty = false;
  #timer: Timer | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(directory: string, clock: Clock, intervalMs: number, failed: (error: Error) => void) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#failed = failed;
    this.#directoryFd = openSync(directory, 'r');
  }

  /** The file written to from now on, just created. Closed by this class after `retire`. */
  use(fd: number): void {
    this.#fd = fd;
    this.#directoryChanged = true;
  }

  /** No more is written to the file of `use`. */
  retire(): void {
    if (this.#fd === undefined) return;
    this.#retired.push(this.#fd);
    this.#fd = undefined;
    if (!this.#dirty) this.written();
  }

  /** Something was written: it is synced after the interval, unless `synced` is sooner. */
  written(): void {
    this.#dirty = true;
    if (this.#timer !== undefined) return;
    this.#timer = this.#clock.after(
      this.#intervalMs,
      () => {
        this.#timer = undefined;
        // A failure was told through `failed`.
        this.synced().catch(() => undefined);
      },
      { background: true },
    );
  }

  /** Resolves when everything written before the call is on disk. Callers during a running sync share the one after it. */
  synced(): Promise<void> {
    if (this.#running === undefined) return this.#start();
    this.#next ??= this.#running.then(
      () => this.#start(),
      () => this.#start(),
    );
    return this.#next;
  }

  /** Syncs, then closes all files. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    this.retire();
    try {
      await this.synced();
    } finally {
      this.#timer?.cancel();
      closeSync(this.#directoryFd);
    }
  }

  #start(): Promise<void> {
    this.#next = undefined;
    if (!this.#dirty) return Promise.resolve();
    this.#running = this.#sync().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #sync(): Promise<void> {
    this.#dirty = false;
    const retired = this.#retired;
    this.#retired = [];
    const directoryChanged = this.#directoryChanged;
    this.#directoryChanged = false;
    try {
      for (const fd of retired) {
        await datasync(fd);
        await closeFile(fd);
      }
      if (this.#fd !== undefined) await datasync(this.#fd);
      if (directoryChanged) await syncAll(this.#directoryFd);
    } catch (cause) {
      const error = new StorageError(
        'AUDIT_JOURNAL_SYNC',
        'audit journal: fdatasync failed; events of the last moments may not be on disk',
        { cause },
      );
      this.#failed(error);
      throw error;
    }
  }
}

const datasync = promisify(fdatasync);
const syncAll = promisify(fsync);
const closeFile = promisify(close);
