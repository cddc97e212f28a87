import assert from 'node:assert/strict';
import { test } from 'node:test';
import { muxWithRawPeer, type OneEnd, settle } from '../../test/kit/tunnel-pair.ts';
import { TesseraError } from '../errors.ts';
import type { Receiver } from '../wire/channel.ts';
import { FRAME, encodeCredit, encodeFrame, encodeReset } from './frame.ts';
import { INITIAL_WINDOW_BYTES } from './limits.ts';
import { StreamResetError } from './reset.ts';

function collector(): Receiver & {
  bytes: Buffer[];
  ended: number;
  drained: number;
  closes: (Error | undefined)[];
  text(): string;
} {
  const bytes: Buffer[] = [];
  const closes: (Error | undefined)[] = [];
  return {
    bytes,
    closes,
    ended: 0,
    drained: 0,
    data(chunk) {
      bytes.push(Buffer.from(chunk));
    },
    drain() {
      this.drained += 1;
    },
    end() {
      this.ended += 1;
    },
    close(error) {
      closes.push(error);
    },
    text: () => Buffer.concat(bytes).toString('latin1'),
  };
}

function open(id: number, header = 'h'): Buffer {
  return encodeFrame(FRAME.open, id, Buffer.from(header));
}
function data(id: number, bytes: number | string): Buffer {
  return encodeFrame(FRAME.data, id, typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.alloc(bytes, 1));
}
function window(id: number): Buffer[] {
  return Array.from({ length: INITIAL_WINDOW_BYTES / 0x8000 }, () => data(id, 0x8000));
}
function code(error: unknown): string | undefined {
  return error instanceof TesseraError ? error.code : undefined;
}

test('a stream opens, is accepted, carries bytes both ways and ends in order', async () => {
  const { mux, peer } = muxWithRawPeer('proxy');
  const stream = mux.open(Buffer.from('hello'));
  const seen = collector();
  stream.receive(seen);
  stream.write(Buffer.from('early'));
  await settle();
  peer.send(encodeFrame(FRAME.accept, 1), data(1, 'answer'), encodeFrame(FRAME.fin, 1));
  await settle();
  await stream.accepted;
  assert.equal(seen.text(), 'answer');
  assert.equal(seen.ended, 1);
  assert.deepEqual(seen.closes, []);
  stream.end();
  await settle();
  assert.deepEqual(seen.closes, [undefined]);
  assert.equal(mux.streamCount, 0);
  const kinds = peer.frames.filter((frame) => frame.id === 1).map((frame) => [frame.type, frame.body.toString()]);
  assert.deepEqual(kinds, [
    [FRAME.open, 'hello'],
    [FRAME.data, 'early'],
    [FRAME.fin, ''],
  ]);
});

test('a rejected stream tells its reason, once', async () => {
  const { mux, peer } = muxWithRawPeer('proxy');
  const stream = mux.open(Buffer.from('h'));
  const seen = collector();
  stream.receive(seen);
  await settle();
  peer.send(encodeReset(1, 1, 'busy'));
  await assert.rejects(
    stream.accepted,
    (error) => error instanceof StreamResetError && error.reason === 'retry-elsewhere' && error.retryable,
  );
  assert.equal(seen.closes.length, 1);
  stream.destroy();
  assert.equal(seen.closes.length, 1);
});

test('what came before a receiver is kept, with its end', async () => {
  const { peer, incoming } = muxWithRawPeer('agent');
  peer.send(open(1), data(1, 'ab'), data(1, 'cd'), encodeFrame(FRAME.fin, 1));
  await settle();
  const stream = incoming[0]!.accept();
  const seen = collector();
  stream.receive(seen);
  assert.equal(seen.text(), 'abcd');
  assert.equal(seen.ended, 1);
  stream.receive(undefined);
  stream.end();
  await settle();
  stream.receive(seen);
  assert.deepEqual(seen.closes, [undefined]);
});

test('a reader that does not consume stops its own stream at the window, and no other', async () => {
  const { mux, peer } = muxWithRawPeer('proxy');
  const stalled = mux.open(Buffer.from('a'));
  const living = mux.open(Buffer.from('b'));
  await settle();
  for (let n = 0; n < 64; n += 1) stalled.write(Buffer.alloc(32 * 1024));
  assert.equal(stalled.congested, true);
  let left = 64;
  const feed = (): void => {
    while (left > 0) {
      left -= 1;
      if (!living.write(Buffer.alloc(32 * 1024, 2))) return;
    }
  };
  living.receive({ data: () => undefined, drain: feed, close: () => undefined });
  feed();
  let granted = 0;
  for (let n = 0; n < 200 && (left > 0 || living.congested); n += 1) {
    await settle(2);
    const got = peer.of(FRAME.data).reduce((sum, frame) => sum + (frame.id === 3 ? frame.body.length : 0), 0);
    if (got > granted) peer.send(encodeCredit(3, got - granted));
    granted = got;
  }
  await settle();
  const bytesOf = (id: number): number =>
    peer.of(FRAME.data).reduce((sum, frame) => sum + (frame.id === id ? frame.body.length : 0), 0);
  assert.equal(bytesOf(1), INITIAL_WINDOW_BYTES);
  assert.equal(bytesOf(3), 64 * 32 * 1024);
});

test('ready streams take turns of one frame, and a late small stream waits for at most one turn of each', async () => {
  const { mux, peer } = muxWithRawPeer('proxy', {}, false);
  const bulk = Array.from({ length: 4 }, () => mux.open(Buffer.from('b')));
  const small = mux.open(Buffer.from('s'));
  for (const stream of bulk) stream.write(Buffer.alloc(256 * 1024));
  assert.equal(small.write(Buffer.from('!')), false);
  peer.read();
  await settle(50);
  const order = peer.of(FRAME.data);
  const at = order.findIndex((frame) => frame.id === 9);
  const before = order.slice(0, at).reduce((sum, frame) => sum + frame.body.length, 0);
  assert.ok(at > 0);
  // What the socket had taken, and one turn of each of the four.
  assert.ok(before <= (2 + 4) * 32 * 1024, `${before} bytes went before the small frame`);
  const turns = bulk.map((_, index) =>
    order.filter((frame) => frame.id === 1 + 2 * index).reduce((sum, frame) => sum + frame.body.length, 0),
  );
  assert.deepEqual(turns, [0x4_0000, 0x4_0000, 0x4_0000, 0x4_0000]);
});

test('a write above the credit drains when credit comes', async () => {
  const { mux, peer } = muxWithRawPeer('proxy');
  const stream = mux.open(Buffer.from('a'));
  const seen = collector();
  stream.receive(seen);
  assert.equal(stream.write(Buffer.alloc(300 * 1024)), false);
  await settle(50);
  assert.equal(seen.drained, 0);
  peer.send(encodeCredit(1, 100_000));
  await settle(50);
  assert.equal(seen.drained, 1);
  assert.equal(stream.congested, false);
});

test('a receiver that throws loses its stream only', async () => {
  const { mux, peer, incoming, closes } = muxWithRawPeer('agent');
  peer.send(open(1), open(3));
  await settle();
  const closed: (Error | undefined)[] = [];
  const bad = new Error('bad');
  incoming[0]!.accept().receive({
    data() {
      throw bad;
    },
    close: (error) => closed.push(error),
  });
  const seen = collector();
  incoming[1]!.accept().receive(seen);
  peer.send(data(1, 'x'), data(3, 'y'));
  await settle();
  assert.deepEqual(closed, [bad]);
  assert.equal(seen.text(), 'y');
  assert.deepEqual(closes, []);
  assert.equal(mux.streamCount, 1);
  assert.equal(peer.of(FRAME.rst).length, 1);
});

test('data on the way to a stream that was reset here is tolerated, up to its credit', async () => {
  const { peer, incoming, closes } = muxWithRawPeer('agent');
  peer.send(open(1));
  await settle();
  incoming[0]!.reject('refused', 'no');
  peer.send(...window(1), encodeCredit(1, 5), encodeFrame(FRAME.fin, 1));
  await settle();
  assert.deepEqual(closes, []);
  peer.send(data(1, 1));
  await settle();
  assert.deepEqual(closes.map(code), ['TUNNEL_STREAM_VIOLATION']);
});

const VIOLATIONS: readonly [name: string, send: (end: OneEnd) => readonly Buffer[], code: string][] = [
  ['DATA on a stream that never was', () => [data(7, 1)], 'TUNNEL_UNKNOWN_STREAM'],
  ['RST on a stream of ours that never was', () => [encodeReset(8, 1, '')], 'TUNNEL_UNKNOWN_STREAM'],
  ['OPEN with our parity', () => [open(4)], 'TUNNEL_STREAM_ID'],
  ['OPEN of an older id', () => [open(5), open(3)], 'TUNNEL_STREAM_ID'],
  ['OPEN twice', () => [open(5), open(5)], 'TUNNEL_STREAM_ID'],
  ['DATA beyond the credit', () => [open(1), ...window(1), data(1, 1)], 'TUNNEL_STREAM_VIOLATION'],
  ['DATA after FIN', () => [open(1), encodeFrame(FRAME.fin, 1), data(1, 1)], 'TUNNEL_STREAM_VIOLATION'],
  ['FIN twice', () => [open(1), encodeFrame(FRAME.fin, 1), encodeFrame(FRAME.fin, 1)], 'TUNNEL_STREAM_VIOLATION'],
  ['ACCEPT of its own stream', () => [open(1), encodeFrame(FRAME.accept, 1)], 'TUNNEL_STREAM_VIOLATION'],
  ['DATA before ACCEPT', (end) => (end.mux.open(Buffer.from('h')), [data(2, 1)]), 'TUNNEL_STREAM_VIOLATION'],
  [
    'FIN before ACCEPT',
    (end) => (end.mux.open(Buffer.from('h')), [encodeFrame(FRAME.fin, 2)]),
    'TUNNEL_STREAM_VIOLATION',
  ],
  [
    'ACCEPT twice',
    (end) => (end.mux.open(Buffer.from('h')), [encodeFrame(FRAME.accept, 2), encodeFrame(FRAME.accept, 2)]),
    'TUNNEL_STREAM_VIOLATION',
  ],
  ['CREDIT of 0', () => [open(1), encodeCredit(1, 0)], 'TUNNEL_STREAM_VIOLATION'],
  ['CREDIT overflow', () => [open(1), encodeCredit(1, 0x7fff_ffff)], 'TUNNEL_STREAM_VIOLATION'],
  ['PONG that nobody asked for', () => [encodeFrame(FRAME.pong, 0, Buffer.alloc(8, 9))], 'TUNNEL_PONG'],
  ['garbage', () => [Buffer.from('GET / HTTP/1.1\r\n\r\n')], 'TUNNEL_FRAME_TYPE'],
];
for (const [name, send, expected] of VIOLATIONS) {
  test(`ends the connection: ${name}`, async () => {
    const end = muxWithRawPeer('agent');
    const bystander = end.mux.open(Buffer.from('b'));
    const seen = collector();
    bystander.receive(seen);
    // The bystander took id 2; rows that open one of ours get id 4.
    const frames = send(end).map((frame) => (frame.readUInt32BE(4) === 2 ? renumber(frame, 4) : frame));
    end.peer.send(...frames);
    await settle();
    assert.deepEqual(end.closes.map(code), [expected]);
    assert.equal(seen.closes.length, 1);
    assert.ok(seen.closes[0] instanceof StreamResetError && seen.closes[0].reason === 'lost');
    assert.equal(end.mux.streamCount, 0);
    assert.equal(end.clock.pendingTimers, 0);
  });
}

function renumber(frame: Buffer, id: number): Buffer {
  const copy = Buffer.from(frame);
  copy.writeUInt32BE(id, 4);
  return copy;
}

test('streams above maxStreams are refused both ways with limit', async () => {
  const { mux, peer, incoming, closes } = muxWithRawPeer('agent', { maxStreams: 2 });
  peer.send(open(1), open(3), open(5), data(5, 3));
  await settle();
  assert.equal(incoming.length, 2);
  assert.deepEqual(
    peer.of(FRAME.rst).map((frame) => [frame.id, frame.body[0]]),
    [[5, 3]],
  );
  await assert.rejects(
    mux.open(Buffer.from('h')).accepted,
    (error) => error instanceof StreamResetError && error.reason === 'limit',
  );
  assert.deepEqual(closes, []);
});

test('the windows of all streams together are bounded', async () => {
  const { peer, incoming } = muxWithRawPeer('agent', { maxTunnelWindowBytes: 3 * INITIAL_WINDOW_BYTES });
  peer.send(open(1), open(3), open(5), open(7));
  await settle();
  assert.equal(incoming.length, 3);
  incoming[0]!.reject('refused', '');
  peer.send(open(9));
  await settle();
  assert.equal(incoming.length, 4);
});

test('unanswered openings are bounded, also those that were reset meanwhile', async () => {
  const { peer, incoming } = muxWithRawPeer('agent', { maxPendingOpens: 2 });
  peer.send(open(1), encodeReset(1, 5, ''), open(3), encodeReset(3, 5, ''), open(5));
  await settle();
  assert.equal(incoming.length, 2);
  assert.deepEqual(
    peer.of(FRAME.rst).map((frame) => [frame.id, frame.body[0]]),
    [[5, 3]],
  );
  const seen = collector();
  incoming[0]!.accept().receive(seen);
  assert.equal(seen.closes.length, 1);
  assert.throws(() => incoming[0]!.reject('refused', ''), /answered twice/);
  peer.send(open(7));
  await settle();
  assert.equal(incoming.length, 3);
});

test('a flood of openings and resets ends the connection', async () => {
  const { peer, incoming, closes, clock } = muxWithRawPeer('agent', {
    abandonedOpensBurst: 10,
    abandonedOpensPerSecond: 10,
  });
  const flood = (from: number): Buffer[] =>
    Array.from({ length: 10 }, (_, n) => Buffer.concat([open(from + 2 * n), encodeReset(from + 2 * n, 5, '')]));
  peer.send(...flood(1));
  await settle();
  clock.advance(1000);
  peer.send(...flood(21));
  await settle();
  assert.deepEqual(closes, []);
  assert.equal(incoming.length, 20);
  peer.send(...flood(41));
  await settle();
  assert.deepEqual(closes.map(code), ['TUNNEL_ABANDONED_OPENS']);
});

test('resets of accepted streams are no flood', async () => {
  const { peer, incoming, closes } = muxWithRawPeer('agent', { abandonedOpensBurst: 3 });
  for (let id = 1; id < 41; id += 2) {
    peer.send(open(id));
    await settle(2);
    incoming.at(-1)!.accept();
    peer.send(encodeReset(id, 5, ''));
    await settle(2);
  }
  assert.deepEqual(closes, []);
});

test('a peer that pings and never reads is cut off', async () => {
  const { mux, peer, closes } = muxWithRawPeer('agent', { maxControlBacklogBytes: 64 * 1024 }, false);
  mux.open(Buffer.from('h')).write(Buffer.alloc(200 * 1024));
  const pings = Buffer.concat(Array.from({ length: 1000 }, () => encodeFrame(FRAME.ping, 0, Buffer.alloc(8))));
  for (let n = 0; n < 10; n += 1) peer.send(pings);
  await settle(30);
  assert.deepEqual(closes.map(code), ['TUNNEL_CONTROL_BACKLOG']);
});

test('a window grows while its stream drains within two round trips, to its bound', async () => {
  const limits = { maxStreamWindowBytes: 1024 * 1024, maxTunnelWindowBytes: 64 * 1024 * 1024 };
  const { mux, peer, incoming, clock } = muxWithRawPeer('agent', limits);
  await settle();
  const ping = peer.of(FRAME.ping)[0]!;
  clock.advance(50);
  peer.send(encodeFrame(FRAME.pong, 0, ping.body), open(1));
  await settle();
  assert.equal(mux.roundTripMs, 50);
  const stream = incoming[0]!.accept();
  stream.receive({ data: (chunk) => stream.consumed(chunk.length), close: () => undefined });
  let sent = 0;
  let credit = INITIAL_WINDOW_BYTES;
  for (let round = 0; round < 12; round += 1) {
    clock.advance(50);
    const frames: Buffer[] = [];
    for (; credit >= 0x8000; credit -= 0x8000, sent += 0x8000) frames.push(data(1, 0x8000));
    if (frames.length > 0) peer.send(...frames);
    await settle(30);
    credit =
      INITIAL_WINDOW_BYTES - sent + peer.of(FRAME.credit).reduce((sum, frame) => sum + frame.body.readUInt32BE(0), 0);
  }
  assert.ok(credit <= 1024 * 1024, `window is ${credit}`);
  assert.ok(credit > 1024 * 1024 - 0x8_0000, `window is ${credit}`);
});

test('a slow reader keeps the first window, and so does everybody when the budget is half used', async () => {
  for (const [limits, pauseMs] of [
    [{}, 500],
    [{ maxTunnelWindowBytes: 2 * INITIAL_WINDOW_BYTES }, 1],
  ] as const) {
    const { peer, incoming, clock } = muxWithRawPeer('agent', limits);
    await settle();
    clock.advance(50);
    peer.send(encodeFrame(FRAME.pong, 0, peer.of(FRAME.ping)[0]!.body), open(1));
    await settle();
    const stream = incoming[0]!.accept();
    stream.receive({ data: () => undefined, close: () => undefined });
    peer.send(...window(1));
    await settle(30);
    for (let n = 0; n < 2; n += 1) {
      clock.advance(pauseMs);
      stream.consumed(INITIAL_WINDOW_BYTES / 2);
    }
    await settle();
    const granted = peer.of(FRAME.credit).reduce((sum, frame) => sum + frame.body.readUInt32BE(0), 0);
    assert.equal(granted, INITIAL_WINDOW_BYTES);
  }
});

test('telling of more consumed bytes than came is a bug', async () => {
  const { peer, incoming } = muxWithRawPeer('agent');
  peer.send(open(1), data(1, 10));
  await settle();
  const stream = incoming[0]!.accept();
  stream.receive({ data: () => undefined, close: () => undefined });
  assert.throws(() => stream.consumed(11), /more consumed bytes/);
});

test('silence ends the connection, a byte keeps it', async () => {
  const { peer, closes, clock } = muxWithRawPeer('proxy', { keepAliveMs: 10, keepAliveTimeoutMs: 30 });
  await settle();
  for (let n = 0; n < 10; n += 1) {
    clock.advance(20);
    peer.send(encodeFrame(FRAME.ping, 0, Buffer.alloc(8)));
    await settle();
  }
  assert.deepEqual(closes, []);
  assert.equal(peer.of(FRAME.pong).length, 10);
  assert.equal(peer.of(FRAME.ping).length, 1, 'one PING is out at a time');
  clock.advance(60);
  assert.deepEqual(closes.map(code), ['TUNNEL_SILENT']);
  assert.equal(clock.pendingTimers, 0);
});

test('after DRAIN no stream is opened here, and live ones go on', async () => {
  const { mux, peer } = muxWithRawPeer('proxy');
  const stream = mux.open(Buffer.from('h'));
  await settle();
  peer.send(encodeFrame(FRAME.drain, 0), encodeFrame(FRAME.accept, 1));
  await stream.accepted;
  await assert.rejects(
    mux.open(Buffer.from('h')).accepted,
    (error) => error instanceof StreamResetError && error.reason === 'retry-elsewhere',
  );
  stream.write(Buffer.from('on'));
  await settle();
  assert.equal(peer.of(FRAME.data).length, 1);
});

test('an end inside a frame is told apart, and closing in order sends what was written', async () => {
  const cut = muxWithRawPeer('proxy');
  cut.peer.send(encodeFrame(FRAME.ping, 0, Buffer.alloc(8)).subarray(0, 9));
  await settle();
  cut.peer.socket.end();
  await settle();
  assert.match(String(cut.closes[0]), /inside a frame/);
  const orderly = muxWithRawPeer('proxy');
  orderly.mux.open(Buffer.from('h')).write(Buffer.from('last'));
  orderly.mux.close();
  await settle();
  assert.deepEqual(orderly.closes, [undefined]);
  assert.equal(orderly.peer.of(FRAME.data)[0]?.body.toString(), 'last');
  await assert.rejects(orderly.mux.open(Buffer.from('h')).accepted, (error) => code(error) === 'TUNNEL_LOST');
});

test('a callback of ours that throws refuses its stream only', async () => {
  const end = muxWithRawPeer('agent');
  end.incoming.push = () => {
    throw new Error('ours');
  };
  end.peer.send(open(1));
  await settle();
  assert.equal(end.faults.length, 1);
  assert.equal(end.peer.of(FRAME.rst)[0]?.body[0], 2);
  assert.deepEqual(end.closes, []);
});
