import type { IncomingHttpHeaders } from 'node:http2';
import { LimitError, ProtocolError, type TesseraError, UpstreamError } from '../../errors.ts';
import type { Clock, Timer } from '../../telemetry/clock.ts';
import { bindingCookie, sessionCookie } from './web-cookies.ts';
import { answerError, END_STREAM, endStreamError } from './web-errors.ts';
import type { Exchange } from './web-exchange.ts';
import { type LinkedCall, unreachable } from './web-links.ts';

export type RelayOptions = {
  readonly stream: boolean;
  /** Of an answer that is no stream. */
  readonly maxAnswerBytes: number;
  /** For an answer that is no stream to be whole, and for a stream to begin. */
  readonly timeoutMs: number;
  readonly clock: Clock;
};

export type Relayed = {
  /** The exchange has its end. Never rejects. */
  readonly done: Promise<void>;
  /** Ends the call in words, where there is room for words. */
  readonly end: (error: TesseraError) => void;
};

/** Carries Auth's answer to the browser: the headers that are meant for it, then the bytes as fast as it takes them. */
export function relayAnswer(exchange: Exchange, call: LinkedCall, options: RelayOptions): Relayed {
  const relay = new Relay(exchange, call, options);
  return { done: relay.done, end: (error) => relay.fail(error) };
}

class Relay {
  readonly done: Promise<void>;
  readonly #exchange: Exchange;
  readonly #call: LinkedCall;
  readonly #options: RelayOptions;
  readonly #envelopes = new Envelopes();
  readonly #timer: Timer;
  #bytes = 0;
  #told: number | undefined;
  #answered = false;
  #over = false;

  constructor(exchange: Exchange, call: LinkedCall, options: RelayOptions) {
    this.#exchange = exchange;
    this.#call = call;
    this.#options = options;
    this.#timer = options.clock.after(options.timeoutMs, () => this.fail(callTimeout(options.timeoutMs)));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.done = promise;
    const { stream } = call;
    stream.on('response', (headers) => this.#begin(headers));
    stream.on('data', (chunk: Buffer) => this.#data(chunk));
    stream.on('end', () => this.#ended());
    stream.once('close', () => this.fail(unreachable('the connection was cut')));
    exchange.onOver(() => {
      this.#settle();
      resolve();
    });
  }

  /** In words as long as nothing was answered, or between two envelopes of a stream; else the browser sees it cut. */
  fail(error: TesseraError): void {
    if (this.#over) return;
    const exchange = this.#exchange;
    if (!this.#answered) answerFailure(exchange, error, this.#options.stream);
    else if (this.#options.stream && this.#envelopes.between) {
      exchange.write(endStreamError(error));
      exchange.end();
    } else exchange.abort();
    this.#settle();
  }

  #begin(headers: IncomingHttpHeaders): void {
    if (this.#over) return;
    try {
      const answer = answerHeaders(headers);
      this.#told = answer.length;
      this.#answered = true;
      this.#exchange.begin(Number(headers[':status']), answer.headers);
      if (this.#options.stream) this.#timer.cancel();
    } catch (error) {
      this.fail(error as TesseraError);
    }
  }

  #data(chunk: Buffer): void {
    if (this.#over) return;
    this.#bytes += chunk.length;
    if (!this.#options.stream && this.#bytes > this.#options.maxAnswerBytes) {
      this.fail(
        new LimitError(
          'WEB_ANSWER_TOO_LARGE',
          `the answer is larger than ${this.#options.maxAnswerBytes} bytes (max_web_answer_bytes)`,
        ),
      );
      return;
    }
    if (this.#options.stream) this.#envelopes.read(chunk);
    if (this.#exchange.write(chunk)) return;
    this.#call.stream.pause();
    this.#exchange.onceDrained(() => this.#call.stream.resume());
  }

  #ended(): void {
    if (this.#over) return;
    const whole = this.#options.stream ? this.#envelopes.ended : this.#told === undefined || this.#told === this.#bytes;
    if (!this.#answered || !whole) {
      this.fail(unreachable('its answer was cut'));
      return;
    }
    this.#exchange.end();
    this.#settle();
  }

  /** Nothing more goes to the browser. */
  #settle(): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.cancel();
    if (!this.#call.stream.closed && !this.#call.stream.readableEnded) this.#call.cancel();
  }
}

function answerFailure(exchange: Exchange, error: TesseraError, stream: boolean): void {
  if (!stream) answerError(exchange, error);
  else
    exchange.answer(
      200,
      { 'Content-Type': exchange.header('content-type') ?? '', 'Tessera-Code': error.code },
      endStreamError(error),
    );
}

/** Few headers are meant for browsers, and two become cookies. Throws ProtocolError `WEB_ANSWER_INVALID`. */
function answerHeaders(headers: IncomingHttpHeaders): {
  readonly headers: Record<string, string | readonly string[]>;
  readonly length: number | undefined;
} {
  const status = Number(headers[':status']);
  const type = headers['content-type'] ?? '';
  if (!(status >= 200 && status <= 599 && status !== 204 && status !== 304) || !ANSWER_TYPE.test(type))
    throw invalid('its kind');
  const cookies = cookiesOf(headers);
  const length = headers['content-length'];
  const code = headers['tessera-code'];
  return {
    headers: {
      'Content-Type': type,
      ...(length === undefined ? {} : { 'Content-Length': length }),
      ...(typeof code === 'string' && CODE.test(code) ? { 'Tessera-Code': code } : {}),
      ...(cookies.length > 0 ? { 'Set-Cookie': cookies } : {}),
    },
    length: length === undefined ? undefined : Number(length),
  };
}

function cookiesOf(headers: IncomingHttpHeaders): readonly string[] {
  const session = headers['tessera-set-session'];
  const binding = headers['tessera-set-binding'];
  return [
    ...(session === undefined ? [] : [sessionCookie(String(session)) ?? fail('its session')]),
    ...(binding === undefined ? [] : [bindingCookie(String(binding)) ?? fail('its binding')]),
  ];
}

function fail(what: string): never {
  throw invalid(what);
}

function invalid(what: string): ProtocolError {
  return new ProtocolError('WEB_ANSWER_INVALID', `the auth service's answer can not be passed on: ${what}`);
}

function callTimeout(ms: number): UpstreamError {
  return new UpstreamError('WEB_CALL_TIMEOUT', `the auth service did not answer within ${ms} ms (web_call_timeout)`, {
    retryable: true,
  });
}

/** Follows the envelopes of a Connect stream: a byte of flags, four of length, the message. */
class Envelopes {
  #head = Buffer.alloc(5);
  #have = 0;
  #left = 0;
  #last = false;

  /** At a border, where another envelope could stand. */
  get between(): boolean {
    return this.#have === 0 && this.#left === 0 && !this.#last;
  }
  /** The last one is whole. */
  get ended(): boolean {
    return this.#last && this.#left === 0;
  }

  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.ended) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at);
        this.#left -= taken;
        at += taken;
      } else at += this.#readHead(chunk, at);
    }
  }

  #readHead(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#head, this.#have, at, at + 5 - this.#have);
    this.#have += taken;
    if (this.#have === 5) {
      this.#have = 0;
      this.#left = this.#head.readUInt32BE(1);
      this.#last = ((this.#head[0] ?? 0) & END_STREAM) !== 0;
    }
    return taken;
  }
}

const ANSWER_TYPE = /^application\/(?:connect\+)?(?:json|proto)$/;
const CODE = /^[A-Z0-9_]{1,64}$/;
