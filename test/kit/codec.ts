import assert from 'node:assert/strict';
import fc from 'fast-check';
import { TesseraError } from '../../src/errors.ts';

/**
 * Gives `feed` the same bytes whole, byte by byte and cut at random places (and a fresh copy of them each time, for a decoder may change them in place),
 * and expects equal outcomes. Returns the outcome.
 */
export function fedEveryWay<T>(bytes: Buffer, feed: (chunks: readonly Buffer[]) => T, runs = 40): T {
  const whole = feed([Buffer.from(bytes)]);
  const single = feed(Array.from(bytes, (byte) => Buffer.from([byte])));
  assert.deepEqual(single, whole, 'fed byte by byte the outcome differs from fed whole');
  fc.assert(
    fc.property(fc.array(fc.nat({ max: Math.max(0, bytes.length - 1) }), { maxLength: 12 }), (cuts) => {
      assert.deepEqual(feed(cutAt(bytes, cuts)), whole);
    }),
    { numRuns: runs },
  );
  return whole;
}

/** Copies of the pieces of `bytes` between the given offsets. */
export function cutAt(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const sorted = [0, ...new Set(cuts.filter((cut) => cut > 0 && cut < bytes.length)), bytes.length].toSorted(
    (a, b) => a - b,
  );
  return sorted.slice(1).map((end, index) => Buffer.from(bytes.subarray(sorted[index], end)));
}

/** decode(encode(m)) equals m, for every generated m. */
export function roundTrips<T extends object>(
  messages: fc.Arbitrary<T>,
  encode: (message: T) => Buffer,
  decode: (bytes: Buffer) => T,
  runs = 200,
): void {
  fc.assert(
    fc.property(messages, (message) => assert.deepEqual(decode(encode(message)), { ...message })),
    { numRuns: runs },
  );
}

/**
 * Any bytes give an outcome or one of our own error classes (never a RangeError, never a BugError), and no more than `maxHeldBytes` more memory is in use
 * afterwards while the outcome is alive.
 */
export function neverBreaks(
  decode: (bytes: Buffer) => unknown,
  options: { readonly runs?: number; readonly maxHeldBytes?: number; readonly seeds?: readonly Buffer[] } = {},
): void {
  const seeds = options.seeds ?? [];
  const before = process.memoryUsage();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 512 }), fc.nat(), fc.nat(), (noise, seedIndex, at) => {
      const seed = seeds.length === 0 ? undefined : seeds[seedIndex % seeds.length];
      survive(decode, seed === undefined ? Buffer.from(noise) : mutated(seed, Buffer.from(noise), at));
    }),
    { numRuns: options.runs ?? 500 },
  );
  const held = process.memoryUsage().arrayBuffers - before.arrayBuffers;
  assert.ok(held < (options.maxHeldBytes ?? 64 * 1024 * 1024), `${held} bytes of buffers are held after the runs`);
}

/** Runs a decoder; rethrows whatever is not a peer's fault by class. */
export function survive(decode: (bytes: Buffer) => unknown, bytes: Buffer): void {
  try {
    decode(bytes);
  } catch (error: unknown) {
    if (!(error instanceof TesseraError) || error.code === 'BUG') throw error;
  }
}

/** A valid input with a few bytes of noise written over it, or cut, or doubled: gets further into a decoder than noise alone. */
export function mutated(seed: Buffer, noise: Buffer, at: number): Buffer {
  const copy = Buffer.from(seed);
  const few = noise.subarray(0, 1 + (noise.length % 4));
  if (copy.length > 0) few.copy(copy, at % copy.length);
  if (at % 5 === 0) return copy.subarray(0, at % (copy.length + 1));
  return at % 7 === 0 ? Buffer.concat([copy, copy.subarray(at % (copy.length + 1)), noise.subarray(0, 16)]) : copy;
}
