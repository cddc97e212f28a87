import { RateLimiterMemory } from 'rate-limiter-flexible';
import { cancelTagOf } from '../../engine/cancel-keys.ts';
import type { CancelMessage } from '../../tunnel/cancel.ts';
import { limitKey } from './client-address.ts';

/** PostgreSQL's CancelRequest: int32 length, int32 80877102, int32 pid, then a key of 4 to 256 bytes. */
export const MIN_CANCEL_BYTES = 16;
export const MAX_CANCEL_BYTES = 268;

export type CancelRelayOptions = {
  readonly cancelRatePerMinute: number;
  /** `Hub.cancel`. */
  readonly send: (tag: number, message: CancelMessage) => void;
  readonly onLimited: () => void;
};

/**
 * Passes cancel requests on to the agents that the key names. They come in clear and from anybody: the key alone entitles, so guesses are limited per
 * client address, and nobody is told what became of one.
 */
export class CancelRelay {
  readonly #options: CancelRelayOptions;
  #limiter: RateLimiterMemory;

  constructor(options: CancelRelayOptions) {
    this.#options = options;
    this.#limiter = limiter(options.cancelRatePerMinute);
  }

  /** A new rate; counting begins anew. */
  use(cancelRatePerMinute: number): void {
    this.#limiter = limiter(cancelRatePerMinute);
  }

  /** Takes a whole packet (a copy). Resolves when it was passed on or dropped; never rejects. */
  async relay(packet: Buffer, clientIp: string): Promise<void> {
    try {
      await this.#limiter.consume(limitKey(clientIp));
    } catch {
      this.#options.onLimited();
      return;
    }
    if (packet.length < MIN_CANCEL_BYTES || packet.length > MAX_CANCEL_BYTES) return;
    const id = packet.readInt32BE(8);
    if (id >= 0) this.#options.send(cancelTagOf(id), { protocol: 'postgres', packet });
  }
}

function limiter(perMinute: number): RateLimiterMemory {
  return new RateLimiterMemory({ points: perMinute, duration: 60 });
}
