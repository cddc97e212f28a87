import { ProtocolError, UpstreamError } from '../errors.ts';
import type { Clock, Timer } from '../telemetry/clock.ts';
import { FRAME, encodeFrame } from './frame.ts';
import type { MuxLimits } from './limits.ts';

export type KeepAliveOptions = {
  readonly clock: Clock;
  readonly limits: Pick<MuxLimits, 'keepAliveMs' | 'keepAliveTimeoutMs'>;
  readonly send: (frame: Buffer) => void;
  /** The far end was not heard for `keepAliveTimeoutMs`. */
  readonly onSilent: (error: UpstreamError) => void;
};

/** Sends PINGs, notices silence, and measures the round trip. Starts with its construction. */
export class KeepAlive {
  readonly #options: KeepAliveOptions;
  #alarm: Timer | undefined;
  #heardAtMs: number;
  #pingSentAtMs: number | undefined;
  #pings = 0;
  #roundTripMs: number | undefined;

  constructor(options: KeepAliveOptions) {
    this.#options = options;
    this.#heardAtMs = options.clock.monotonic();
    this.#beat();
  }

  /** The lowest recent round trip, rising slowly when the path gets longer; undefined until the first PONG. */
  get roundTripMs(): number | undefined {
    return this.#roundTripMs;
  }

  /** Bytes came. */
  heard(): void {
    this.#heardAtMs = this.#options.clock.monotonic();
  }

  /** A PONG's 8 bytes came. Throws ProtocolError when no such PING is out. */
  pong(body: Buffer): void {
    if (this.#pingSentAtMs === undefined || body.readUInt32BE(0) !== 0 || body.readUInt32BE(4) !== this.#pings) {
      throw new ProtocolError('TUNNEL_PONG', 'tunnel PONG must answer the PING that is out');
    }
    const sampleMs = this.#options.clock.monotonic() - this.#pingSentAtMs;
    this.#pingSentAtMs = undefined;
    const before = this.#roundTripMs;
    this.#roundTripMs = before === undefined || sampleMs < before ? sampleMs : before + (sampleMs - before) / 8;
  }

  stop(): void {
    this.#alarm?.cancel();
  }

  #beat(): void {
    const { clock, limits } = this.#options;
    const nowMs = clock.monotonic();
    if (nowMs - this.#heardAtMs >= limits.keepAliveTimeoutMs) {
      const text = `nothing was heard for keepAliveTimeoutMs ${limits.keepAliveTimeoutMs}`;
      this.#options.onSilent(new UpstreamError('TUNNEL_SILENT', text, { retryable: true }));
      return;
    }
    if (this.#pingSentAtMs === undefined) this.#ping(nowMs);
    this.#alarm = clock.after(limits.keepAliveMs, () => this.#beat());
  }

  #ping(nowMs: number): void {
    this.#pings = (this.#pings + 1) >>> 0;
    this.#pingSentAtMs = nowMs;
    const body = Buffer.alloc(8);
    body.writeUInt32BE(this.#pings, 4);
    this.#options.send(encodeFrame(FRAME.ping, 0, body));
  }
}
