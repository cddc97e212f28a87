import type { Socket } from 'node:net';
import type { Timer } from '../../telemetry/clock.ts';
import type { ClientAddress } from './client-address.ts';

/** One connection of the public port, from its first byte to its end. */
export type Visit = {
  readonly client: ClientAddress;
  /** `clock.monotonic()` when it was accepted. */
  readonly sinceMs: number;
  /** Ends the connection unless the client's start-up is done in time. Cancel it when it is. */
  readonly deadline: Timer;
};

/** What the front door found a connection to be, and hands on. The door owns the socket from then on; the deadline still runs. */
export interface Doors {
  /** TLS begins (nothing of it was consumed) with an ALPN of a database protocol, or after an SSLRequest. */
  database(socket: Socket, visit: Visit): void;
  /** TLS begins with ALPN `tessera-tunnel`. */
  tunnel(socket: Socket, visit: Visit): void;
  /** TLS begins with ALPN `http/1.1`, `h2` or none. */
  https(socket: Socket, visit: Visit): void;
  /** TLS begins with ALPN `tessera-auth`: to be joined with Auth unseen. */
  auth(socket: Socket, visit: Visit): void;
  /** A whole cancel request came in clear. */
  cancel(packet: Buffer, visit: Visit): void;
  /** A start-up packet came in clear: refuse it in the protocol's words. */
  plaintext(socket: Socket, visit: Visit): void;
}
