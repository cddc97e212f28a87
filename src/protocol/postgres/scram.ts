import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { LimitError, LoginError, ProtocolError } from '../../errors.ts';

/**
 * The client's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677; channel binding `tls-server-end-point`, RFC 5929), as PostgreSQL speaks it:
 * the user name inside is empty, the start-up packet's counts.
 *
 *     const exchange = new ScramClient({ mechanism, password, nonce, certificateHash });
 *     send SASLInitialResponse(mechanism, exchange.first());
 *     on SASLContinue: send SASLResponse(await exchange.final(data));
 *     on SASLFinal:    exchange.verify(data);   // throws unless the server knows the password's verifier too
 *     on AuthenticationOk: only now, and only when exchange.verified
 */
export class ScramClient {
  /** True when the server proved itself: an AuthenticationOk before that is a lie. */
  verified = false;

  readonly #options: ScramOptions;
  readonly #gs2: string;
  readonly #firstBare: string;
  #serverSignature: Buffer | undefined;

  constructor(options: ScramOptions) {
    if (options.nonce.length < 18)
      throw new ProtocolError('SCRAM_NONCE', 'scram: client nonce must have at least 18 bytes');
    this.#options = options;
    const plus = options.mechanism === 'SCRAM-SHA-256-PLUS';
    // "y": we could bind and the server offered no way to; a server that did offer then knows that someone took the offer out.
    this.#gs2 = plus ? 'p=tls-server-end-point,,' : options.certificateHash === undefined ? 'n,,' : 'y,,';
    this.#firstBare = `n=,r=${options.nonce.toString('base64')}`;
  }

  /** client-first-message. */
  first(): Buffer {
    return Buffer.from(this.#gs2 + this.#firstBare);
  }

  /** From server-first-message to client-final-message. Derives the key off the main thread; `maxIterations` bounds its cost. */
  async final(serverFirst: Buffer): Promise<Buffer> {
    const text = serverFirst.toString('utf8');
    const { nonce, salt, iterations } = parseServerFirst(text);
    const ours = this.#options.nonce.toString('base64');
    if (!nonce.startsWith(ours) || nonce.length <= ours.length)
      throw fault('server nonce does not continue the client nonce');
    const maxIterations = this.#options.maxIterations ?? defaultMaxIterations;
    if (iterations > maxIterations)
      throw new LimitError(
        'SCRAM_ITERATIONS',
        `scram: server asks for ${iterations} iterations, more than maxIterations ${maxIterations}`,
      );
    const salted = await derive(this.#options.password, salt, iterations);
    const binding = Buffer.concat([Buffer.from(this.#gs2), this.#bindingData()]);
    const withoutProof = `c=${binding.toString('base64')},r=${nonce}`;
    const authMessage = `${this.#firstBare},${text},${withoutProof}`;
    const clientKey = hmac(salted, 'Client Key');
    const signature = hmac(createHash('sha256').update(clientKey).digest(), authMessage);
    const proof = Buffer.alloc(clientKey.length);
    for (let at = 0; at < proof.length; at += 1) proof[at] = (clientKey[at] ?? 0) ^ (signature[at] ?? 0);
    this.#serverSignature = hmac(hmac(salted, 'Server Key'), authMessage);
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  }

  /** Checks server-final-message in constant time. Throws LoginError when the server refuses or does not know the password. */
  verify(serverFinal: Buffer): void {
    const text = serverFinal.toString('utf8');
    if (this.#serverSignature === undefined) throw fault('server-final-message came before server-first-message');
    if (text.startsWith('e=')) throw new LoginError('SCRAM_REFUSED', 'scram: the server refused the password');
    const value = text.split(',')[0] ?? '';
    if (!value.startsWith('v=')) throw fault('server-final-message has no verifier');
    const claimed = decodeBase64(value.slice(2), 'verifier');
    if (claimed.length !== this.#serverSignature.length || !timingSafeEqual(claimed, this.#serverSignature)) {
      throw new LoginError('SCRAM_SERVER_UNVERIFIED', 'scram: the server could not prove that it knows the password');
    }
    this.verified = true;
  }

  #bindingData(): Buffer {
    if (this.#options.mechanism !== 'SCRAM-SHA-256-PLUS') return Buffer.alloc(0);
    if (this.#options.certificateHash === undefined)
      throw new ProtocolError('SCRAM_NO_BINDING', 'scram: channel binding needs the hash of the server certificate');
    return this.#options.certificateHash;
  }
}

export type ScramOptions = {
  readonly mechanism: ScramMechanism;
  readonly password: string;
  /** At least 18 random bytes, never used before. */
  readonly nonce: Buffer;
  /** Of the server's certificate, by {@link serverEndPointHash}; needed for PLUS, and whenever the connection is TLS. */
  readonly certificateHash?: Buffer;
  /** Default {@link defaultMaxIterations}. */
  readonly maxIterations?: number;
};
export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS';

/** PBKDF2 rounds a server may ask for: about half a second of one core. PostgreSQL's default is 4096. */
export const defaultMaxIterations = 1_000_000;

/** The best of the mechanisms offered; undefined when none is ours. PLUS is taken when the certificate is known. */
export function chooseScram(offered: readonly string[], canBind: boolean): ScramMechanism | undefined {
  if (canBind && offered.includes('SCRAM-SHA-256-PLUS')) return 'SCRAM-SHA-256-PLUS';
  return offered.includes('SCRAM-SHA-256') ? 'SCRAM-SHA-256' : undefined;
}

/**
 * `tls-server-end-point` (RFC 5929 section 4.1): the hash of the certificate's DER by its signature's hash function; MD5 and SHA-1 are replaced by SHA-256.
 * `signatureHash` is the name in the signature algorithm, e.g. `sha384`. Undefined for a signature without one (Ed25519): no binding is then defined.
 */
export function serverEndPointHash(certificateDer: Uint8Array, signatureHash: string | undefined): Buffer | undefined {
  const name = signatureHash?.toLowerCase().replace('-', '');
  if (name === undefined) return undefined;
  const hash = name === 'md5' || name === 'sha1' ? 'sha256' : name;
  return ['sha224', 'sha256', 'sha384', 'sha512'].includes(hash)
    ? createHash(hash).update(certificateDer).digest()
    : undefined;
}

function parseServerFirst(text: string): {
  readonly nonce: string;
  readonly salt: Buffer;
  readonly iterations: number;
} {
  const match = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=([1-9][0-9]{0,9})(?:,.*)?$/s.exec(text);
  if (match === null) throw fault('server-first-message is not r=...,s=...,i=...');
  const [, nonce = '', salt = '', iterations = ''] = match;
  return { nonce, salt: decodeBase64(salt, 'salt'), iterations: Number(iterations) };
}

function decodeBase64(text: string, field: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.toString('base64') !== text) throw fault(`${field} is not base64`);
  return bytes;
}

async function derive(password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  pbkdf2(saslPrep(password), salt, iterations, 32, 'sha256', (error, key) =>
    error === null ? resolve(key) : reject(error),
  );
  return await promise;
}

/** The part of SASLprep (RFC 4013) that changes text: NFKC, odd spaces to space, invisible characters away. Others are kept, as PostgreSQL does on failure. */
function saslPrep(password: string): string {
  if (/^[\x20-\x7e]*$/.test(password)) return password;
  const mapped = password
    .replace(/[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000]/gu, ' ')
    .replace(/\u00ad|\u034f|\u1806|[\u180b-\u180d]|\u200c|\u200d|\u2060|[\ufe00-\ufe0f]|\ufeff/gu, '')
    .normalize('NFKC');
  return /[\u0000-\u001f\u007f]/u.test(mapped) || mapped === '' ? password : mapped;
}

function hmac(key: Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

function fault(what: string): ProtocolError {
  return new ProtocolError('SCRAM_BAD_MESSAGE', `scram: ${what}`);
}
