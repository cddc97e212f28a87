/** Pieces below this are gathered: one piece a byte would cost a hundred times what it carries. */
const GATHER_BELOW_BYTES = 1024;
const BLOCK_BYTES = 8 * 1024;

/** What a stream has to send and may not yet, in order. Large pieces stay as they are, small ones are copied together. The sender's own flow control bounds the sum. */
export class Outgoing {
  #pieces: Uint8Array[] = [];
  #first = 0;
  /** The last piece's memory, when it is ours and may grow. */
  #block: Buffer | undefined;
  #fill = 0;
  bytes = 0;

  push(piece: Uint8Array): void {
    this.bytes += piece.length;
    if (piece.length >= GATHER_BELOW_BYTES) {
      this.#block = undefined;
      this.#pieces.push(piece);
      return;
    }
    const block = this.#block;
    if (block === undefined || this.#fill + piece.length > block.length) {
      // The first small piece is alone mostly: a block is made for the second.
      this.#block = this.#first === this.#pieces.length ? undefined : Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#fill = 0;
      this.#pieces.push(this.#block === undefined ? piece : this.#append(this.#block, piece));
      return;
    }
    this.#pieces[this.#pieces.length - 1] = this.#append(block, piece);
  }

  /** Takes up to `limit` bytes, of one piece; undefined when there are none or `limit` is 0. */
  take(limit: number): Uint8Array | undefined {
    const piece = this.#pieces[this.#first];
    if (piece === undefined || limit <= 0) return undefined;
    // The piece may be the one that grows.
    if (this.#first === this.#pieces.length - 1) this.#block = undefined;
    const taken = piece.length <= limit ? piece : piece.subarray(0, limit);
    this.bytes -= taken.length;
    if (taken !== piece) this.#pieces[this.#first] = piece.subarray(limit);
    else this.#drop();
    return taken;
  }

  clear(): void {
    this.#pieces = [];
    this.#first = 0;
    this.#block = undefined;
    this.bytes = 0;
  }

  #append(block: Buffer, piece: Uint8Array): Buffer {
    block.set(piece, this.#fill);
    this.#fill += piece.length;
    return block.subarray(0, this.#fill);
  }

  #drop(): void {
    this.#first += 1;
    if (this.#first < this.#pieces.length) return;
    this.#pieces.length = 0;
    this.#first = 0;
  }
}
