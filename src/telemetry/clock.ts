/**
 * Time as a parameter: everything below the services that waits or stamps takes a Clock, so its tests need no sleep.
 * The system clock is here; the one that a test moves by hand is in manual-clock.ts.
 */
export interface Clock {
  /** Wall clock: milliseconds since 1970, whole. May jump; for stamps and validity, never for durations. */
  now(): number;
  /** Milliseconds since some fixed moment, with fractions; never goes back. For durations. */
  monotonic(): number;
  /** Calls back once, `delayMs` from now (any length; below 0 counts as 0), unless cancelled. The owner cancels it when it closes. */
  after(delayMs: number, callback: () => void, options?: TimerOptions): Timer;
  /** Resolves after `delayMs`; rejects with the signal's reason when it aborts first. */
  sleep(delayMs: number, signal?: AbortSignal): Promise<void>;
}

export type TimerOptions = {
  /** True: waiting for this timer alone does not keep the process alive. Default false. */
  readonly background?: boolean;
};

/** A pending call. `cancel` may be called at any time, also after it ran. */
export interface Timer {
  cancel(): void;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, callback, options) => new SystemTimer(delayMs, callback, options?.background ?? false),
  sleep: (delayMs, signal) => sleepOn(systemClock, delayMs, signal),
};

/** `Clock.sleep` in terms of `Clock.after`, for implementations of Clock. */
export function sleepOn(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const aborted = (): void => {
      timer.cancel();
      reject(signal?.reason);
    };
    const timer = clock.after(delayMs, () => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    });
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

class SystemTimer implements Timer {
  readonly #callback: () => void;
  readonly #background: boolean;
  #handle: NodeJS.Timeout | undefined;

  constructor(delayMs: number, callback: () => void, background: boolean) {
    this.#callback = callback;
    this.#background = background;
    this.#arm(Math.max(0, delayMs));
  }

  cancel(): void {
    clearTimeout(this.#handle);
    this.#handle = undefined;
  }

  #arm(remainingMs: number): void {
    const step = Math.min(remainingMs, LONGEST_TIMEOUT_MS);
    this.#handle = setTimeout(() => {
      this.#handle = undefined;
      if (remainingMs > step) this.#arm(remainingMs - step);
      else this.#callback();
    }, step);
    if (this.#background) this.#handle.unref();
  }
}

/** setTimeout keeps a signed 32-bit number of milliseconds and runs at once when given more. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;
