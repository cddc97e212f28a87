import { LimitError } from '../../errors.ts';
import type { ProxyLimits } from '../../config/schema.ts';
import { limitKey } from './client-address.ts';

export type SlotLimits = Pick<ProxyLimits, 'maxWebCalls' | 'maxWebCallsPerClient' | 'maxWebCallsPerSession'>;

/** Counts calls under way: all, of one client address, of one session. */
export class WebSlots {
  #total = 0;
  readonly #held = new Map<string, number>();

  get total(): number {
    return this.#total;
  }

  /** One more; the result gives it back, once. Throws LimitError `WEB_TOO_MANY_CALLS`, which names the limit. */
  enter(ip: string, sessionToken: string | undefined, limits: SlotLimits): () => void {
    const keys = [
      { key: `client ${limitKey(ip)}`, most: limits.maxWebCallsPerClient, name: 'max_web_calls_per_client' },
    ];
    if (sessionToken !== undefined)
      keys.push({
        key: `session ${sessionToken}`,
        most: limits.maxWebCallsPerSession,
        name: 'max_web_calls_per_session',
      });
    if (this.#total >= limits.maxWebCalls) throw tooMany('max_web_calls');
    for (const { key, most, name } of keys) if ((this.#held.get(key) ?? 0) >= most) throw tooMany(name);
    this.#total += 1;
    for (const { key } of keys) this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
    let left = false;
    return () => {
      if (left) return;
      left = true;
      this.#total -= 1;
      for (const { key } of keys) this.#release(key);
    };
  }

  #release(key: string): void {
    const rest = (this.#held.get(key) ?? 1) - 1;
    if (rest === 0) this.#held.delete(key);
    else this.#held.set(key, rest);
  }
}

function tooMany(limit: string): LimitError {
  return new LimitError('WEB_TOO_MANY_CALLS', `too many calls at once (${limit})`);
}
