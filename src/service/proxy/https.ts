import http from 'node:http';
import http2 from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { ProxyLimits } from '../../config/schema.ts';
import type { Clock, Timer } from '../../telemetry/clock.ts';
import { plainIp } from './client-address.ts';
import type { Visit } from './visit.ts';
import { Exchange } from './web-exchange.ts';

/** What anybody may learn of a cluster before signing in. */
export type PublicPicture = {
  readonly cluster_name: string;
  readonly server_version: string;
  /** `mysql_public_addr`: where clients of MySQL connect that begin in clear; absent: nowhere. */
  readonly proxy: { readonly public_addr: string; readonly mysql_public_addr?: string };
  readonly auth: { readonly type: string };
  /** PEM of every trusted host authority: public, and believed only after its pin was checked. */
  readonly host_authorities: readonly string[];
  readonly ca_pins: readonly string[];
};

export type HttpsOptions = {
  readonly limits: ProxyLimits;
  /** Answers; never throws. */
  readonly handle: (exchange: Exchange) => void;
  readonly clock: Clock;
};

/** HTTP/2 and HTTP/1.1 over connections whose TLS is done. What comes of them is bounded in number, size and time, whoever sends it. */
export class Https {
  readonly #options: HttpsOptions;
  readonly #http1: http.Server;
  readonly #http2: http2.Http2Server;
  readonly #visits = new WeakMap<object, { readonly visit: Visit; readonly socket: TLSSocket }>();
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  #limits: ProxyLimits;
  #opening: { readonly visit: Visit; readonly socket: TLSSocket } | undefined;
  #draining = false;

  constructor(options: HttpsOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#http1 = this.#makeHttp1(options.limits);
    this.#http2 = this.#makeHttp2(options.limits);
  }

  /** Takes a connection after its TLS handshake. */
  accept(socket: TLSSocket, visit: Visit): void {
    visit.deadline.cancel();
    if (socket.alpnProtocol !== 'h2') {
      this.#visits.set(socket, { visit, socket });
      this.#http1.emit('connection', socket);
      return;
    }
    this.#opening = { visit, socket };
    // The session event comes during this call.
    this.#http2.emit('connection', socket);
    this.#opening = undefined;
  }

  /** Other limits: times also for connections that are open, streams for new ones. */
  use(limits: ProxyLimits): void {
    this.#limits = limits;
    this.#http1.headersTimeout = limits.handshakeTimeoutMs;
    this.#http1.requestTimeout = limits.handshakeTimeoutMs;
    this.#http2.updateSettings(settingsOf(limits));
  }

  /** Connections end with the requests that are under way. New ones are still answered: load balancers ask how we are. */
  drain(): void {
    this.#draining = true;
    this.#http1.closeIdleConnections();
    for (const session of this.#sessions) session.close();
  }

  close(): void {
    this.#http1.closeAllConnections();
    this.#http1.close();
    for (const session of this.#sessions) session.destroy();
    this.#http2.close();
  }

  #makeHttp1(limits: ProxyLimits): http.Server {
    const server = http.createServer(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout: limits.handshakeTimeoutMs,
        requestTimeout: limits.handshakeTimeoutMs,
        keepAliveTimeout: 5000,
        connectionsCheckingInterval: 500,
      },
      (request, response) => this.#answer(request, response, this.#visits.get(request.socket)),
    );
    // Node watches the two timeouts only in a server that listens; this one is handed its connections.
    server.emit('listening');
    server.maxRequestsPerSocket = 100;
    server.maxHeadersCount = MAX_HEADERS;
    server.on('clientError', (_error, socket) => socket.destroy());
    return server;
  }

  #makeHttp2(limits: ProxyLimits): http2.Http2Server {
    const server = http2.createServer({
      settings: settingsOf(limits),
      maxHeaderListPairs: MAX_HEADERS,
      maxSessionMemory: 8,
      maxSessionInvalidFrames: 50,
      maxSessionRejectedStreams: 50,
      // Streams that are begun and left (CVE-2023-44487): an impatient person's page is far below.
      streamResetBurst: 200,
      streamResetRate: 10,
    });
    server.on('session', (session) => this.#sessionOpened(session));
    server.on('sessionError', (_error, session) => session.destroy());
    server.on('request', (request, response) => {
      const { session } = request.stream;
      this.#answer(request, response, session === undefined ? undefined : this.#visits.get(session));
    });
    return server;
  }

  #answer(
    request: http.IncomingMessage | http2.Http2ServerRequest,
    response: http.ServerResponse | http2.Http2ServerResponse,
    from: { readonly visit: Visit; readonly socket: TLSSocket } | undefined,
  ): void {
    if (from === undefined) {
      request.destroy();
      return;
    }
    const { socket, visit } = from;
    const exchange = new Exchange(request, response, {
      client: visit.client,
      local: { ip: plainIp(socket.localAddress ?? ''), port: socket.localPort ?? 0 },
      clock: this.#options.clock,
      stallTimeoutMs: this.#limits.webStallTimeoutMs,
      closing: this.#draining,
    });
    // HTTP/2's own bounds count only once the client acknowledged them, if it ever does.
    if (isTooMuch(request.rawHeaders)) exchange.answer(431, {});
    else this.#options.handle(exchange);
  }

  #sessionOpened(session: http2.ServerHttp2Session): void {
    if (this.#opening !== undefined) this.#visits.set(session, this.#opening);
    this.#sessions.add(session);
    const watch = new SessionWatch(session, this.#options.clock, this.#limits);
    session.on('stream', (stream) => watch.began(stream));
    session.once('close', () => {
      this.#sessions.delete(session);
      watch.close();
    });
  }
}

/** Ends a connection that has no whole request for too long, whatever else comes over it, and one whose far end is gone. */
class SessionWatch {
  readonly #session: http2.ServerHttp2Session;
  readonly #clock: Clock;
  readonly #idleMs: number;
  #timer: Timer;
  #open = 0;

  constructor(session: http2.ServerHttp2Session, clock: Clock, limits: ProxyLimits) {
    this.#session = session;
    this.#clock = clock;
    this.#idleMs = limits.webIdleTimeoutMs;
    // The first request comes as soon as over HTTP/1.1.
    this.#timer = clock.after(limits.handshakeTimeoutMs, () => session.destroy());
  }

  began(stream: http2.ServerHttp2Stream): void {
    this.#open += 1;
    if (this.#open === 1) this.#arm(() => this.#ping());
    stream.once('close', () => {
      this.#open -= 1;
      if (this.#open === 0) this.#arm(() => this.#retire());
    });
  }

  close(): void {
    this.#timer.cancel();
  }

  #arm(then: () => void): void {
    this.#timer.cancel();
    if (!this.#session.destroyed) this.#timer = this.#clock.after(this.#idleMs, then);
  }

  #ping(): void {
    this.#arm(() => this.#session.destroy());
    this.#session.ping((error) => {
      if (error === null && this.#open > 0) this.#arm(() => this.#ping());
    });
  }

  #retire(): void {
    this.#session.close();
    this.#arm(() => this.#session.destroy());
  }
}

function isTooMuch(rawHeaders: readonly string[]): boolean {
  let bytes = 0;
  for (const text of rawHeaders) bytes += text.length;
  return bytes > MAX_HEADER_BYTES || rawHeaders.length > 2 * MAX_HEADERS;
}

function settingsOf({ maxWebStreams }: ProxyLimits): http2.Settings {
  return { maxConcurrentStreams: maxWebStreams, maxHeaderListSize: MAX_HEADER_BYTES, enablePush: false };
}

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_HEADERS = 100;
