/** Blocks that gather small pieces: a kept slice would pin the 64 KiB it was cut from. */
const BLOCK_BYTES = 16 * 1024;

/**
 * Bytes that came before somebody wanted them. Copies, so that one byte kept costs one byte, and a hundred thousand single bytes are a few blocks; the owner bounds
 * the sum.
 */
export class Held {
  #blocks: Buffer[] = [];
  /** Bytes used of the last block. */
  #fill = 0;

  /** How many bytes are kept. */
  bytes = 0;

  get empty(): boolean {
    return this.#blocks.length === 0;
  }

  /** Copies `piece` to the end. */
  keep(piece: Buffer): void {
    this.bytes += piece.length;
    let offset = 0;
    while (offset < piece.length) {
      const last = this.#blocks.at(-1);
      if (last === undefined || this.#fill === last.length) {
        this.#blocks.push(Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, piece.length - offset)));
        this.#fill = 0;
        continue;
      }
      const copied = piece.copy(last, this.#fill, offset);
      this.#fill += copied;
      offset += copied;
    }
  }

  /** Takes the oldest block; the caller owns it. */
  take(): Buffer | undefined {
    const block = this.#blocks.shift();
    if (block === undefined) return undefined;
    const taken = this.#blocks.length === 0 ? block.subarray(0, this.#fill) : block;
    this.bytes -= taken.length;
    return taken;
  }

  clear(): void {
    this.#blocks = [];
    this.bytes = 0;
  }
}
