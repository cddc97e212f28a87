import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { channelPair } from '../../test/kit/channel.ts';
import type { Channel } from './channel.ts';
import { ChannelReader } from './channel-reader.ts';
import { SocketChannel } from './socket-channel.ts';

type Pair = { readonly left: Channel; readonly right: Channel; close(): void };
const windowBytes = 128 * 1024;

const kinds: readonly { readonly name: string; readonly open: () => Promise<Pair> }[] = [
  {
    name: 'memory',
    open: async () => {
      const [left, right] = channelPair({ windowBytes });
      return { left, right, close: () => left.destroy() };
    },
  },
  { name: 'socket', open: sockets },
];

for (const kind of kinds) {
  const pairTest = (name: string, body: (pair: Pair) => Promise<void>): void =>
    void test(`${kind.name} channel: ${name}`, async () => {
      const pair = await kind.open();
      try {
        await body(pair);
      } finally {
        pair.close();
      }
    });

  pairTest('early bytes and an early end are told when the receiver comes', async ({ left, right }) => {
    left.write(Buffer.from('early'));
    left.end();
    await turn();
    const seen = watch(right);
    await seen.until('end');
    assert.equal(seen.text(), 'early');
    right.end();
    await seen.until('close');
    assert.deepEqual(seen.events, ['data', 'end', 'close']);
  });

  pairTest('half-close: the other direction stays open', async ({ left, right }) => {
    const seenLeft = watch(left);
    const seenRight = watch(right);
    left.end();
    await seenRight.until('end');
    assert.equal(left.write(Buffer.from('dropped')), true);
    right.write(Buffer.from('still here'));
    right.end();
    await seenLeft.until('close');
    await seenRight.until('close');
    assert.equal(seenLeft.text(), 'still here');
    assert.equal(seenRight.text(), '');
  });

  pairTest(
    'who does not consume stops the peer; consuming lets it go on, and drain is told',
    async ({ left, right }) => {
      let held = 0;
      let most = 0;
      right.receive({
        data: (chunk) => {
          held += chunk.length;
          most = Math.max(most, held);
        },
        close: () => {},
      });
      let drained = 0;
      left.receive({ data: () => {}, drain: () => (drained += 1), close: () => {} });
      const block = Buffer.alloc(64 * 1024, 1);
      let sent = 0;
      while (left.write(block) && sent < 64 * 1024 * 1024) {
        sent += block.length;
        await turn();
      }
      assert.equal(left.congested, true);
      assert.ok(most <= windowBytes, `${most} bytes were delivered unconsumed`);
      const total = sent + block.length;
      let got = held;
      right.receive({
        data: (chunk) => {
          got += chunk.length;
          right.consumed(chunk.length);
        },
        close: () => {},
      });
      right.consumed(held);
      while (got < total || drained === 0) await turn();
      assert.equal(got, total);
      assert.equal(left.congested, false);
    },
  );

  pairTest('a small write after a large one stays behind it', async ({ left, right }) => {
    const seen = watch(right);
    left.write(Buffer.alloc(5000, 0x61));
    left.write(Buffer.from('b'));
    left.write(Buffer.alloc(70_000, 0x63));
    left.write(Buffer.from('d'));
    left.end();
    await seen.until('end');
    assert.equal(seen.text(), `${'a'.repeat(5000)}b${'c'.repeat(70_000)}d`);
  });

  pairTest('destroy closes both ends, each told once, with the reason here', async ({ left, right }) => {
    const seenLeft = watch(left);
    const seenRight = watch(right);
    left.destroy(new Error('because'));
    left.destroy(new Error('again'));
    await seenLeft.until('close');
    if (kind.name === 'socket') right.end();
    await seenRight.until('close');
    assert.equal(seenLeft.error?.message, 'because');
    assert.deepEqual([count(seenLeft.events, 'close'), count(seenRight.events, 'close')], [1, 1]);
    assert.equal(left.write(Buffer.from('x')), true);
  });

  pairTest('a throw in a callback destroys the channel with that error', async ({ left, right }) => {
    const closed = Promise.withResolvers<Error | undefined>();
    right.receive({
      data: () => {
        throw new Error('receiver is broken');
      },
      close: closed.resolve,
    });
    left.write(Buffer.from('x'));
    assert.equal((await closed.promise)?.message, 'receiver is broken');
  });

  pairTest(
    'reader: reads, frames, and hands over what it did not read, and the end it saw',
    async ({ left, right }) => {
      const signal = AbortSignal.timeout(5000);
      const reader = new ChannelReader(right);
      left.write(Buffer.from('ab'));
      left.write(Buffer.from([0, 5, 0x78, 0x79, 0x7a, 0x72]));
      assert.equal((await reader.peek(1, signal)).toString('latin1').slice(0, 1), 'a');
      assert.equal((await reader.readExactly(2, signal)).toString(), 'ab');
      const shape = {
        name: 'frame',
        headerBytes: 2,
        lengthOf: (header: Buffer) => header.readUInt16BE(0),
        maxBytes: 5,
        limitName: 'maxFrame',
      };
      assert.equal((await reader.readFrame(shape, signal)).toString('hex'), '000578797a');
      left.write(Buffer.from('est'));
      left.end();
      await reader.peek(4, signal);
      await turn();
      assert.equal(reader.release().toString(), 'rest');
      const seen = watch(right);
      await seen.until('end');
      assert.equal(seen.text(), '');
    },
  );

  pairTest(
    'reader: an abort rejects and loses nothing, a limit is named, an end is a fault',
    async ({ left, right }) => {
      const reader = new ChannelReader(right);
      const stop = new AbortController();
      const waiting = reader.readExactly(4, stop.signal);
      left.write(Buffer.from('abc'));
      stop.abort(new Error('too slow'));
      await assert.rejects(waiting, /too slow/);
      const { signal } = new AbortController();
      assert.equal((await reader.readExactly(3, signal)).toString(), 'abc');
      left.write(Buffer.from([0xff, 0xff]));
      const shape = {
        name: 'frame',
        headerBytes: 2,
        lengthOf: (header: Buffer) => header.readUInt16BE(0),
        maxBytes: 100,
        limitName: 'maxFrame',
      };
      await assert.rejects(reader.readFrame(shape, signal), { code: 'WIRE_FRAME_TOO_LONG', message: /maxFrame 100/ });
      left.end();
      await assert.rejects(reader.readExactly(9, signal), { code: 'WIRE_CLOSED' });
    },
  );
}

test('memory channel: chunks can be cut to any size', async () => {
  const [left, right] = channelPair({ maxChunkBytes: 1 });
  const sizes: number[] = [];
  right.receive({ data: (chunk) => sizes.push(chunk.length), close: () => {} });
  left.write(Buffer.from('abc'));
  await turn();
  assert.deepEqual(sizes, [1, 1, 1]);
});

async function sockets(): Promise<Pair> {
  const accepted = Promise.withResolvers<Socket>();
  const server = createServer((socket) => accepted.resolve(socket)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const client = connect({ host: '127.0.0.1', port: address.port });
  const right = new SocketChannel(await accepted.promise, { windowBytes });
  const left = new SocketChannel(client, { windowBytes });
  return {
    left,
    right,
    close: () => {
      left.destroy();
      right.destroy();
      server.close();
    },
  };
}

function watch(channel: Channel): {
  readonly events: string[];
  error: Error | undefined;
  text(): string;
  until(event: string): Promise<void>;
} {
  const chunks: Buffer[] = [];
  let wake: (() => void) | undefined;
  const seen = {
    events: [] as string[],
    error: undefined as Error | undefined,
    text: () => Buffer.concat(chunks).toString('latin1'),
    until: async (event: string) => {
      while (!seen.events.includes(event)) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    },
  };
  const note = (event: string): void => {
    if (event !== 'data' || seen.events.at(-1) !== 'data') seen.events.push(event);
    wake?.();
  };
  channel.receive({
    data: (chunk) => {
      chunks.push(Buffer.from(chunk));
      channel.consumed(chunk.length);
      note('data');
    },
    end: () => note('end'),
    close: (error) => {
      seen.error = error;
      note('close');
    },
  });
  return seen;
}

function count(events: readonly string[], event: string): number {
  return events.filter((one) => one === event).length;
}

async function turn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  await promise;
}
