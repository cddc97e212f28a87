import { duplexPair, type Duplex } from 'node:stream';
import { ManualClock } from '../../src/telemetry/manual-clock.ts';
import { FRAME, FrameDecoder, type FrameType } from '../../src/tunnel/frame.ts';
import { DEFAULT_MUX_LIMITS, type MuxLimits, newTunnelCounters } from '../../src/tunnel/limits.ts';
import { Mux } from '../../src/tunnel/mux.ts';
import type { IncomingStream } from '../../src/tunnel/tunnel.ts';

export type Frame = { readonly type: FrameType; readonly id: number; readonly body: Buffer };

/** The far end of a tunnel by hand: sends any bytes, lists the frames that came. */
export class RawPeer {
  readonly socket: Duplex;
  readonly frames: Frame[] = [];
  closed = false;
  readonly #decoder: FrameDecoder;

  constructor(socket: Duplex, options: { readonly read: boolean } = { read: true }) {
    this.socket = socket;
    this.#decoder = new FrameDecoder(
      {
        data: (id, piece) => this.frames.push({ type: FRAME.data, id, body: Buffer.from(piece) }),
        control: (type, id, body) => this.frames.push({ type, id, body: Buffer.from(body) }),
      },
      { maxOpenBytes: 16 * 1024 },
    );
    socket.on('close', () => (this.closed = true));
    socket.on('error', () => undefined);
    if (options.read) this.read();
  }

  read(): void {
    this.socket.on('data', (chunk: Buffer) => this.#decoder.push(chunk));
  }

  send(...frames: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  of(type: FrameType): Frame[] {
    return this.frames.filter((frame) => frame.type === type);
  }
}

export type OneEnd = {
  readonly mux: Mux;
  readonly peer: RawPeer;
  readonly incoming: IncomingStream[];
  readonly closes: (Error | undefined)[];
  readonly faults: unknown[];
  readonly clock: ManualClock;
};

/** A Mux of the given side with a RawPeer behind it. */
export function muxWithRawPeer(side: 'proxy' | 'agent', limits: Partial<MuxLimits> = {}, read = true): OneEnd {
  const [near, far] = duplexPair();
  const clock = new ManualClock();
  const incoming: IncomingStream[] = [];
  const closes: (Error | undefined)[] = [];
  const faults: unknown[] = [];
  const mux = new Mux(near, {
    side,
    limits: { ...DEFAULT_MUX_LIMITS, ...limits },
    clock,
    counters: newTunnelCounters(),
    onStream: (stream) => incoming.push(stream),
    onClose: (error) => closes.push(error),
    onFault: (error) => faults.push(error),
  });
  return { mux, peer: new RawPeer(far, { read }), incoming, closes, faults, clock };
}

/** Lets everything that is on its way arrive. */
export async function settle(turns = 10): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
