import { join } from 'node:path';

import { Journal, JOURNAL_DEFAULTS } from '../../audit/journal.ts';
import { type CompressedBatch, exposeBacklogs, type Delivery, Shipper, zstdDelivery } from '../../audit/shipper.ts';
import { AuditWriter, type HostConstants } from '../../audit/writer.ts';
import type { JournalConfig } from '../../config/schema.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Instruments } from '../../telemetry/instruments.ts';
import type { Log } from '../../telemetry/log.ts';

export type AuditTrailOptions = {
  /** The journal lies in `<dataDir>/database/journal`. */
  readonly dataDir: string;
  readonly journal: JournalConfig;
  readonly host: HostConstants;
  /** Hands a batch to Auth; resolves when Auth has it durably, or refuses it for good. */
  readonly send: (batch: CompressedBatch, signal: AbortSignal) => Promise<Delivery>;
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
  readonly random: () => number;
};

/** This agent's audit log until Auth has it: the journal, its writer and its shipper, opened and closed together. */
export class AuditTrail {
  readonly writer: AuditWriter;
  readonly #journal: Journal;
  readonly #shipper: Shipper;

  /** Throws StorageError when the journal can not be opened. */
  constructor(options: AuditTrailOptions) {
    const { dataDir, journal, host, send, clock, log, instruments, random } = options;
    const limits = {
      maxBytes: journal.maxBytes,
      segmentBytes: Math.min(JOURNAL_DEFAULTS.segmentBytes, Math.floor(journal.maxBytes / 4)),
      reserveBytes: JOURNAL_DEFAULTS.reserveBytes,
      sync: journal.sync,
      syncIntervalMs: journal.syncIntervalMs,
    };
    this.#journal = Journal.open({ directory: join(dataDir, 'database', 'journal'), ...limits }, { clock, log });
    this.writer = new AuditWriter(this.#journal, host, { clock, instruments }, { fullWaitMs: journal.fullWaitMs });
    this.#shipper = new Shipper(this.#journal, {}, { deliver: zstdDelivery(send), clock, log, random, instruments });
    exposeBacklogs(instruments.metrics, new Map([['auth', this.#shipper]]));
  }

  start(): void {
    this.#shipper.start();
  }

  get backlogBytes(): number {
    return this.#shipper.backlogBytes;
  }

  get lagMs(): number {
    return this.#shipper.lagMs;
  }

  /** Why nothing can be recorded any more; undefined while all is well. */
  get failure(): Error | undefined {
    return this.#journal.failure;
  }

  /** Ships what it can within `timeoutMs`; the rest stays on disk for the next start. */
  async close(timeoutMs: number): Promise<void> {
    await this.#shipper.drain(timeoutMs);
    await this.#shipper.stop();
    await this.#journal.close();
  }
}
