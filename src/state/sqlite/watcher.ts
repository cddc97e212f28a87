import type { Change } from '../store.ts';

/** `read` gives one batch after a revision; `upTo` equal to it means that there is nothing more now. */
export type WatcherOptions = {
  readonly after: number;
  readonly signal: AbortSignal;
  readonly read: (after: number) => { readonly changes: readonly Change[]; readonly upTo: number };
  readonly closed: () => boolean;
  /** Called once, when the watcher will not be used any more. */
  readonly ended: (watcher: Watcher) => void;
};

/**
 * One reader of the log. It holds one batch at most and a position; what it has not read stays on disk. One `next` at a time, as `for await` does.
 */
export class Watcher implements AsyncIterator<Change> {
  readonly #options: WatcherOptions;
  #position: number;
  #batch: readonly Change[] = [];
  #index = 0;
  #wake: (() => void) | undefined;
  #done = false;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#position = options.after;
    options.signal.addEventListener('abort', this.#abort, { once: true });
    if (options.signal.aborted) this.#abort();
  }

  /** There may be something new. */
  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  async next(): Promise<IteratorResult<Change, undefined>> {
    for (;;) {
      if (this.#done || this.#options.closed()) return this.return();
      const change = this.#batch[this.#index++];
      if (change !== undefined) return { done: false, value: change };
      if (!this.#readBatch()) await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  async return(): Promise<IteratorResult<Change, undefined>> {
    if (!this.#done) this.#abort();
    return { done: true, value: undefined };
  }

  /** True when the position moved. */
  #readBatch(): boolean {
    try {
      const { changes, upTo } = this.#options.read(this.#position);
      this.#batch = changes;
      this.#index = 0;
      const moved = upTo !== this.#position;
      this.#position = upTo;
      return moved;
    } catch (error) {
      this.#abort();
      throw error;
    }
  }

  readonly #abort = (): void => {
    if (this.#done) return;
    this.#done = true;
    this.#batch = [];
    this.#options.signal.removeEventListener('abort', this.#abort);
    this.#options.ended(this);
    this.wake();
  };
}
