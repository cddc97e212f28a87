import type { BlockList, Socket } from 'node:net';
import { isIPv6 } from 'node:net';
import type { ProxyLimits } from '../../config/schema.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import { type ClientAddress, formatAddress, peerAddress } from './client-address.ts';
import { ConnectionLimits } from './connection-limits.ts';
import { detectFirstBytes, ENCRYPTION_REQUEST_BYTES, type FirstBytes } from './first-bytes.ts';
import { peekAlpn, readProxyHeader } from './opening-bytes.ts';
import { Peek } from './peek.ts';
import type { Doors, Visit } from './visit.ts';

export type FrontDoorOptions = {
  readonly limits: ProxyLimits;
  /** Who must send a PROXY header, and alone may; absent: nobody may. */
  readonly trustedSources?: BlockList | undefined;
  readonly doors: Doors;
  readonly clock: Clock;
  readonly log: Log;
  /** A connection was turned away for a limit. */
  readonly onLimited: () => void;
};

/** ALPN names that begin a database's own protocol right behind TLS. */
export const DATABASE_ALPN = ['postgresql'] as const;

/** The public port: decides by the first bytes who goes on with a connection, and consumes nothing that belongs to them. */
export class FrontDoor {
  readonly #options: FrontDoorOptions;
  readonly #connections: ConnectionLimits;
  #limits: ProxyLimits;
  #trustedSources: BlockList | undefined;
  #open = new Set<Socket>();

  constructor(options: FrontDoorOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#trustedSources = options.trustedSources;
    this.#connections = new ConnectionLimits(options.limits);
  }

  /** New settings for connections that come from now on. */
  use(settings: { readonly limits: ProxyLimits; readonly trustedSources: BlockList | undefined }): void {
    this.#limits = settings.limits;
    this.#trustedSources = settings.trustedSources;
    this.#connections.use(settings.limits);
  }

  /** Open connections, of any kind. */
  get connectionCount(): number {
    return this.#connections.total;
  }

  /** Takes a socket that the listener accepted. */
  accept(socket: Socket): void {
    // A peer's reset is no news; the socket's close follows.
    socket.on('error', () => undefined);
    const peer = peerAddress(socket);
    const leave = this.#connections.enter();
    if (peer === undefined || leave === undefined) {
      if (leave === undefined) this.#options.onLimited();
      leave?.();
      socket.destroy();
      return;
    }
    this.#open.add(socket);
    socket.once('close', () => {
      this.#open.delete(socket);
      leave();
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    const mustSayWho = this.#trustedSources?.check(peer.ip, isIPv6(peer.ip) ? 'ipv6' : 'ipv4') === true;
    new Entrance(socket, peer, mustSayWho, {
      ...this.#options,
      limits: this.#limits,
      enterFor: (ip) => this.#connections.enterFor(ip),
    }).begin();
  }

  /** Ends every connection that is still here, whoever owns it. */
  destroyAll(): void {
    for (const socket of this.#open) socket.destroy();
  }
}

type EntranceOptions = Pick<FrontDoorOptions, 'limits' | 'doors' | 'clock' | 'log' | 'onLimited'> & {
  readonly enterFor: (ip: string) => (() => void) | undefined;
};

/** One connection until it is known what it is. */
class Entrance {
  readonly #socket: Socket;
  readonly #options: EntranceOptions;
  readonly #peek: Peek;
  readonly #sinceMs: number;
  readonly #deadline: Visit['deadline'];
  #client: ClientAddress;
  #mustSayWho: boolean;
  #entered = false;
  #gssAsked = false;
  #sslAsked = false;
  #over = false;

  constructor(socket: Socket, peer: ClientAddress, mustSayWho: boolean, options: EntranceOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#client = peer;
    this.#mustSayWho = mustSayWho;
    this.#sinceMs = options.clock.monotonic();
    const { handshakeTimeoutMs, maxClientHelloBytes } = options.limits;
    this.#deadline = options.clock.after(handshakeTimeoutMs, () => socket.destroy());
    socket.once('close', () => this.#deadline.cancel());
    this.#peek = new Peek(socket, {
      maxBytes: maxClientHelloBytes + MAX_PROXY_HEADER_BYTES,
      onBytes: () => this.#step(),
    });
  }

  begin(): void {
    this.#socket.on('end', this.#ended);
    // Behind a trusted source the client is known only after its PROXY header.
    if (this.#mustSayWho || this.#enter()) this.#peek.wait(1);
  }

  readonly #ended = (): void => {
    this.#socket.destroy();
  };

  #step(): void {
    if (this.#over) return;
    const found = detectFirstBytes(this.#peek.bytes);
    if (found.type === 'more') this.#wait(found.need);
    else if (this.#mustSayWho) this.#readProxyHeader(found);
    else if (this.#enter()) this.#decide(found);
  }

  #wait(need: number): void {
    if (!this.#peek.wait(need)) this.#refuse('its first bytes exceed maxClientHelloBytes');
  }

  #enter(): boolean {
    if (this.#entered) return true;
    const leave = this.#options.enterFor(this.#client.ip);
    if (leave === undefined) {
      this.#options.onLimited();
      this.#refuse('maxConnectionsPerClient reached');
      return false;
    }
    this.#entered = true;
    this.#socket.once('close', leave);
    return true;
  }

  #readProxyHeader(found: FirstBytes): void {
    if (found.type !== 'proxy-v1' && found.type !== 'proxy-v2') {
      this.#refuse('a trusted source sent no PROXY header');
      return;
    }
    const header = readProxyHeader(this.#peek.bytes);
    if (header.type === 'more') this.#wait(header.need);
    else if (header.type === 'bad') this.#refuse(header.reason);
    else {
      this.#mustSayWho = false;
      if (header.client !== undefined) this.#client = header.client;
      this.#peek.drop(header.length);
      this.#peek.wait(1);
    }
  }

  #decide(found: FirstBytes): void {
    switch (found.type) {
      case 'tls':
        this.#decideTls();
        return;
      case 'ssl-request':
      case 'gssenc-request':
        this.#answerEncryption(found.type);
        return;
      case 'cancel':
        this.#takeCancel(found.length);
        return;
      case 'startup':
        if (this.#sslAsked) this.#refuse('a start-up packet in clear after SSLRequest');
        else this.#hand((socket, visit) => this.#options.doors.plaintext(socket, visit));
        return;
      case 'http':
        this.#answerAndClose(HTTP_IN_CLEAR, 'HTTP in clear');
        return;
      case 'proxy-v1':
      case 'proxy-v2':
        this.#refuse('a PROXY header from a source that is not trusted, or a second one');
        return;
      case 'more':
      case 'unknown':
        this.#refuse('unknown protocol');
    }
  }

  #decideTls(): void {
    const hello = peekAlpn(this.#peek.bytes, this.#options.limits.maxClientHelloBytes);
    if (hello.type === 'more') this.#wait(hello.need);
    else if (hello.type === 'bad') this.#refuse(hello.reason);
    else this.#handTls(hello.alpn);
  }

  #handTls(alpn: readonly string[]): void {
    const { doors } = this.#options;
    const isDatabase = this.#sslAsked || DATABASE_ALPN.some((name) => alpn.includes(name));
    if (this.#gssAsked && !isDatabase) this.#refuse('GSSENCRequest before TLS that is not for a database');
    else if (isDatabase) this.#hand((socket, visit) => doors.database(socket, visit));
    else if (alpn.includes('tessera-auth')) this.#hand((socket, visit) => doors.auth(socket, visit));
    else if (alpn.includes('tessera-tunnel')) this.#hand((socket, visit) => doors.tunnel(socket, visit));
    else this.#hand((socket, visit) => doors.https(socket, visit));
  }

  /** Each may be asked once, and nothing may stand behind it: it could be meant for the plain protocol and be taken as said inside TLS (CVE-2021-23222). */
  #answerEncryption(type: 'ssl-request' | 'gssenc-request'): void {
    const isSsl = type === 'ssl-request';
    if (this.#sslAsked || (!isSsl && this.#gssAsked)) {
      this.#refuse('an encryption request came twice');
      return;
    }
    if (this.#peek.bytes.length > ENCRYPTION_REQUEST_BYTES) {
      this.#refuse('bytes behind an encryption request');
      return;
    }
    if (isSsl) this.#sslAsked = true;
    else this.#gssAsked = true;
    this.#peek.drop(ENCRYPTION_REQUEST_BYTES);
    this.#socket.write(isSsl ? 'S' : 'N');
    this.#peek.wait(1);
  }

  #takeCancel(length: number): void {
    if (this.#sslAsked) this.#refuse('a cancel request in clear after SSLRequest');
    else if (this.#peek.bytes.length < length) this.#wait(length);
    else {
      const packet = Buffer.from(this.#peek.bytes.subarray(0, length));
      const visit = this.#visit();
      this.#leave();
      this.#socket.destroy();
      this.#options.doors.cancel(packet, visit);
    }
  }

  #hand(to: (socket: Socket, visit: Visit) => void): void {
    this.#leave();
    to(this.#peek.release(), this.#visit());
  }

  #visit(): Visit {
    return { client: this.#client, sinceMs: this.#sinceMs, deadline: this.#deadline };
  }

  #leave(): void {
    this.#over = true;
    this.#socket.removeListener('end', this.#ended);
  }

  #refuse(reason: string): void {
    this.#leave();
    this.#options.log.debug({ client: formatAddress(this.#client), reason }, 'refused a connection');
    this.#socket.destroy();
  }

  #answerAndClose(answer: string, reason: string): void {
    this.#leave();
    this.#options.log.debug({ client: formatAddress(this.#client), reason }, 'refused a connection');
    // Read on until the client closes, or its reset would take the answer away.
    this.#peek.release().resume();
    this.#socket.end(answer);
  }
}

/** A v2 header with its signature, addresses and TLVs. */
const MAX_PROXY_HEADER_BYTES = 4096;
const HTTP_IN_CLEAR =
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 32\r\nConnection: close\r\n\r\nthis port speaks TLS, use https\n';
