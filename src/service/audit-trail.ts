import { Code, ConnectError } from '@connectrpc/connect';
import { Journal, JOURNAL_DEFAULTS } from '../audit/journal.ts';
import { type CompressedBatch, type Delivery, Shipper, zstdDelivery } from '../audit/shipper.ts';
import { AuditWriter, type HostConstants } from '../audit/writer.ts';
import type { JournalConfig } from '../config/schema.ts';
import type { AuthConnection } from '../rpc/client.ts';
import { fromConnectError } from '../rpc/errors.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Instruments } from '../telemetry/instruments.ts';
import type { Log } from '../telemetry/log.ts';

export type AuditTrailOptions = {
  /** Whose it is: for the metrics of a process that runs several services. */
  readonly service: 'proxy' | 'database';
  /** Where the journal lies; one trail at a time. */
  readonly directory: string;
  readonly journal: JournalConfig;
  readonly host: HostConstants;
  /** Of this host, to bring batches to Auth. */
  readonly client: AuthConnection['client'];
  readonly clock: Clock;
  readonly log: Log;
  readonly instruments: Instruments;
  readonly random: () => number;
};

/** A host's audit log until Auth has it: the journal, its writer and its shipper, opened and closed together. */
export class AuditTrail {
  readonly writer: AuditWriter;
  readonly #journal: Journal;
  readonly #shipper: Shipper;
  readonly #forget: () => void;

  /** Throws StorageError when the journal can not be opened. */
  constructor(options: AuditTrailOptions) {
    const { service, directory, journal, host, client, clock, log, instruments, random } = options;
    const limits = {
      maxBytes: journal.maxBytes,
      segmentBytes: Math.min(JOURNAL_DEFAULTS.segmentBytes, Math.floor(journal.maxBytes / 4)),
      reserveBytes: JOURNAL_DEFAULTS.reserveBytes,
      sync: journal.sync,
      syncIntervalMs: journal.syncIntervalMs,
    };
    this.#journal = Journal.open({ directory, ...limits }, { clock, log });
    this.writer = new AuditWriter(this.#journal, host, { clock, instruments }, { fullWaitMs: journal.fullWaitMs });
    const deliver = zstdDelivery((batch, signal) => deliverTo(client, batch, signal));
    this.#shipper = new Shipper(this.#journal, {}, { deliver, clock, log, random, instruments });
    this.#forget = instruments.auditBacklogs.add({ service, destination: 'auth' }, this.#shipper);
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
    this.#forget();
  }
}

/** Resolves when Auth has the batch durably, or refuses it for good; throws what may pass. */
async function deliverTo(
  client: AuthConnection['client'],
  batch: CompressedBatch,
  signal: AbortSignal,
): Promise<Delivery> {
  try {
    await client.ingestAudit({ eventsZstd: new Uint8Array(batch.eventsZstd), count: batch.count }, { signal });
    return { type: 'acknowledged' };
  } catch (error) {
    // Only what Auth says about the batch itself is for good.
    if (ConnectError.from(error).code === Code.InvalidArgument)
      return { type: 'refused', message: fromConnectError(error).message };
    throw fromConnectError(error);
  }
}
