import type { AddressInfo, ListenOptions, Socket } from 'node:net';
import { createServer } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../../telemetry/clock.ts';
import { failure, failureText } from '../../failure.ts';
import type { LocalProtocol, Opening } from './opening.ts';
import type { Refusal } from './refusal.ts';
import { TunnelRefused } from './refusal.ts';
import { joinStreams } from './join.ts';

/** A local endpoint in clear; each connection goes its own way to the database. */
export type Endpoint = {
  /** The port that was bound; undefined for a socket in the file system. */
  readonly port: number | undefined;
  totals(): Totals;
  /** Takes no further connections and asks the open ones to end; resolves when all are gone, at the latest after `closeGraceMs`. */
  close(): Promise<void>;
  /** Ends everything now. */
  destroy(): void;
};

export type Totals = {
  readonly open: number;
  readonly accepted: number;
  /** Bytes from the database to clients, and from clients to the database, of all connections so far. */
  readonly received: number;
  readonly sent: number;
};

/** Told what happens; must not throw. */
export type EndpointWatcher = {
  opened(id: number, from: string): void;
  closed(
    id: number,
    connection: { readonly durationMs: number; readonly received: number; readonly sent: number },
  ): void;
  /** Nothing of it reached a database. */
  refused(id: number, why: string): void;
};

export type EndpointLimits = {
  /** Connections at a time; one more is refused in its protocol's words. */
  readonly maxConnections: number;
  /** A client that has not said whom it is for by then is let go. */
  readonly openingTimeoutMs: number;
  /** How long a client may stay after the database's end has closed. */
  readonly lingerMs: number;
  readonly closeGraceMs: number;
};
export const ENDPOINT_LIMITS: EndpointLimits = {
  maxConnections: 256,
  openingTimeoutMs: 60_000,
  lingerMs: 10_000,
  closeGraceMs: 2000,
};

export type EndpointOptions = {
  readonly listen: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly protocol: LocalProtocol;
  /** A connection of its own to the database. Throws TunnelRefused. */
  readonly dial: () => Promise<TLSSocket>;
  readonly watcher: EndpointWatcher;
  readonly limits: EndpointLimits;
  readonly clock: Clock;
};

/** Listens. Throws when the address can not be had. */
export async function openEndpoint(options: EndpointOptions): Promise<Endpoint> {
  const living = new Set<Connection>();
  let accepted = 0;
  const past = { received: 0, sent: 0 };
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    accepted += 1;
    const connection = new Connection(accepted, socket, options, living.size >= options.limits.maxConnections);
    living.add(connection);
    void connection.run().then(() => {
      living.delete(connection);
      past.received += connection.received;
      past.sent += connection.sent;
      if (living.size === 0) empty?.();
    });
  });
  let empty: (() => void) | undefined;
  // Those above the limit are told so, a few at a time.
  server.maxConnections = options.limits.maxConnections + MAX_REFUSED_AT_A_TIME;
  const port = await listen(server, options.listen);
  server.on('error', () => {});
  const destroy = (): void => {
    server.close();
    for (const connection of living) connection.destroy();
  };
  return {
    port,
    totals: () => ({
      open: living.size,
      accepted,
      received: [...living].reduce((sum, each) => sum + each.received, past.received),
      sent: [...living].reduce((sum, each) => sum + each.sent, past.sent),
    }),
    async close() {
      server.close();
      if (living.size === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      empty = resolve;
      const timer = options.clock.after(options.limits.closeGraceMs, destroy);
      for (const connection of living) connection.end();
      await promise;
      timer.cancel();
    },
    destroy,
  };
}

async function listen(
  server: ReturnType<typeof createServer>,
  where: EndpointOptions['listen'],
): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const given: ListenOptions = 'path' in where ? { path: where.path } : { host: where.host, port: where.port };
  server.once('error', reject).listen(given, resolve);
  try {
    await promise;
  } catch (error) {
    const at = 'path' in where ? where.path : `${where.host}:${where.port}`;
    throw failure(
      'LISTEN_FAILED',
      `can not listen on ${at}: ${failureText(error)}`,
      'choose another port, or none: a free one is found',
      error,
    );
  } finally {
    server.off('error', reject);
  }
  const address: AddressInfo | string | null = server.address();
  return address === null || typeof address === 'string' ? undefined : address.port;
}

/** One client from its first byte to its last. */
class Connection {
  readonly #id: number;
  readonly #client: Socket;
  readonly #options: EndpointOptions;
  readonly #tooMany: boolean;
  #upstream: TLSSocket | undefined;

  constructor(id: number, client: Socket, options: EndpointOptions, tooMany: boolean) {
    this.#id = id;
    this.#client = client;
    this.#options = options;
    this.#tooMany = tooMany;
    client.setKeepAlive(true, KEEP_ALIVE_MS).on('error', () => {});
  }

  get received(): number {
    return this.#client.bytesWritten;
  }

  get sent(): number {
    return this.#client.bytesRead;
  }

  /** Resolves when both sides are gone. Never throws. */
  async run(): Promise<void> {
    const { watcher, clock } = this.#options;
    const begun = clock.monotonic();
    const { remoteAddress, remotePort } = this.#client;
    watcher.opened(this.#id, remoteAddress === undefined ? 'this machine' : `${remoteAddress}:${remotePort}`);
    try {
      await this.#serve();
    } catch (error) {
      watcher.refused(this.#id, failureText(error));
    } finally {
      this.destroy();
      watcher.closed(this.#id, { durationMs: clock.monotonic() - begun, received: this.received, sent: this.sent });
    }
  }

  /** Says the end to both sides. */
  end(): void {
    this.#client.end();
    if (this.#upstream === undefined) this.#client.destroy();
    else this.#upstream.end();
  }

  destroy(): void {
    this.#client.destroy();
    this.#upstream?.destroy();
  }

  async #serve(): Promise<void> {
    const opening = await this.#opening();
    if (opening === undefined) return;
    try {
      if (this.#tooMany) throw tooMany(this.#options.limits.maxConnections);
      this.#upstream = await this.#options.dial();
    } catch (error) {
      if (!opening.silent) await this.#refuse(error);
      throw error;
    }
    // Nobody waits for it any more: the client left, or the endpoint was ended, while it was dialled.
    if (this.#client.destroyed) {
      this.#upstream.destroy();
      return;
    }
    if (opening.first.length > 0) this.#upstream.write(opening.first);
    const { limits, clock } = this.#options;
    const result = await joinStreams(this.#client, this.#upstream, { lingerMs: limits.lingerMs, clock });
    if (result.answered || opening.silent || this.#client.destroyed || this.#client.readableEnded) return;
    const closed = closedUnheard(result.error);
    await this.#refuse(closed);
    throw closed;
  }

  async #opening(): Promise<Opening | undefined> {
    const { limits, protocol, clock } = this.#options;
    const timer = clock.after(limits.openingTimeoutMs, () => this.#client.destroy());
    try {
      return await protocol.open(this.#client);
    } finally {
      timer.cancel();
    }
  }

  /** Writes the words and waits until the client has left, or for `lingerMs`; what it still sends is thrown away so that it gets to read them. */
  async #refuse(error: unknown): Promise<void> {
    if (this.#client.destroyed) return;
    const refusal: Refusal =
      error instanceof TunnelRefused
        ? error.refusal
        : { reason: 'unreachable', message: failureText(error), hint: 'see what tsh says' };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#client.once('close', () => resolve()).resume();
    this.#client.end(this.#options.protocol.refusal(refusal));
    const timer = this.#options.clock.after(this.#options.limits.lingerMs, resolve);
    await promise;
    timer.cancel();
  }
}

function tooMany(maxConnections: number): TunnelRefused {
  return new TunnelRefused({
    reason: 'too-many-connections',
    message: `this tunnel has ${maxConnections} connections open (--max-connections)`,
    hint: 'close some, or start it with a higher --max-connections',
  });
}

function closedUnheard(cause: Error | undefined): TunnelRefused {
  return new TunnelRefused(
    {
      reason: 'denied',
      message: `the proxy closed the connection before it answered${cause === undefined ? '' : `: ${cause.message}`}`,
      hint: 'see whether you may still reach the database: tsh db ls -v',
    },
    cause,
  );
}

const MAX_REFUSED_AT_A_TIME = 32;
const KEEP_ALIVE_MS = 60_000;
