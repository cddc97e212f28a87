import { BugError, LimitError, ProtocolError } from '../errors.ts';
import type { Channel } from './channel.ts';

/** How a length-prefixed packet is read by {@link ChannelReader.readFrame}. */
export type FrameShape = {
  /** In errors. */
  readonly name: string;
  /** Bytes before the length is known. */
  readonly headerBytes: number;
  /** The whole packet's length, header included, from its header. May throw. */
  readonly lengthOf: (header: Buffer) => number;
  /** Longer ones are a LimitError that names `limitName`, thrown before anything of the body is kept. */
  readonly maxBytes: number;
  readonly limitName: string;
};

/**
 * Promise-based reading from a channel while a handshake lasts, then `release`. One read at a time. Never holds more than the channel's window:
 * bytes count as consumed when a read returns them. A peer that ends first is a ProtocolError `WIRE_CLOSED`; an aborted read rejects with the signal's reason,
 * and the bytes stay for the next read.
 */
export class ChannelReader {
  readonly #channel: Channel;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #over = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  #released = false;

  /** Becomes the channel's receiver. */
  constructor(channel: Channel) {
    this.#channel = channel;
    channel.receive({
      data: (chunk) => {
        this.#chunks.push(Buffer.from(chunk));
        this.#buffered += chunk.length;
        this.#wake?.();
      },
      end: () => this.#finish(),
      close: (error) => this.#finish(error),
    });
  }

  /** Bytes that came and were not read. */
  get buffered(): number {
    return this.#buffered;
  }

  /** Exactly `count` bytes, the caller's own. */
  async readExactly(count: number, signal: AbortSignal): Promise<Buffer> {
    await this.#fill(count, signal);
    return this.#take(count);
  }

  /** One packet, header included, the caller's own. */
  async readFrame(shape: FrameShape, signal: AbortSignal): Promise<Buffer> {
    await this.#fill(shape.headerBytes, signal);
    const length = shape.lengthOf(this.#peek(shape.headerBytes));
    if (length > shape.maxBytes) {
      throw new LimitError(
        'WIRE_FRAME_TOO_LONG',
        `${shape.name} of ${length} bytes exceeds ${shape.limitName} ${shape.maxBytes}`,
      );
    }
    if (!Number.isSafeInteger(length) || length < shape.headerBytes) {
      throw new ProtocolError(
        'WIRE_FRAME_TOO_SHORT',
        `${shape.name} claims ${length} bytes, its header alone has ${shape.headerBytes}`,
      );
    }
    return await this.readExactly(length, signal);
  }

  /** At least `count` bytes without reading them: all that came, as the caller's own copy. */
  async peek(count: number, signal: AbortSignal): Promise<Buffer> {
    await this.#fill(count, signal);
    return this.#peek(this.#buffered);
  }

  /**
   * Ends reading and gives back what was not read, for the next receiver: hand it these bytes first, then `channel.receive(next)`. They are still
   * unconsumed for the channel. An end or close that was seen here is told to the next receiver by the channel.
   */
  release(): Buffer {
    if (this.#wake !== undefined) throw new BugError('a reader was released while a read waits');
    if (!this.#released) {
      this.#released = true;
      this.#channel.receive(undefined);
    }
    const rest = this.#peek(this.#buffered);
    this.#chunks = [];
    this.#buffered = 0;
    return rest;
  }

  #finish(error?: Error): void {
    this.#over = true;
    this.#error ??= error;
    this.#wake?.();
  }

  async #fill(count: number, signal: AbortSignal): Promise<void> {
    if (this.#wake !== undefined || this.#released)
      throw new BugError('a reader takes one read at a time, and none after release');
    signal.throwIfAborted();
    while (this.#buffered < count) {
      if (this.#over) {
        const cause = this.#error === undefined ? {} : { cause: this.#error };
        throw new ProtocolError(
          'WIRE_CLOSED',
          `peer ended the connection after ${this.#buffered} of ${count} expected bytes`,
          cause,
        );
      }
      await this.#more(signal);
    }
  }

  async #more(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = (): void => reject(signal.reason);
    this.#wake = resolve;
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await promise;
    } finally {
      this.#wake = undefined;
      signal.removeEventListener('abort', onAbort);
    }
  }

  #peek(count: number): Buffer {
    const joined =
      this.#chunks.length === 1 ? (this.#chunks[0] ?? Buffer.alloc(0)) : Buffer.concat(this.#chunks, this.#buffered);
    this.#chunks = joined.length === 0 ? [] : [joined];
    return Buffer.from(joined.subarray(0, count));
  }

  #take(count: number): Buffer {
    const taken = this.#peek(count);
    const rest = this.#chunks[0]?.subarray(count);
    this.#chunks = rest === undefined || rest.length === 0 ? [] : [rest];
    this.#buffered -= count;
    this.#channel.consumed(count);
    return taken;
  }
}
