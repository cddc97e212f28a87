import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelPair } from '../../test/kit/channel.ts';
import { muxWithRawPeer, settle } from '../../test/kit/tunnel-pair.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import { encodeFrame, FRAME } from '../tunnel/frame.ts';
import { INITIAL_WINDOW_BYTES } from '../tunnel/limits.ts';
import { leave } from './leave.ts';

test('a client that reads no more does not keep its stream when its session is over', async () => {
  const { mux, peer, incoming, clock } = muxWithRawPeer('agent');
  peer.send(encodeFrame(FRAME.open, 1, Buffer.from('h')));
  await settle();
  const client = incoming[0]?.accept();
  assert.ok(client !== undefined);
  client.write(Buffer.alloc(INITIAL_WINDOW_BYTES + 1));
  client.end();
  leave(client, clock, 1000);
  await settle();
  assert.equal(mux.streamCount, 1);
  clock.advance(1000);
  await settle();
  assert.equal(mux.streamCount, 0);
  assert.equal(peer.of(FRAME.rst).length, 1);
  mux.close();
});

test('a client that leaves in order leaves no timer behind, and what it still says is thrown away', async () => {
  const clock = new ManualClock();
  const [client, far] = channelPair();
  client.end();
  leave(client, clock);
  far.write(Buffer.from('goodbye'));
  await settle();
  assert.equal(client.unconsumed, 0);
  far.end();
  far.destroy();
  await settle();
  assert.equal(clock.pendingTimers, 0);
});
