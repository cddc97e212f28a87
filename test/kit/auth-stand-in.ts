/** A stand-in for the Auth Service's port as a proxy sees it: TLS 1.3 with a certificate of the host authority, HTTP/2, answers that a test writes. It judges nothing. */
import { once } from 'node:events';
import http2 from 'node:http2';
import tls from 'node:tls';
import type { TestCluster } from './gateway.ts';

export type StandInCall = {
  readonly path: string;
  readonly headers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly stream: http2.ServerHttp2Stream;
  /** The certificate that the proxy showed. */
  readonly fingerprint: string | undefined;
};

export class AuthStandIn {
  /** In the order in which they were whole. */
  readonly calls: StandInCall[] = [];
  readonly sessions = new Set<http2.ServerHttp2Session>();
  /** Streams that the proxy ended early. */
  cancelled = 0;
  port = 0;
  /** How a call is answered. Default: `{}`. */
  answer: (call: StandInCall) => void = (call) => respond(call, '{}');
  readonly #tls: tls.Server;
  readonly #http2: http2.Http2Server;

  private constructor(certificate: string, privateKey: string) {
    this.#http2 = http2.createServer({ settings: { maxConcurrentStreams: 128 } });
    this.#http2.on('session', (session) => {
      this.sessions.add(session);
      session.on('error', () => undefined);
      session.once('close', () => this.sessions.delete(session));
    });
    this.#http2.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) =>
      this.#take(stream, headers),
    );
    this.#tls = tls.createServer(
      {
        cert: certificate,
        key: privateKey,
        minVersion: 'TLSv1.3',
        requestCert: true,
        rejectUnauthorized: false,
        ALPNProtocols: ['h2'],
      },
      (socket) => {
        socket.on('error', () => undefined);
        this.#http2.emit('connection', socket);
      },
    );
  }

  static async start(cluster: TestCluster, port = 0): Promise<AuthStandIn> {
    const { certificate, privateKey } = await cluster.service('auth');
    const standIn = new AuthStandIn(certificate, privateKey);
    standIn.#tls.listen(port, '127.0.0.1');
    await once(standIn.#tls, 'listening');
    const address = standIn.#tls.address();
    if (typeof address === 'object' && address !== null) standIn.port = address.port;
    return standIn;
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    this.#http2.close();
    await new Promise((resolve) => this.#tls.close(resolve));
  }

  #take(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    const chunks: Buffer[] = [];
    stream.on('error', () => undefined);
    stream.on('aborted', () => (this.cancelled += 1));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('end', () => {
      const socket = stream.session?.socket as unknown as tls.TLSSocket | undefined;
      const call = {
        path: String(headers[':path']),
        headers,
        body: Buffer.concat(chunks),
        stream,
        fingerprint: socket?.getPeerX509Certificate?.()?.fingerprint256,
      };
      this.calls.push(call);
      this.answer(call);
    });
  }
}

/** Answers a unary call with JSON. */
export function respond(call: StandInCall, body: string, headers: http2.OutgoingHttpHeaders = {}): void {
  if (call.stream.destroyed) return;
  call.stream.respond({ ':status': 200, 'content-type': 'application/json', ...headers });
  call.stream.end(body);
}

/** Begins the answer of a streaming call. */
export function respondStream(call: StandInCall): http2.ServerHttp2Stream {
  call.stream.respond({ ':status': 200, 'content-type': 'application/connect+json' });
  return call.stream;
}
