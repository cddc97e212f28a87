import { BurstyRateLimiter, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { isIPv6 } from 'node:net';
import { LimitError } from '../../errors.ts';

/** How often one address may call without a certificate: sign-in, invitation, join. */
export class AnonymousRate {
  readonly #limiter: BurstyRateLimiter;
  readonly #perMinute: number;

  /** `burst`: calls at once on top of a quiet while, the steady ones included. */
  constructor(limits: { readonly perMinute: number; readonly burst: number }) {
    this.#perMinute = limits.perMinute;
    this.#limiter = new BurstyRateLimiter(
      new RateLimiterMemory({ keyPrefix: 'steady', points: limits.perMinute, duration: 60 }),
      new RateLimiterMemory({
        keyPrefix: 'burst',
        points: Math.max(0, limits.burst - limits.perMinute),
        duration: 5 * 60,
      }),
    );
  }

  /** Counts one call. Throws LimitError `ANONYMOUS_RATE`, with the seconds to wait, when it was one too many. */
  async take(address: string): Promise<void> {
    try {
      await this.#limiter.consume(networkOf(address));
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      const seconds = Math.max(1, Math.ceil(error.msBeforeNext / 1000));
      throw new LimitError(
        'ANONYMOUS_RATE',
        `too many sign-in or join attempts from this address (anonymous_rate_per_minute ${this.#perMinute}); try again in ${seconds} s`,
      );
    }
  }
}

/** What counts as one caller: an IPv4 address, or the /64 of an IPv6 address, which one subscriber commands whole. */
export function networkOf(address: string): string {
  const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
  if (!isIPv6(plain)) return plain;
  const [head = '', tail = ''] = plain.split('::');
  const left = head.split(':').filter((group) => group !== '');
  const right = tail.split(':').filter((group) => group !== '');
  const groups = plain.includes('::')
    ? [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right]
    : left;
  return groups.slice(0, 4).join(':');
}
