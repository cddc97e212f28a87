import type { Socket } from 'node:net';
import { decodeStartupPacket } from '../../../protocol/postgres/startup.ts';
import { failureText } from '../../failure.ts';
import type { Refusal } from './refusal.ts';
import { mysqlRefusal, postgresRefusal } from './refusal.ts';

/** What a local endpoint must know of a protocol: how its clients begin, and how to refuse them. Everything behind that is passed on unread. */
export type LocalProtocol = {
  /** As in a database's `spec.protocol`; the proxy's ALPN is `tessera-<protocol>`. */
  readonly protocol: string;
  /**
   * Reads up to where the database has its say. Gives the bytes that are for the database (none where the server speaks first); undefined when the client left.
   * Throws with words for the person when a client does not speak in clear.
   */
  readonly open: (client: Socket) => Promise<Opening | undefined>;
  readonly refusal: (refusal: Refusal) => Buffer;
};

/** `silent`: whoever sent this waits for no answer (a CancelRequest). */
export type Opening = { readonly first: Buffer; readonly silent: boolean };

/** PostgreSQL: TLS and GSS encryption are declined (a client with `prefer` goes on in clear); StartupMessage and CancelRequest are for the database. */
const postgres: LocalProtocol = {
  protocol: 'postgres',
  open: openPostgres,
  refusal: postgresRefusal,
};

/** MySQL and MariaDB: the server greets first, so there is nothing to read. */
const mysql: LocalProtocol = {
  protocol: 'mysql',
  open: () => Promise.resolve({ first: Buffer.alloc(0), silent: false }),
  refusal: mysqlRefusal,
};

/** The protocols that a local endpoint serves, by name. */
export const LOCAL_PROTOCOLS: ReadonlyMap<string, LocalProtocol> = new Map(
  [postgres, mysql].map((one) => [one.protocol, one]),
);

function openPostgres(client: Socket): Promise<Opening | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<Opening | undefined>();
  let bytes = Buffer.alloc(0);
  let declined = 0;
  const step = (): void => {
    for (let chunk: Buffer | null = client.read(); chunk !== null; chunk = client.read())
      bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      if (bytes[0] === TLS_HANDSHAKE)
        throw new Error('a client began with TLS, this endpoint is in clear: set sslmode=disable');
      const found = decodeStartupPacket(bytes);
      if (found === undefined) return;
      if (found.packet.type === 'StartupMessage' || found.packet.type === 'CancelRequest') {
        resolve({ first: bytes, silent: found.packet.type === 'CancelRequest' });
        return;
      }
      declined += 1;
      if (declined > MAX_DECLINED)
        throw new Error(`a client asked for encryption more than maxDeclined ${MAX_DECLINED} times`);
      bytes = bytes.subarray(found.length);
      client.write('N');
    }
  };
  const guarded = (): void => {
    try {
      step();
    } catch (error) {
      reject(new Error(failureText(error)));
    }
  };
  const left = (): void => resolve(undefined);
  client.on('readable', guarded).once('end', left).once('close', left);
  return promise.finally(() => client.off('readable', guarded).off('end', left).off('close', left));
}

/** ContentType handshake of a TLS record. */
const TLS_HANDSHAKE = 0x16;
/** maxDeclined: GSSENCRequest, then SSLRequest, are all that libpq asks. */
const MAX_DECLINED = 4;
