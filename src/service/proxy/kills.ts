import { RateLimiterMemory } from 'rate-limiter-flexible';
import { isShownId } from '../../engine/session-ids.ts';
import { TesseraError } from '../../errors.ts';
import { verifyOpening } from '../../pki/opening.ts';
import type { TrustedAuthorities } from '../../pki/trust.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentIdentity } from '../../tunnel/agent-tunnel.ts';
import type { KillMessage } from '../../tunnel/kill.ts';

export type KillRelayOptions = {
  readonly killRatePerMinute: number;
  readonly trust: (type: 'user' | 'host') => TrustedAuthorities;
  /** `Hub.kill`. */
  readonly send: (databaseName: string, message: KillMessage, askedBy: string) => void;
  readonly onLimited: () => void;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * Passes KILLs of sessions that an agent does not have on to the other agents of that database. What entitles is the opening of the session that asks: fresh, for the very agent
 * that shows it, with a person's certificate, whose route says which database. The agents verify it again; nobody is told what became of it.
 */
export class KillRelay {
  readonly #options: KillRelayOptions;
  #limiter: RateLimiterMemory;

  constructor(options: KillRelayOptions) {
    this.#options = options;
    this.#limiter = limiter(options.killRatePerMinute);
  }

  /** A new rate; counting begins anew. */
  use(killRatePerMinute: number): void {
    this.#limiter = limiter(killRatePerMinute);
  }

  /** For `Hub.onKill`. Resolves when it was passed on or dropped; never rejects. */
  async relay(message: KillMessage, { hostId }: AgentIdentity): Promise<void> {
    const { onLimited, log } = this.#options;
    try {
      await this.#limiter.consume(hostId);
    } catch {
      onLimited();
      return;
    }
    try {
      this.#passOn(message, hostId);
    } catch (error) {
      const reason = error instanceof TesseraError ? error.code : 'internal';
      log.warn({ agent: hostId, reason, err: error }, 'a KILL of an agent was not passed on');
    }
  }

  #passOn(message: KillMessage, hostId: string): void {
    if (!isShownId(message.shownId)) return;
    const { trust, clock, send } = this.#options;
    const { client } = verifyOpening(message.opening, {
      hostAuthorities: trust('host'),
      userAuthorities: trust('user'),
      nowMs: clock.now(),
      agentHostId: hostId,
    });
    send(client.identity.route.service, message, hostId);
  }
}

function limiter(perMinute: number): RateLimiterMemory {
  return new RateLimiterMemory({ points: perMinute, duration: 60 });
}
