/** What a browser sends, and what an attacker sends, to the web end of a proxy on loopback. Certificates are not looked at here. */
import http2 from 'node:http2';
import { dialRaw, readAll, secure } from './gateway.ts';

export type WebAnswer = {
  /** 0: the stream ended without an answer. */
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
  /** HTTP/2's reason why the stream ended. */
  readonly rstCode: number;
};

export type WebRequest = {
  readonly method?: string;
  readonly headers?: http2.OutgoingHttpHeaders;
  readonly body?: string | Buffer;
};

/** One HTTP/2 connection. */
export class WebClient {
  readonly session: http2.ClientHttp2Session;
  readonly port: number;

  constructor(port: number, settings: http2.Settings = {}) {
    this.port = port;
    this.session = http2.connect(`https://localhost:${port}`, { rejectUnauthorized: false, settings });
    this.session.on('error', () => undefined);
  }

  /** Opens a stream and leaves it open. */
  open(path: string, request: WebRequest = {}): http2.ClientHttp2Stream {
    const stream = this.session.request({
      ':path': path,
      ':method': request.method ?? 'GET',
      ...request.headers,
    });
    stream.on('error', () => undefined);
    return stream;
  }

  /** The whole exchange. */
  async request(path: string, request: WebRequest = {}): Promise<WebAnswer> {
    const stream = this.open(path, request);
    if (!stream.writableEnded) stream.end(request.body ?? '');
    return answerOf(stream);
  }

  /** A call as the UI makes it, JSON both ways; `stream`: the method answers with a stream. */
  call(
    method: string,
    options: {
      readonly cookie?: string;
      readonly headers?: http2.OutgoingHttpHeaders;
      readonly body?: string | Buffer;
    } = {},
  ): Promise<WebAnswer> {
    return this.request(rpcPath(method), {
      method: 'POST',
      headers: { ...pageHeaders(this.port, options.cookie), ...options.headers },
      body: options.body ?? '{}',
    });
  }

  close(): void {
    this.session.destroy();
  }
}

/** Where the UI's calls go. */
export function rpcPath(method: string): string {
  return `/webapi/rpc/tessera.auth.v1.AuthService/${method}`;
}

/** What a browser adds to a call of our own page. */
export function pageHeaders(port: number, cookie?: string): http2.OutgoingHttpHeaders {
  return {
    'content-type': 'application/json',
    'x-tessera-web': '1',
    origin: `https://localhost:${port}`,
    'sec-fetch-site': 'same-origin',
    ...(cookie === undefined ? {} : { cookie }),
  };
}

/** Everything of a stream until its end. */
export async function answerOf(stream: http2.ClientHttp2Stream): Promise<WebAnswer> {
  let headers: WebAnswer['headers'] = {};
  const chunks: Buffer[] = [];
  stream.on('response', (received) => (headers = received));
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await closeOf(stream);
  return {
    status: Number(headers[':status'] ?? 0),
    headers,
    body: Buffer.concat(chunks),
    rstCode: stream.rstCode ?? 0,
  };
}

/** Resolves when it is closed, also by an error. */
export function closeOf(what: http2.ClientHttp2Stream | http2.ClientHttp2Session): Promise<void> {
  return new Promise((resolve) => {
    if (what.destroyed) resolve();
    else what.once('close', () => resolve());
  });
}

/** HTTP/1.1 by hand: exactly these bytes over TLS, and everything until the far end closes. */
export async function rawHttp(port: number, ...pieces: readonly string[]): Promise<string> {
  const socket = await secure(await dialRaw(port), { ALPNProtocols: ['http/1.1'] });
  const answer = readAll(socket);
  for (const piece of pieces) {
    socket.write(piece, 'latin1');
    await new Promise((resolve) => setImmediate(resolve));
  }
  return (await answer).toString('latin1');
}

/** One envelope of a Connect stream. */
export function envelope(body: string, flags = 0): Buffer {
  const bytes = Buffer.from(body);
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** The envelopes of a Connect stream. */
export function envelopes(bytes: Buffer): readonly { readonly flags: number; readonly body: string }[] {
  const found: { flags: number; body: string }[] = [];
  for (let at = 0; at + 5 <= bytes.length;) {
    const length = bytes.readUInt32BE(at + 1);
    found.push({ flags: bytes[at] ?? 0, body: bytes.toString('utf8', at + 5, at + 5 + length) });
    at += 5 + length;
  }
  return found;
}
