import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Bits of a key's id that tell which agent made it, so that any proxy finds the agent: bits 30 to 19 (bit 31 stays 0: clients print the id as a positive number). */
const tagShift = 19;
const maxTag = 0xfff;

/** A key as handed to a client. `secret` belongs to the caller. */
export type IssuedKey = { readonly id: number; readonly secret: Buffer; release(): void };

/**
 * The cancel keys that this agent handed out: whoever shows one may stop the running statement of its session, and nothing else. Never the
 * database's own key. Protocol-independent: an id of 31 bits (12 of them the agent's tag) and a random secret. Held in memory only.
 */
export class CancelKeys {
  readonly #tag: number;
  readonly #byDigest = new Map<string, { readonly digest: Buffer; readonly cancel: () => Promise<void> }>();
  readonly #random: (bytes: number) => Buffer;

  /** `tag`: twelve bits, as the agent announces them. */
  constructor(tag: number, random: (bytes: number) => Buffer = randomBytes) {
    if (!Number.isInteger(tag) || tag < 0 || tag > maxTag)
      throw new RangeError(`cancel tag must be 0 to ${maxTag}, got ${tag}`);
    this.#tag = tag;
    this.#random = random;
  }

  get size(): number {
    return this.#byDigest.size;
  }

  /** Makes a key for one session; `secretBytes` as the client's protocol version allows (4 or 32). Valid until `release`. */
  issue(secretBytes: number, cancel: () => Promise<void>): IssuedKey {
    for (;;) {
      const id = ((this.#tag << tagShift) | (this.#random(4).readUInt32BE(0) >>> (32 - tagShift))) >>> 0;
      const secret = this.#random(secretBytes);
      const digest = digestOf(id, secret);
      const name = digest.toString('hex');
      if (this.#byDigest.has(name)) continue;
      this.#byDigest.set(name, { digest, cancel });
      return { id, secret, release: () => void this.#byDigest.delete(name) };
    }
  }

  /**
   * The session's cancel function, or undefined. Takes the same time for every wrong key: the map is asked for a hash that the caller cannot steer, then
   * the whole hash is compared.
   */
  find(id: number, secret: Uint8Array): (() => Promise<void>) | undefined {
    const digest = digestOf(id, secret);
    const entry = this.#byDigest.get(digest.toString('hex'));
    return timingSafeEqual(entry?.digest ?? Buffer.alloc(digest.length), digest) ? entry?.cancel : undefined;
  }
}

/** The twelve bits of an id that name the agent; a proxy routes a cancel packet with it. */
export function cancelTagOf(id: number): number {
  return (id >>> tagShift) & maxTag;
}

function digestOf(id: number, secret: Uint8Array): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt32BE(id >>> 0, 0);
  return createHash('sha256').update(head).update(secret).digest();
}
