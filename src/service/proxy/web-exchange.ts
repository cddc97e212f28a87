import { constants, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import { LimitError, ProtocolError } from '../../errors.ts';
import type { Clock, Timer } from '../../telemetry/clock.ts';
import type { ClientAddress } from './client-address.ts';
import { SECURITY_HEADERS } from './web-headers.ts';

export type Headers = Readonly<Record<string, string | number | readonly string[]>>;

export type ExchangeOptions = {
  readonly client: ClientAddress;
  /** Where the connection came in here. */
  readonly local: ClientAddress;
  readonly clock: Clock;
  /** For the client to take what was written. */
  readonly stallTimeoutMs: number;
  /** True: HTTP/1.1 connections end with their answer. */
  readonly closing: boolean;
};

/**
 * One request and its answer, the same for HTTP/1.1 and HTTP/2. Every answer has the security headers. A client that does not take its answer in time, or a body that does not come
 * in time, ends it. Nothing here logs: paths, queries, headers and bodies hold secrets.
 */
export class Exchange {
  readonly method: string;
  /** As it came, undecoded, before the `?`. */
  readonly path: string;
  /** Behind the first `?`; empty: none. */
  readonly query: string;
  readonly client: ClientAddress;
  readonly local: ClientAddress;
  readonly #request: IncomingMessage | Http2ServerRequest;
  readonly #response: ServerResponse | Http2ServerResponse;
  /** The same object, by what both kinds have in common. */
  readonly #body: Writable;
  readonly #options: ExchangeOptions;
  readonly #whenOver: (() => void)[] = [];
  #stall: Timer | undefined;
  #over = false;
  #begun = false;
  #status = 0;

  constructor(
    request: IncomingMessage | Http2ServerRequest,
    response: ServerResponse | Http2ServerResponse,
    options: ExchangeOptions,
  ) {
    const target = request.url ?? '';
    const at = target.indexOf('?');
    this.method = request.method ?? '';
    this.path = at === -1 ? target : target.slice(0, at);
    this.query = at === -1 ? '' : target.slice(at + 1);
    this.client = options.client;
    this.local = options.local;
    this.#request = request;
    this.#response = response;
    this.#body = response;
    this.#options = options;
    request.on('error', () => undefined);
    this.#body.on('error', () => undefined);
    this.#body.on('drain', () => this.#moved());
    this.#body.on('close', () => this.#ended());
  }

  /** The answer is out, or nobody waits for it any more. */
  get over(): boolean {
    return this.#over;
  }

  /** The status went out. */
  get begun(): boolean {
    return this.#begun;
  }

  /** What was answered; 0: nothing yet. */
  get status(): number {
    return this.#status;
  }

  /** A header's value, by its name in lower case; undefined: not there. One that came more than once is joined by commas, as HTTP has it. */
  header(name: string): string | undefined {
    const value = this.#request.headers[name];
    return Array.isArray(value) ? value.join(', ') : value;
  }

  /** The host that was asked for: `:authority`, else `Host`; undefined: none, or both and not the same. */
  get host(): string | undefined {
    const authority = this.header(':authority');
    const host = this.header('host');
    if (authority === undefined) return host;
    return host === undefined || host === authority ? authority : undefined;
  }

  /** Calls back once, when it is over; at once when it is. */
  onOver(callback: () => void): void {
    if (this.#over) callback();
    else this.#whenOver.push(callback);
  }

  /** The next time that the client took all that was written. */
  onceDrained(callback: () => void): void {
    this.#body.once('drain', callback);
  }

  /** The whole answer. Does nothing when there was one, or nobody waits. A body to HEAD is counted and left out. */
  answer(status: number, headers: Headers, body: Uint8Array | string = ''): void {
    if (this.#begun || this.#over) return;
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const counted = status === 304 ? {} : { 'Content-Length': bytes.length };
    this.#head(status, { ...headers, ...counted });
    if (this.method === 'HEAD' || status === 304) this.end();
    else this.#writePieces(bytes, 0);
  }

  /** The status and headers of an answer that `write` and `end` go on with. */
  begin(status: number, headers: Headers): void {
    if (this.#begun || this.#over) return;
    this.#head(status, headers);
    // A live view may have nothing to say for a while.
    if ('flushHeaders' in this.#response) this.#response.flushHeaders();
  }

  /** False: wait for `onceDrained` before more. */
  write(chunk: Uint8Array): boolean {
    if (this.#over) return true;
    const taken = this.#body.write(chunk);
    if (!taken) this.#watch();
    return taken;
  }

  end(): void {
    if (this.#over) return;
    this.#watch();
    this.#body.end();
    if (!('stream' in this.#request)) return;
    const { stream } = this.#request;
    // The rest of a body that was refused: HTTP/2 would keep the stream open for it.
    if (!stream.endAfterHeaders && !this.#request.complete)
      stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR));
  }

  /** Ends it without a whole answer, so that the client can tell. */
  abort(): void {
    if (this.#over) return;
    if ('stream' in this.#request) this.#request.stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    else this.#request.socket.destroy();
  }

  /**
   * The whole body. Throws LimitError `WEB_REQUEST_TOO_LARGE` (`limitName` in the words) before anything is read when its length is told, LimitError `WEB_REQUEST_SLOW` after
   * `timeoutMs`, ProtocolError `WEB_REQUEST_CUT` when the client leaves.
   */
  async readBody(limit: {
    readonly maxBytes: number;
    readonly name: string;
    readonly timeoutMs: number;
  }): Promise<Buffer> {
    const { maxBytes, name, timeoutMs } = limit;
    const tooLarge = (): LimitError =>
      new LimitError('WEB_REQUEST_TOO_LARGE', `the request is larger than ${maxBytes} bytes (${name})`);
    if (Number(this.header('content-length') ?? 0) > maxBytes) throw tooLarge();
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const chunks: Buffer[] = [];
    let length = 0;
    const request = this.#request;
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > maxBytes) reject(tooLarge());
      else chunks.push(chunk);
    };
    const onEnd = (): void => resolve(Buffer.concat(chunks));
    const timer = this.#options.clock.after(timeoutMs, () =>
      reject(
        new LimitError('WEB_REQUEST_SLOW', `the request was not whole within ${timeoutMs} ms (handshake_timeout)`),
      ),
    );
    this.onOver(() => reject(new ProtocolError('WEB_REQUEST_CUT', 'the client left before its request was whole')));
    request.on('data', onData);
    request.once('end', onEnd);
    try {
      return await promise;
    } finally {
      timer.cancel();
      request.removeListener('data', onData);
      request.removeListener('end', onEnd);
      request.pause();
    }
  }

  #head(status: number, headers: Headers): void {
    this.#begun = true;
    this.#status = status;
    const all: Record<string, string | number | string[]> = { ...SECURITY_HEADERS };
    for (const [name, value] of Object.entries(headers))
      all[name] = typeof value === 'object' ? Array.from(value) : value;
    // A body that nobody reads would otherwise hold the connection.
    if (!('stream' in this.#request) && (this.#options.closing || !this.#request.complete || status >= 400))
      all['Connection'] = 'close';
    const response = this.#response;
    if ('stream' in response) response.writeHead(status, all);
    else response.writeHead(status, all);
  }

  #writePieces(bytes: Uint8Array, from: number): void {
    for (let at = from; at < bytes.length; at += PIECE_BYTES) {
      const next = at + PIECE_BYTES;
      if (this.write(bytes.subarray(at, next)) || this.#over) continue;
      this.onceDrained(() => this.#writePieces(bytes, next));
      return;
    }
    this.end();
  }

  #watch(): void {
    this.#stall ??= this.#options.clock.after(this.#options.stallTimeoutMs, () => this.abort());
  }

  #moved(): void {
    this.#stall?.cancel();
    this.#stall = undefined;
  }

  #ended(): void {
    this.#over = true;
    this.#moved();
    for (const callback of this.#whenOver.splice(0)) callback();
  }
}

/** Progress of a slow reader is seen by pieces. */
const PIECE_BYTES = 64 * 1024;
