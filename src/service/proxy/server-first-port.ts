import type { ServerFirst } from '../../engine/engine.ts';
import type { DatabaseProtocol } from '../../resource/identity.ts';
import type { Entrance, Port, PortReader } from './entrance.ts';
import { detectFirstBytes } from './first-bytes.ts';
import { peekAlpn } from './opening-bytes.ts';

export type ServerFirstPortOptions = {
  readonly protocol: DatabaseProtocol;
  readonly serverFirst: Pick<ServerFirst, 'understand'>;
  /** A greeting for one client; at most 512 bytes, as it travels in the session opening. */
  readonly greet: () => Buffer;
};

/**
 * The port of a protocol whose server speaks first (MySQL's): greets, reads the client's request for TLS, and hands it on. Who reads the greeting and goes, as load balancers do,
 * is nobody's business.
 */
export function serverFirstPort(options: ServerFirstPortOptions): Port {
  return { name: options.protocol, reader: (entrance) => new ServerFirstReader(entrance, options) };
}

class ServerFirstReader implements PortReader {
  readonly #entrance: Entrance;
  readonly #options: ServerFirstPortOptions;
  #greeting: Buffer = Buffer.alloc(0);
  #tlsAsked = false;

  constructor(entrance: Entrance, options: ServerFirstPortOptions) {
    this.#entrance = entrance;
    this.#options = options;
  }

  begin(): void {
    this.#greeting = this.#options.greet();
    this.#entrance.write(this.#greeting);
    this.#entrance.wait(1);
  }

  look(): void {
    if (this.#tlsAsked) this.#expectTls();
    else this.#understand();
  }

  #understand(): void {
    const entrance = this.#entrance;
    const answer = this.#options.serverFirst.understand(entrance.bytes);
    switch (answer.type) {
      case 'more':
        entrance.wait(Math.max(answer.need, entrance.bytes.length + 1));
        return;
      case 'tls':
        this.#tlsAsked = true;
        entrance.drop(answer.length);
        // The ClientHello is often in the same segment.
        entrance.wait(1);
        return;
      case 'plaintext':
        entrance.hand((socket, visit) =>
          entrance.doors.plaintext(socket, visit, { protocol: this.#options.protocol, answer: answer.answer }),
        );
        return;
      case 'malformed':
        entrance.refuse(answer.reason);
    }
  }

  /** Nothing but TLS may stand behind the request for it: other bytes would be meant for the plain protocol and be taken as said inside TLS. */
  #expectTls(): void {
    const entrance = this.#entrance;
    const found = detectFirstBytes(entrance.bytes);
    if (found.type === 'more') entrance.wait(found.need);
    else if (found.type !== 'tls') entrance.refuse('bytes in clear behind the request for TLS');
    else this.#handTls();
  }

  #handTls(): void {
    const entrance = this.#entrance;
    const hello = peekAlpn(entrance.bytes, entrance.limits.maxClientHelloBytes);
    if (hello.type === 'more') entrance.wait(hello.need);
    else if (hello.type === 'bad') entrance.refuse(hello.reason);
    else {
      entrance.hand((socket, visit) => entrance.doors.database(socket, visit), {
        protocol: this.#options.protocol,
        greeting: this.#greeting,
      });
    }
  }
}
