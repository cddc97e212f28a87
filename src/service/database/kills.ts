import { isShownId, type SessionIds, type SessionsElsewhere } from '../../engine/session-ids.ts';
import { TesseraError } from '../../errors.ts';
import { verifyOpening, type VerifiedOpening } from '../../pki/opening.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { KillAnswer, KillMessage } from '../../tunnel/kill.ts';
import type { Trust } from '../trust.ts';
import { ReplayGuard } from './replay.ts';

export type KillsOptions = {
  readonly hostId: string;
  readonly trust: Pick<Trust, 'of'>;
  /** Of the sessions here. */
  readonly ids: SessionIds;
  /** How often one person's sessions may ask in a minute; asked at each use. */
  readonly killRatePerMinute: () => number;
  /** `Dialer.kill`. */
  readonly send: (message: KillMessage) => Promise<KillAnswer | undefined>;
  /** An opening that no honest agent shows through an honest proxy, or a late one. */
  readonly onRefused: (proxyAddress: string, code: string, message: string) => void;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * KILLs that find their session at another agent (decision 0012). What a session here asks of others carries its own opening, by which they know whose it is; what others ask is
 * believed for an opening as fresh as a session's, once, and reaches the same person's sessions with the same database alone. The agent of a session that can not sign in to the
 * database any more answers with the database's number of it, and the agent that asks stops it, as its own session's database user. That number is believed as it comes: it reaches what that
 * database user may kill, with the word that the person said, once a question.
 */
export class Kills {
  readonly #options: KillsOptions;
  readonly #seen = new ReplayGuard({ windowMs: rememberedMs, maxEntries: maxRememberedKills });
  /** Questions of each person in the minute that began at `#sinceMs`. */
  readonly #asked = new Map<string, number>();
  #sinceMs = 0;
  #number = 0;

  constructor(options: KillsOptions) {
    this.#options = options;
  }

  /** How the session of this opening reaches others. `bytes`: as they came. */
  of({ opening, client }: VerifiedOpening, bytes: Buffer): SessionsElsewhere {
    const { user } = client.identity;
    const untilMs = Math.min(opening.timeMs + askableMs, client.notAfterMs);
    const canAsk = (): boolean => this.#options.clock.now() < untilMs && this.#left(user) > 0;
    return {
      get canAsk() {
        return canAsk();
      },
      ask: (shownId, what, stop) => {
        this.#asked.set(user, (this.#asked.get(user) ?? 0) + 1);
        this.#number = (this.#number + 1) >>> 0;
        const message = { what, shownId, number: this.#number, opening: bytes };
        return () => void this.#ask(message, stop, opening.sessionId);
      },
    };
  }

  /** Sends the question, and does what the answer leaves to this agent. Never rejects. */
  async #ask(message: KillMessage, stop: (connectionId: number) => Promise<void>, sid: string): Promise<void> {
    const { send, log } = this.#options;
    try {
      const answer = await send(message);
      if (answer?.type !== 'yours') return;
      await stop(answer.connectionId);
      log.info({ sid, connection_id: answer.connectionId }, 'stopped for another agent, as a KILL asked');
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown fault';
      log.warn({ err: error, sid }, `a running statement could not be stopped: ${reason}`);
    }
  }

  /** For `Dialer.onKill`: what is answered, undefined when the session is not here, or the question not to be followed. Never throws. */
  receive(message: KillMessage, proxyAddress: string): KillAnswer | undefined {
    const { log, onRefused } = this.#options;
    try {
      return this.#follow(message);
    } catch (error) {
      const known = error instanceof TesseraError;
      const text = known ? error.message : 'the opening can not be verified';
      log.warn({ reason: text, proxy: proxyAddress }, 'a KILL of another agent was refused');
      onRefused(proxyAddress, known ? error.code : 'OPENING_UNVERIFIABLE', text);
      return undefined;
    }
  }

  #follow({ what, shownId, number, opening: bytes }: KillMessage): KillAnswer | undefined {
    const { hostId, trust, ids, clock, log } = this.#options;
    if (!isShownId(shownId)) return undefined;
    const { opening, client } = verifyOpening(bytes, {
      hostAuthorities: trust.of('host'),
      userAuthorities: trust.of('user'),
      nowMs: clock.now(),
      agentHostId: { otherThan: hostId },
    });
    const { sessionId, clientAddress } = opening;
    // A copy comes through every proxy.
    if (this.#seen.admit(`${sessionId} ${number}`, clock.now()) !== 'fresh') return undefined;
    const { user, route } = client.identity;
    const answer = ids.of(user, route.service).stop(shownId, {
      what,
      shownId,
      sessionId,
      clientAddress,
      ...(route.databaseUser === undefined ? {} : { databaseUser: route.databaseUser }),
    });
    const found = answer?.type ?? 'none';
    log.debug({ user, db_service: route.service, asked_by: sessionId, found }, 'a KILL of another agent');
    return answer;
  }

  #left(user: string): number {
    const nowMs = this.#options.clock.monotonic();
    if (nowMs - this.#sinceMs >= minuteMs) {
      this.#asked.clear();
      this.#sinceMs = nowMs;
    }
    return this.#options.killRatePerMinute() - (this.#asked.get(user) ?? 0);
  }
}

const minuteMs = 60_000;
/** How old an opening may be for its session to ask: others believe it for 60 s by their own clocks, and the question is on its way for a while. */
const askableMs = 50_000;
/** An opening is believed for 60 s, from a clock that may be 30 s ahead. */
const rememberedMs = 91_000;
/** KILLs within that time: more than a proxy passes on of a hundred agents. Above, new ones are not followed. */
const maxRememberedKills = 100_000;
