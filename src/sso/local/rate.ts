import { BurstyRateLimiter, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { isIPv6 } from 'node:net';
import { LimitError } from '../../errors.ts';

/** How often one caller may do what is limited: an address without a certificate (sign-in, invitation, join), or somebody known who asks for what they may not do. */
export class CallRate {
  readonly #limiter: BurstyRateLimiter;
  readonly #refusal: (seconds: number) => LimitError;

  /** `burst`: calls at once on top of a quiet while, the steady ones included. `refusal`: what one too many is told. */
  constructor(
    limits: { readonly perMinute: number; readonly burst: number },
    refusal: (limit: string, seconds: number) => LimitError = tooManyAttempts,
  ) {
    this.#refusal = (seconds) => refusal(`anonymous_rate_per_minute ${limits.perMinute}`, seconds);
    this.#limiter = new BurstyRateLimiter(
      new RateLimiterMemory({ keyPrefix: 'steady', points: limits.perMinute, duration: 60 }),
      new RateLimiterMemory({
        keyPrefix: 'burst',
        points: Math.max(0, limits.burst - limits.perMinute),
        duration: 5 * 60,
      }),
    );
  }

  /** Counts one call of an address, or of who `caller` names. Throws LimitError with the seconds to wait when it was one too many. */
  async take(caller: string): Promise<void> {
    try {
      await this.#limiter.consume(networkOf(caller));
    } catch (error) {
      if (!(error instanceof RateLimiterRes)) throw error;
      throw this.#refusal(Math.max(1, Math.ceil(error.msBeforeNext / 1000)));
    }
  }
}

function tooManyAttempts(limit: string, seconds: number): LimitError {
  return new LimitError(
    'ANONYMOUS_RATE',
    `too many sign-in or join attempts from this address (${limit}); try again in ${seconds} s`,
  );
}

/** For those who are known and ask for what they may not do. */
export function tooManyRefused(limit: string, seconds: number): LimitError {
  return new LimitError('REFUSED_RATE', `too many calls that you may not make (${limit}); try again in ${seconds} s`);
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
