import { TesseraError } from '../../errors.ts';
import type { Clock, Timer } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';

export type PresenceOptions = {
  /** Tells Auth that this proxy is here. */
  readonly send: () => Promise<{ readonly nextSeconds: number }>;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 to below 1. */
  readonly random: () => number;
};

/** Tells Auth again and again that this proxy is here, so that agents dial it and people are sent to it. */
export class Presence {
  readonly #options: PresenceOptions;
  #timer: Timer | undefined;
  #sending: Promise<void> | undefined;
  #again = false;
  #failures = 0;
  #closed = false;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  start(): void {
    this.#schedule(0);
  }

  /** What there is to tell has changed: tell soon. */
  changed(): void {
    if (this.#sending === undefined) this.#schedule(0);
    else this.#again = true;
  }

  /** Tells once more, at most 2 s, then no more. */
  async goodbye(): Promise<void> {
    const { clock, send } = this.#options;
    this.close();
    const told = new AbortController();
    const enough = clock.sleep(GOODBYE_MS, told.signal).catch(() => undefined);
    const sent = (this.#sending ?? Promise.resolve()).then(send).catch(() => undefined);
    await Promise.race([enough, sent]);
    told.abort();
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(delayMs: number): void {
    this.#timer?.cancel();
    if (!this.#closed) this.#timer = this.#options.clock.after(delayMs, () => this.#beat(), { background: true });
  }

  #beat(): void {
    this.#sending = this.#sendOnce().then((delayMs) => {
      this.#sending = undefined;
      this.#schedule(this.#again ? 0 : delayMs);
      this.#again = false;
    });
  }

  async #sendOnce(): Promise<number> {
    const { send, random, log } = this.#options;
    try {
      const { nextSeconds } = await send();
      this.#failures = 0;
      return Math.min(Math.max(nextSeconds * 1000, MIN_INTERVAL_MS), MAX_INTERVAL_MS) * (0.9 + 0.2 * random());
    } catch (error) {
      this.#failures += 1;
      log.warn(
        { reason: error instanceof TesseraError ? error.message : 'the call failed' },
        'the auth service did not take the heartbeat; trying again',
      );
      return Math.min(RETRY_MS * 2 ** Math.min(this.#failures - 1, 6), MAX_RETRY_MS) * (0.5 + random() / 2);
    }
  }
}

const GOODBYE_MS = 2000;
const MIN_INTERVAL_MS = 1000;
const MAX_INTERVAL_MS = 300_000;
const RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;
