import { duplexPair } from 'node:stream';
import { TesseraError } from '../../../src/errors.ts';
import { ManualClock } from '../../../src/telemetry/manual-clock.ts';
import { AnnouncementReader, encodeAnnouncement } from '../../../src/tunnel/announcement.ts';
import { decodeCancel, encodeCancel } from '../../../src/tunnel/cancel.ts';
import { decodeKill, encodeKill } from '../../../src/tunnel/kill.ts';
import { encodeCredit, encodeFrame, encodeReset, FRAME, FrameDecoder } from '../../../src/tunnel/frame.ts';
import { DEFAULT_MUX_LIMITS, newTunnelCounters } from '../../../src/tunnel/limits.ts';
import { Mux } from '../../../src/tunnel/mux.ts';

/** The tunnel's decoders, and a hostile far end. */
export const TUNNEL_TARGETS = [
  { name: 'tunnel-frames', seeds: frameSeeds(), run: compareCuts },
  { name: 'tunnel-peer', seeds: frameSeeds(), run: (chunks: readonly Buffer[]) => answered(chunks) },
  {
    name: 'tunnel-announcement',
    seeds: [
      encodeAnnouncement({
        databases: [{ name: 'orders', protocol: 'postgres', health: 'healthy' }],
        cancelTag: 4095,
        draining: false,
      }),
      encodeAnnouncement({
        databases: [
          {
            name: 'shop',
            protocol: 'mysql',
            health: 'unknown',
            server: { serverVersion: '11.8.3-MariaDB', capabilities: '0000001dfffffffe' },
          },
        ],
        cancelTag: 0,
        draining: true,
      }),
    ],
    run: readAnnouncements,
  },
  {
    name: 'tunnel-cancel',
    seeds: [encodeCancel({ protocol: 'postgres', packet: Buffer.alloc(16) }).subarray(1)],
    run: (chunks: readonly Buffer[]) => decodeCancel(Buffer.concat(chunks)),
  },
  {
    name: 'tunnel-kill',
    seeds: [encodeKill({ what: 'query', shownId: 2 ** 30, number: 1, opening: Buffer.alloc(16) }).subarray(1)],
    run: (chunks: readonly Buffer[]) => decodeKill(Buffer.concat(chunks)),
  },
];

function frameSeeds(): readonly Buffer[] {
  const opened = encodeFrame(FRAME.open, 1, Buffer.from([2]));
  return [
    Buffer.concat([opened, encodeFrame(FRAME.data, 1, Buffer.alloc(300)), encodeFrame(FRAME.fin, 1)]),
    Buffer.concat([
      opened,
      encodeFrame(FRAME.open, 3, Buffer.from([1])),
      encodeReset(3, 1, 'x'),
      encodeCredit(1, 70_000),
    ]),
    Buffer.concat([
      encodeFrame(FRAME.accept, 2),
      encodeFrame(FRAME.data, 2, Buffer.alloc(9)),
      encodeFrame(FRAME.drain, 0),
    ]),
    Buffer.concat([
      encodeFrame(FRAME.ping, 0, Buffer.alloc(8)),
      encodeFrame(FRAME.pong, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, 1])),
    ]),
  ];
}

/** The same frames, or the same refusal, however the bytes are cut. */
function compareCuts(chunks: readonly Buffer[]): void {
  const whole = Buffer.concat(chunks);
  const once = decode([whole]);
  const cut = decode(chunks);
  const single = decode(Array.from(whole, (byte) => Buffer.from([byte])));
  if (once !== cut || once !== single) throw new Error('frames differ by how the bytes are cut');
}

function readAnnouncements(chunks: readonly Buffer[]): void {
  const reader = new AnnouncementReader({
    limits: { maxAnnouncementBytes: 10_000, maxAnnouncedDatabases: 10 },
    onAnnouncement: () => undefined,
    onConsumed: () => undefined,
    onClose: () => undefined,
  });
  for (const chunk of chunks) reader.data(chunk);
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

/** A hostile far end leaves nothing behind: no stream, no timer, one close. */
async function answered(chunks: readonly Buffer[]): Promise<void> {
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
  for (const chunk of chunks) far.write(chunk);
  far.end();
  for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  mux.close(new Error('over'));
  if (closes !== 1) throw new Error(`onClose was called ${closes} times`);
  if (counters.streams !== 0 || clock.pendingTimers !== 0) throw new Error('streams or timers are left behind');
}
