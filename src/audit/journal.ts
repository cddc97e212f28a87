import { ftruncateSync, mkdirSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { BugError, StorageError } from '../errors.ts';
import type { Clock, Timer } from '../telemetry/clock.ts';
import type { Log } from '../telemetry/log.ts';
import { type DirectoryLock, lockDirectory } from './directory-lock.ts';
import { recoverSegments, type Segment, segmentPath } from './segment.ts';
import { Syncer } from './syncer.ts';

/**
 * Append-only files of events on the machine that made them, until Auth has them (architecture: Audit). `append` is one synchronous write to the page cache:
 * it survives the death of any process; `fdatasync` on a timer, or before `synced()` resolves, makes it survive the machine's. Bounded by `maxBytes`:
 * a full journal refuses, it never drops. One directory (0700), one process.
 */
export class Journal {
  readonly options: JournalOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #lock: DirectoryLock;
  readonly #syncer: Syncer;
  readonly #segments: Segment[];
  readonly #waiting = new Set<Waiter>();
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #nextSequence: number;
  #bytes: number;
  #fd: number | undefined;
  #failed: Error | undefined;
  #diskFull = false;
  #poll: Timer | undefined;
  #appended: (() => void) | undefined;
  #closed = false;

  private constructor(options: JournalOptions, deps: JournalDeps, lock: DirectoryLock) {
    this.options = options;
    this.#clock = deps.clock;
    this.#log = deps.log;
    this.#lock = lock;
    const { segments, torn } = recoverSegments(options.directory);
    if (torn > 0) {
      const fields = { directory: options.directory, bytes: torn };
      this.#log.warn(fields, 'audit journal: cut off a torn last write; what it recorded was never forwarded');
    }
    this.#segments = segments;
    this.#bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    this.#nextSequence = (segments.at(-1)?.sequence ?? 0) + 1;
    this.#syncer = new Syncer(options.directory, deps.clock, options.syncIntervalMs, (error) => this.#fail(error));
  }

  /**
   * Opens or makes the directory, cuts torn tails off, takes the lock. Throws StorageError: `AUDIT_DIRECTORY_LOCKED`, or `AUDIT_JOURNAL_OPEN` when the
   * directory cannot be used.
   */
  static open(options: JournalOptions, deps: JournalDeps): Journal {
    if (options.maxBytes < 4 * options.segmentBytes) {
      throw new BugError(
        `audit journal: maxBytes ${options.maxBytes} must be at least four times segmentBytes ${options.segmentBytes}`,
      );
    }
    let lock: DirectoryLock | undefined;
    try {
      mkdirSync(options.directory, { recursive: true, mode: 0o700 });
      lock = lockDirectory(options.directory);
      return new Journal(options, deps, lock);
    } catch (cause) {
      lock?.release();
      if (cause instanceof StorageError) throw cause;
      throw new StorageError('AUDIT_JOURNAL_OPEN', `audit journal ${options.directory} cannot be opened`, { cause });
    }
  }

  /**
   * Writes whole lines. `full`: nothing was written; the limit is reached or the disk is full. `reserved` lines (the end of what has begun) may use
   * `reserveBytes` beyond the limit. Throws StorageError when the disk fails; then nothing of it counts as written.
   */
  append(lines: string, reserved: boolean): 'written' | 'full' {
    if (this.#failed !== undefined) throw this.#unavailable(this.#failed);
    const limit = this.options.maxBytes + (reserved ? this.options.reserveBytes : 0);
    const bytes = this.#encode(lines);
    if (this.#bytes + bytes.length > limit) return 'full';
    const segment = this.#active();
    if (!this.#write(bytes, segment)) return 'full';
    segment.bytes += bytes.length;
    this.#bytes += bytes.length;
    this.#syncer.written();
    if (segment.bytes >= this.options.segmentBytes) this.retire();
    this.#appended?.();
    return 'written';
  }

  /** Calls back once when there may be room, or with `gave-up` at `deadlineMs` of the monotonic clock. The result withdraws the call. */
  onSpace(deadlineMs: number, callback: (outcome: 'space' | 'gave-up') => void): () => void {
    const waiter: Waiter = { callback, timer: undefined };
    const settle = (outcome: 'space' | 'gave-up'): void => {
      if (!this.#waiting.delete(waiter)) return;
      waiter.timer?.cancel();
      callback(outcome);
    };
    waiter.settle = settle;
    waiter.timer = this.#clock.after(deadlineMs - this.#clock.monotonic(), () => settle('gave-up'));
    this.#waiting.add(waiter);
    if (this.#diskFull) this.#pollDisk();
    return () => {
      if (this.#waiting.delete(waiter)) waiter.timer?.cancel();
    };
  }

  /** Resolves when all that was appended so far is on disk; rejects with StorageError when that failed. */
  synced(): Promise<void> {
    if (this.#failed !== undefined) return Promise.reject(this.#unavailable(this.#failed));
    return this.#syncer.synced();
  }

  /** Bytes on disk not yet released: what counts against `maxBytes`. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Why nothing can be written any more; undefined while all is well. */
  get failure(): Error | undefined {
    return this.#failed;
  }

  /** Oldest first. The last may still grow. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Who is told after each append; one, the shipper. */
  onAppend(callback: (() => void) | undefined): void {
    this.#appended = callback;
  }

  /** Closes the active segment, so that it can be released; the next append begins another. */
  retire(): void {
    if (this.#fd === undefined) return;
    const active = this.#segments.at(-1);
    if (active !== undefined) active.closed = true;
    this.#syncer.retire();
    this.#fd = undefined;
  }

  /** Deletes the oldest segment: it was delivered. Only a closed one. Wakes who waits for space. */
  release(segment: Segment): void {
    if (segment !== this.#segments[0] || !segment.closed)
      throw new BugError('audit journal: only the oldest closed segment can be released');
    this.#segments.shift();
    try {
      unlinkSync(segment.path);
      this.#bytes -= segment.bytes;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') this.#bytes -= segment.bytes;
      else
        this.#log.error(
          { err: error, path: segment.path },
          'audit journal: a delivered segment could not be removed; it counts against the limit',
        );
    }
    this.#wake();
  }

  /** Bytes that stay on disk outside the segments (quarantine) count against the limit too. */
  addForeignBytes(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Segments written from now on are numbered above `sequence` (a delivery position may be ahead of what the disk kept). */
  continueAfter(sequence: number): void {
    this.#nextSequence = Math.max(this.#nextSequence, sequence + 1);
  }

  /** Syncs, closes and gives the lock back. Waiting callbacks get `gave-up`. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#failed ??= new Error('closed');
    this.#poll?.cancel();
    for (const waiter of this.#waiting) waiter.settle?.('gave-up');
    if (this.#fd !== undefined) this.retire();
    try {
      await this.#syncer.close();
    } finally {
      this.#lock.release();
    }
  }

  #encode(lines: string): Buffer {
    if (lines.length * 3 > SCRATCH_BYTES) return Buffer.from(lines, 'utf8');
    return this.#scratch.subarray(0, this.#scratch.write(lines, 'utf8'));
  }

  #active(): Segment {
    const last = this.#segments.at(-1);
    if (this.#fd !== undefined && last !== undefined) return last;
    const sequence = this.#nextSequence;
    const path = segmentPath(this.options.directory, sequence);
    try {
      this.#fd = openSync(path, 'ax', 0o600);
    } catch (cause) {
      throw new StorageError('AUDIT_JOURNAL_WRITE', `audit journal: ${path} cannot be made`, { cause });
    }
    this.#nextSequence += 1;
    this.#syncer.use(this.#fd);
    const segment: Segment = { sequence, path, bytes: 0, closed: false };
    this.#segments.push(segment);
    return segment;
  }

  /** False when the disk is full. After a failed write nothing of it is left in the file. */
  #write(bytes: Buffer, segment: Segment): boolean {
    const fd = this.#fd;
    if (fd === undefined) throw new BugError('audit journal: no active segment');
    try {
      for (let offset = 0; offset < bytes.length;) offset += writeSync(fd, bytes, offset, bytes.length - offset);
      this.#diskFull = false;
      return true;
    } catch (error) {
      this.#undo(fd, segment, error);
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw this.#unavailable(error);
      if (!this.#diskFull)
        this.#log.error(
          { directory: this.options.directory, code },
          'audit journal: the disk is full; statements wait',
        );
      this.#diskFull = true;
      return false;
    }
  }

  #undo(fd: number, segment: Segment, cause: unknown): void {
    try {
      ftruncateSync(fd, segment.bytes);
    } catch {
      this.#fail(cause);
    }
  }

  #fail(cause: unknown): void {
    if (this.#failed !== undefined) return;
    this.#failed = cause instanceof Error ? cause : new Error('unknown fault', { cause });
    this.#log.error(
      { err: this.#failed, directory: this.options.directory },
      'audit journal: the disk failed; no session can go on until the service is restarted',
    );
    this.#wake();
  }

  #unavailable(cause: unknown): StorageError {
    return new StorageError(
      'AUDIT_JOURNAL_WRITE',
      `audit journal ${this.options.directory} cannot be written; see the log of the service`,
      {
        cause,
        publicMessage: 'the audit journal cannot be written; statements are not accepted',
      },
    );
  }

  #wake(): void {
    for (const waiter of this.#waiting) waiter.settle?.('space');
  }

  /** Another program may free the disk without us noticing. */
  #pollDisk(): void {
    this.#poll ??= this.#clock.after(DISK_POLL_MS, () => {
      this.#poll = undefined;
      this.#wake();
    });
  }
}

export type JournalOptions = {
  readonly directory: string;
  /** All segments together; `max_journal_bytes`. At least four segments. Default 1 GiB. */
  readonly maxBytes: number;
  /** A segment is closed when it has grown to this. Default 8 MiB. */
  readonly segmentBytes: number;
  /** Room beyond `maxBytes` for the ends of sessions. Default 16 MiB. */
  readonly reserveBytes: number;
  /** `interval`: fdatasync every `syncIntervalMs`; `always`: before a statement is forwarded. */
  readonly sync: 'interval' | 'always';
  /** Default 20. */
  readonly syncIntervalMs: number;
};

/** The defaults of `JournalOptions` beside the directory. */
export const JOURNAL_DEFAULTS = {
  maxBytes: 1024 ** 3,
  segmentBytes: 8 * 1024 ** 2,
  reserveBytes: 16 * 1024 ** 2,
  sync: 'interval',
  syncIntervalMs: 20,
} as const satisfies Omit<JournalOptions, 'directory'>;

export type JournalDeps = { readonly clock: Clock; readonly log: Log };

type Waiter = {
  readonly callback: (outcome: 'space' | 'gave-up') => void;
  timer: Timer | undefined;
  settle?: (outcome: 'space' | 'gave-up') => void;
};

const SCRATCH_BYTES = 256 * 1024;
const DISK_POLL_MS = 1000;
