import { BugError, ProtocolError, TesseraError } from '../errors.ts';
import type { Receiver } from '../wire/channel.ts';
import { Held } from '../wire/held.ts';
import { FRAME, MAX_CREDIT, MAX_DATA_BYTES, encodeCredit, encodeFrame, encodeReset } from './frame.ts';
import { INITIAL_WINDOW_BYTES } from './limits.ts';
import { Outgoing } from './outgoing.ts';
import { resetNumber, StreamResetError } from './reset.ts';
import type { RejectReason, TunnelStream } from './tunnel.ts';

/** What a stream needs of its connection. */
export interface StreamHost {
  readonly maxStreamWindowBytes: number;
  /** The socket's buffer is full. */
  blocked(): boolean;
  roundTripMs(): number | undefined;
  nowMs(): number;
  sendData(streamId: number, bytes: Uint8Array): void;
  sendControl(frame: Buffer): void;
  /** Puts the stream at the end of the round and starts the round if it stands still. */
  ready(stream: MuxStream): void;
  /** Takes `bytes` of the connection's window budget for growth; false when they are not free. */
  claimGrowth(bytes: number): boolean;
  stalled(): void;
  /** The stream is over; called once. `onTheWay`: bytes that the far end may have sent before it knows. */
  over(stream: MuxStream, onTheWay: number): void;
  /** A receiver's `close` threw: nothing is left to destroy. */
  fault(error: unknown): void;
}

/** Credit is returned in steps of half a window, but not larger, so that a grown window does not arrive in lumps. */
const MAX_GRANT_STEP_BYTES = 512 * 1024;

/** One stream: flow control both ways and the promise of Channel. Made by Mux only. */
export class MuxStream implements TunnelStream {
  readonly id: number;
  readonly accepted: Promise<void>;
  /** The next stream in the round; owned by the connection. */
  next: MuxStream | undefined;
  queued = false;
  /** The far end opened it and our side has not answered yet; owned by the connection. */
  pending = false;

  readonly #host: StreamHost;
  readonly #local: boolean;
  #answer: { resolve(): void; reject(error: Error): void } | undefined;
  #answered: boolean;
  // Sending.
  #credit = INITIAL_WINDOW_BYTES;
  readonly #out = new Outgoing();
  #needDrain = false;
  #stalled = false;
  #finQueued = false;
  #finSent = false;
  // Receiving.
  #window = INITIAL_WINDOW_BYTES;
  #allowance = INITIAL_WINDOW_BYTES;
  #unconsumed = 0;
  #ungranted = 0;
  #grantedAtMs: number;
  #finReceived = false;
  #endTold = false;
  #held = new Held();
  #receiver: Receiver | undefined;
  #over = false;
  #closeTold = false;
  #error: Error | undefined;

  constructor(id: number, host: StreamHost, options: { readonly local: boolean }) {
    this.id = id;
    this.#host = host;
    this.#local = options.local;
    this.#answered = !options.local;
    this.#grantedAtMs = host.nowMs();
    this.accepted = options.local ? this.#awaitAnswer() : Promise.resolve();
  }

  /** The receive window now; what this stream holds of the connection's budget. */
  get windowBytes(): number {
    return this.#window;
  }
  get over(): boolean {
    return this.#over;
  }
  get congested(): boolean {
    return !this.#over && !this.#finQueued && (this.#out.bytes > 0 || this.#credit === 0 || this.#host.blocked());
  }

  write(bytes: Uint8Array): boolean {
    if (this.#over || this.#finQueued || bytes.length === 0) return true;
    if (
      this.#out.bytes === 0 &&
      this.#credit >= bytes.length &&
      bytes.length <= MAX_DATA_BYTES &&
      !this.#host.blocked()
    ) {
      this.#credit -= bytes.length;
      this.#host.sendData(this.id, bytes);
    } else {
      this.#out.push(bytes);
      this.#host.ready(this);
    }
    if (!this.congested) return true;
    this.#needDrain = true;
    this.#host.ready(this);
    return false;
  }

  end(): void {
    if (this.#over || this.#finQueued) return;
    this.#finQueued = true;
    this.#needDrain = false;
    this.#host.ready(this);
  }

  destroy(reason?: Error): void {
    this.reset('closed', reason instanceof TesseraError ? reason.publicMessage : '', reason);
  }

  receive(receiver: Receiver | undefined): void {
    this.#receiver = receiver;
    while (this.#receiver !== undefined && !this.#closeTold) {
      const chunk = this.#held.take();
      if (chunk === undefined) break;
      this.#tell((to) => to.data(chunk));
    }
    this.#tellEnd();
    this.#tellClose();
  }

  consumed(count: number): void {
    if (this.#over) return;
    this.#unconsumed -= count;
    if (this.#unconsumed < 0 || !Number.isSafeInteger(count) || count < 0) {
      throw new BugError('a tunnel stream was told of more consumed bytes than it delivered');
    }
    this.#ungranted += count;
    if (this.#ungranted >= Math.min(this.#window >>> 1, MAX_GRANT_STEP_BYTES)) this.#grant();
  }

  /** Sends at most one DATA frame, then FIN when it is time. True while there is more that could leave now. */
  transmit(): boolean {
    if (this.#over) return false;
    if (this.#out.bytes > 0) this.#transmitData();
    if (this.#out.bytes > 0) return this.#credit > 0;
    if (this.#finQueued) this.#transmitFin();
    else if (this.#needDrain && !this.congested) {
      this.#needDrain = false;
      this.#tell((to) => to.drain?.());
    }
    return false;
  }

  /** True when the stream still waits for room in the socket to say `drain`. */
  get wantsDrain(): boolean {
    return !this.#over && this.#needDrain && this.#out.bytes === 0 && this.#credit > 0;
  }

  /** A piece of DATA came. */
  onData(piece: Buffer): void {
    if (!this.#answered) throw violation('DATA before ACCEPT', this.id);
    if (this.#finReceived) throw violation('DATA after FIN', this.id);
    if (piece.length > this.#allowance) throw violation('DATA beyond its credit', this.id);
    this.#allowance -= piece.length;
    this.#unconsumed += piece.length;
    if (this.#receiver === undefined || !this.#held.empty) this.#held.keep(piece);
    else this.#tell((to) => to.data(piece));
  }

  /** CREDIT came. */
  onCredit(count: number): void {
    if (count === 0 || count > MAX_CREDIT - this.#credit) throw violation('CREDIT of 0 or above 2^31-1', this.id);
    this.#credit += count;
    this.#stalled = false;
    if (this.#out.bytes > 0 || this.#needDrain) this.#host.ready(this);
  }

  /** FIN came. */
  onFin(): void {
    if (!this.#answered) throw violation('FIN before ACCEPT', this.id);
    if (this.#finReceived) throw violation('FIN twice', this.id);
    this.#finReceived = true;
    this.#tellEnd();
    this.#finishWhenBothEnded();
  }

  /** ACCEPT came. */
  onAccept(): void {
    if (!this.#local || this.#answered) throw violation('ACCEPT that was not asked for', this.id);
    this.#answered = true;
    this.#answer?.resolve();
  }

  /** RST came, or the connection is gone. */
  onReset(error: Error): void {
    this.#finish({ error, onTheWay: 0, keepHeld: false });
  }

  /** Sends ACCEPT for a stream that the far end opened. */
  sendAccept(): void {
    if (!this.#over) this.#host.sendControl(encodeFrame(FRAME.accept, this.id));
  }

  /** Sends RST and ends the stream here. */
  reset(reason: RejectReason | 'closed', message: string, error?: Error): void {
    if (this.#over) return;
    this.#host.sendControl(encodeReset(this.id, resetNumber(reason), message));
    this.#finish({ error, onTheWay: this.#finReceived ? 0 : this.#allowance, keepHeld: false });
  }

  #awaitAnswer(): Promise<void> {
    const answer = Promise.withResolvers<void>();
    // Who does not care for the answer must not bring the process down with it.
    answer.promise.catch(() => undefined);
    this.#answer = answer;
    return answer.promise;
  }

  #transmitData(): void {
    const bytes = this.#out.take(Math.min(MAX_DATA_BYTES, this.#credit));
    if (bytes === undefined) {
      if (!this.#stalled) this.#host.stalled();
      this.#stalled = true;
      return;
    }
    this.#credit -= bytes.length;
    this.#host.sendData(this.id, bytes);
  }

  #transmitFin(): void {
    if (this.#finSent) return;
    this.#finSent = true;
    this.#host.sendControl(encodeFrame(FRAME.fin, this.id));
    this.#finishWhenBothEnded();
  }

  #grant(): void {
    if (this.#finReceived) return;
    const nowMs = this.#host.nowMs();
    const extra = this.#growth(nowMs - this.#grantedAtMs);
    const count = this.#ungranted + extra;
    this.#window += extra;
    this.#allowance += count;
    this.#ungranted = 0;
    this.#grantedAtMs = nowMs;
    this.#host.sendControl(encodeCredit(this.id, count));
  }

  /** A stream that drains half its window within two round trips was held back by the window, not by its reader: double it. */
  #growth(elapsedMs: number): number {
    const roundTripMs = this.#host.roundTripMs();
    const extra = Math.min(this.#window, this.#host.maxStreamWindowBytes - this.#window);
    if (roundTripMs === undefined || extra <= 0) return 0;
    if (elapsedMs * this.#window >= this.#ungranted * 4 * roundTripMs) return 0;
    return this.#host.claimGrowth(extra) ? extra : 0;
  }

  #finishWhenBothEnded(): void {
    if (this.#finSent && this.#finReceived) this.#finish({ error: undefined, onTheWay: 0, keepHeld: true });
  }

  #finish(how: { readonly error: Error | undefined; readonly onTheWay: number; readonly keepHeld: boolean }): void {
    if (this.#over) return;
    this.#over = true;
    this.#error = how.error;
    this.#out.clear();
    if (!how.keepHeld) this.#held.clear();
    this.#answer?.reject(how.error ?? new StreamResetError('closed', 'given up here'));
    this.#host.over(this, how.onTheWay);
    this.#tellClose();
  }

  #tellEnd(): void {
    if (!this.#finReceived || this.#endTold || !this.#held.empty || this.#receiver === undefined || this.#closeTold)
      return;
    this.#endTold = true;
    this.#tell((to) => to.end?.());
  }

  #tellClose(): void {
    const receiver = this.#receiver;
    if (!this.#over || this.#closeTold || receiver === undefined || !this.#held.empty) return;
    this.#closeTold = true;
    this.#receiver = undefined;
    try {
      receiver.close(this.#error);
    } catch (error) {
      this.#host.fault(error);
    }
  }

  #tell(call: (receiver: Receiver) => void): void {
    if (this.#receiver === undefined) return;
    try {
      call(this.#receiver);
    } catch (error) {
      const reason =
        error instanceof Error ? error : new BugError('a receiver threw something that is no Error', { cause: error });
      this.reset('closed', '', reason);
      this.#error ??= reason;
      this.#held.clear();
    }
  }
}

function violation(what: string, streamId: number): ProtocolError {
  return new ProtocolError('TUNNEL_STREAM_VIOLATION', `tunnel stream ${streamId} got ${what}`);
}
