import type { Socket } from 'node:net';

/**
 * Looks at the first bytes of a socket without taking them from whoever reads it next. Owns reading until `release`. Bytes are kept in one growing
 * buffer, so a client that sends single bytes costs no more than its bytes; it stops reading at `maxBytes`.
 */
export class Peek {
  readonly #socket: Socket;
  readonly #maxBytes: number;
  #buffer = Buffer.allocUnsafe(256);
  #start = 0;
  #end = 0;
  #need = 1;
  readonly #onBytes: () => void;
  readonly #readable = (): void => this.#read();

  /** `onBytes` is called when `need` bytes are there, again after each `wait`; not after `release`. */
  constructor(socket: Socket, options: { readonly maxBytes: number; readonly onBytes: () => void }) {
    this.#socket = socket;
    this.#maxBytes = options.maxBytes;
    this.#onBytes = options.onBytes;
    socket.on('readable', this.#readable);
  }

  /** What is there; a view that the next read may outdate. */
  get bytes(): Buffer {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Calls back once at least `count` bytes are there; at once when they are. False when `count` exceeds `maxBytes`. */
  wait(count: number): boolean {
    if (count > this.#maxBytes) return false;
    this.#need = count;
    if (this.bytes.length >= count) this.#onBytes();
    else this.#read();
    return true;
  }

  /** Takes `count` bytes away for good. */
  drop(count: number): void {
    this.#start = Math.min(this.#end, this.#start + count);
  }

  /** Gives the socket back with the bytes that were not dropped before everything else. Attach the next reader in the same turn. */
  release(): Socket {
    this.#socket.removeListener('readable', this.#readable);
    const rest = Buffer.from(this.bytes);
    this.#need = Number.POSITIVE_INFINITY;
    if (rest.length > 0) this.#socket.unshift(rest);
    return this.#socket;
  }

  #read(): void {
    while (this.#end - this.#start < this.#maxBytes) {
      const chunk: Buffer | null = this.#socket.read();
      if (chunk === null) break;
      this.#append(chunk);
    }
    if (this.bytes.length >= this.#need) {
      this.#need = Number.POSITIVE_INFINITY;
      this.#onBytes();
    }
  }

  #append(chunk: Buffer): void {
    if (this.#end + chunk.length > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#end - this.#start + chunk.length));
      const kept = this.bytes.copy(grown);
      this.#buffer = grown;
      this.#start = 0;
      this.#end = kept;
    }
    this.#end += chunk.copy(this.#buffer, this.#end);
  }
}
