// What came before an agent took the session: for every agent that is tried, and for the proxy's own refusal.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { channelPair } from '../../../test/kit/channel.ts';
import type { TunnelStream } from '../../tunnel/tunnel.ts';
import type { Channel } from '../../wire/channel.ts';
import { EarlyBytes } from './early-bytes.ts';

function setUp(maxReplayBytes = 1000): { readonly client: Channel; readonly early: EarlyBytes; gone: number } {
  const [near, client] = channelPair();
  const state = { gone: 0 };
  const early = new EarlyBytes(near, { maxReplayBytes, onFirst: () => true, onGone: () => (state.gone += 1) });
  return Object.assign(state, { client, early });
}

/** Reads all that comes, at most `take` pieces. */
function hear(channel: Channel, take = Number.POSITIVE_INFINITY): { text: string; closed: number } {
  const heard = { text: '', closed: 0 };
  let pieces = 0;
  channel.receive({
    data: (chunk) => {
      heard.text += chunk.toString();
      channel.consumed(chunk.length);
      pieces += 1;
      if (pieces === take) channel.receive(undefined);
    },
    close: () => (heard.closed += 1),
  });
  return heard;
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('what is given back comes first, once, and in order, whoever reads how much of it', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ minLength: 1, maxLength: 5, unit: 'grapheme-ascii' }), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
      async (pieces, takes) => {
        const { client, early } = setUp();
        for (const piece of pieces) client.write(Buffer.from(piece));
        await settle();
        const channel = early.giveBack();
        client.write(Buffer.from('|later'));
        let text = '';
        for (const take of takes) text += hear(channel, take).text;
        const last = hear(channel);
        await settle();
        assert.equal(text + last.text, `${pieces.join('')}|later`);
      },
    ),
    { numRuns: 100 },
  );
});

test('a client that left is told to the next reader, behind what it said', async () => {
  const { client, early } = setUp();
  client.write(Buffer.from('hello'));
  await settle();
  client.destroy();
  await settle();
  const heard = hear(early.giveBack());
  await settle();
  assert.deepEqual(heard, { text: 'hello', closed: 1 });
});

test('a reader that throws loses its client', async () => {
  const { client, early } = setUp();
  client.write(Buffer.from('hello'));
  await settle();
  let closed = 0;
  client.receive({ data() {}, close: () => (closed += 1) });
  early.giveBack().receive({
    data: () => {
      throw new Error('no');
    },
    close() {},
  });
  await settle();
  assert.equal(closed, 1);
});

test('every stream gets all of it; what is settled is gone', async () => {
  const { client, early } = setUp();
  const streams = ['', ''];
  const stream = (at: number): TunnelStream =>
    ({
      write: (bytes: Uint8Array) => ((streams[at] += Buffer.from(bytes).toString()), true),
    }) as unknown as TunnelStream;
  early.sendTo(stream(0));
  client.write(Buffer.from('one'));
  await settle();
  early.sendTo(stream(1));
  client.write(Buffer.from('two'));
  await settle();
  assert.deepEqual(streams, ['one', 'onetwo']);
  assert.equal(early.settle(), 6);
});
