/** xorshift32: small, and the same everywhere. */
export class Random {
  #state: number;

  constructor(seedValue: number) {
    this.#state = seedValue >>> 0 || 1;
  }

  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return limit <= 0 ? 0 : this.#state % limit;
  }
}

/** One to three seeds, joined, with a few changes of the kinds that decoders get wrong: lengths, signs, ends. */
export function mutate(random: Random, seeds: readonly Buffer[]): Buffer {
  const picked = Array.from(
    { length: 1 + random.below(3) },
    () => seeds[random.below(seeds.length)] ?? Buffer.alloc(0),
  );
  let bytes = Buffer.concat(picked);
  for (let change = random.below(6); change > 0 && bytes.length > 0; change -= 1) {
    const at = random.below(bytes.length);
    switch (random.below(7)) {
      case 0:
        bytes[at] = random.below(256);
        break;
      case 1:
        bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 2:
        EDGES[random.below(EDGES.length)]?.copy(bytes, at);
        break;
      case 3:
        bytes = bytes.subarray(0, at);
        break;
      case 4:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(random.below(bytes.length))]);
        break;
      case 5:
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          Buffer.alloc(random.below(300), random.below(256)),
          bytes.subarray(at),
        ]);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    }
  }
  return Buffer.from(bytes);
}

/** The input in chunks: tiny ones a third of the time. */
export function cut(random: Random, bytes: Buffer): readonly Buffer[] {
  const chunks: Buffer[] = [];
  const most = random.below(3) === 0 ? 3 : bytes.length + 1;
  for (let at = 0; at < bytes.length;) {
    const count = 1 + random.below(most);
    chunks.push(Buffer.from(bytes.subarray(at, at + count)));
    at += count;
  }
  return chunks;
}

const EDGES = [
  '00000000',
  '00000003',
  '00000004',
  '7fffffff',
  '80000000',
  'ffffffff',
  '3fffffff',
  '0000',
  'ffff',
  '7fff',
  '00',
].map((hex) => Buffer.from(hex, 'hex'));
