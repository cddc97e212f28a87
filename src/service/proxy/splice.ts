import type { Channel } from '../../wire/channel.ts';

/** Counted in place: `forward` from `a` to `b`. */
export type SpliceCounters = { forward: number; backward: number };

export type SpliceOptions = {
  readonly counters: SpliceCounters;
  /** One direction has ended in order; the other may go on. */
  readonly onHalf?: (ended: 'a' | 'b') => void;
  /** Both are over; called once, with the first error. */
  readonly onOver: (error: Error | undefined) => void;
};

/**
 * Joins two channels: each chunk is passed on as it came, and counts as consumed when the other side took it, so a slow reader stops its writer and nobody
 * else. An end is passed on; a close of one destroys the other. Takes over both receivers.
 */
export function splice(a: Channel, b: Channel, options: SpliceOptions): void {
  let over = 0;
  let first: Error | undefined;
  const closed = (error: Error | undefined): void => {
    first ??= error;
    over += 1;
    if (over === 2) options.onOver(first);
  };
  const backward = new Passage(b, a, (count) => (options.counters.backward += count));
  const forward = new Passage(a, b, (count) => (options.counters.forward += count));
  a.receive({
    data: (chunk) => forward.pass(chunk),
    drain: () => backward.drained(),
    end: () => {
      b.end();
      options.onHalf?.('a');
    },
    close: (error) => {
      b.destroy(error);
      closed(error);
    },
  });
  b.receive({
    data: (chunk) => backward.pass(chunk),
    drain: () => forward.drained(),
    end: () => {
      a.end();
      options.onHalf?.('b');
    },
    close: (error) => {
      // An orderly close has said its end already; what is queued for `a` is still sent.
      if (error === undefined) a.end();
      else a.destroy(error);
      closed(error);
    },
  });
}

/** One direction. */
class Passage {
  readonly #from: Channel;
  readonly #to: Channel;
  readonly #count: (bytes: number) => void;
  #owed = 0;

  constructor(from: Channel, to: Channel, count: (bytes: number) => void) {
    this.#from = from;
    this.#to = to;
    this.#count = count;
  }

  pass(chunk: Buffer): void {
    this.#count(chunk.length);
    this.#owed += chunk.length;
    if (this.#to.write(chunk)) this.drained();
  }

  drained(): void {
    const owed = this.#owed;
    this.#owed = 0;
    if (owed > 0) this.#from.consumed(owed);
  }
}
