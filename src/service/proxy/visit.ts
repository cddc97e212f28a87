import type { Socket } from 'node:net';
import type { DatabaseProtocol } from '../../resource/identity.ts';
import type { Timer } from '../../telemetry/clock.ts';
import type { ClientAddress } from './client-address.ts';

/** One connection of a port, from its first byte to its end. */
export type Visit = {
  readonly client: ClientAddress;
  /** `clock.monotonic()` when it was accepted. */
  readonly sinceMs: number;
  /** Ends the connection unless the client's start-up is done in time. Cancel it when it is. */
  readonly deadline: Timer;
  /** What a database's protocol said in clear before TLS. Absent: TLS came first. */
  readonly inClear?: SaidInClear;
};

/** It fixes the protocol, whatever ALPN says afterwards. `greeting`: what we said, byte for byte, where the server speaks first. */
export type SaidInClear = { readonly protocol: DatabaseProtocol; readonly greeting?: Buffer };

/** What a port found a connection to be, and hands on. The door owns the socket from then on; the deadline still runs. */
export interface Doors {
  /** TLS begins (nothing of it was consumed) with an ALPN of a database protocol, or after the protocol's own request for TLS. */
  database(socket: Socket, visit: Visit): void;
  /** TLS begins with ALPN `tessera-tunnel`. */
  tunnel(socket: Socket, visit: Visit): void;
  /** TLS begins with ALPN `http/1.1`, `h2` or none. */
  https(socket: Socket, visit: Visit): void;
  /** TLS begins with ALPN `tessera-auth`: to be joined with Auth unseen. */
  auth(socket: Socket, visit: Visit): void;
  /** A whole cancel request came in clear. */
  cancel(packet: Buffer, visit: Visit): void;
  /** A start-up packet came in clear: refuse it in the protocol's words, which are `answer` when somebody has them already. */
  plaintext(
    socket: Socket,
    visit: Visit,
    client: { readonly protocol: DatabaseProtocol; readonly answer?: Buffer },
  ): void;
}
