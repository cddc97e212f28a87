import { RateLimiterMemory } from 'rate-limiter-flexible';
import { isShownId } from '../../engine/session-ids.ts';
import { TesseraError } from '../../errors.ts';
import { verifyOpening } from '../../pki/opening.ts';
import type { TrustedAuthorities } from '../../pki/trust.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { AgentIdentity } from '../../tunnel/agent-tunnel.ts';
import type { KillAnswer, KillMessage } from '../../tunnel/kill.ts';

export type KillRelayOptions = {
  readonly killRatePerMinute: number;
  readonly trust: (type: 'user' | 'host') => TrustedAuthorities;
  /** `Hub.kill`. */
  readonly send: (databaseName: string, message: KillMessage, askedBy: string) => Promise<KillAnswer | undefined>;
  readonly onLimited: () => void;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * Passes KILLs of sessions that an agent does not have on to the other agents of that database. What entitles is the opening of the session that asks: fresh, for the very agent
 * that shows it, with a person's certificate, whose route says which database. The agents verify it again; the first answer of one of them goes back to the agent that asks.
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

  /** For `Hub.onKill`. Resolves with what goes back, undefined when it was dropped or nobody answered in time; never rejects. */
  async relay(message: KillMessage, { hostId }: AgentIdentity): Promise<KillAnswer | undefined> {
    const { onLimited, log } = this.#options;
    try {
      await this.#limiter.consume(hostId);
    } catch {
      onLimited();
      return undefined;
    }
    try {
      return await this.#passOn(message, hostId);
    } catch (error) {
      const reason = error instanceof TesseraError ? error.code : 'internal';
      log.warn({ agent: hostId, reason, err: error }, 'a KILL of an agent was not passed on');
      return undefined;
    }
  }

  async #passOn(message: KillMessage, hostId: string): Promise<KillAnswer | undefined> {
    if (!isShownId(message.shownId)) return undefined;
    const { trust, clock, send } = this.#options;
    const { client } = verifyOpening(message.opening, {
      hostAuthorities: trust('host'),
      userAuthorities: trust('user'),
      nowMs: clock.now(),
      agentHostId: hostId,
    });
    return await send(client.identity.route.service, message, hostId);
  }
}

function limiter(perMinute: number): RateLimiterMemory {
  return new RateLimiterMemory({ points: perMinute, duration: 60 });
}
