import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Outgoing } from './outgoing.ts';

test('outgoing: what is taken is what was pushed, whatever the sizes and limits', () => {
  const step = fc.oneof(
    fc.record({ push: fc.oneof(fc.nat(40), fc.integer({ min: 1000, max: 9000 })) }),
    fc.record({ take: fc.oneof(fc.nat(50), fc.integer({ min: 1000, max: 9000 })) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const outgoing = new Outgoing();
      const pushed: Buffer[] = [];
      const taken: Uint8Array[] = [];
      let next = 0;
      for (const one of steps) {
        if ('push' in one) {
          const piece = Buffer.from(Array.from({ length: one.push }, () => next++ & 0xff));
          pushed.push(Buffer.from(piece));
          if (piece.length > 0) outgoing.push(piece);
        } else {
          const piece = outgoing.take(one.take);
          assert.ok(piece === undefined ? one.take === 0 || outgoing.bytes === 0 : piece.length <= one.take);
          if (piece !== undefined) taken.push(piece);
        }
      }
      // Looked at only now: a piece that was taken must not change any more.
      const kept = Buffer.concat(pushed).length - Buffer.concat(taken).length;
      assert.equal(outgoing.bytes, kept);
      for (let piece = outgoing.take(100_000); piece !== undefined; piece = outgoing.take(100_000)) taken.push(piece);
      assert.deepEqual(Buffer.concat(taken), Buffer.concat(pushed));
    }),
  );
});

test('outgoing: a window of single bytes is a few pieces', () => {
  const outgoing = new Outgoing();
  const one = Buffer.from('x');
  for (let count = 0; count < 256 * 1024; count += 1) outgoing.push(one);
  let pieces = 0;
  while (outgoing.take(100_000) !== undefined) pieces += 1;
  assert.ok(pieces <= 40, `${pieces} pieces`);
});
