import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { muxWithRawPeer, RawPeer, settle } from '../../test/kit/tunnel-pair.ts';
import { TesseraError } from '../errors.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import { FRAME, encodeFrame } from './frame.ts';
import { Hub } from './hub.ts';
import { decodeKill, encodeKill, type KillMessage } from './kill.ts';
import { sendOneWay } from './one-way.ts';
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
  const hub = new Hub({ clock: new ManualClock(), random: () => 0, onKill: (one) => killed.push(one) });
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
  sendOneWay(one.mux, encodeKill(message));
  await settle();
  assert.deepEqual(one.peer.of(FRAME.open)[0]?.body, encodeKill(message));
  one.peer.send(encodeFrame(FRAME.rst, 2, Buffer.from([4])));
  await settle();
  assert.deepEqual([one.mux.streamCount, one.closes.length, one.faults.length], [0, 0, 0]);
  one.mux.close();
});
