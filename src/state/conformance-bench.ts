import assert from 'node:assert/strict';
import type { Change, Store } from './store.ts';

/** What the conformance tests of the store stand on; for tests alone. */

/** A clock that moves only when told; `schedule` fits the implementations' options. */
export class ManualTime {
  #nowMs: number;
  readonly #timers = new Set<{ readonly at: number; readonly callback: () => void }>();

  constructor(startMs = 1_800_000_000_000) {
    this.#nowMs = startMs;
  }

  readonly now = (): number => this.#nowMs;

  readonly schedule = (delayMs: number, callback: () => void): { cancel(): void } => {
    const timer = { at: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  };

  /** Moves on and fires what is due, in order, also what is due only then. */
  advance(ms: number): void {
    const end = this.#nowMs + ms;
    for (;;) {
      const [next] = [...this.#timers].filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.at);
      next.callback();
    }
    this.#nowMs = end;
  }
}

/** One fresh, empty store. */
export type Bench = {
  readonly store: Store;
  readonly time: ManualTime;
  /** Closes `store` and opens what it left behind. */
  reopen(): Promise<Store>;
  /** Closes everything and removes it. */
  dispose(): Promise<void>;
};

/** Makes a bench that the tests dispose of. */
export type Fresh = (maxLogRows?: number) => Promise<Bench>;

/** Steps through a watch; `take` gives each change as `put /key revision`. */
export function collect(
  store: Store,
  prefixes: readonly string[],
  afterRevision?: number,
): { readonly changes: readonly Change[]; take(count: number): Promise<string[]>; stop(): void } {
  const abort = new AbortController();
  const iterator = store
    .watch(prefixes, { signal: abort.signal, ...(afterRevision !== undefined && { afterRevision }) })
    [Symbol.asyncIterator]();
  const changes: Change[] = [];
  return {
    changes,
    stop: () => abort.abort(),
    take: async (count) => {
      const texts: string[] = [];
      while (texts.length < count) {
        const { value } = await iterator.next();
        assert.ok(value !== undefined, 'the watch ended early');
        changes.push(value);
        texts.push(`${value.type} ${value.type === 'put' ? value.item.key : value.key} ${value.revision}`);
      }
      return texts;
    },
  };
}
