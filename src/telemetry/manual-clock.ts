import type { Clock, Timer } from './clock.ts';
import { sleepOn } from './clock.ts';

/**
 * A clock that stands still until a test moves it. `now` and `monotonic` advance together; `setWallClock` makes the wall clock
 * jump alone, as a machine's does.
 */
export class ManualClock implements Clock {
  #wallMs: number;
  #elapsedMs = 0;
  #order = 0;
  readonly #pending = new Set<{ readonly atMs: number; readonly order: number; readonly callback: () => void }>();

  /** Begins at `startMs` since 1970; default 2026-01-01T00:00:00Z. */
  constructor(startMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallMs = startMs;
  }

  /** Timers not yet run nor cancelled: lets a test see that everything was cleaned up. */
  get pendingTimers(): number {
    return this.#pending.size;
  }

  now(): number {
    return Math.floor(this.#wallMs);
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  after(delayMs: number, callback: () => void): Timer {
    this.#order += 1;
    const entry = { atMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order, callback };
    this.#pending.add(entry);
    return { cancel: () => void this.#pending.delete(entry) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, delayMs, signal);
  }

  /** Moves time forward, running what falls due in order, including timers that those timers set. Promises do not settle in between. */
  advance(ms: number): void {
    const end = this.#elapsedMs + ms;
    for (let entry = this.#nextDue(end); entry !== undefined; entry = this.#nextDue(end)) {
      this.#pending.delete(entry);
      this.#moveTo(Math.max(this.#elapsedMs, entry.atMs));
      entry.callback();
    }
    this.#moveTo(end);
  }

  /** Like `advance`, letting promise chains settle before, between timers and after. */
  async advanceSettling(ms: number): Promise<void> {
    const end = this.#elapsedMs + ms;
    await settle();
    for (let entry = this.#nextDue(end); entry !== undefined; entry = this.#nextDue(end)) {
      this.#pending.delete(entry);
      this.#moveTo(Math.max(this.#elapsedMs, entry.atMs));
      entry.callback();
      await settle();
    }
    this.#moveTo(end);
    await settle();
  }

  /** Makes the wall clock jump; timers and `monotonic` do not notice. */
  setWallClock(ms: number): void {
    this.#wallMs = ms;
  }

  #nextDue(limitMs: number) {
    let next: { readonly atMs: number; readonly order: number; readonly callback: () => void } | undefined;
    for (const entry of this.#pending) {
      if (entry.atMs > limitMs) continue;
      if (next === undefined || entry.atMs < next.atMs || (entry.atMs === next.atMs && entry.order < next.order)) {
        next = entry;
      }
    }
    return next;
  }

  #moveTo(elapsedMs: number): void {
    this.#wallMs += elapsedMs - this.#elapsedMs;
    this.#elapsedMs = elapsedMs;
  }
}

/** Lets promise callbacks and already finished I/O run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
