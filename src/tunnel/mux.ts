import type { Duplex } from 'node:stream';
import { BugError, LimitError, ProtocolError, UpstreamError } from '../errors.ts';
import type { Clock } from '../telemetry/clock.ts';
import { Egress } from './egress.ts';
import { FRAME, FrameDecoder, encodeFrame, type FrameType } from './frame.ts';
import { INITIAL_WINDOW_BYTES, type MuxLimits, type TunnelCounters } from './limits.ts';
import { KeepAlive } from './keep-alive.ts';
import { decodeReset, StreamResetError } from './reset.ts';
import { MuxStream } from './stream.ts';
import type { IncomingStream, RejectReason, TunnelStream } from './tunnel.ts';

export type MuxOptions = {
  /** Which end this is: a proxy opens odd streams, an agent even ones. */
  readonly side: 'proxy' | 'agent';
  readonly limits: MuxLimits;
  readonly clock: Clock;
  readonly counters: TunnelCounters;
  /** The far end opened a stream; answer it, now or later. A throw refuses it. */
  readonly onStream: (stream: IncomingStream) => void;
  /** The far end wants no new streams on this connection. */
  readonly onDrain?: () => void;
  /** The connection and all its streams are over; called once. `error` is absent when this end closed it in order. */
  readonly onClose: (error: Error | undefined) => void;
  /** A callback of ours threw; the stream concerned is gone, the connection goes on. */
  readonly onFault?: (error: unknown) => void;
};

/**
 * Many streams over one connection. Owns the socket (a connected TLSSocket, or any byte Duplex): nobody else may read, write or end it.
 * A broken rule of the far end ends the connection; a stalled, reset or throwing stream ends alone.
 */
export class Mux {
  readonly #socket: Duplex;
  readonly #options: MuxOptions;
  readonly #limits: MuxLimits;
  readonly #egress: Egress;
  readonly #decoder: FrameDecoder;
  readonly #host: ConstructorParameters<typeof MuxStream>[1];
  readonly #streams = new Map<number, MuxStream>();
  #nextLocalId: number;
  #lastRemoteId = 0;
  #windowBytes = 0;
  #pendingOpens = 0;
  /** Bytes that may still come on streams that this end reset. */
  #lateBytes = 0;
  #first: MuxStream | undefined;
  #last: MuxStream | undefined;
  #pumping = false;
  #abandoned: number;
  #abandonedAtMs: number;
  readonly #keepAlive: KeepAlive;
  #draining = false;
  #closed = false;
  #error: Error | undefined;

  constructor(socket: Duplex, options: MuxOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#limits = options.limits;
    this.#nextLocalId = options.side === 'proxy' ? 1 : 2;
    this.#abandoned = 0;
    this.#abandonedAtMs = options.clock.monotonic();
    this.#egress = new Egress(socket, {
      counters: options.counters,
      maxControlBacklogBytes: this.#limits.maxControlBacklogBytes,
      onReady: () => this.#pump(),
      onBacklog: () =>
        this.#violate(
          new LimitError('TUNNEL_CONTROL_BACKLOG', 'tunnel peer does not read: maxControlBacklogBytes reached'),
        ),
    });
    this.#decoder = new FrameDecoder(
      { data: (id, piece) => this.#onData(id, piece), control: (type, id, body) => this.#onControl(type, id, body) },
      { maxOpenBytes: this.#limits.maxOpenBytes },
    );
    this.#host = this.#makeHost();
    this.#listen();
    this.#keepAlive = new KeepAlive({
      clock: options.clock,
      limits: this.#limits,
      send: (frame) => this.#egress.control(frame),
      onSilent: (error) => this.close(error),
    });
  }

  /** Streams alive. */
  get streamCount(): number {
    return this.#streams.size;
  }
  get closed(): boolean {
    return this.#closed;
  }
  /** The far end asked for no new streams. */
  get draining(): boolean {
    return this.#draining;
  }
  /** Smoothed from PINGs; undefined until the first came back. */
  get roundTripMs(): number | undefined {
    return this.#keepAlive.roundTripMs;
  }

  /**
   * Opens a stream with a header of 1 to `maxOpenBytes` bytes (copied). Data may be written at once. Never throws for the far end's sake: a
   * connection that is gone, full or draining gives a stream whose `accepted` rejects and whose receiver is told `close`.
   */
  open(header: Uint8Array): TunnelStream {
    if (header.length === 0 || header.length > this.#limits.maxOpenBytes) {
      throw new BugError(
        `a tunnel opening must have 1 to maxOpenBytes ${this.#limits.maxOpenBytes} bytes, got ${header.length}`,
      );
    }
    const id = this.#nextLocalId;
    this.#nextLocalId += 2;
    const refusal = this.#openRefusal(id);
    const stream = new MuxStream(id, this.#host, { local: true });
    this.#register(stream);
    if (refusal === undefined) this.#egress.control(encodeFrame(FRAME.open, id, header));
    else stream.onReset(refusal);
    return stream;
  }

  /** Tells the far end to open no more streams here. Live streams go on. */
  drain(): void {
    if (!this.#closed) this.#egress.control(encodeFrame(FRAME.drain, 0));
  }

  /** Ends the connection and every stream. Without `error` what was written is still sent. */
  close(error?: Error): void {
    if (this.#closed) return;
    this.#error ??= error;
    this.#decoder.stop();
    this.#egress.flush();
    if (error === undefined) this.#endSocket();
    else this.#socket.destroy();
    this.#finish();
  }

  #endSocket(): void {
    const socket = this.#socket;
    const alarm = this.#options.clock.after(LINGER_MS, () => socket.destroy());
    socket.end(() => socket.destroy());
    socket.once('close', () => alarm.cancel());
  }

  #openRefusal(id: number): StreamResetError | undefined {
    if (this.#closed) return new StreamResetError('lost', 'the tunnel is closed', this.#error);
    if (this.#draining) return new StreamResetError('retry-elsewhere', 'the far end is draining');
    if (id > 0xffff_ffff) return new StreamResetError('limit', 'stream ids of this tunnel are used up');
    return this.#full() ? new StreamResetError('limit', 'maxStreams or maxTunnelWindowBytes reached') : undefined;
  }

  #full(): boolean {
    const { maxStreams, maxTunnelWindowBytes } = this.#limits;
    return this.#streams.size >= maxStreams || this.#windowBytes + INITIAL_WINDOW_BYTES > maxTunnelWindowBytes;
  }

  #register(stream: MuxStream): void {
    this.#streams.set(stream.id, stream);
    this.#windowBytes += stream.windowBytes;
    this.#options.counters.streams += 1;
    this.#options.counters.streamsOpened += 1;
  }

  #makeHost(): ConstructorParameters<typeof MuxStream>[1] {
    const egress = this.#egress;
    return {
      blocked: () => egress.blocked,
      roundTripMs: () => this.#keepAlive.roundTripMs,
      maxStreamWindowBytes: this.#limits.maxStreamWindowBytes,
      nowMs: () => this.#options.clock.monotonic(),
      sendData: (id, bytes) => egress.data(id, bytes),
      sendControl: (frame) => {
        if (!this.#closed) egress.control(frame);
      },
      ready: (stream) => {
        this.#enqueue(stream);
        this.#pump();
      },
      claimGrowth: (bytes) => this.#claimGrowth(bytes),
      stalled: () => (this.#options.counters.creditStalls += 1),
      over: (stream, onTheWay) => this.#forget(stream, onTheWay),
      fault: (error) => this.#options.onFault?.(error),
    };
  }

  #claimGrowth(bytes: number): boolean {
    if (this.#windowBytes + bytes > this.#limits.maxTunnelWindowBytes / 2) return false;
    this.#windowBytes += bytes;
    this.#options.counters.windowsGrown += 1;
    return true;
  }

  #forget(stream: MuxStream, onTheWay: number): void {
    if (!this.#streams.delete(stream.id)) return;
    this.#windowBytes -= stream.windowBytes;
    this.#lateBytes += onTheWay;
    this.#options.counters.streams -= 1;
  }

  // The round: each ready stream sends one frame, then goes to the end.

  #enqueue(stream: MuxStream): void {
    if (stream.queued) return;
    stream.queued = true;
    stream.next = undefined;
    if (this.#last === undefined) this.#first = stream;
    else this.#last.next = stream;
    this.#last = stream;
  }

  #pump(): void {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    while (!this.#egress.blocked && this.#first !== undefined) {
      const stream = this.#first;
      this.#first = stream.next;
      if (this.#first === undefined) this.#last = undefined;
      stream.queued = false;
      stream.next = undefined;
      const more = stream.transmit();
      if (more || stream.wantsDrain) this.#enqueue(stream);
    }
    this.#pumping = false;
  }

  // Arrivals.

  #listen(): void {
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => this.#onBytes(chunk));
    socket.on('error', (error: Error) => (this.#error ??= error));
    socket.on('end', () => this.close(this.#ended()));
    socket.on('close', () => this.#finish());
    if (socket.destroyed) queueMicrotask(() => this.#finish());
  }

  #ended(): Error {
    const where = this.#decoder.atBoundary ? 'between frames' : 'inside a frame';
    return new UpstreamError('TUNNEL_ENDED', `the far end closed the tunnel ${where}`, { retryable: true });
  }

  #onBytes(chunk: Buffer): void {
    this.#keepAlive.heard();
    this.#options.counters.bytesReceived += chunk.length;
    try {
      this.#decoder.push(chunk);
    } catch (error) {
      this.#violate(
        error instanceof Error
          ? error
          : new BugError('a tunnel callback threw something that is no Error', { cause: error }),
      );
    }
  }

  #violate(error: Error): void {
    if (this.#closed) return;
    this.#options.counters.violations += 1;
    this.close(error);
  }

  #onData(id: number, piece: Buffer): void {
    const stream = this.#streams.get(id);
    if (stream !== undefined) {
      stream.onData(piece);
      return;
    }
    this.#checkWasOpen(id, 'DATA');
    this.#lateBytes -= piece.length;
    if (this.#lateBytes < 0)
      throw new ProtocolError('TUNNEL_STREAM_VIOLATION', `tunnel stream ${id} got DATA after its end`);
  }

  #onControl(type: FrameType, id: number, body: Buffer): void {
    if (type === FRAME.open) this.#onOpen(id, body);
    else if (type === FRAME.ping) this.#egress.control(encodeFrame(FRAME.pong, 0, body));
    else if (type === FRAME.pong) this.#keepAlive.pong(body);
    else if (type === FRAME.drain) this.#onDrain();
    else {
      const stream = this.#streams.get(id);
      if (stream === undefined) this.#checkWasOpen(id, 'a control frame');
      else if (type === FRAME.credit) stream.onCredit(body.readUInt32BE(0));
      else if (type === FRAME.fin) stream.onFin();
      else if (type === FRAME.accept) stream.onAccept();
      else this.#onReset(stream, body);
    }
  }

  #onReset(stream: MuxStream, body: Buffer): void {
    stream.onReset(decodeReset(body));
    if (stream.pending) this.#countAbandoned();
  }

  /** Frames may cross our RST on the way; frames for a stream that never was are a broken peer. */
  #checkWasOpen(id: number, what: string): void {
    const local = (id & 1) === (this.#nextLocalId & 1);
    if (local ? id >= this.#nextLocalId : id > this.#lastRemoteId) {
      throw new ProtocolError('TUNNEL_UNKNOWN_STREAM', `tunnel stream ${id} got ${what} and was never opened`);
    }
  }

  #onOpen(id: number, body: Buffer): void {
    if ((id & 1) === (this.#nextLocalId & 1) || id <= this.#lastRemoteId) {
      throw new ProtocolError(
        'TUNNEL_STREAM_ID',
        `tunnel stream id must be of the opener's parity and above ${this.#lastRemoteId}, got ${id}`,
      );
    }
    this.#lastRemoteId = id;
    const refused = this.#full() || this.#pendingOpens >= this.#limits.maxPendingOpens;
    const stream = new MuxStream(id, this.#host, { local: false });
    this.#register(stream);
    if (refused) {
      this.#options.counters.streamsRefused += 1;
      stream.reset('limit', 'maxStreams, maxTunnelWindowBytes or maxPendingOpens reached');
      return;
    }
    this.#pendingOpens += 1;
    // An abandoned stream keeps its place until our side answered: the work that it caused goes on until then.
    const incoming = new Incoming(stream, Buffer.from(body), () => (this.#pendingOpens -= 1));
    try {
      this.#options.onStream(incoming);
    } catch (error) {
      if (stream.pending) incoming.reject('refused', 'internal error');
      else stream.reset('closed', 'internal error');
      this.#options.onFault?.(error);
    }
  }

  #countAbandoned(): void {
    const nowMs = this.#options.clock.monotonic();
    const { abandonedOpensPerSecond, abandonedOpensBurst } = this.#limits;
    this.#abandoned =
      Math.max(0, this.#abandoned - ((nowMs - this.#abandonedAtMs) / 1000) * abandonedOpensPerSecond) + 1;
    this.#abandonedAtMs = nowMs;
    if (this.#abandoned <= abandonedOpensBurst) return;
    throw new LimitError(
      'TUNNEL_ABANDONED_OPENS',
      'tunnel peer opens and resets streams faster than abandonedOpensPerSecond',
    );
  }

  #onDrain(): void {
    if (this.#draining) return;
    this.#draining = true;
    this.#options.onDrain?.();
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#decoder.stop();
    this.#keepAlive.stop();
    this.#first = this.#last = undefined;
    const lost = new StreamResetError('lost', 'the tunnel is closed', this.#error);
    for (const stream of this.#streams.values()) stream.onReset(lost);
    this.#options.onClose(this.#error);
  }
}

/** How long a far end that does not read may keep a connection that this end closed. */
const LINGER_MS = 5000;

class Incoming implements IncomingStream {
  readonly header: Buffer;
  readonly #stream: MuxStream;
  readonly #onAnswer: () => void;

  constructor(stream: MuxStream, header: Buffer, onAnswer: () => void) {
    this.#stream = stream;
    this.header = header;
    this.#onAnswer = onAnswer;
    stream.pending = true;
  }

  accept(): TunnelStream {
    this.#answer();
    this.#stream.sendAccept();
    return this.#stream;
  }

  reject(reason: RejectReason, message: string): void {
    this.#answer();
    this.#stream.reset(reason, message);
  }

  #answer(): void {
    if (!this.#stream.pending) throw new BugError('a tunnel stream was answered twice');
    this.#stream.pending = false;
    this.#onAnswer();
  }
}
