import type { BlockList, Socket } from 'node:net';
import { isIPv6 } from 'node:net';
import type { ProxyLimits } from '../../config/schema.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import { peerAddress } from './client-address.ts';
import { ConnectionLimits } from './connection-limits.ts';
import { Entrance, type Port } from './entrance.ts';
import type { Doors } from './visit.ts';

export type FrontDoorOptions = {
  readonly limits: ProxyLimits;
  /** Who must send a PROXY header, and alone may; absent: nobody may. */
  readonly trustedSources?: BlockList | undefined;
  readonly doors: Doors;
  readonly clock: Clock;
  readonly log: Log;
  /** A connection of this port was turned away for a limit. */
  readonly onLimited: (port: string) => void;
};

/** Where connections of every port come in. They count together: a client has no more places because there are two ports. */
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

  /** Takes a socket that a listener accepted. */
  accept(socket: Socket, port: Port): void {
    // A peer's reset is no news; the socket's close follows.
    socket.on('error', () => undefined);
    const peer = peerAddress(socket);
    const leave = this.#connections.enter();
    if (peer === undefined || leave === undefined) {
      if (leave === undefined) this.#options.onLimited(port.name);
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
      port,
      limits: this.#limits,
      enterFor: (ip) => this.#connections.enterFor(ip),
    }).start();
  }

  /** Ends every connection that is still here, whoever owns it. */
  destroyAll(): void {
    for (const socket of this.#open) socket.destroy();
  }
}
