/** Time as the tunnel sees it; passed in, so that tests turn the hands. */
export interface Clock {
  /** Milliseconds from any start, never backwards. */
  nowMs(): number;
  /** Calls back once after `delayMs`. */
  after(delayMs: number, callback: () => void): Alarm;
}

/** A callback to come; `cancel` after it came does nothing. */
export interface Alarm {
  cancel(): void;
}

/** The machine's monotonic clock. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};
