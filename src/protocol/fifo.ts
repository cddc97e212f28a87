/** First in, first out, without moving the rest at each step: what conversations keep their unanswered requests in. */
export class Fifo<T extends object> {
  #items: (T | undefined)[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  get head(): T | undefined {
    return this.#items[this.#first];
  }

  get last(): T | undefined {
    return this.length === 0 ? undefined : this.#items[this.#items.length - 1];
  }

  /** The entry so many places behind the head; undefined: there is none. */
  at(place: number): T | undefined {
    return this.#items[this.#first + place];
  }

  push(entry: T): void {
    this.#items.push(entry);
  }

  shift(): T | undefined {
    const entry = this.#items[this.#first];
    if (entry === undefined) return undefined;
    this.#items[this.#first] = undefined;
    this.#first += 1;
    if (this.#first === this.#items.length) {
      if (this.#items.length > 1024) this.#items = [];
      else this.#items.length = 0;
      this.#first = 0;
    } else if (this.#first >= 1024 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return entry;
  }

  /** Puts `entries` in the places of all that is here. The queue owns the array from then on. */
  protected replace(entries: T[]): void {
    this.#items = entries;
    this.#first = 0;
  }
}
