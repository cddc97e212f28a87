/**
 * Session ids seen within the window in which an opening is believed: a proxy, or whoever recorded its stream, can not use one twice. Bounded: when more openings
 * come within the window than it may hold, new ones are refused rather than old ones forgotten.
 */
export class ReplayGuard {
  readonly #windowMs: number;
  readonly #maxEntries: number;
  /** Session id to when it may be forgotten; in order of arrival, and so of expiry. */
  readonly #seen = new Map<string, number>();

  constructor(options: { readonly windowMs: number; readonly maxEntries: number }) {
    this.#windowMs = options.windowMs;
    this.#maxEntries = options.maxEntries;
  }

  /** `fresh` exactly once per id within the window. */
  admit(sessionId: string, nowMs: number): 'fresh' | 'repeated' | 'full' {
    this.#forget(nowMs);
    if (this.#seen.has(sessionId)) return 'repeated';
    if (this.#seen.size >= this.#maxEntries) return 'full';
    this.#seen.set(sessionId, nowMs + this.#windowMs);
    return 'fresh';
  }

  #forget(nowMs: number): void {
    for (const [sessionId, untilMs] of this.#seen) {
      if (untilMs > nowMs) return;
      this.#seen.delete(sessionId);
    }
  }
}
