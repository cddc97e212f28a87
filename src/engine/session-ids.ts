/**
 * The numbers by which clients know their own sessions (MySQL's connection id, which its greeting promises before a database is chosen) and the database's own
 * numbers behind them. A number is no secret and entitles nobody: only the same person's sessions with the same database are found. In memory.
 */
export class SessionIds {
  /** The sessions behind a shown number, by owner: one object a session, the oldest first. */
  readonly #byOwner = new Map<string, Map<number, Set<Registered>>>();

  /** What one person may see: the person's own sessions with one database. */
  of(user: string, service: string): OwnSessionIds {
    const owner = JSON.stringify([user, service]);
    const find = (shown: number): Registered | undefined => {
      const [oldest] = this.#byOwner.get(owner)?.get(shown) ?? [];
      return oldest;
    };
    return {
      register: (shown, real, stop) => this.#register(owner, shown, { real, stop }),
      realOf: (shown) => find(shown)?.real,
      stop: (shown, order) => {
        const session = find(shown);
        if (session === undefined) return undefined;
        return session.stop(order) === 'asker' ? { type: 'yours', connectionId: session.real } : { type: 'done' };
      },
    };
  }

  #register(owner: string, shown: number, session: Registered): () => void {
    const owned = this.#byOwner.get(owner) ?? new Map<number, Set<Registered>>();
    this.#byOwner.set(owner, owned);
    const sessions = owned.get(shown) ?? new Set();
    owned.set(shown, sessions);
    sessions.add(session);
    return () => {
      // Once: what stands there later under the same number belongs to others.
      if (!sessions.delete(session) || sessions.size > 0) return;
      owned.delete(shown);
      if (owned.size === 0) this.#byOwner.delete(owner);
    };
  }
}

type Registered = { readonly real: number; readonly stop: StopSession };

export interface OwnSessionIds {
  /**
   * The client was told `shown`, the database calls the session `real`, and `stop` does what another session of the person asks of it. Call the result when the session ends;
   * idempotent.
   */
  register(shown: number, real: number, stop: StopSession): () => void;
  /** The database's number of a live session that its client knows as `shown`; undefined: none of this person's. */
  realOf(shown: number): number | undefined;
  /** Has that session stopped as `order` says; undefined: there is none. */
  stop(shown: number, order: StopOrder): StopAnswer | undefined;
}

/**
 * What the agent that asks is told: `done`, all is done here that will be; `yours`, the agent of the session can not sign in to the database any more, so who asks is to stop the database's own connection
 * of that number. Never both, so that a statement behind the one that was meant is not hit by a second KILL.
 */
export type StopAnswer = { readonly type: 'done' } | { readonly type: 'yours'; readonly connectionId: number };

/** Never throws and does not wait. Who stops what runs in the database: this agent (or nobody, as nothing is to be stopped), or the one that asks. */
export type StopSession = (order: StopOrder) => 'here' | 'asker';

/** What a session that is served elsewhere asks of one of the same person's here (MySQL's KILL). */
export type StopOrder = {
  /** The running statement alone, or the session. */
  readonly what: KillKind;
  readonly shownId: number;
  /** The session that asks, and where its client is. */
  readonly sessionId: string;
  readonly clientAddress: string;
  /** The database user that its certificate is for: sessions of another one are left alone. Absent: it is for any that the person may have. */
  readonly databaseUser?: string;
};

export type KillKind = 'query' | 'connection';

/** The person's sessions with the same database at other agents, as one session may ask for them. */
export interface SessionsElsewhere {
  /** The session can prove itself to other agents now, and did not ask too often. */
  readonly canAsk: boolean;
  /**
   * Counts the question; call the result, once, to send it: to every agent that is connected to a proxy that this one is connected to. The client is told nothing of what comes
   * back. `stop`: called at most once, also when the session that asks is over, for the database's number that the other agent could not stop itself; what it rejects with is logged.
   */
  ask(shownId: number, what: KillKind, stop: (connectionId: number) => Promise<void>): () => void;
}

/** Numbers that Tessera shows have this bit, which a database's own counter does not reach: the two are not mistaken for each other. Bit 31 stays 0. */
export const SHOWN_ID_BIT = 0x4000_0000;

/** True for a number that Tessera showed, or may have. */
export function isShownId(id: number): boolean {
  return id >= SHOWN_ID_BIT && id < 2 * SHOWN_ID_BIT;
}
