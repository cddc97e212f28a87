import type { Socket } from 'node:net';
import { constants, X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import type { Log } from '../../telemetry/log.ts';
import { certificateFaultOf } from '../certificate-fault.ts';
import { formatAddress } from './client-address.ts';
import type { Visit } from './visit.ts';

/** What a door shows: PEM certificate chain and key. */
export type ShownCertificate = { readonly certificate: string; readonly privateKey: string };

export type TlsDoorOptions = {
  /** For the log. */
  readonly name: string;
  readonly alpn: readonly string[];
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Ask the peer for a certificate; it is verified by `onSecure`, not by TLS: a refusal can then be said in words. */
  readonly requestCertificate: boolean;
  /** The first is the default; others are shown to clients that ask for a name in them. */
  readonly shown: readonly [ShownCertificate, ...ShownCertificate[]];
  readonly handshakeTimeoutMs: number;
  readonly log: Log;
  readonly onSecure: (socket: tls.TLSSocket, visit: Visit) => void;
  /** The handshake failed because of the certificate that the client showed; `code` is the TLS library's. */
  readonly onUnproven?: (visit: Visit, code: string) => void;
};

/**
 * Ends TLS for sockets that another listener accepted. Holds one secure context for all connections; `show` swaps it without touching those that
 * are open. Sessions are never resumed: each connection proves itself anew.
 */
export class TlsDoor {
  #server: tls.Server;
  readonly #options: TlsDoorOptions;
  /** tls.Server does not tell which socket became secure; both ends' addresses together do. */
  readonly #visits = new Map<string, Visit>();
  #named: readonly NamedContext[];
  #shown: ShownCertificate;
  #handshakeTimeoutMs: number;

  constructor(options: TlsDoorOptions) {
    this.#options = options;
    this.#named = namedContexts(options.shown, options.minVersion);
    this.#shown = options.shown[0];
    this.#handshakeTimeoutMs = options.handshakeTimeoutMs;
    this.#server = this.#makeServer();
  }

  /** Takes a socket whose next bytes are the ClientHello. */
  accept(socket: Socket, visit: Visit): void {
    const key = keyOf(socket);
    this.#visits.set(key, visit);
    socket.once('close', () => {
      if (this.#visits.get(key) === visit) this.#visits.delete(key);
    });
    this.#server.emit('connection', socket);
  }

  /** Other certificates for handshakes that begin from now on. Throws when one can not be used; the old ones stay. */
  show(shown: readonly [ShownCertificate, ...ShownCertificate[]]): void {
    const named = namedContexts(shown, this.#options.minVersion);
    this.#server.setSecureContext(contextOptions(shown[0], this.#options.minVersion));
    this.#named = named;
    this.#shown = shown[0];
  }

  /** Another time for handshakes that begin from now on. */
  use(handshakeTimeoutMs: number): void {
    if (handshakeTimeoutMs === this.#handshakeTimeoutMs) return;
    this.#handshakeTimeoutMs = handshakeTimeoutMs;
    // A server keeps the time that it began with. The one before ends its handshakes by itself and holds nothing open.
    this.#server = this.#makeServer();
  }

  #makeServer(): tls.Server {
    const { name, alpn, requestCertificate, minVersion, log } = this.#options;
    const server = tls.createServer(
      {
        ALPNProtocols: [...alpn],
        requestCert: requestCertificate,
        rejectUnauthorized: false,
        handshakeTimeout: this.#handshakeTimeoutMs,
        noDelay: true,
        SNICallback: (asked, done) =>
          done(null, this.#named.find(({ certificate }) => certificate.checkHost(asked) !== undefined)?.context),
        ...contextOptions(this.#shown, minVersion),
      },
      (socket) => this.#secured(socket),
    );
    server.on('tlsClientError', (error, socket) => {
      log.debug({ door: name, reason: error.message }, 'TLS handshake failed');
      this.#failed(error, socket);
      socket.destroy();
    });
    return server;
  }

  #failed(error: Error, socket: tls.TLSSocket): void {
    const visit = this.#visits.get(keyOf(socket));
    const code = certificateFaultOf(error);
    if (visit !== undefined && code !== undefined) this.#options.onUnproven?.(visit, code);
  }

  #secured(socket: tls.TLSSocket): void {
    socket.on('error', () => undefined);
    const key = keyOf(socket);
    const visit = this.#visits.get(key);
    this.#visits.delete(key);
    if (visit === undefined) {
      socket.destroy();
      return;
    }
    this.#options.log.debug({ door: this.#options.name, client: formatAddress(visit.client) }, 'TLS begun');
    this.#options.onSecure(socket, visit);
  }
}

/** The certificate that the peer presented, DER; undefined: none. */
export function presentedCertificate(socket: tls.TLSSocket): Buffer | undefined {
  return socket.getPeerX509Certificate()?.raw;
}

type NamedContext = { readonly certificate: X509Certificate; readonly context: tls.SecureContext };

/** Only when there is a choice: with one certificate the default context serves every name. */
function namedContexts(shown: readonly ShownCertificate[], minVersion: 'TLSv1.2' | 'TLSv1.3'): readonly NamedContext[] {
  if (shown.length < 2) return [];
  return shown.map((one) => ({
    certificate: new X509Certificate(one.certificate),
    context: tls.createSecureContext(contextOptions(one, minVersion)),
  }));
}

function contextOptions(shown: ShownCertificate, minVersion: 'TLSv1.2' | 'TLSv1.3') {
  return {
    cert: shown.certificate,
    key: shown.privateKey,
    minVersion,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET,
  } as const;
}

function keyOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
}
