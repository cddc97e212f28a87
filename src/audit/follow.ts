import { LimitError } from '../errors.ts';
import { type EventFilter, matches } from './search.ts';
import type { StoredEvent } from './stored-event.ts';

/** Hands new events to those who watch. A watcher that does not keep up is ended with an error, for neither may events be dropped nor memory grow. */
export class Followers {
  readonly #limits: FollowLimits;
  readonly #followers = new Set<Follower>();

  constructor(limits: FollowLimits) {
    this.#limits = limits;
  }

  /** New events that match, in batches of original lines, from now until the signal aborts (then it ends) or LimitError `AUDIT_FOLLOW_TOO_SLOW`. */
  follow(filter: EventFilter, signal: AbortSignal): AsyncIterable<readonly string[]> {
    if (this.#followers.size >= this.#limits.maxFollowers) {
      throw new LimitError(
        'AUDIT_FOLLOW_TOO_MANY',
        `more than maxFollowers ${this.#limits.maxFollowers} follow the audit log`,
      );
    }
    const follower = new Follower(filter, this.#limits.maxFollowBytes);
    this.#followers.add(follower);
    // From the call, not from the first `next`: nothing may fall in between.
    const leave = (): void => {
      this.#followers.delete(follower);
      follower.end();
    };
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true });
    return follower.batches(() => {
      signal.removeEventListener('abort', leave);
      leave();
    });
  }

  publish(events: readonly StoredEvent[]): void {
    for (const follower of this.#followers) follower.offer(events);
  }

  /** Ends all of them. */
  close(): void {
    for (const follower of this.#followers) follower.end();
    this.#followers.clear();
  }
}

export type FollowLimits = {
  /** Default 100. */
  readonly maxFollowers: number;
  /** Not yet taken by one follower. Default 8 MiB. */
  readonly maxFollowBytes: number;
};

class Follower {
  readonly #filter: EventFilter;
  readonly #maxFollowBytes: number;
  #pending: string[] = [];
  #pendingBytes = 0;
  #ended = false;
  #tooSlow = false;
  #wake: (() => void) | undefined;

  constructor(filter: EventFilter, maxFollowBytes: number) {
    this.#filter = filter;
    this.#maxFollowBytes = maxFollowBytes;
  }

  offer(events: readonly StoredEvent[]): void {
    if (this.#ended || this.#tooSlow) return;
    for (const event of events) {
      if (!matches(this.#filter, event)) continue;
      this.#pending.push(event.line);
      this.#pendingBytes += event.line.length;
    }
    if (this.#pendingBytes > this.#maxFollowBytes) {
      this.#tooSlow = true;
      this.#pending = [];
    }
    if (this.#pending.length > 0 || this.#tooSlow) this.#wake?.();
  }

  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *batches(leave: () => void): AsyncGenerator<readonly string[]> {
    try {
      while (!this.#ended) {
        if (this.#tooSlow) {
          throw new LimitError(
            'AUDIT_FOLLOW_TOO_SLOW',
            `follower is more than maxFollowBytes ${this.#maxFollowBytes} behind; search from its last event and follow again`,
          );
        }
        if (this.#pending.length > 0) {
          const batch = this.#pending;
          this.#pending = [];
          this.#pendingBytes = 0;
          yield batch;
          continue;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      leave();
    }
  }
}
