import * as http2 from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { createClient, type Client, type Transport } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { AuthService } from '../../gen/tessera/auth/v1/auth_pb.ts';
import { UpstreamError } from '../errors.ts';
import { AUTH_SERVER_NAME } from '../pki/names.ts';
import { dialAuth, type AuthTrust, type ClientIdentity, type DialVia } from './dial.ts';
import { unavailable } from './errors.ts';

/** A client of the Auth Service: HTTP/2 over a TLS connection that this file dials, fails over and renews itself. */

/** What of a log the connection uses; a pino logger fits. */
export type ConnectionLog = {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
};

export type ConnectAuthOptions = {
  /** `host:port` of Auth's own port (`direct`) or of proxies' public ports (`proxy`), tried in order beginning with the last that worked. At least one. */
  readonly addresses: readonly string[];
  readonly via: DialVia;
  /** Undefined: anonymous (sign-in, invitation, join). */
  readonly identity: ClientIdentity | undefined;
  /** What proves that the far end is this cluster's Auth Service. There is no way to switch the proof off. */
  readonly trust: AuthTrust;
  readonly log: ConnectionLog;
  /** Milliseconds for one address: TCP and TLS together. Default 10 000. */
  readonly dialTimeoutMs?: number;
  /** Milliseconds for one unary call unless the call says otherwise. Default 30 000. Streams have no end of their own. */
  readonly callTimeoutMs?: number;
  /** Milliseconds between keep-alive pings; an unanswered one ends the connection after as long again. Default 15 000. */
  readonly pingIntervalMs?: number;
  /** Bytes of one received message. Default 16 MiB. */
  readonly maxMessageBytes?: number;
};

export type AuthConnection = {
  /** Dials at the first call and again whenever needed. Calls fail with ConnectError; `fromConnectError` makes one of ours of it. */
  readonly client: Client<typeof AuthService>;
  /** New calls use these from now on over a new connection; streams that are open go on over the old one until they end. */
  use(change: {
    readonly identity?: ClientIdentity;
    readonly trust?: AuthTrust;
    readonly addresses?: readonly string[];
  }): void;
  /** The host authority's PEM that matched the pin; undefined before the first dial and when the trust is no pin. */
  pinnedAuthority(): string | undefined;
  /** Ends every connection and stream at once. Later calls fail. */
  close(): void;
};

const DEFAULT_DIAL_TIMEOUT_MS = 10_000;
const DEFAULT_CALL_TIMEOUT_MS = 30_000;
const DEFAULT_PING_INTERVAL_MS = 15_000;
const DEFAULT_MAX_MESSAGE_BYTES = 16 * 1024 * 1024;

/** Makes a client; nothing is dialled yet. The caller owns it and closes it. */
export function connectAuth(options: ConnectAuthOptions): AuthConnection {
  const sessions = new AuthSessions(options);
  const transport = createConnectTransport({
    httpVersion: '2',
    baseUrl: sessions.authority,
    sessionManager: sessions,
    readMaxBytes: options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
    useBinaryFormat: true,
  });
  return {
    client: createClient(AuthService, withTimeouts(transport, options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS)),
    use: (change) => sessions.use(change),
    pinnedAuthority: () => sessions.pinnedAuthority,
    close: () => sessions.close(),
  };
}

// connect's own defaultTimeoutMs would cut streams too.
function withTimeouts(transport: Transport, callTimeoutMs: number): Transport {
  return {
    unary: (method, signal, timeoutMs, header, input, contextValues) =>
      transport.unary(method, signal, timeoutMs ?? callTimeoutMs, header, input, contextValues),
    stream: (method, signal, timeoutMs, header, input, contextValues) =>
      transport.stream(method, signal, timeoutMs, header, input, contextValues),
  };
}

/** Keeps one live HTTP/2 session; a session that is told to go away serves its streams to their end while a new one takes the new calls. */
class AuthSessions {
  readonly authority = `https://${AUTH_SERVER_NAME}`;
  pinnedAuthority: string | undefined;
  readonly #options: ConnectAuthOptions;
  readonly #all = new Set<http2.ClientHttp2Session>();
  #identity: ClientIdentity | undefined;
  #trust: AuthTrust;
  #addresses: readonly string[];
  #current: http2.ClientHttp2Session | undefined;
  #dialling: Promise<http2.ClientHttp2Session> | undefined;
  #generation = 0;
  #closed = false;

  constructor(options: ConnectAuthOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#trust = options.trust;
    this.#addresses = options.addresses;
  }

  use(change: {
    readonly identity?: ClientIdentity;
    readonly trust?: AuthTrust;
    readonly addresses?: readonly string[];
  }): void {
    this.#identity = change.identity ?? this.#identity;
    this.#trust = change.trust ?? this.#trust;
    this.#addresses = change.addresses ?? this.#addresses;
    this.#retire();
  }

  async request(
    method: string,
    path: string,
    headers: http2.OutgoingHttpHeaders,
    options: Omit<http2.ClientSessionRequestOptions, 'signal'>,
  ): Promise<http2.ClientHttp2Stream> {
    const session = await this.#live();
    const stream = session.request({ ...headers, ':method': method, ':path': path }, options);
    holdProcess(session, stream);
    return stream;
  }

  notifyResponseByteRead(): void {
    // Pings run on their own clock; received bytes do not postpone them.
  }

  close(): void {
    this.#closed = true;
    this.#generation += 1;
    this.#current = undefined;
    for (const session of this.#all) session.destroy();
  }

  #retire(): void {
    const old = this.#current;
    this.#current = undefined;
    this.#dialling = undefined;
    this.#generation += 1;
    old?.close();
  }

  async #live(): Promise<http2.ClientHttp2Session> {
    if (this.#closed)
      throw unavailable(
        new UpstreamError('AUTH_CONNECTION_CLOSED', 'the connection to the auth service was closed by this program'),
      );
    const current = this.#current;
    if (current !== undefined && !current.closed && !current.destroyed) return current;
    this.#dialling ??= this.#dial(this.#generation);
    return this.#dialling;
  }

  async #dial(generation: number): Promise<http2.ClientHttp2Session> {
    try {
      const dialled = await dialAuth({
        addresses: this.#addresses,
        via: this.#options.via,
        identity: this.#identity,
        trust: this.#trust,
        timeoutMs: this.#options.dialTimeoutMs ?? DEFAULT_DIAL_TIMEOUT_MS,
        log: this.#options.log,
      });
      // The next dial begins with the address that worked.
      this.#addresses = [dialled.address, ...this.#addresses.filter((address) => address !== dialled.address)];
      this.pinnedAuthority = dialled.authority ?? this.pinnedAuthority;
      if (generation !== this.#generation) {
        dialled.socket.destroy();
        return await this.#live();
      }
      this.#current = this.#open(dialled.socket);
      return this.#current;
    } catch (error) {
      throw unavailable(error);
    } finally {
      if (generation === this.#generation) this.#dialling = undefined;
    }
  }

  #open(socket: TLSSocket): http2.ClientHttp2Session {
    const session = http2.connect(this.authority, {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: 1024 * 1024 },
    });
    this.#all.add(session);
    const forget = (): void => {
      if (this.#current === session) this.#current = undefined;
    };
    session.on('goaway', forget);
    session.on('error', (error) => this.#options.log.debug({ err: error }, 'connection to the auth service failed'));
    session.on('close', () => {
      this.#all.delete(session);
      forget();
    });
    session.unref();
    keepAlive(session, this.#options.pingIntervalMs ?? DEFAULT_PING_INTERVAL_MS);
    return session;
  }
}

const openStreams = new WeakMap<http2.ClientHttp2Session, number>();

// An idle connection must not keep a finished command from ending; an open call must.
function holdProcess(session: http2.ClientHttp2Session, stream: http2.ClientHttp2Stream): void {
  const count = (openStreams.get(session) ?? 0) + 1;
  openStreams.set(session, count);
  if (count === 1) session.ref();
  stream.once('close', () => {
    const left = (openStreams.get(session) ?? 1) - 1;
    openStreams.set(session, left);
    if (left === 0 && !session.destroyed) session.unref();
  });
}

function keepAlive(session: http2.ClientHttp2Session, intervalMs: number): void {
  let timer: NodeJS.Timeout;
  const ping = (): void => {
    timer = setTimeout(
      () =>
        session.destroy(
          new UpstreamError('AUTH_PING_TIMEOUT', `auth service: no answer to a ping within ${intervalMs} ms`, {
            retryable: true,
          }),
        ),
      intervalMs,
    );
    timer.unref();
    session.ping((error) => {
      clearTimeout(timer);
      if (error === null && !session.destroyed) wait();
    });
  };
  const wait = (): void => {
    timer = setTimeout(ping, intervalMs);
    timer.unref();
  };
  session.once('close', () => clearTimeout(timer));
  wait();
}
