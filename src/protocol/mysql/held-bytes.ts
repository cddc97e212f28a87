/** The beginning of something that can not be decided on yet, kept back from the other side. Grows by doubling, so that small chunks cost no more than large ones. */
export class HeldBytes {
  #bytes: Buffer = NOTHING;
  /** How many are held. */
  length = 0;

  /** Copies bytes of `chunk` from `at` on until `wanted` are held in all. Returns where the chunk goes on. */
  fill(chunk: Buffer, at: number, wanted: number): number {
    const end = Math.min(chunk.length, at + wanted - this.length);
    if (end <= at) return at;
    const need = this.length + end - at;
    if (need > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(need >= wanted ? need : Math.min(wanted, Math.max(need * 2, leastBytes)));
      this.#bytes.copy(larger, 0, 0, this.length);
      this.#bytes = larger;
    }
    chunk.copy(this.#bytes, this.length, at, end);
    this.length = need;
    return end;
  }

  /** What is held, as a view that the next call of this object ends. */
  get view(): Buffer {
    return this.#bytes.subarray(0, this.length);
  }

  /** What is held, which is the caller's from now on; nothing is held then. */
  take(): Buffer {
    const bytes = this.view;
    this.#bytes = NOTHING;
    this.length = 0;
    return bytes;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
const leastBytes = 64;
