import { argon2, randomBytes, timingSafeEqual, type Argon2Parameters } from 'node:crypto';
import { promisify } from 'node:util';
import { ConfigError, LimitError, StorageError } from '../../errors.ts';

/** Passwords as argon2id hashes in PHC strings: RFC 9106, https://github.com/P-H-C/phc-string-format. */

export type Argon2Cost = {
  /** KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
};

/** OWASP's smallest advised cost: 19 MiB, two passes, one lane; about 90 ms of one core. */
export const DEFAULT_COST: Argon2Cost = { memory: 19_456, passes: 2, lanes: 1 };
export const MIN_PASSWORD_LENGTH = 12;
export const MAX_PASSWORD_LENGTH = 128;

export type PasswordOptions = {
  /** Hashes computed at once (config `maxPasswordHashes`). */
  readonly maxConcurrent: number;
  /** Calls that may wait for a turn; further ones get LimitError `PASSWORD_HASHES_BUSY`. Default 64. */
  readonly maxWaiting?: number;
  /** Default `DEFAULT_COST`; nothing below it in production. */
  readonly cost?: Argon2Cost;
};

export type PasswordCheck = {
  readonly matches: boolean;
  /** The hash was made with another cost than today's: store a new one. */
  readonly outdated: boolean;
};

/** Throws ConfigError when it is not 12 to 128 characters (code points). */
export function checkPasswordRules(password: string): void {
  const length = Array.from(password).length;
  if (length < MIN_PASSWORD_LENGTH || length > MAX_PASSWORD_LENGTH) {
    throw new ConfigError([
      `password: expected ${MIN_PASSWORD_LENGTH} to ${MAX_PASSWORD_LENGTH} characters, got ${length}`,
    ]);
  }
}

/** Hashes and verifies, never more than `maxConcurrent` at once. */
export class Passwords {
  readonly #turns: Turns;
  readonly #cost: Argon2Cost;
  readonly #decoy: Hash;

  constructor(options: PasswordOptions) {
    this.#turns = new Turns(options.maxConcurrent, options.maxWaiting ?? 64);
    this.#cost = options.cost ?? DEFAULT_COST;
    this.#decoy = { ...this.#cost, salt: randomBytes(SALT_BYTES), tag: randomBytes(TAG_BYTES) };
  }

  /** A PHC string with a fresh salt. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_BYTES);
    const tag = await this.#derive(password, { ...this.#cost, salt, tag: Buffer.alloc(TAG_BYTES) });
    return encodePhc({ ...this.#cost, salt, tag });
  }

  /** `phc` undefined (no such user, no password): costs the same and never matches. */
  async verify(password: string, phc: string | undefined): Promise<PasswordCheck> {
    const hash = phc === undefined ? this.#decoy : decodePhc(phc);
    const tag = await this.#derive(password, hash);
    const equal = timingSafeEqual(tag, hash.tag);
    const outdated =
      hash.memory !== this.#cost.memory || hash.passes !== this.#cost.passes || hash.lanes !== this.#cost.lanes;
    return { matches: equal && phc !== undefined, outdated };
  }

  async #derive(password: string, hash: Hash): Promise<Buffer> {
    const parameters: Argon2Parameters = {
      // The same text typed on another keyboard or system is the same password.
      message: Buffer.from(password.normalize('NFKC')),
      nonce: hash.salt,
      parallelism: hash.lanes,
      tagLength: hash.tag.length,
      memory: hash.memory,
      passes: hash.passes,
    };
    return this.#turns.run(() => argon2Async('argon2id', parameters));
  }
}

const argon2Async = promisify(argon2);
const SALT_BYTES = 16;
const TAG_BYTES = 32;

type Hash = Argon2Cost & { readonly salt: Buffer; readonly tag: Buffer };

/** `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<tag>`, base64 without padding. */
function encodePhc(hash: Hash): string {
  return `$argon2id$v=19$m=${hash.memory},t=${hash.passes},p=${hash.lanes}$${unpadded(hash.salt)}$${unpadded(hash.tag)}`;
}

function decodePhc(text: string): Hash {
  const found =
    /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/u.exec(
      text,
    );
  const [, memory, passes, lanes, salt, tag] = found ?? [];
  if (memory === undefined || passes === undefined || lanes === undefined || salt === undefined || tag === undefined) {
    throw new StorageError('PASSWORD_HASH_INVALID', 'stored password hash: expected an argon2id PHC string');
  }
  return {
    memory: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  };
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/u, '');
}

/** A counted gate with a bounded queue, first come first served. */
class Turns {
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(concurrent: number, maxWaiting: number) {
    this.#free = concurrent;
    this.#maxWaiting = maxWaiting;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await this.#wait();
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }

  #wait(): Promise<void> {
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new LimitError(
        'PASSWORD_HASHES_BUSY',
        `more than ${this.#maxWaiting} sign-ins are waiting (max_password_hashes); try again in a moment`,
      );
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
