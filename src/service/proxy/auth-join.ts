import net from 'node:net';
import type { Socket } from 'node:net';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import type { Address, ProxyLimits } from '../../config/schema.ts';
import { signClientAddress } from '../../pki/signed-address.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import { SocketChannel } from '../../wire/socket-channel.ts';
import { formatAddress, limitKey } from './client-address.ts';
import { encodeSignedHeader } from './opening-bytes.ts';
import type { HostKey } from './host-key.ts';
import { splice } from './splice.ts';
import type { Visit } from './visit.ts';

export type AuthJoinOptions = {
  readonly authServer: Address;
  readonly hostKey: () => HostKey;
  readonly clock: Clock;
  readonly log: Log;
  readonly limits: AuthJoinLimits;
  readonly onLimited: () => void;
};

/** `authJoinsPerMinute`: new connections of one client address. `handshakeTimeoutMs`: to reach Auth. */
export type AuthJoinLimits = Pick<ProxyLimits, 'authJoinsPerMinute' | 'handshakeTimeoutMs'>;

/**
 * Joins a client's TCP connection with Auth's port. Their TLS runs end to end: the proxy has no part in it and tells Auth only, signed with its host
 * key, where the client comes from.
 */
export class AuthJoin {
  readonly #options: AuthJoinOptions;
  #limits: AuthJoinLimits;
  #limiter: RateLimiterMemory;

  constructor(options: AuthJoinOptions) {
    this.#options = options;
    this.#limits = options.limits;
    this.#limiter = limiter(options.limits);
  }

  /** New limits for connections to come. With another rate counting begins anew. */
  use(limits: AuthJoinLimits): void {
    if (limits.authJoinsPerMinute !== this.#limits.authJoinsPerMinute) this.#limiter = limiter(limits);
    this.#limits = limits;
  }

  /** Takes a socket of which nothing was consumed. The visit's deadline ends when Auth is reached: Auth has its own. */
  join(socket: Socket, visit: Visit): void {
    const client = new SocketChannel(socket);
    this.#limiter.consume(limitKey(visit.client.ip)).then(
      () => this.#connect(client, visit),
      () => {
        this.#options.onLimited();
        client.destroy();
      },
    );
  }

  #connect(client: SocketChannel, visit: Visit): void {
    const { authServer, clock, log } = this.#options;
    const socket = net.connect({ host: authServer.host, port: authServer.port, noDelay: true });
    const timer = clock.after(this.#limits.handshakeTimeoutMs, () => socket.destroy());
    socket.once('close', () => timer.cancel());
    socket.once('error', (error) => {
      log.warn(
        { reason: error.message, auth: `${authServer.host}:${authServer.port}` },
        'the auth service can not be reached for a client',
      );
    });
    const auth = new SocketChannel(socket);
    socket.once('connect', () => {
      timer.cancel();
      visit.deadline.cancel();
    });
    auth.write(this.#header(visit, client));
    splice(client, auth, { counters: { forward: 0, backward: 0 }, onOver: () => undefined });
  }

  #header(visit: Visit, client: SocketChannel): Buffer {
    const { key, certificateDer } = this.#options.hostKey();
    const { socket } = client;
    const signed = signClientAddress(
      { address: formatAddress(visit.client), timeMs: this.#options.clock.now() },
      key,
      certificateDer,
    );
    const destination = { ip: socket.localAddress ?? '0.0.0.0', port: socket.localPort ?? 0 };
    return encodeSignedHeader(visit.client, destination, signed);
  }
}

function limiter({ authJoinsPerMinute }: AuthJoinLimits): RateLimiterMemory {
  return new RateLimiterMemory({ points: authJoinsPerMinute, duration: 60 });
}
