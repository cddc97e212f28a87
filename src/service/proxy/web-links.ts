import * as http2 from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { UpstreamError } from '../../errors.ts';
import { AUTH_SERVER_NAME } from '../../pki/names.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';

export type WebLinksOptions = {
  /** A verified TLS connection to Auth with this host's certificate. Rejects with TesseraError. */
  readonly dial: () => Promise<TLSSocket>;
  readonly clock: Clock;
  readonly log: Log;
};

/**
 * HTTP/2 connections to Auth for browsers' calls alone: the proxy's own calls have another one, so that browsers can not take their places. As many as the calls need; a new one takes over
 * when one is told to go away, or this host's certificate was renewed, while calls of the old one go on to their end.
 */
export class WebLinks {
  readonly #options: WebLinksOptions;
  /** In use for new calls, oldest first: later ones empty first. */
  #links: Link[] = [];
  readonly #all = new Set<Link>();
  #dialling: Promise<void> | undefined;
  #generation = 0;
  /** `clock.monotonic()` until which nobody dials again after a failure. */
  #restUntilMs = 0;
  #closed = false;

  constructor(options: WebLinksOptions) {
    this.#options = options;
  }

  /** Connections now. */
  get count(): number {
    return this.#all.size;
  }

  /** Begins a call with its whole request. Rejects with UpstreamError `AUTH_UNREACHABLE`, at once when it was so a moment ago. */
  async request(headers: http2.OutgoingHttpHeaders, body: Uint8Array): Promise<LinkedCall> {
    for (;;) {
      if (this.#closed) throw unreachable('this proxy is shutting down');
      const link = this.#links.find((one) => one.free > 0);
      if (link !== undefined) return link.request(headers, body);
      if (this.#dialling === undefined && this.#options.clock.monotonic() < this.#restUntilMs)
        throw unreachable('it was not a moment ago');
      this.#dialling ??= this.#dial(this.#generation);
      await this.#dialling;
    }
  }

  /** New calls dial anew, with the credentials of that moment. */
  renew(): void {
    this.#generation += 1;
    this.#dialling = undefined;
    const old = this.#links;
    this.#links = [];
    for (const link of old) link.retire();
  }

  /** Ends every call. */
  close(): void {
    this.#closed = true;
    this.#links = [];
    for (const link of this.#all) link.destroy();
  }

  async #dial(generation: number): Promise<void> {
    try {
      const socket = await this.#options.dial();
      if (this.#closed || generation !== this.#generation) {
        socket.destroy();
        return;
      }
      const link: Link = new Link(socket, this.#options, {
        leave: () => (this.#links = this.#links.filter((one) => one !== link)),
        gone: () => this.#all.delete(link),
        spare: () => this.#links.length > 1,
      });
      this.#links.push(link);
      this.#all.add(link);
    } catch (error) {
      const { clock, log } = this.#options;
      const reason = error instanceof Error ? error.message : String(error);
      // Browsers are not told inner addresses, nor what is wrong with a certificate.
      log.warn({ reason }, "the auth service can not be reached for browsers' calls");
      this.#restUntilMs = clock.monotonic() + REST_MS;
      throw unreachable(reason);
    } finally {
      if (generation === this.#generation) this.#dialling = undefined;
    }
  }
}

/** A call under way. */
export type LinkedCall = {
  readonly stream: http2.ClientHttp2Stream;
  /** Ends it early. What still comes is dropped; Auth may be told a little later, see `CancelBudget`. */
  readonly cancel: () => void;
};

type LinkEvents = {
  /** It takes no more calls. */
  readonly leave: () => void;
  readonly gone: () => void;
  /** There is another one. */
  readonly spare: () => boolean;
};

class Link {
  readonly #session: http2.ClientHttp2Session;
  readonly #options: WebLinksOptions;
  readonly #events: LinkEvents;
  readonly #budget: CancelBudget;
  #open = 0;
  #retired = false;

  constructor(socket: TLSSocket, options: WebLinksOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#budget = new CancelBudget(options.clock);
    this.#session = http2.connect(`https://${AUTH_SERVER_NAME}`, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES },
      maxSessionMemory: 64,
    });
    this.#session.on('connect', (session) => {
      if (!session.destroyed) session.setLocalWindowSize(LINK_WINDOW_BYTES);
    });
    this.#session.on('goaway', () => this.retire());
    this.#session.on('error', (error) =>
      options.log.debug({ reason: error.message }, 'web: connection to auth failed'),
    );
    this.#session.on('close', () => {
      this.#budget.close();
      events.leave();
      events.gone();
    });
    this.#session.unref();
    this.#keepAlive();
  }

  /** Calls that it can still take. */
  get free(): number {
    if (this.#retired || this.#session.closed || this.#session.destroyed) return 0;
    const most = Math.min(MAX_CALLS_PER_LINK, this.#session.remoteSettings?.maxConcurrentStreams ?? MAX_CALLS_PER_LINK);
    return most - this.#open;
  }

  request(headers: http2.OutgoingHttpHeaders, body: Uint8Array): LinkedCall {
    const stream = this.#session.request(headers, { endStream: body.length === 0 });
    this.#open += 1;
    stream.on('error', () => undefined);
    stream.once('close', () => {
      this.#open -= 1;
      if (this.#open === 0 && (this.#retired || this.#events.spare())) this.retire();
    });
    if (body.length > 0) stream.end(body);
    return { stream, cancel: () => this.#cancel(stream) };
  }

  /** No more calls; it closes with its last one. */
  retire(): void {
    this.#retired = true;
    this.#events.leave();
    this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
  }

  #cancel(stream: http2.ClientHttp2Stream): void {
    stream.removeAllListeners('data');
    stream.resume();
    this.#budget.spend(() => {
      if (!stream.closed) stream.close(http2.constants.NGHTTP2_CANCEL);
    });
  }

  // An Auth Service that is gone without a word is noticed, and a quiet connection is not closed as idle.
  #keepAlive(): void {
    const { clock } = this.#options;
    const background = { background: true };
    const ping = (): void => {
      if (this.#session.destroyed) return;
      const timer = clock.after(PING_MS, () => this.#session.destroy(), background);
      const sent = this.#session.ping((error) => {
        timer.cancel();
        if (error === null) next();
      });
      if (!sent) timer.cancel();
    };
    let waiting = clock.after(PING_MS, ping, background);
    const next = (): void => {
      waiting = clock.after(PING_MS, ping, background);
    };
    this.#session.once('close', () => waiting.cancel());
  }
}

/**
 * Bounds the RST_STREAM frames of one connection: servers end a connection that resets too much (CVE-2023-44487; nghttp2 allows 1,000 and 33 a second), and one browser that begins and
 * leaves calls must not end everybody's. What is over waits; its call keeps its place meanwhile.
 */
class CancelBudget {
  readonly #clock: Clock;
  #left = CANCEL_BURST;
  readonly #waiting: (() => void)[] = [];
  #timer: { cancel(): void } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  spend(cancel: () => void): void {
    if (this.#left > 0) {
      this.#left -= 1;
      cancel();
    } else this.#waiting.push(cancel);
    this.#timer ??= this.#clock.after(1000, () => this.#refill(), { background: true });
  }

  close(): void {
    this.#timer?.cancel();
    this.#waiting.length = 0;
  }

  #refill(): void {
    this.#timer = undefined;
    this.#left = Math.min(CANCEL_BURST, this.#left + CANCELS_PER_SECOND);
    for (const cancel of this.#waiting.splice(0, this.#left)) {
      this.#left -= 1;
      cancel();
    }
    if (this.#left < CANCEL_BURST) this.#timer = this.#clock.after(1000, () => this.#refill(), { background: true });
  }
}

/** For a call that can not be made or was cut. */
export function unreachable(why: string): UpstreamError {
  return new UpstreamError('AUTH_UNREACHABLE', `auth service not reachable: ${why}`, {
    retryable: true,
    publicMessage: 'the auth service is not reachable; try again in a moment',
  });
}

/** Below the 128 that Auth allows over one connection. */
const MAX_CALLS_PER_LINK = 100;
/** What a slow browser may hold here of one answer. */
const STREAM_WINDOW_BYTES = 128 * 1024;
const LINK_WINDOW_BYTES = 1024 * 1024;
const PING_MS = 15_000;
/** An Auth that is away is not dialled for each call of each page. */
const REST_MS = 500;
const CANCEL_BURST = 300;
const CANCELS_PER_SECOND = 20;
