/**
 * Puts together what goes on of one chunk: the chunk itself when all of it does, a view when its end or beginning does not, and a copy only when something was
 * taken out of its middle or put in.
 */
export class Outflow {
  #chunk: Buffer = NOTHING;
  #start = 0;
  #end = 0;
  #pieces: Buffer[] = [];

  /** A new chunk; nothing of it is decided. */
  begin(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#start = 0;
    this.#end = 0;
    if (this.#pieces.length > 0) this.#pieces = [];
  }

  /** Everything up to `to` that is not decided yet goes on. */
  pass(to: number): void {
    this.#end = to;
  }

  /** Everything up to `to` that is not decided yet does not. */
  skip(to: number): void {
    this.#flush();
    this.#start = to;
    this.#end = to;
  }

  /** Puts bytes of our own in where the decided part ends; they must not change any more. */
  put(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#flush();
    this.#pieces.push(bytes);
  }

  /** What goes on. */
  finish(): Buffer {
    const chunk = this.#chunk;
    this.#chunk = NOTHING;
    if (this.#pieces.length === 0) {
      if (this.#start === 0 && this.#end === chunk.length) return chunk;
      return this.#start === this.#end ? NOTHING : chunk.subarray(this.#start, this.#end);
    }
    if (this.#end > this.#start) this.#pieces.push(chunk.subarray(this.#start, this.#end));
    const [only] = this.#pieces;
    const bytes = this.#pieces.length === 1 && only !== undefined ? only : Buffer.concat(this.#pieces);
    this.#pieces = [];
    return bytes;
  }

  #flush(): void {
    if (this.#end > this.#start) this.#pieces.push(this.#chunk.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
