import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Channel, Receiver } from './channel.ts';
import { Held } from './held.ts';

export type SocketChannelOptions = {
  /** Unconsumed bytes at most held before the socket is paused. Default 256 KiB, not below 64 KiB + 1. */
  readonly windowBytes?: number;
};

/** Default of {@link SocketChannelOptions.windowBytes}. */
export const defaultWindowBytes = 256 * 1024;

/** A socket hands out at most this much at once, so reading stops that much before the window's end. */
const socketChunkBytes = 64 * 1024;
/** A write below this goes out at once: latency counts. Larger ones are gathered until the end of the poll phase. */
const gatherFromBytes = 4 * 1024;
/** A gathered batch is sent without waiting when it reaches this. */
const gatherToBytes = 64 * 1024;

/**
 * A {@link Channel} over a connected TCP or TLS socket, which it owns from now on: it reads at once (early bytes are kept, within the window), sets
 * no-delay and half-open, and never leaves an error unhandled. Do not attach other data listeners to the socket.
 *
 * Writes follow the measured rule: small chunks are never delayed; chunks of 4 KiB and more are corked together until `setImmediate` or 64 KiB.
 */
export class SocketChannel implements Channel {
  /** For addresses, certificates and ALPN; its streams are the channel's. */
  readonly socket: Socket | TLSSocket;

  readonly #pauseAt: number;
  #receiver: Receiver | undefined;
  readonly #early = new Held();
  #unconsumed = 0;
  #paused = false;
  #gathered = 0;
  #flushArmed = false;
  #delivering = false;
  #congested = false;
  #writeEnded = false;
  #destroyed = false;
  #readEnded = false;
  #toldEnd = false;
  #closed = false;
  #toldClose = false;
  #error: Error | undefined;

  constructor(socket: Socket | TLSSocket, options: SocketChannelOptions = {}) {
    this.socket = socket;
    this.#pauseAt = Math.max(1, (options.windowBytes ?? defaultWindowBytes) - socketChunkBytes);
    socket.allowHalfOpen = true;
    socket.setNoDelay(true);
    socket.on('error', (error: Error) => {
      this.#error ??= error;
    });
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('end', () => {
      this.#readEnded = true;
      this.#deliver();
    });
    socket.on('drain', () => {
      this.#congested = false;
      this.#call((receiver) => receiver.drain?.());
    });
    socket.on('close', () => {
      this.#closed = true;
      this.#deliver();
    });
    if (socket.destroyed) setImmediate(() => this.#onLateClose());
  }

  get congested(): boolean {
    return this.#congested;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#writeEnded || this.#destroyed || this.#closed) return true;
    const { socket } = this;
    if (this.#gathered === 0 && bytes.length < gatherFromBytes) return this.#send(bytes);
    if (this.#gathered === 0) socket.cork();
    this.#gathered += bytes.length;
    const room = this.#send(bytes);
    if (this.#gathered >= gatherToBytes) this.#flush();
    else if (!this.#flushArmed) {
      this.#flushArmed = true;
      setImmediate(() => {
        this.#flushArmed = false;
        this.#flush();
      });
    }
    return room;
  }

  end(): void {
    if (this.#writeEnded || this.#destroyed) return;
    this.#writeEnded = true;
    this.#flush();
    this.socket.end();
  }

  destroy(reason?: Error): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#error ??= reason;
    this.#early.clear();
    this.#flush();
    this.socket.destroy();
  }

  receive(receiver: Receiver | undefined): void {
    this.#receiver = receiver;
    this.#toldEnd = false;
    this.#toldClose = false;
    if (receiver !== undefined) this.#deliver();
  }

  consumed(count: number): void {
    this.#unconsumed = Math.max(0, this.#unconsumed - count);
    if (this.#paused && this.#unconsumed < this.#pauseAt && !this.#destroyed) {
      this.#paused = false;
      this.socket.resume();
    }
  }

  #send(bytes: Uint8Array): boolean {
    const room = this.socket.write(bytes);
    if (!room) this.#congested = true;
    return room;
  }

  #flush(): void {
    if (this.#gathered === 0) return;
    this.#gathered = 0;
    this.socket.uncork();
  }

  #onData(chunk: Buffer): void {
    if (this.#destroyed) return;
    this.#unconsumed += chunk.length;
    if (this.#unconsumed >= this.#pauseAt && !this.#paused) {
      this.#paused = true;
      this.socket.pause();
    }
    if (this.#receiver === undefined || !this.#early.empty || this.#delivering) {
      this.#early.keep(chunk);
      return;
    }
    this.#call((receiver) => receiver.data(chunk));
  }

  /** Everything the receiver was not told yet, in order. A callback may replace the receiver; the new one goes on from there. */
  #deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      while (this.#receiver !== undefined && this.#next(this.#receiver));
    } finally {
      this.#delivering = false;
    }
  }

  #next(receiver: Receiver): boolean {
    const chunk = this.#early.take();
    if (chunk !== undefined) this.#call(() => receiver.data(chunk));
    else if (this.#readEnded && !this.#toldEnd && !this.#toldClose && !this.#destroyed) {
      this.#toldEnd = true;
      this.#call(() => receiver.end?.());
    } else if (this.#closed && !this.#toldClose) {
      this.#toldClose = true;
      this.#call(() => receiver.close(this.#error));
    } else return false;
    return true;
  }

  #call(callback: (receiver: Receiver) => void): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    try {
      callback(receiver);
    } catch (error: unknown) {
      this.destroy(
        error instanceof Error ? error : new Error('receiver threw a value that is no error', { cause: error }),
      );
    }
  }

  /** The socket was destroyed before it came to us: its `close` event may be gone. */
  #onLateClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#deliver();
  }
}
