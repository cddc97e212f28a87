import net from 'node:net';
import type { Socket } from 'node:net';
import type { Address } from '../../config/schema.ts';
import { UpstreamError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';

export type ListenerOptions = {
  /** The key of tessera.yaml, for messages. */
  readonly setting: string;
  readonly address: Address;
  readonly onSocket: (socket: Socket) => void;
};

/** One listening port. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #log: Log;
  readonly #server: net.Server;

  constructor(options: ListenerOptions, log: Log) {
    this.#options = options;
    this.#log = log;
    this.#server = net.createServer({ noDelay: true }, (socket) => options.onSocket(socket));
  }

  /** Opens the port. Throws UpstreamError `PROXY_LISTEN`. Returns the real address. */
  async listen(): Promise<Address> {
    const { address, setting } = this.#options;
    const { host, port } = address;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) =>
        reject(
          new UpstreamError('PROXY_LISTEN', `${setting}: proxy can not listen on ${host}:${port}: ${cause.message}`, {
            cause,
          }),
        ),
      );
      this.#server.listen({ host, port, backlog: 2048 }, resolve);
    });
    this.#server.on('error', (error) => this.#log.error({ err: error, setting }, 'a port failed to take a connection'));
    const bound = this.#server.address();
    return { host, port: typeof bound === 'object' && bound !== null ? bound.port : port };
  }

  /** Takes no more connections. Resolves when the last one is gone, at once when it never listened. */
  close(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}
