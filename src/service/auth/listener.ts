import * as http2 from 'node:http2';
import * as net from 'node:net';
import * as tls from 'node:tls';
import { LimitError, TesseraError } from '../../errors.ts';
import { AUTH_ALPN } from '../../rpc/dial.ts';
import type { connectNodeAdapter } from '@connectrpc/connect-node';
import type { AuthLimits } from '../../config/schema.ts';
import type { Log } from '../../telemetry/log.ts';
import { certificateFaultOf } from '../certificate-fault.ts';
import { splitProxyHeader } from './proxy-header.ts';

/** Auth's one port: an optional signed PROXY v2 header, TLS 1.3, HTTP/2. Who the caller is is decided per call (caller.ts), not here. */

/** What is known of a connection; the same object for all its calls. */
export type Connection = {
  /** Where the caller is: as a proxy signed it, else the TCP peer's. IP address without port. */
  readonly address: string;
  /** The client certificate as presented, not verified; undefined: none. */
  readonly certificateDer: Buffer | undefined;
};

export type ListenerOptions = {
  readonly host: string;
  readonly port: number;
  readonly limits: AuthLimits;
  readonly credentials: TlsCredentials;
  readonly handler: ReturnType<typeof connectNodeAdapter>;
  /** Verifies the value of a PROXY header's address TLV; the client's IP address. Throws LoginError or ProtocolError. */
  readonly verifyAddress: (header: Buffer) => string;
  /** A connection that ended before a call, with the code of what was wrong: for the audit log. */
  readonly refused: (address: string, code: string, reason: string) => void;
  readonly log: Log;
};
/** PEM: leaf and the authority behind it (whoever comes with a pin needs to see the authority), and the key. */
export type TlsCredentials = { readonly certificateChain: string; readonly privateKey: string };

export class Listener {
  readonly #options: ListenerOptions;
  readonly #tcp: net.Server;
  readonly #tls: tls.Server;
  readonly #http2: http2.Http2Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #perAddress = new Map<string, number>();
  readonly #undecided = new Map<string, number>();
  readonly #proxied = new Map<string, string>();
  readonly #sessions = new Set<http2.ServerHttp2Session>();
  #opening: Connection | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#http2 = http2.createServer(
      { settings: HTTP2_SETTINGS, maxSessionMemory: 32, maxSessionInvalidFrames: 100 },
      options.handler,
    );
    this.#http2.on('session', (session) => this.#sessionOpened(session));
    // A request that trickles in, or an answer that nobody takes.
    this.#http2.on('stream', (stream) =>
      stream.setTimeout(STREAM_TIMEOUT_MS, () => stream.close(http2.constants.NGHTTP2_CANCEL)),
    );
    this.#http2.on('sessionError', (error) => options.log.debug({ err: error }, 'auth: connection failed'));
    this.#tls = tls.createServer({
      ...contextOf(options.credentials),
      minVersion: 'TLSv1.3',
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: [AUTH_ALPN, 'h2'],
      handshakeTimeout: options.limits.handshakeTimeoutMs,
      sessionTimeout: 1,
    });
    this.#tls.on('secureConnection', (socket) => this.#secured(socket));
    this.#tls.on('tlsClientError', (error, socket) => {
      const address = this.#proxied.get(peerKey(socket)) ?? plainAddress(socket.remoteAddress);
      options.log.debug({ address, reason: error.message }, 'auth: no TLS with a caller');
      const fault = certificateFaultOf(error);
      if (fault !== undefined)
        options.refused(address, fault, 'the client certificate was not in order, or its key was not proven');
      socket.destroy();
    });
    this.#tcp = net.createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#accepted(socket));
    this.#tcp.maxConnections = options.limits.maxConnections;
  }

  /** Resolves with `host:port`. Rejects when the address can not be had. */
  async listen(): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#tcp.once('error', reject);
    this.#tcp.listen(this.#options.port, this.#options.host, resolve);
    await promise;
    const address = this.#tcp.address() as net.AddressInfo;
    return `${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`;
  }

  /** New connections get these; open ones keep theirs. */
  renew(credentials: TlsCredentials): void {
    this.#tls.setSecureContext({ ...contextOf(credentials), minVersion: 'TLSv1.3' });
  }

  /** No new connections; open calls may end. */
  stopAccepting(): void {
    this.#tcp.close();
    for (const session of this.#sessions) session.close();
  }

  /** Ends everything at once. */
  close(): void {
    this.#tcp.close();
    for (const session of this.#sessions) session.destroy();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Connections now. */
  get connections(): number {
    return this.#sockets.size;
  }

  #accepted(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#proxied.delete(peerKey(socket));
    });
    this.#peek(socket, plainAddress(socket.remoteAddress));
  }

  // Counted by where the caller is, not by the proxy that joined them.
  #admitted(socket: net.Socket, address: string): boolean {
    const release = this.#hold(this.#perAddress, address);
    if (release === undefined) return false;
    socket.once('close', release);
    return true;
  }

  /** Counts one for the address until the result is called; undefined when it has all it may have. */
  #hold(counts: Map<string, number>, address: string): (() => void) | undefined {
    const count = (counts.get(address) ?? 0) + 1;
    if (count > this.#options.limits.maxConnectionsPerClient) return undefined;
    counts.set(address, count);
    return () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    };
  }

  // A PROXY header is only ever believed when a proxy of this cluster signed it, so everybody may try.
  #peek(socket: net.Socket, peer: string): void {
    // Who says nothing has no address but the peer's: nobody holds every connection by being silent.
    const release = this.#hold(this.#undecided, peer);
    if (release === undefined) {
      socket.destroy();
      return;
    }
    let held: Buffer = Buffer.alloc(0);
    const deadline = setTimeout(() => socket.destroy(), this.#options.limits.handshakeTimeoutMs);
    let stopped = false;
    const stop = (): void => {
      if (stopped) return;
      stopped = true;
      release();
      clearTimeout(deadline);
      socket.removeListener('data', look);
      socket.removeListener('close', stop);
    };
    const look = (chunk: Buffer): void => {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      try {
        const split = splitProxyHeader(held);
        if (split === 'more') return;
        stop();
        socket.pause();
        const address = split.signedAddress === undefined ? peer : this.#options.verifyAddress(split.signedAddress);
        if (!this.#admitted(socket, address))
          throw new LimitError(
            'AUTH_CONNECTIONS_PER_CLIENT',
            'too many connections of this address (max_connections_per_client)',
          );
        this.#proxied.set(peerKey(socket), address);
        if (split.rest.length > 0) socket.unshift(split.rest);
        this.#tls.emit('connection', socket);
      } catch (error) {
        stop();
        if (error instanceof TesseraError) this.#options.refused(peer, error.code, error.message);
        else this.#options.refused(peer, 'PROXY_HEADER', 'a PROXY header could not be read');
        socket.destroy();
      }
    };
    socket.on('data', look);
    socket.once('close', stop);
    socket.resume();
  }

  #secured(socket: tls.TLSSocket): void {
    const address = this.#proxied.get(peerKey(socket)) ?? plainAddress(socket.remoteAddress);
    this.#opening = { address, certificateDer: socket.getPeerX509Certificate()?.raw };
    // The session event comes during this call.
    this.#http2.emit('connection', socket);
    this.#opening = undefined;
  }

  #sessionOpened(session: http2.ServerHttp2Session): void {
    if (this.#opening !== undefined) connections.set(session, this.#opening);
    this.#sessions.add(session);
    session.once('close', () => this.#sessions.delete(session));
    session.setTimeout(IDLE_TIMEOUT_MS, () => session.close());
  }
}

/** The connection that a request came over. */
export function connectionOf(session: http2.Http2Session | undefined): Connection | undefined {
  return session === undefined ? undefined : connections.get(session);
}

const connections = new WeakMap<http2.Http2Session, Connection>();
const HTTP2_SETTINGS: http2.Settings = {
  maxConcurrentStreams: 128,
  initialWindowSize: 1024 * 1024,
  maxHeaderListSize: 32 * 1024,
  enablePush: false,
};
/** Connections without any frame; services ping every 15 s. */
const IDLE_TIMEOUT_MS = 5 * 60_000;
/** A call without a byte in either direction. */
const STREAM_TIMEOUT_MS = 60_000;

function contextOf(credentials: TlsCredentials): { cert: string; key: string } {
  return { cert: credentials.certificateChain, key: credentials.privateKey };
}

function peerKey(socket: net.Socket): string {
  return `${socket.remoteAddress}|${socket.remotePort}`;
}

function plainAddress(address: string | undefined): string {
  return (address ?? 'unknown').replace(/^::ffff:/u, '');
}
