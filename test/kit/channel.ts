import type { Channel, Receiver } from '../../src/wire/channel.ts';

export type ChannelPairOptions = {
  /** Unconsumed bytes a side holds at most. Default 256 KiB. */
  readonly windowBytes?: number;
  /** Delivered chunks are at most this long: 1 gives a byte at a time. Default: as written. */
  readonly maxChunkBytes?: number;
};

/**
 * Two joined in-memory channels with the contract of src/wire/channel.ts. Bytes travel in microtasks, in order. A write returns false when the far end's window and
 * one more window of queued bytes are full; `drain` follows when all queued bytes were delivered.
 */
export function channelPair(options: ChannelPairOptions = {}): readonly [MemoryChannel, MemoryChannel] {
  const left = new MemoryChannel(options);
  const right = new MemoryChannel(options);
  left.join(right);
  right.join(left);
  return [left, right];
}

/** One end of a {@link channelPair}, with a test's windows into it. */
export class MemoryChannel implements Channel {
  /** Bytes delivered and not yet consumed. */
  unconsumed = 0;
  /** The highest `unconsumed` ever. */
  highWater = 0;
  destroyed = false;

  readonly #window: number;
  readonly #maxChunk: number;
  #peer: MemoryChannel | undefined;
  #receiver: Receiver | undefined;
  /** Written here, not yet delivered to the peer. */
  #outgoing: Buffer[] = [];
  #outgoingBytes = 0;
  #needDrain = false;
  #writeEnded = false;
  #endDelivered = false;
  #early: Buffer[] = [];
  #readEnded = false;
  #toldEnd = false;
  #closed = false;
  #toldClose = false;
  #error: Error | undefined;
  #pumping = false;
  #delivering = false;

  constructor(options: ChannelPairOptions = {}) {
    this.#window = options.windowBytes ?? 256 * 1024;
    this.#maxChunk = options.maxChunkBytes ?? Number.POSITIVE_INFINITY;
  }

  /** Wires two ends; {@link channelPair} does it. */
  join(peer: MemoryChannel): void {
    this.#peer = peer;
  }

  get congested(): boolean {
    return this.#needDrain;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#writeEnded || this.destroyed) return true;
    // A real channel may keep a view; a copy here would hide a caller that changes bytes after the write.
    if (bytes.length > 0) this.#outgoing.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    this.#outgoingBytes += bytes.length;
    this.#schedule();
    if (this.#outgoingBytes + (this.#peer?.unconsumed ?? 0) >= 2 * this.#window) this.#needDrain = true;
    return !this.#needDrain;
  }

  end(): void {
    if (this.#writeEnded || this.destroyed) return;
    this.#writeEnded = true;
    this.#schedule();
  }

  destroy(reason?: Error): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#outgoing = [];
    this.#outgoingBytes = 0;
    this.#early = [];
    this.#error ??= reason;
    queueMicrotask(() => this.#close());
    queueMicrotask(() => this.#peer?.peerGone());
  }

  receive(receiver: Receiver | undefined): void {
    this.#receiver = receiver;
    this.#toldEnd = false;
    this.#toldClose = false;
    if (receiver !== undefined) this.#deliver();
  }

  consumed(count: number): void {
    this.unconsumed = Math.max(0, this.unconsumed - count);
    this.#peer?.schedule();
  }

  /** The far end was destroyed: what it sent is delivered, then the channel closes. */
  peerGone(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.#close();
  }

  schedule(): void {
    this.#schedule();
  }

  /** The far end's bytes arrive. */
  arrive(chunk: Buffer): void {
    if (this.destroyed) return;
    this.unconsumed += chunk.length;
    this.highWater = Math.max(this.highWater, this.unconsumed);
    this.#early.push(chunk);
    this.#deliver();
  }

  arriveEnd(): void {
    this.#readEnded = true;
    this.#deliver();
    this.#closeIfBothEnded();
  }

  get room(): number {
    return this.#window - this.unconsumed;
  }

  #schedule(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      this.#pump();
    });
  }

  #pump(): void {
    const peer = this.#peer;
    if (peer === undefined || this.destroyed) return;
    while (this.#outgoing.length > 0 && peer.room > 0 && !this.destroyed) {
      const first = this.#outgoing[0] as Buffer;
      const count = Math.min(first.length, peer.room, this.#maxChunk);
      const piece = first.subarray(0, count);
      if (count === first.length) this.#outgoing.shift();
      else this.#outgoing[0] = first.subarray(count);
      this.#outgoingBytes -= count;
      peer.arrive(piece);
    }
    if (this.#outgoing.length > 0 || this.destroyed) return;
    if (this.#needDrain) {
      this.#needDrain = false;
      this.#call(() => this.#receiver?.drain?.());
    }
    if (this.#writeEnded && !this.#endDelivered && this.#outgoing.length === 0) {
      this.#endDelivered = true;
      peer.arriveEnd();
      this.#closeIfBothEnded();
    }
  }

  #closeIfBothEnded(): void {
    if (this.#readEnded && this.#endDelivered && !this.destroyed) {
      this.destroyed = true;
      queueMicrotask(() => this.#close());
    }
  }

  #close(): void {
    this.#closed = true;
    this.#deliver();
  }

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
    const chunk = this.#early.shift();
    if (chunk !== undefined) this.#call(() => receiver.data(chunk));
    else if (this.#readEnded && !this.#toldEnd && !this.#toldClose) {
      this.#toldEnd = true;
      this.#call(() => receiver.end?.());
    } else if (this.#closed && !this.#toldClose) {
      this.#toldClose = true;
      this.#call(() => receiver.close(this.#error));
    } else return false;
    return true;
  }

  #call(callback: () => void): void {
    try {
      callback();
    } catch (error: unknown) {
      this.destroy(
        error instanceof Error ? error : new Error('receiver threw a value that is no error', { cause: error }),
      );
    }
  }
}
