import { promisify } from 'node:util';
import { constants, zstdCompress } from 'node:zlib';
import type { Clock } from '../telemetry/clock.ts';
import type { Instruments } from '../telemetry/instruments.ts';
import type { Log } from '../telemetry/log.ts';
import { type Batch, firstTimeMs, halves, readBatch } from './batch.ts';
import type { Journal } from './journal.ts';
import { type Position, readPosition, writePosition } from './position.ts';
import { Quarantine } from './quarantine.ts';
import type { Segment } from './segment.ts';

/**
 * Brings a journal to where it belongs, in order, one batch at a time, and deletes segments once they are acknowledged. A batch that was not acknowledged is
 * sent again, for ever, with growing pauses; the receiver knows repeats by `uid`. A line that the receiver refuses for good goes to the quarantine, so that it
 * neither blocks the others nor is lost.
 */
export class Shipper {
  readonly #journal: Journal;
  readonly #options: ShipperOptions;
  readonly #deps: ShipperDeps;
  readonly #quarantine: Quarantine;
  readonly #stop = new AbortController();
  #position: Position;
  #oldestMs: number | undefined;
  #wake: (() => void) | undefined;
  #hurry: (() => void) | undefined;
  #draining = false;
  #failures = 0;
  #loop: Promise<void> | undefined;
  #idle: (() => void)[] = [];

  constructor(journal: Journal, options: Partial<ShipperOptions>, deps: ShipperDeps) {
    this.#journal = journal;
    this.#options = { ...SHIPPER_DEFAULTS, ...options };
    this.#deps = deps;
    const directory = journal.options.directory;
    this.#position = readPosition(directory, deps.log);
    journal.continueAfter(this.#position.sequence);
    // Left by a crash between acknowledgement and removal: deliver it again.
    const oldest = journal.segments[0];
    if (oldest !== undefined && oldest.sequence < this.#position.sequence) {
      this.#position = { sequence: oldest.sequence, offset: 0 };
    }
    this.#quarantine = new Quarantine(directory);
    journal.addForeignBytes(this.#quarantine.bytes);
    if (this.#quarantine.bytes > 0)
      deps.log.warn({ directory, bytes: this.#quarantine.bytes }, 'audit: refused events are in quarantine');
  }

  /** Begins to ship. */
  start(): void {
    this.#journal.onAppend(() => {
      this.#oldestMs ??= this.#deps.clock.now();
      this.#wake?.();
    });
    if (this.backlogBytes > 0) this.#oldestMs ??= this.#deps.clock.now();
    this.#loop ??= this.#run();
  }

  /** Bytes in the journal not yet acknowledged. */
  get backlogBytes(): number {
    let bytes = 0;
    for (const segment of this.#journal.segments) {
      if (segment.sequence > this.#position.sequence) bytes += segment.bytes;
      else if (segment.sequence === this.#position.sequence)
        bytes += Math.max(0, segment.bytes - this.#position.offset);
    }
    return bytes;
  }

  /** How old the oldest event not yet acknowledged is; 0 when there is none. */
  get lagMs(): number {
    if (this.#oldestMs === undefined || this.backlogBytes === 0) return 0;
    return Math.max(0, this.#deps.clock.now() - this.#oldestMs);
  }

  /** Bytes that were refused and wait for a person; 0 unless something is wrong. */
  get quarantinedBytes(): number {
    return this.#quarantine.bytes;
  }

  /** Ships without gathering until nothing is left: true; or until the time is over: false. Nothing is lost either way. */
  async drain(timeoutMs: number): Promise<boolean> {
    this.#draining = true;
    this.#wake?.();
    this.#hurry?.();
    if (this.backlogBytes === 0 || timeoutMs <= 0) return this.backlogBytes === 0;
    return await new Promise((resolve) => {
      const timer = this.#deps.clock.after(timeoutMs, () => resolve(this.backlogBytes === 0));
      this.#idle.push(() => {
        timer.cancel();
        resolve(true);
      });
    });
  }

  /** Stops; what is under way is abandoned and will be sent again by the next run. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('shipper stopped'));
    this.#journal.onAppend(undefined);
    this.#wake?.();
    this.#hurry?.();
    await this.#loop;
  }

  async #run(): Promise<void> {
    await this.#takeBack();
    while (!this.#stop.signal.aborted) {
      try {
        const batch = await this.#nextBatch();
        if (batch === undefined) {
          await this.#waitForAppend();
          continue;
        }
        await this.#ship(batch, { left: this.#options.maxSingledOut });
        this.#failures = 0;
        await this.#advance(batch.bytes.length);
        // Behind a busy source small batches would cost both ends more than the events themselves.
        const small =
          batch.bytes.length * 2 < this.#options.maxBatchBytes && batch.count * 2 < this.#options.maxBatchEvents;
        if (small && this.backlogBytes > 0 && !this.#draining) await this.#pause(this.#options.gatherMs);
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        await this.#backOff(error);
      }
    }
  }

  /** Quarantined files that a person renamed go back into the journal, at its end. A crash in between repeats them, which is harmless. */
  async #takeBack(): Promise<void> {
    const { log } = this.#deps;
    for (const file of this.#quarantine.again) {
      try {
        const whole = { ...file, sequence: 0, closed: true };
        for (let offset = 0; offset < file.bytes;) {
          const batch = await readBatch(whole, offset, this.#options.maxBatchBytes, this.#options.maxBatchEvents);
          if (batch === undefined || batch === 'gone') break;
          if (this.#journal.append(batch.bytes.toString('utf8'), true) === 'full')
            throw new Error('the journal is full');
          offset += batch.bytes.length;
        }
        await this.#journal.synced();
        this.#quarantine.remove(file);
        this.#journal.addForeignBytes(-file.bytes);
        log.info({ path: file.path, bytes: file.bytes }, 'audit: delivering a quarantined file again');
      } catch (error) {
        log.error(
          { err: error, path: file.path },
          'audit: a quarantined file could not be taken back; it stays where it is',
        );
      }
    }
  }

  async #nextBatch(): Promise<Batch | undefined> {
    const segment = this.#journal.segments.find(({ sequence }) => sequence >= this.#position.sequence);
    if (segment === undefined) return undefined;
    if (segment.sequence > this.#position.sequence) this.#position = { sequence: segment.sequence, offset: 0 };
    const { maxBatchBytes, maxBatchEvents } = this.#options;
    const batch = await readBatch(segment, this.#position.offset, maxBatchBytes, maxBatchEvents);
    if (batch === 'gone') {
      await this.#skip(segment);
      return this.#nextBatch();
    }
    if (batch !== undefined) {
      this.#oldestMs = firstTimeMs(batch) ?? this.#oldestMs;
      return batch;
    }
    if (!segment.closed) return undefined;
    // Ends exactly here: empty, or acknowledged before it was closed.
    await this.#advance(0);
    return this.#nextBatch();
  }

  /** Somebody removed or shortened the file: nothing can bring its events back, and the ones after it must not wait for ever. */
  async #skip(segment: Segment): Promise<void> {
    const bytes = segment.bytes - this.#position.offset;
    this.#deps.log.error(
      { path: segment.path, bytes },
      'audit: a journal segment was removed or shortened by somebody else; its undelivered events are lost',
    );
    if (!segment.closed) this.#journal.retire();
    await this.#advance(bytes);
  }

  async #ship(batch: Batch, budget: { left: number }): Promise<void> {
    const timeout = new AbortController();
    const timer = this.#deps.clock.after(this.#options.deliverTimeoutMs, () =>
      timeout.abort(new Error(`no answer within deliverTimeoutMs ${this.#options.deliverTimeoutMs}`)),
    );
    let delivery: Delivery;
    try {
      const signal = AbortSignal.any([timeout.signal, this.#stop.signal]);
      delivery = await untilAborted(this.#deps.deliver(batch, signal), signal);
    } finally {
      timer.cancel();
    }
    this.#count(delivery.type);
    if (delivery.type === 'acknowledged') return;
    if (batch.count > 1 && budget.left > 0) {
      for (const half of halves(batch)) await this.#ship(half, budget);
      return;
    }
    budget.left -= 1;
    await this.#setAside(batch, delivery.message);
  }

  async #setAside(batch: Batch, message: string): Promise<void> {
    const path = await this.#quarantine.add(this.#position.sequence, batch.bytes);
    this.#journal.addForeignBytes(batch.bytes.length);
    const { instruments } = this.#deps;
    if (instruments !== undefined) instruments.auditQuarantinedBatches.value += 1;
    this.#deps.log.error(
      { path, events: batch.count, bytes: batch.bytes.length, answer: message },
      'audit: events were refused for good and are kept in quarantine; see docs/reference/events.md',
    );
  }

  async #advance(bytes: number): Promise<void> {
    const { sequence } = this.#position;
    let offset = this.#position.offset + bytes;
    const segment = this.#journal.segments.find((candidate) => candidate.sequence === sequence);
    const all = segment !== undefined && offset >= segment.bytes;
    if (all && !segment.closed && segment.bytes * 4 >= this.#journal.options.segmentBytes) this.#journal.retire();
    const done = all && segment.closed;
    if (done) offset = 0;
    this.#position = { sequence: done ? sequence + 1 : sequence, offset };
    await writePosition(this.#journal.options.directory, this.#position);
    if (done) this.#journal.release(segment);
    if (this.backlogBytes > 0) return;
    this.#oldestMs = undefined;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #waitForAppend(): Promise<void> {
    if (this.backlogBytes > 0 || this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    if (this.#draining || this.#stop.signal.aborted) return;
    await this.#pause(this.#options.gatherMs);
  }

  async #backOff(error: unknown): Promise<void> {
    this.#count('failed');
    this.#failures += 1;
    const { minBackoffMs, maxBackoffMs } = this.#options;
    const ceiling = Math.min(
      this.#draining ? minBackoffMs * 5 : maxBackoffMs,
      minBackoffMs * 2 ** Math.min(this.#failures - 1, 20),
    );
    const pauseMs = ceiling / 2 + this.#deps.random() * (ceiling / 2);
    if (this.#failures === 1 || this.#failures % 20 === 0) {
      const fields = {
        err: error,
        failures: this.#failures,
        backlog_bytes: this.backlogBytes,
        next_ms: Math.round(pauseMs),
      };
      this.#deps.log.warn(fields, 'audit: a batch could not be delivered; it stays in the journal and is sent again');
    }
    await this.#pause(pauseMs);
  }

  /** Cut short by `drain` and `stop`. */
  async #pause(ms: number): Promise<void> {
    if (this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = this.#deps.clock.after(ms, resolve);
      this.#hurry = () => {
        timer.cancel();
        resolve();
      };
    });
    this.#hurry = undefined;
  }

  #count(result: Delivery['type'] | 'failed'): void {
    const family = this.#deps.instruments?.auditShippedBatches;
    if (family !== undefined) family.of({ result }).value += 1;
  }
}

/** Delivery in zstd, as Auth's IngestAudit takes it. Whole batch in one frame, made in the thread pool. */
export function zstdDelivery(
  send: (request: CompressedBatch, signal: AbortSignal) => Promise<Delivery>,
): ShipperDeps['deliver'] {
  return async (batch, signal) => {
    const eventsZstd = await compress(batch.bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
    return await send({ eventsZstd, count: batch.count }, signal);
  };
}

export type CompressedBatch = { readonly eventsZstd: Uint8Array; readonly count: number };
/** `refused`: sending the same again can not help (Auth: invalid argument). Everything that may pass is a rejected promise instead. */
export type Delivery = { readonly type: 'acknowledged' } | { readonly type: 'refused'; readonly message: string };
export type ShipperDeps = {
  /** Delivers a batch durably. The bytes must not be kept or changed. */
  readonly deliver: (batch: Batch, signal: AbortSignal) => Promise<Delivery>;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to 1, for the pauses. */
  readonly random: () => number;
  readonly instruments?: Instruments;
};
export type ShipperOptions = {
  /** Of uncompressed lines; a single longer line goes alone. Default 1 MiB; Auth takes up to 8 MiB. */
  readonly maxBatchBytes: number;
  /** Default 5000. */
  readonly maxBatchEvents: number;
  /** How long the first event waits for company. Default 100 ms. */
  readonly gatherMs: number;
  /** Default 30 s. */
  readonly deliverTimeoutMs: number;
  /** First pause after a failure; doubles. Default 200 ms. */
  readonly minBackoffMs: number;
  /** Default 15 s. */
  readonly maxBackoffMs: number;
  /** Refused lines singled out of one batch by halving before the refused remainder goes into quarantine whole. Default 32. */
  readonly maxSingledOut: number;
};

/** The defaults of `ShipperOptions`. */
export const SHIPPER_DEFAULTS: ShipperOptions = {
  maxBatchBytes: 1024 ** 2,
  maxBatchEvents: 5000,
  gatherMs: 100,
  deliverTimeoutMs: 30_000,
  minBackoffMs: 200,
  maxBackoffMs: 15_000,
  maxSingledOut: 32,
};

/** A delivery that does not heed its signal must not hold the shipper. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

const compress = promisify(zstdCompress);
