import { StorageError } from '../errors.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Log } from '../telemetry/log.ts';
import type { Batch } from './batch.ts';
import { Journal, JOURNAL_DEFAULTS } from './journal.ts';
import { type Delivery, Shipper } from './shipper.ts';
import { readStoredLine, type StoredEvent } from './stored-event.ts';
import type { EventStore } from './stores/store.ts';

/** A destination beside the first: what it has not taken yet waits in a journal of its own, so that it may be away without holding anybody up. */
export class Secondary {
  readonly name: string;
  readonly shipper: Shipper;
  readonly #store: EventStore;
  readonly #journal: Journal;

  private constructor(store: EventStore, journal: Journal, deps: SecondaryDeps) {
    this.name = store.name;
    this.#store = store;
    this.#journal = journal;
    this.shipper = new Shipper(journal, {}, { ...deps, deliver: (batch) => deliver(store, batch) });
  }

  /** Takes the store over. Throws StorageError when the backlog can not be opened. */
  static open(store: EventStore, directory: string, limits: SecondaryLimits, deps: SecondaryDeps): Secondary {
    const segmentBytes = Math.min(JOURNAL_DEFAULTS.segmentBytes, Math.floor(limits.maxBacklogBytes / 4));
    const journal = Journal.open(
      { ...JOURNAL_DEFAULTS, directory, maxBytes: limits.maxBacklogBytes, segmentBytes },
      deps,
    );
    const secondary = new Secondary(store, journal, deps);
    secondary.shipper.start();
    return secondary;
  }

  /** Resolves when the events are in the backlog on disk. Rejects with StorageError `AUDIT_BACKLOG_FULL` when the destination was away for too long. */
  async append(events: readonly StoredEvent[]): Promise<void> {
    const lines = events.map(({ line }) => `${line}\n`).join('');
    if (this.#journal.append(lines, false) === 'full') {
      throw new StorageError(
        'AUDIT_BACKLOG_FULL',
        `audit: destination ${this.name} has a backlog of maxBacklogBytes; bring it back, or take it out of audit_events_uri`,
      );
    }
    await this.#journal.synced();
  }

  /** Gives the backlog `drainMs` to empty, then closes. */
  async close(drainMs: number): Promise<void> {
    await this.shipper.drain(drainMs);
    await this.shipper.stop();
    await this.#journal.close();
    await this.#store.close();
  }
}

export type SecondaryLimits = {
  /** What one destination may be behind, on disk; then batches are not taken, and wait with the hosts. Default 1 GiB. */
  readonly maxBacklogBytes: number;
};
type SecondaryDeps = { readonly clock: Clock; readonly log: Log; readonly random: () => number };

async function deliver(store: EventStore, batch: Batch): Promise<Delivery> {
  const events: StoredEvent[] = [];
  for (const line of batch.bytes.toString('utf8').split('\n')) {
    const event = line === '' ? undefined : readStoredLine(line);
    if (event !== undefined) events.push(event);
    else if (line !== '') return { type: 'refused', message: 'a line of the backlog is damaged' };
  }
  await store.write(events);
  return { type: 'acknowledged' };
}
