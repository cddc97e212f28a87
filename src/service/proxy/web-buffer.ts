import type { ProxyLimits } from '../../config/schema.ts';
import { LimitError } from '../../errors.ts';
import { limitKey } from './client-address.ts';

type BufferLimits = Pick<ProxyLimits, 'maxWebBufferedBytes' | 'maxWebRequestBytes' | 'maxWebAnonymousRequestBytes'>;

/**
 * Counts the bytes of requests that are not yet whole (max_web_buffered_bytes), as announced: who announces much and sends nothing holds it too. Any text can stand in a cookie, so one client has a share alone, and
 * large requests of all clients together leave room for what pages ask all the time.
 */
export class WebBuffer {
  #total = 0;
  #large = 0;
  readonly #held = new Map<string, number>();

  /** Of all requests, bytes. */
  get total(): number {
    return this.#total;
  }

  /** The result gives the bytes back, once. Throws LimitError `WEB_TOO_MANY_CALLS`. */
  reserve(ip: string, bytes: number, limits: BufferLimits): () => void {
    const { maxWebBufferedBytes, maxWebRequestBytes, maxWebAnonymousRequestBytes } = limits;
    const key = limitKey(ip);
    const large = bytes > maxWebAnonymousRequestBytes ? bytes : 0;
    const held = this.#held.get(key) ?? 0;
    const share = Math.max(maxWebRequestBytes, maxWebBufferedBytes / CLIENTS);
    const forLarge = Math.max(maxWebRequestBytes, maxWebBufferedBytes * LARGE_PART);
    if (
      this.#total + bytes > maxWebBufferedBytes ||
      held + bytes > share ||
      (large > 0 && this.#large + large > forLarge)
    )
      throw new LimitError('WEB_TOO_MANY_CALLS', 'too many requests are not yet whole (max_web_buffered_bytes)');
    this.#add(key, bytes, large);
    let back = false;
    return () => {
      if (back) return;
      back = true;
      this.#add(key, -bytes, -large);
    };
  }

  #add(key: string, bytes: number, large: number): void {
    this.#total += bytes;
    this.#large += large;
    const held = (this.#held.get(key) ?? 0) + bytes;
    if (held === 0) this.#held.delete(key);
    else this.#held.set(key, held);
  }
}

/** One client has the share of so many. */
const CLIENTS = 8;
/** Of the whole, for requests that only a session may send by their size. */
const LARGE_PART = 3 / 4;
