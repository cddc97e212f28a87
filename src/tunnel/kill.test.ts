import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { muxWithRawPeer, RawPeer, settle } from '../../test/kit/tunnel-pair.ts';
import { TesseraError } from '../errors.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import { FRAME, encodeFrame } from './frame.ts';
import { Hub } from './hub.ts';
import {
  decodeKill,
  encodeKill,
  firstKillAnswer,
  type KillAnswer,
  killAnswered,
  type KillMessage,
  takeKill,
} from './kill.ts';
import { STREAM_PURPOSE } from './tunnel.ts';

const message: KillMessage = { what: 'query', shownId: 0x4000_0001, number: 7, opening: Buffer.from('opening') };

test('what is written is read, and shares no memory', () => {
  for (const what of ['query', 'connection'] as const) {
    const header = encodeKill({ ...message, what });
    assert.equal(header[0], STREAM_PURPOSE.kill);
    const read = decodeKill(header.subarray(1));
    assert.deepEqual(read, { ...message, what });
    header.fill(0);
    assert.equal(read.opening.toString(), 'opening');
  }
});

const wrong: readonly (readonly [name: string, rest: string])[] = [
  ['nothing', ''],
  ['no opening', '010000000740000001'],
  ['another kind of kill', '030000000740000001ff'],
  ['kind 0', '000000000740000001ff'],
];
for (const [name, rest] of wrong)
  test(`refused: ${name}`, () => assert.throws(() => decodeKill(Buffer.from(rest, 'hex')), { code: 'TUNNEL_KILL' }));

test('any bytes are read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      try {
        assert.ok(decodeKill(Buffer.from(bytes)).opening.length > 0);
      } catch (error) {
        assert.ok(error instanceof TesseraError);
      }
    }),
  );
});

test('an agent can harm its own streams alone by it: what is malformed, unknown or too much is reset, the tunnel stays', async () => {
  const killed: KillMessage[] = [];
  const hub = new Hub({
    clock: new ManualClock(),
    random: () => 0,
    onKill: (one) => (killed.push(one), Promise.resolve(undefined)),
  });
  const [near, far] = duplexPair();
  hub.add(near, { hostId: 'a', hostName: 'a', address: '1.1.1.1' });
  const agent = new RawPeer(far);
  agent.send(
    encodeFrame(FRAME.open, 2, Buffer.from([STREAM_PURPOSE.kill])),
    encodeFrame(FRAME.open, 4, Buffer.from([STREAM_PURPOSE.kill, 9, 0, 0, 0, 1, 2, 3, 4, 5, 6])),
    encodeFrame(FRAME.open, 6, Buffer.from([0x77, 1, 2, 3])),
    encodeFrame(FRAME.open, 8, encodeKill({ ...message, opening: Buffer.alloc(16 * 1024 - 10, 1) })),
    encodeFrame(FRAME.data, 8, Buffer.alloc(1000)),
    encodeFrame(FRAME.open, 10, encodeKill(message)),
    encodeFrame(FRAME.fin, 10),
  );
  await settle();
  assert.deepEqual(
    agent.of(FRAME.rst).map(({ id }) => id),
    [2, 4, 6, 8, 10],
  );
  assert.deepEqual(
    killed.map(({ opening }) => opening.length),
    [16 * 1024 - 10, 7],
  );
  assert.equal(hub.counters.violations, 0);
  assert.equal(hub.counters.streams, 0, 'nothing is kept of a stream that its sender leaves open');
  assert.equal(agent.closed, false);
  await hub.close();
});

test('an end that does not know the purpose resets the stream, and its sender does not mind', async () => {
  const one = muxWithRawPeer('agent');
  const answer = killAnswered(one.mux.open(encodeKill(message)), one.clock, 4000);
  await settle();
  assert.deepEqual(one.peer.of(FRAME.open)[0]?.body, encodeKill(message));
  one.peer.send(encodeFrame(FRAME.rst, 2, Buffer.from([4])));
  await settle();
  assert.equal(await answer, undefined);
  assert.deepEqual([one.mux.streamCount, one.closes.length, one.faults.length], [0, 0, 0]);
  assert.equal(one.clock.pendingTimers, pendingOf('agent'), 'and it waits for nothing more');
  one.mux.close();
});

/** Timers of a tunnel without streams. */
function pendingOf(side: 'proxy' | 'agent'): number {
  const { mux, clock } = muxWithRawPeer(side);
  const { pendingTimers } = clock;
  mux.close();
  return pendingTimers;
}

type Heard = {
  readonly name: string;
  /** What the far end sends on the stream, in one piece each. */
  readonly frames: readonly Buffer[];
  readonly want: KillAnswer | undefined;
};
const data = (hex: string): Buffer => encodeFrame(FRAME.data, 2, Buffer.from(hex, 'hex'));
const fin = encodeFrame(FRAME.fin, 2);
const yours: KillAnswer = { type: 'yours', connectionId: 0x0102_0304 };
const heard: readonly Heard[] = [
  { name: 'yours, with the number', frames: [data('0201020304'), fin], want: yours },
  { name: 'done', frames: [data('0100000000'), fin], want: { type: 'done' } },
  { name: 'in pieces', frames: [data('02'), data('010203'), data('04'), fin], want: yours },
  { name: 'never ended', frames: [data('0201020304')], want: yours },
  { name: 'twice: the first counts, the second is nobody\'s', frames: [data('0201020304'), data('0205060708'), fin], want: yours }, // prettier-ignore
  { name: 'two in one breath are none', frames: [data('02010203040205060708'), fin], want: undefined },
  { name: 'the number 0, which is nobody', frames: [data('0200000000'), fin], want: undefined },
  { name: 'done with a number', frames: [data('0100000001'), fin], want: undefined },
  { name: 'another kind', frames: [data('0301020304'), fin], want: undefined },
  { name: 'too short', frames: [data('02010203'), fin], want: undefined },
  { name: 'nothing', frames: [fin], want: undefined },
  { name: 'a megabyte', frames: [encodeFrame(FRAME.data, 2, Buffer.alloc(16_000, 2)), fin], want: undefined },
  { name: 'a reset', frames: [encodeFrame(FRAME.rst, 2, Buffer.from([4]))], want: undefined },
];
for (const { name, frames, want } of heard) {
  test(`an answer: ${name}`, async () => {
    const one = muxWithRawPeer('agent');
    const answer = killAnswered(one.mux.open(encodeKill(message)), one.clock, 4000);
    await settle();
    const accept = encodeFrame(FRAME.accept, 2);
    one.peer.send(...(frames[0]?.[0] === FRAME.rst ? [] : [accept]), ...frames);
    await settle();
    assert.deepEqual(await answer, want);
    assert.equal(one.mux.streamCount, 0, 'nothing is left of it');
    assert.deepEqual([one.closes.length, one.faults.length, one.peer.closed], [0, 0, false], 'the tunnel stays');
    one.mux.close();
  });
}

test('an answer that is late is none, and its stream is gone', async () => {
  const one = muxWithRawPeer('agent');
  const answer = killAnswered(one.mux.open(encodeKill(message)), one.clock, 4000);
  await settle();
  one.peer.send(encodeFrame(FRAME.accept, 2), data('0201'));
  await settle();
  one.clock.advance(4000);
  assert.equal(await answer, undefined);
  one.peer.send(data('020304'), fin);
  await settle();
  assert.deepEqual([one.mux.streamCount, one.closes.length, one.faults.length], [0, 0, 0]);
  one.mux.close();
});

test('the first of several answers counts; silence and the slow ones do not hold it up', async () => {
  const never = new Promise<undefined>(() => {});
  assert.deepEqual(await firstKillAnswer([Promise.resolve(undefined), never, Promise.resolve(yours)]), yours);
  assert.equal(await firstKillAnswer([]), undefined);
  assert.equal(await firstKillAnswer([Promise.resolve(undefined), Promise.resolve(undefined)]), undefined);
});

const senders: readonly { readonly name: string; readonly behind: readonly Buffer[]; readonly answered: boolean }[] = [
  { name: 'that ends it at once, as those that know of no answers', behind: [fin], answered: true },
  { name: 'that does not end it', behind: [], answered: true },
  { name: 'that goes on talking', behind: [data('ff')], answered: false },
  { name: 'that gives it up', behind: [encodeFrame(FRAME.rst, 2, Buffer.from([4]))], answered: false },
];
for (const { name, behind, answered } of senders) {
  test(`a KILL is answered to a sender ${name}, and nothing of its stream stays`, async () => {
    const end = muxWithRawPeer('proxy');
    const answer = Promise.withResolvers<KillAnswer>();
    end.peer.send(encodeFrame(FRAME.open, 2, encodeKill(message)), ...behind);
    await settle();
    for (const stream of end.incoming) takeKill(stream, end.clock, () => answer.promise);
    await settle();
    answer.resolve(yours);
    await settle();
    const said = end.peer.of(FRAME.data).map(({ body }) => body.toString('hex'));
    assert.deepEqual(said, answered ? ['0201020304'] : []);
    end.clock.advance(8000);
    await settle();
    assert.deepEqual([end.mux.streamCount, end.closes.length, end.faults.length], [0, 0, 0]);
    end.mux.close();
  });
}
