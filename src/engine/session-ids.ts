/**
 * The numbers by which clients know their own sessions (MySQL's connection id, which its greeting promises before a database is chosen) and the database's own
 * numbers behind them. A number is no secret and entitles nobody: only the same person's sessions with the same database are found. In memory.
 */
export class SessionIds {
  /** The real numbers behind a shown one, by owner: one object a session, the oldest first. */
  readonly #byOwner = new Map<string, Map<number, Set<{ readonly real: number }>>>();

  /** What one person may see: the person's own sessions with one database. */
  of(user: string, service: string): OwnSessionIds {
    const owner = JSON.stringify([user, service]);
    return {
      register: (shown, real) => this.#register(owner, shown, real),
      realOf: (shown) => {
        const [oldest] = this.#byOwner.get(owner)?.get(shown) ?? [];
        return oldest?.real;
      },
    };
  }

  #register(owner: string, shown: number, real: number): () => void {
    const owned = this.#byOwner.get(owner) ?? new Map<number, Set<{ readonly real: number }>>();
    this.#byOwner.set(owner, owned);
    const sessions = owned.get(shown) ?? new Set();
    owned.set(shown, sessions);
    const session = { real };
    sessions.add(session);
    return () => {
      // Once: what stands there later under the same number belongs to others.
      if (!sessions.delete(session) || sessions.size > 0) return;
      owned.delete(shown);
      if (owned.size === 0) this.#byOwner.delete(owner);
    };
  }
}

export interface OwnSessionIds {
  /** The client was told `shown`, the database calls the session `real`. Call the result when the session ends; idempotent. */
  register(shown: number, real: number): () => void;
  /** The database's number of a live session that its client knows as `shown`; undefined: none of this person's. */
  realOf(shown: number): number | undefined;
}

/** Numbers that Tessera shows have this bit, which a database's own counter does not reach: the two are not mistaken for each other. Bit 31 stays 0. */
export const SHOWN_ID_BIT = 0x4000_0000;

/** True for a number that Tessera showed, or may have. */
export function isShownId(id: number): boolean {
  return id >= SHOWN_ID_BIT && id < 2 * SHOWN_ID_BIT;
}
