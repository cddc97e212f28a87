import type { Socket } from 'node:net';
import type { ProxyLimits } from '../../config/schema.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import { type ClientAddress, formatAddress } from './client-address.ts';
import { detectFirstBytes } from './first-bytes.ts';
import { readProxyHeader } from './opening-bytes.ts';
import { Peek } from './peek.ts';
import type { Doors, SaidInClear, Visit } from './visit.ts';

/** What one port makes of a connection's first bytes, one object a connection. Every method of the entrance that decides ends its turn. */
export interface PortReader {
  /** The client's address is known, and its place counted. Speaks first, or waits. */
  begin(): void;
  /** As many bytes as were waited for are there. */
  look(): void;
}

/** A port of the proxy: its name for logs and metrics, and how it reads. */
export type Port = { readonly name: string; readonly reader: (entrance: Entrance) => PortReader };

export type EntranceOptions = {
  readonly port: Port;
  readonly limits: ProxyLimits;
  readonly doors: Doors;
  readonly clock: Clock;
  readonly log: Log;
  /** A connection was turned away for a limit. */
  readonly onLimited: (port: string) => void;
  /** One more of this client; undefined: too many. */
  readonly enterFor: (ip: string) => (() => void) | undefined;
};

/**
 * One connection until it is known what it is, the same for every port: the deadline, the PROXY header, the place of its client. What belongs to whoever goes on with it is not
 * consumed.
 */
export class Entrance {
  readonly #socket: Socket;
  readonly #options: EntranceOptions;
  readonly #peek: Peek;
  readonly #reader: PortReader;
  readonly #sinceMs: number;
  readonly #deadline: Visit['deadline'];
  #client: ClientAddress;
  #mustSayWho: boolean;
  #over = false;

  /** `mustSayWho`: the peer is a trusted source, which tells with a PROXY header who the client is. */
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
    this.#reader = options.port.reader(this);
  }

  /** What came and was not dropped; a view that the next read may outdate. */
  get bytes(): Buffer {
    return this.#peek.bytes;
  }
  get limits(): ProxyLimits {
    return this.#options.limits;
  }
  get doors(): Doors {
    return this.#options.doors;
  }

  start(): void {
    this.#socket.on('end', this.#ended);
    // Behind a trusted source the client is known only after its PROXY header.
    if (this.#mustSayWho) this.#peek.wait(1);
    else this.#enter();
  }

  /** Has the reader look again once there are at least `need` bytes. */
  wait(need: number): void {
    if (!this.#peek.wait(need)) this.refuse('its first bytes exceed maxClientHelloBytes');
  }

  write(bytes: Uint8Array | string): void {
    this.#socket.write(bytes);
  }

  /** Takes `count` bytes away for good. */
  drop(count: number): void {
    this.#peek.drop(count);
  }

  /** Gives the socket away, with what was not dropped before everything else. */
  hand(to: (socket: Socket, visit: Visit) => void, inClear?: SaidInClear): void {
    this.#leave();
    to(this.#peek.release(), this.#visit(inClear));
  }

  /** Closes; for who was served already. */
  close(): Visit {
    this.#leave();
    this.#socket.destroy();
    return this.#visit();
  }

  /** Closes without a word. `reason` is for the log and holds nothing that the client sent. */
  refuse(reason: string): void {
    this.#leave();
    this.#options.log.debug(
      { client: formatAddress(this.#client), port: this.#options.port.name, reason },
      'refused a connection',
    );
    this.#socket.destroy();
  }

  /** Closes with a last word. */
  answerAndClose(answer: string, reason: string): void {
    this.#leave();
    this.#options.log.debug(
      { client: formatAddress(this.#client), port: this.#options.port.name, reason },
      'refused a connection',
    );
    // Read on until the client closes, or its reset would take the answer away.
    this.#peek.release().resume();
    this.#socket.end(answer);
  }

  readonly #ended = (): void => {
    this.#socket.destroy();
  };

  #step(): void {
    if (this.#over) return;
    if (this.#mustSayWho) this.#readProxyHeader();
    else this.#guard(() => this.#reader.look());
  }

  /** A fault of a reader is this connection's alone: events of sockets have nobody above them. */
  #guard(read: () => void): void {
    try {
      read();
    } catch (error) {
      this.#options.log.error({ err: error, port: this.#options.port.name }, 'a connection failed inside');
      this.#leave();
      this.#socket.destroy();
    }
  }

  #enter(): void {
    const leave = this.#options.enterFor(this.#client.ip);
    if (leave === undefined) {
      this.#options.onLimited(this.#options.port.name);
      this.refuse('maxConnectionsPerClient reached');
      return;
    }
    this.#socket.once('close', leave);
    this.#guard(() => this.#reader.begin());
  }

  #readProxyHeader(): void {
    const found = detectFirstBytes(this.#peek.bytes);
    if (found.type === 'more') {
      this.wait(found.need);
      return;
    }
    if (found.type !== 'proxy-v1' && found.type !== 'proxy-v2') {
      this.refuse('a trusted source sent no PROXY header');
      return;
    }
    const header = readProxyHeader(this.#peek.bytes);
    if (header.type === 'more') this.wait(header.need);
    else if (header.type === 'bad') this.refuse(header.reason);
    else {
      this.#mustSayWho = false;
      if (header.client !== undefined) this.#client = header.client;
      this.#peek.drop(header.length);
      this.#enter();
    }
  }

  #visit(inClear?: SaidInClear): Visit {
    const visit = { client: this.#client, sinceMs: this.#sinceMs, deadline: this.#deadline };
    return inClear === undefined ? visit : { ...visit, inClear };
  }

  #leave(): void {
    this.#over = true;
    this.#socket.removeListener('end', this.#ended);
  }
}

/** A v2 header with its signature, addresses and TLVs. */
const MAX_PROXY_HEADER_BYTES = 4096;
