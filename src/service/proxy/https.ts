import http from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../telemetry/clock.ts';
import type { Visit } from './visit.ts';

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
  readonly picture: () => PublicPicture;
  readonly ready: () => boolean;
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
};

/** The web end of the public port: two documents, no state, no request bodies. */
export class Https {
  readonly #server: http.Server;

  constructor(options: HttpsOptions) {
    this.#server = http.createServer(
      {
        maxHeaderSize: 16 * 1024,
        headersTimeout: options.requestTimeoutMs,
        requestTimeout: options.requestTimeoutMs,
        keepAliveTimeout: 5000,
        connectionsCheckingInterval: 500,
      },
      (request, response) => answer(request, response, options),
    );
    // Node watches the two timeouts only in a server that listens; this one is handed its connections.
    this.#server.emit('listening');
    this.#server.maxRequestsPerSocket = 100;
    this.#server.on('clientError', (_error, socket) => socket.destroy());
  }

  /** Takes a connection after its TLS handshake. */
  accept(socket: TLSSocket, visit: Visit): void {
    visit.deadline.cancel();
    this.#server.emit('connection', socket);
  }

  /** Another time for a request, also for connections that are open. */
  use(requestTimeoutMs: number): void {
    this.#server.headersTimeout = requestTimeoutMs;
    this.#server.requestTimeout = requestTimeoutMs;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function answer(request: http.IncomingMessage, response: http.ServerResponse, options: HttpsOptions): void {
  const path = (request.url ?? '').split('?', 1)[0];
  const known = path === '/webapi/ping' || path === '/healthz';
  if (known && request.method !== 'GET' && request.method !== 'HEAD') {
    send(response, 405, { error: { message: 'method not allowed' } }, { Allow: 'GET, HEAD' });
  } else if (path === '/webapi/ping') send(response, 200, options.picture());
  else if (path === '/healthz') {
    const ready = options.ready();
    send(response, ready ? 200 : 503, { status: ready ? 'ok' : 'unavailable' });
  } else send(response, 404, { error: { message: 'not found' } });
}

function send(response: http.ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  const text = `${JSON.stringify(body)}\n`;
  // A body that nobody reads would otherwise hold the connection.
  const keep = status < 400 ? {} : { Connection: 'close' };
  response.writeHead(status, {
    ...SECURITY_HEADERS,
    ...keep,
    ...headers,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}

const SECURITY_HEADERS = {
  'Strict-Transport-Security': 'max-age=31536000',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-store',
} as const;
