import { TesseraError } from '../../errors.ts';
import type { Clock, Timer } from '../../telemetry/clock.ts';

export type ToldAgainOptions = {
  /** Tells Auth how things stand and returns the milliseconds until the next time. Undefined: there is nothing to tell, and nothing follows until {@link ToldAgain.changed}. */
  readonly tell: () => Promise<number> | undefined;
  /** Milliseconds from a change until it is told, so that several are told together. */
  readonly changeDelayMs: () => number;
  /** After the first failure; each further one doubles it, up to `maxRetryMs`. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
  /** `reason` is one of our messages, or says only that the call failed. */
  readonly onFailure: (reason: string) => void;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
};

/** Tells Auth something again and again, one call at a time: as often as the last call said, soon after a change, and later and later after failures. Owns one timer, which {@link close} takes away. */
export class ToldAgain {
  readonly #options: ToldAgainOptions;
  #timer: Timer | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #telling = false;
  #again = false;
  #closed = false;
  #failures = 0;

  constructor(options: ToldAgainOptions) {
    this.#options = options;
  }

  /** Since the last call that Auth took. */
  get failures(): number {
    return this.#failures;
  }

  /** Something changed: tell soon, or once more when the call under way is over. */
  changed(): void {
    if (this.#telling) this.#again = true;
    else this.#schedule(this.#options.changeDelayMs());
  }

  /** Nothing is told from now on; a call under way is left to end. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(delayMs: number): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    const dueMs = clock.monotonic() + delayMs;
    if (this.#timer !== undefined && dueMs >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = clock.after(delayMs, () => void this.#tell(), { background: true });
  }

  async #tell(): Promise<void> {
    this.#timer = undefined;
    this.#telling = true;
    const delayMs = await this.#told();
    this.#telling = false;
    if (delayMs !== undefined) this.#schedule(delayMs);
    if (this.#again) {
      this.#again = false;
      this.changed();
    }
  }

  async #told(): Promise<number | undefined> {
    const { tell, retryMs, maxRetryMs, onFailure, random } = this.#options;
    try {
      const delayMs = await tell();
      if (delayMs !== undefined) this.#failures = 0;
      return delayMs;
    } catch (error) {
      this.#failures += 1;
      onFailure(error instanceof TesseraError ? error.message : 'the call failed');
      return Math.min(retryMs * 2 ** (this.#failures - 1), maxRetryMs) * (0.5 + random() / 2);
    }
  }
}
