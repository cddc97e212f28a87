/**
 * How many sessions each person has on this agent, for `max_connections`. Local on purpose: agents do not ask each other, so with several
 * agents the limit holds per agent; a shared count would need Auth on the way of every connection.
 */
export class ConnectionCounts {
  readonly #byUser = new Map<string, number>();

  /** Takes a place, or says undefined when `limit` sessions are open already. Call the result once, when the session ended; more calls do nothing. */
  acquire(user: string, limit: number | undefined): (() => void) | undefined {
    const open = this.#byUser.get(user) ?? 0;
    if (limit !== undefined && open >= limit) return undefined;
    this.#byUser.set(user, open + 1);
    let held = true;
    return () => {
      if (held) this.#release(user);
      held = false;
    };
  }

  /** Sessions open for a person. */
  of(user: string): number {
    return this.#byUser.get(user) ?? 0;
  }

  #release(user: string): void {
    const left = (this.#byUser.get(user) ?? 1) - 1;
    if (left === 0) this.#byUser.delete(user);
    else this.#byUser.set(user, left);
  }
}
