/**
 * What a name means while answers are outstanding. A client may define a name again, or close it, before the database answered the first time;
 * each such change is a link that holds what it would replace until the database said yes (the old is forgotten) or no (it is back).
 * Without this a client could Parse an innocent text over an existing name, which the database refuses, and have the old text run under it.
 */
export class NameTable<T extends { readonly memoryBytes: number }> {
  readonly #links = new Map<string, NameLink<T>>();
  readonly #maxNames: number;
  readonly #budget: MemoryBudget;

  constructor(maxNames: number, budget: MemoryBudget) {
    this.#maxNames = maxNames;
    this.#budget = budget;
  }

  get size(): number {
    return this.#links.size;
  }

  /** The newest meaning of a name, answered or not. */
  find(name: string): NameLink<T> | undefined {
    return this.#links.get(name);
  }

  /**
   * The client defines a name (`value`) or closes it (undefined). Undefined when there is nothing to remember: the close of an unknown name, or a
   * definition above the limits, which then also hides what the name meant before.
   */
  change(name: string, value: T | undefined, group: number): NameLink<T> | undefined {
    const before = this.#links.get(name);
    if (value === undefined && before === undefined) return undefined;
    const bytes = value?.memoryBytes ?? 0;
    const full = before === undefined ? this.#links.size >= this.#maxNames : false;
    if (value !== undefined && (full || this.#budget.used + bytes > this.#budget.max)) {
      if (before !== undefined) this.#drop(name, before);
      return undefined;
    }
    this.#budget.used += bytes;
    const link: NameLink<T> = { name, value, group, state: 'pending', before, held: true };
    this.#links.set(name, link);
    return link;
  }

  /** The database said yes: what the name meant before is gone. */
  accept(link: NameLink<T>): void {
    if (link.state !== 'pending') return;
    link.state = 'accepted';
    this.#release(link.before);
    link.before = undefined;
    if (link.value === undefined && this.#links.get(link.name) === link) this.#links.delete(link.name);
  }

  /** The database said no or never looked: the name means what it did before. With `forget` not even that (a failed unnamed Parse). */
  reject(link: NameLink<T>, forget = false): void {
    if (link.state !== 'pending') return;
    link.state = 'rejected';
    if (forget) {
      this.#release(link.before);
      link.before = undefined;
    }
    if (this.#links.get(link.name) === link) this.#restore(link);
    this.#free(link);
  }

  /** Forgets every meaning from a group up to and with `group`; later ones stay. */
  clearThrough(group: number): void {
    for (const [name, link] of this.#links) {
      if (link.group <= group) this.#drop(name, link);
      else if (link.before !== undefined && link.before.group <= group) {
        this.#release(link.before);
        link.before = undefined;
      }
    }
  }

  /** Forgets everything that the database has answered. */
  clearAccepted(): void {
    for (const [name, link] of this.#links) if (link.state === 'accepted') this.#drop(name, link);
  }

  #restore(link: NameLink<T>): void {
    let before = link.before;
    while (
      before !== undefined &&
      (before.state === 'rejected' || (before.state === 'accepted' && before.value === undefined))
    )
      before = before.before;
    if (before === undefined) this.#links.delete(link.name);
    else this.#links.set(link.name, before);
  }

  #drop(name: string, link: NameLink<T>): void {
    this.#links.delete(name);
    this.#release(link);
  }

  #release(link: NameLink<T> | undefined): void {
    for (let at = link; at !== undefined; at = at.before) this.#free(at);
  }

  #free(link: NameLink<T>): void {
    if (!link.held) return;
    link.held = false;
    this.#budget.used -= link.value?.memoryBytes ?? 0;
  }
}

/** Shared by the tables of one session. */
export type MemoryBudget = { used: number; readonly max: number };

/** One meaning of a name. `value` is undefined for a close. */
export type NameLink<T> = {
  readonly name: string;
  readonly value: T | undefined;
  /** How many Syncs the client had sent: within one group a failure skips all that follows. */
  readonly group: number;
  state: 'pending' | 'accepted' | 'rejected';
  /** What the name means if this is rejected. */
  before: NameLink<T> | undefined;
  /** Counted in the budget. */
  held: boolean;
};
