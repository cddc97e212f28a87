import { duplexPair } from 'node:stream';
import { TesseraError } from '../../../src/errors.ts';
import { ManualClock } from '../../../src/telemetry/manual-clock.ts';
import { DEFAULT_ANNOUNCEMENT_LIMITS, parseAnnouncement } from '../../../src/tunnel/announcement.ts';
import { decodeCancel } from '../../../src/tunnel/cancel.ts';
import { FrameDecoder } from '../../../src/tunnel/frame.ts';
import { DEFAULT_MUX_LIMITS, newTunnelCounters } from '../../../src/tunnel/limits.ts';
import { Mux } from '../../../src/tunnel/mux.ts';

export const name = 'tunnel';

/** A hostile far end: any bytes end in frames or in an error of ours, the same however they are cut, and leave nothing behind. */
export async function run(bytes: Uint8Array): Promise<void> {
  const whole = Buffer.from(bytes);
  const once = decode([whole]);
  const cut = decode(Array.from(whole, (byte) => Buffer.from([byte])));
  if (once !== cut) throw new Error('frames differ by how the bytes are cut');
  ours(() => parseAnnouncement(whole.toString('utf8'), DEFAULT_ANNOUNCEMENT_LIMITS));
  ours(() => decodeCancel(whole));
  await answered(whole);
}

function decode(chunks: readonly Buffer[]): string {
  const seen: string[] = [];
  const data = new Map<number, number>();
  const decoder = new FrameDecoder(
    {
      data: (id, piece) => void data.set(id, (data.get(id) ?? 0) + piece.length),
      control: (type, id, body) => void seen.push(`${type} ${id} ${body.toString('hex')}`),
    },
    { maxOpenBytes: 1024 },
  );
  const error = ours(() => {
    for (const chunk of chunks) decoder.push(chunk);
  });
  return JSON.stringify([seen, [...data], error]);
}

function ours(action: () => unknown): string {
  try {
    action();
    return '';
  } catch (error) {
    if (error instanceof TesseraError) return error.code;
    throw error;
  }
}

async function answered(bytes: Buffer): Promise<void> {
  const [near, far] = duplexPair();
  const clock = new ManualClock();
  const counters = newTunnelCounters();
  let closes = 0;
  const mux = new Mux(near, {
    side: 'agent',
    limits: { ...DEFAULT_MUX_LIMITS, maxStreams: 8, maxPendingOpens: 4 },
    clock,
    counters,
    onStream(stream) {
      if ((stream.header[0] ?? 0) % 3 === 0) return;
      if ((stream.header[0] ?? 0) % 3 === 1) stream.reject('refused', 'fuzz');
      else {
        const accepted = stream.accept();
        accepted.receive({
          data(chunk) {
            accepted.consumed(chunk.length);
            accepted.write(Buffer.from(chunk));
          },
          end: () => accepted.end(),
          close: () => undefined,
        });
      }
    },
    onClose: () => void (closes += 1),
    onFault(error) {
      throw error;
    },
  });
  mux.open(Buffer.from('fuzz'));
  far.on('error', () => undefined);
  far.resume();
  far.end(bytes);
  for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  mux.close(new Error('over'));
  if (closes !== 1) throw new Error(`onClose was called ${closes} times`);
  if (counters.streams !== 0 || clock.pendingTimers !== 0) throw new Error('streams or timers are left behind');
}
