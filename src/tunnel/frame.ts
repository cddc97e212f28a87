import { ProtocolError } from '../errors.ts';

/**
 * The tunnel's frames, without I/O. All integers are big-endian.
 *
 *      0      1             4                8
 *     +------+-------------+----------------+---------------+
 *     | type | length (24) | stream id (32) | length octets |
 *     +------+-------------+----------------+---------------+
 *
 * Stream ids of the proxy are odd, those of the agent even; 0 is the connection itself.
 */
export const FRAME = {
  /** Opens a stream. Body: the opening header, 1 to `maxOpenBytes` bytes. */
  open: 0x01,
  /** Body: 1 to 32,768 bytes of the stream. */
  data: 0x02,
  /** Body: u32, how many more bytes the receiver of this frame may send. Never 0. */
  credit: 0x03,
  /** The sender of this frame sends no more bytes on the stream. No body. */
  fin: 0x04,
  /** Ends the stream both ways. Body: u8 reason, then at most 512 bytes of UTF-8 for the log. */
  rst: 0x05,
  /** Stream 0. Body: 8 bytes that come back in a PONG. */
  ping: 0x06,
  /** Stream 0. Body: the 8 bytes of the PING. */
  pong: 0x07,
  /** The far end took the stream that this end opened. No body. */
  accept: 0x08,
  /** Stream 0. The sender wants no new streams on this connection; those that live go on. No body. */
  drain: 0x09,
} as const;
export type FrameType = (typeof FRAME)[keyof typeof FRAME];

/** Bytes of a frame's header. */
export const FRAME_HEADER_BYTES = 8;
/** The largest body of a DATA frame: the turn that one stream gets while others wait. */
export const MAX_DATA_BYTES = 0x8000;
/** The longest message in a RST; longer ones are cut by the sender. */
export const MAX_RESET_MESSAGE_BYTES = 512;
/** The largest credit that one frame may give, and that a stream may hold. */
export const MAX_CREDIT = 0x7fff_ffff;

/** Where decoded frames go. Called synchronously from `push`. */
export interface FrameSink {
  /** A piece of a DATA frame's body, as it came: a view of the pushed chunk, never empty. */
  data(streamId: number, piece: Buffer): void;
  /** Any other frame, whole and of valid length. `body` is a view that lives until the call returns. */
  control(type: FrameType, streamId: number, body: Buffer): void;
}

/**
 * Cuts a byte stream into frames, wherever the chunks are cut. DATA passes through without a copy and in pieces; other bodies are collected,
 * at most `maxOpenBytes` of them. Throws ProtocolError (TUNNEL_FRAME_...) before a body is read whose header is not valid; nothing may be pushed afterwards.
 */
export class FrameDecoder {
  readonly #sink: FrameSink;
  readonly #maxOpenBytes: number;
  readonly #header = Buffer.alloc(FRAME_HEADER_BYTES);
  #headerFill = 0;
  #type: FrameType = FRAME.data;
  #streamId = 0;
  #remaining = 0;
  #body: Buffer | undefined;
  #bodyFill = 0;
  #stopped = false;

  constructor(sink: FrameSink, options: { readonly maxOpenBytes: number }) {
    this.#sink = sink;
    this.#maxOpenBytes = options.maxOpenBytes;
  }

  /** True between frames: an end of the connection here cut nothing. */
  get atBoundary(): boolean {
    return this.#headerFill === 0 && this.#remaining === 0;
  }

  /** Ignores everything from now on, also the rest of the chunk being pushed. */
  stop(): void {
    this.#stopped = true;
    this.#body = undefined;
  }

  /** Takes the next bytes of the connection. */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length && !this.#stopped) {
      offset = this.#remaining > 0 ? this.#readBody(chunk, offset) : this.#readHeader(chunk, offset);
    }
  }

  #readHeader(chunk: Buffer, offset: number): number {
    if (this.#headerFill === 0 && chunk.length - offset >= FRAME_HEADER_BYTES) {
      this.#begin(chunk.readUInt32BE(offset), chunk.readUInt32BE(offset + 4));
      return offset + FRAME_HEADER_BYTES;
    }
    const taken = chunk.copy(this.#header, this.#headerFill, offset, offset + FRAME_HEADER_BYTES - this.#headerFill);
    this.#headerFill += taken;
    if (this.#headerFill === FRAME_HEADER_BYTES) {
      this.#headerFill = 0;
      this.#begin(this.#header.readUInt32BE(0), this.#header.readUInt32BE(4));
    }
    return offset + taken;
  }

  #begin(word: number, streamId: number): void {
    const length = word & 0xff_ffff;
    this.#type = checkHeader(word >>> 24, length, streamId, this.#maxOpenBytes);
    this.#streamId = streamId;
    this.#remaining = length;
    if (length === 0) this.#sink.control(this.#type, streamId, EMPTY);
  }

  #readBody(chunk: Buffer, offset: number): number {
    const end = Math.min(chunk.length, offset + this.#remaining);
    const whole = end - offset === this.#remaining;
    this.#remaining -= end - offset;
    if (this.#type === FRAME.data) this.#sink.data(this.#streamId, chunk.subarray(offset, end));
    else if (whole && this.#body === undefined)
      this.#sink.control(this.#type, this.#streamId, chunk.subarray(offset, end));
    else this.#collect(chunk, offset, end);
    return end;
  }

  #collect(chunk: Buffer, offset: number, end: number): void {
    const body = (this.#body ??= Buffer.allocUnsafe(end - offset + this.#remaining));
    this.#bodyFill += chunk.copy(body, this.#bodyFill, offset, end);
    if (this.#remaining > 0) return;
    this.#body = undefined;
    this.#bodyFill = 0;
    this.#sink.control(this.#type, this.#streamId, body);
  }
}

/** Writes a frame's header at `offset` of `target`. The caller keeps the limits. */
export function writeFrameHeader(target: Buffer, type: FrameType, length: number, streamId: number, offset = 0): void {
  target.writeUInt32BE(((type << 24) | length) >>> 0, offset);
  target.writeUInt32BE(streamId, offset + 4);
}

/** A whole frame in one buffer of its own, `body` copied. For control frames and small DATA. */
export function encodeFrame(type: FrameType, streamId: number, body: Uint8Array = EMPTY): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + body.length);
  writeFrameHeader(frame, type, body.length, streamId);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

/** A CREDIT frame. */
export function encodeCredit(streamId: number, count: number): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + 4);
  writeFrameHeader(frame, FRAME.credit, 4, streamId);
  frame.writeUInt32BE(count, FRAME_HEADER_BYTES);
  return frame;
}

/** A RST frame; a message above 512 bytes is cut. */
export function encodeReset(streamId: number, reason: number, message: string): Buffer {
  const text = Buffer.from(message, 'utf8').subarray(0, MAX_RESET_MESSAGE_BYTES);
  return encodeFrame(FRAME.rst, streamId, Buffer.concat([Buffer.from([reason]), text]));
}

function checkHeader(type: number, length: number, streamId: number, maxOpenBytes: number): FrameType {
  const rule = RULES[type];
  if (rule === undefined) {
    throw new ProtocolError(
      'TUNNEL_FRAME_TYPE',
      `tunnel frame type must be 0x01 to 0x09, got 0x${type.toString(16).padStart(2, '0')}`,
    );
  }
  const max = type === FRAME.open ? maxOpenBytes : rule.max;
  if (length < rule.min || length > max) {
    throw new ProtocolError(
      'TUNNEL_FRAME_LENGTH',
      `tunnel ${rule.name} frame must have ${rule.min} to ${max} bytes, got ${length}`,
    );
  }
  if (rule.connection !== (streamId === 0)) {
    const expected = rule.connection ? 'stream 0' : 'a stream above 0';
    throw new ProtocolError('TUNNEL_FRAME_STREAM', `tunnel ${rule.name} frame must name ${expected}, got ${streamId}`);
  }
  return rule.type;
}

const EMPTY = Buffer.alloc(0);

type Rule = {
  readonly type: FrameType;
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly connection: boolean;
};

const RULES: readonly (Rule | undefined)[] = [
  undefined,
  { type: FRAME.open, name: 'OPEN', min: 1, max: 0, connection: false },
  { type: FRAME.data, name: 'DATA', min: 1, max: MAX_DATA_BYTES, connection: false },
  { type: FRAME.credit, name: 'CREDIT', min: 4, max: 4, connection: false },
  { type: FRAME.fin, name: 'FIN', min: 0, max: 0, connection: false },
  { type: FRAME.rst, name: 'RST', min: 1, max: 1 + MAX_RESET_MESSAGE_BYTES, connection: false },
  { type: FRAME.ping, name: 'PING', min: 8, max: 8, connection: true },
  { type: FRAME.pong, name: 'PONG', min: 8, max: 8, connection: true },
  { type: FRAME.accept, name: 'ACCEPT', min: 0, max: 0, connection: false },
  { type: FRAME.drain, name: 'DRAIN', min: 0, max: 0, connection: true },
];
