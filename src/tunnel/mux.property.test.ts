import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { duplexPair, type Duplex } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { settle } from '../../test/kit/tunnel-pair.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import type { Channel } from '../wire/channel.ts';
import { FRAME, FrameDecoder } from './frame.ts';
import { DEFAULT_MUX_LIMITS, INITIAL_WINDOW_BYTES, newTunnelCounters } from './limits.ts';
import { Mux } from './mux.ts';
import type { IncomingStream } from './tunnel.ts';

/** Watches one direction of the wire: what each stream may still send. */
class CreditWatch {
  readonly #credit = new Map<number, number>();
  readonly decoder: FrameDecoder;
  other: CreditWatch | undefined;

  constructor() {
    this.decoder = new FrameDecoder(
      {
        data: (id, piece) => {
          const left = this.#left(id) - piece.length;
          assert.ok(left >= 0, `stream ${id} sent ${-left} bytes beyond its credit`);
          this.#credit.set(id, left);
        },
        control: (type, id, body) => {
          if (type === FRAME.credit) this.other?.give(id, body.readUInt32BE(0));
        },
      },
      { maxOpenBytes: 16 * 1024 },
    );
  }

  give(id: number, count: number): void {
    this.#credit.set(id, this.#left(id) + count);
  }

  #left(id: number): number {
    return this.#credit.get(id) ?? INITIAL_WINDOW_BYTES;
  }
}

/** Joins two sockets with chunks cut anew, both watched. */
function cable(a: Duplex, b: Duplex, cut: () => number): void {
  const watches = [new CreditWatch(), new CreditWatch()] as const;
  watches[0].other = watches[1];
  watches[1].other = watches[0];
  for (const [from, to, watch] of [
    [a, b, watches[0]],
    [b, a, watches[1]],
  ] as const) {
    from.on('data', (chunk: Buffer) => {
      watch.decoder.push(chunk);
      for (let at = 0; at < chunk.length;) {
        const end = Math.min(chunk.length, at + cut());
        to.write(Buffer.from(chunk.subarray(at, end)));
        at = end;
      }
    });
    from.on('end', () => to.end());
  }
}

type Plan = { readonly sizes: readonly number[]; readonly fromProxy: boolean; readonly lazy: number };
const PLAN: fc.Arbitrary<Plan> = fc.record({
  sizes: fc.array(
    fc.oneof(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 2000, max: 2100 }),
      fc.integer({ min: 1, max: 200_000 }),
    ),
    { minLength: 1, maxLength: 8 },
  ),
  fromProxy: fc.boolean(),
  lazy: fc.integer({ min: 0, max: 4 }),
});

test('any interleaving delivers every stream whole, in order, within its credit', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(PLAN, { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.integer({ min: 1, max: 40_000 })),
      async (plans, cuts) => {
        const [proxyEnd, cableA] = duplexPair();
        const [agentEnd, cableB] = duplexPair();
        cable(cableA, cableB, () => cuts.next().value as number);
        const received = new Map<string, string>();
        const take = (key: string, channel: Channel, lazy: number, done: () => void): void => {
          const hash = createHash('sha256');
          channel.receive({
            data(chunk) {
              hash.update(chunk);
              if (lazy === 0) channel.consumed(chunk.length);
              else void settle(lazy).then(() => channel.consumed(chunk.length));
            },
            end() {
              received.set(key, hash.digest('hex'));
              channel.end();
              done();
            },
            close: () => undefined,
          });
        };
        const waits: Promise<void>[] = [];
        const expected = new Map<string, string>();
        const onStream = (stream: IncomingStream): void => {
          const plan = plans[stream.header[0]!]!;
          void settle(plan.lazy).then(() => {
            const accepted = stream.accept();
            take(String(stream.header[0]), accepted, plan.lazy, () => undefined);
          });
        };
        const clock = new ManualClock();
        const counters = newTunnelCounters();
        const errors: unknown[] = [];
        const common = {
          limits: DEFAULT_MUX_LIMITS,
          clock,
          counters,
          onStream,
          onClose: (error?: Error) => errors.push(error),
          onFault: (error: unknown) => errors.push(error),
        };
        const proxy = new Mux(proxyEnd, { ...common, side: 'proxy' });
        const agent = new Mux(agentEnd, { ...common, side: 'agent' });
        plans.forEach((plan, index) => {
          const stream = (plan.fromProxy ? proxy : agent).open(Buffer.from([index]));
          const hash = createHash('sha256');
          const queue = plan.sizes.map((size, n) => Buffer.alloc(size, index * 16 + n));
          for (const bytes of queue) hash.update(bytes);
          expected.set(String(index), hash.digest('hex'));
          const done = Promise.withResolvers<void>();
          waits.push(done.promise);
          const feed = (): void => {
            for (let next = queue.shift(); next !== undefined; next = queue.shift()) if (!stream.write(next)) return;
            stream.end();
          };
          stream.receive({ data: () => undefined, drain: feed, close: () => done.resolve() });
          feed();
        });
        await Promise.all(waits);
        assert.deepEqual(received, expected);
        assert.deepEqual(errors, []);
        assert.equal(counters.streams, 0);
        proxy.close();
        agent.close();
      },
    ),
    { numRuns: 40 },
  );
});
