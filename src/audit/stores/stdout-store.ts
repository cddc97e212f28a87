import type { Writable } from 'node:stream';
import { StorageError } from '../../errors.ts';
import type { StoredEvent } from '../stored-event.ts';
import type { EventStore } from './store.ts';

/** `stdout://`: a line an event, for a collector that reads the process's output. It knows no repeats: after a crash or a failed write some may come twice. */
export class StdoutStore implements EventStore {
  readonly name = 'stdout://';
  readonly #output: Writable;

  constructor(output: Writable) {
    this.#output = output;
  }

  write(events: readonly StoredEvent[]): Promise<readonly StoredEvent[]> {
    return new Promise((resolve, reject) => {
      const fail = (cause: Error): void =>
        reject(new StorageError('AUDIT_STDOUT_WRITE', 'audit store: standard output cannot be written', { cause }));
      this.#output.once('error', fail);
      this.#output.write(events.map(({ line }) => `${line}\n`).join(''), (error) => {
        // A failed write also emits `error`, later than this.
        if (error !== null && error !== undefined) return;
        this.#output.off('error', fail);
        resolve(events);
      });
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
