import type { Duplex } from 'node:stream';
import type { TunnelCounters } from './limits.ts';
import { FRAME, FRAME_HEADER_BYTES, encodeFrame, writeFrameHeader } from './frame.ts';

/** DATA up to here shares one buffer with its header and may be coalesced; above it is bulk and is never copied. */
export const SMALL_DATA_BYTES = 2048;
/** Coalesced bytes that are flushed before the turn ends: one full socket buffer. */
const FLUSH_BYTES = 0x1_0000;

export type EgressOptions = {
  readonly counters: TunnelCounters;
  readonly maxControlBacklogBytes: number;
  /** The socket takes bytes again. */
  readonly onReady: () => void;
  /** The far end does not read and makes us answer: more control bytes wait than allowed. */
  readonly onBacklog: () => void;
};

/**
 * The writing half of a tunnel connection, and the rule when frames are gathered. A small frame leaves at once when it is the first of
 * its event-loop turn (a delay costs an interactive session a third of its latency). It is gathered until the turn ends when this turn or
 * the last one had more than one frame, and neither carried bulk (beside bulk the gain is unstable). Bulk frames are gathered
 * until the turn ends or the socket's buffer is full, so that one system call takes many.
 */
export class Egress {
  readonly #socket: Duplex;
  readonly #options: EgressOptions;
  #blocked = false;
  #corked = false;
  #corkedBytes = 0;
  #controlBacklog = 0;
  #armed = false;
  #frames = 0;
  #lastFrames = 0;
  #bulk = false;
  #lastBulk = false;

  constructor(socket: Duplex, options: EgressOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('drain', () => this.#settle());
  }

  /** True while the socket's buffer is full: DATA must wait; control frames need not. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Sends one DATA frame, at most MAX_DATA_BYTES of it. */
  data(streamId: number, bytes: Uint8Array): void {
    this.#options.counters.bytesSent += bytes.length;
    if (bytes.length <= SMALL_DATA_BYTES) {
      this.#small(encodeFrame(FRAME.data, streamId, bytes));
      return;
    }
    this.#turn();
    this.#bulk = true;
    this.#cork();
    const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES);
    writeFrameHeader(header, FRAME.data, bytes.length, streamId);
    this.#socket.write(header);
    if (!this.#socket.write(bytes)) this.#blocked = true;
  }

  /** Sends a whole frame that does not wait for the socket, in order with DATA. */
  control(frame: Buffer): void {
    if (this.#blocked) {
      this.#controlBacklog += frame.length;
      if (this.#controlBacklog > this.#options.maxControlBacklogBytes) {
        this.#options.onBacklog();
        return;
      }
    }
    this.#small(frame);
  }

  /** Puts gathered frames on the wire now. */
  flush(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#corkedBytes = 0;
    this.#socket.uncork();
    if (this.#socket.writableNeedDrain) this.#blocked = true;
  }

  #small(frame: Buffer): void {
    this.#turn();
    const busy = this.#frames > 1 || this.#lastFrames > 1;
    if (busy && !this.#bulk && !this.#lastBulk) this.#cork();
    if (!this.#socket.write(frame)) this.#blocked = true;
    if (this.#corked && (this.#corkedBytes += frame.length) >= FLUSH_BYTES) this.flush();
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
  }

  #turn(): void {
    this.#frames += 1;
    if (this.#armed) return;
    this.#armed = true;
    setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#armed = false;
    this.#lastFrames = this.#frames;
    this.#lastBulk = this.#bulk;
    this.#frames = 0;
    this.#bulk = false;
    this.flush();
    if (this.#lastFrames > 1 || this.#lastBulk) this.#armed = true;
    if (this.#armed) setImmediate(() => this.#endTurn());
    if (this.#blocked && !this.#socket.writableNeedDrain) this.#settle();
  }

  #settle(): void {
    this.#blocked = this.#socket.writableNeedDrain;
    if (this.#blocked) return;
    this.#controlBacklog = 0;
    this.#options.onReady();
  }
}
