import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';

import { ProtocolError, UpstreamError } from '../../errors.ts';
import { CLIENT, has } from '../../protocol/mysql/capabilities.ts';
import { decodeErr, isErr } from '../../protocol/mysql/err.ts';
import { decodeGreeting, type Greeting } from '../../protocol/mysql/greeting.ts';
import { type ClientFlags, encodeSslRequest } from '../../protocol/mysql/handshake-response.ts';
import { encodePacket, HEADER_BYTES } from '../../protocol/mysql/packet.ts';
import type { Database } from '../../resource/resource.ts';
import { DatabaseRefusal } from '../database-refusal.ts';
import { addressOf, dialTcp, unreachableError } from '../dial-tcp.ts';
import { secure } from '../secure.ts';
import { databaseCodeOf } from './refuse.ts';

/** A database behind TLS that waits for the handshake response, which has sequence number 2. */
export type Dialled = {
  readonly socket: TLSSocket;
  readonly greeting: Greeting;
  /** As SSLRequest said them: the handshake response must say the same. */
  readonly flags: ClientFlags;
};

export type DialOptions = {
  readonly database: Database;
  readonly secureContext: SecureContext;
  /** What to ask of a server with this greeting. A throw ends the connection and passes. */
  readonly choose: (greeting: Greeting) => ClientFlags;
  readonly signal: AbortSignal;
};

/**
 * TCP, the greeting, SSLRequest, TLS, verified as the database's resource says. Never goes on in clear. Throws UpstreamError (`retryable` when nobody answered), DatabaseRefusal when the
 * server says ERR in place of a greeting, or ProtocolError; aborted by `signal`. The caller owns the socket.
 */
export async function dialMysql(options: DialOptions): Promise<Dialled> {
  const { database, secureContext, choose, signal } = options;
  const { host, port } = addressOf(database);
  const socket = await dialTcp(host, port, signal);
  try {
    const payload = await readGreeting(socket, signal);
    if (isErr(payload)) throw refusalOf(payload);
    const greeting = decodeGreeting(payload);
    if (!has(greeting.capabilities, CLIENT.SSL)) throw unencrypted();
    const flags = choose(greeting);
    // Nothing may be read between this look and the handshake: what is there now was put there by somebody in between, to be taken for what came inside TLS.
    if (socket.readableLength > 0) throw stuffed();
    socket.write(encodePacket(1, encodeSslRequest(flags)));
    return { socket: await secure(socket, { database, host, secureContext, signal }), greeting, flags };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Takes exactly one packet off the socket, in clear. Its text is nobody's word until TLS holds. */
function readGreeting(socket: Socket, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let header: Buffer | undefined;
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', aborted);
      socket.off('readable', readable).off('end', ended).off('close', ended);
      finish();
    };
    const fail = (error: Error): void => settle(() => reject(error));
    const aborted = (): void => fail(unreachableError('database', signal.reason));
    const ended = (): void =>
      fail(unreachableError('database', new Error('the connection was closed before a greeting')));
    const readable = (): void => {
      header ??= take(socket, HEADER_BYTES);
      if (header === undefined) return;
      const length = header.readUIntLE(0, 3);
      if (header.readUInt8(3) !== 0 || length === 0 || length > maxGreetingBytes) {
        fail(notMysql(length));
        return;
      }
      const payload = take(socket, length);
      if (payload !== undefined) settle(() => resolve(payload));
    };
    signal.addEventListener('abort', aborted, { once: true });
    socket.on('readable', readable).on('end', ended).on('close', ended);
    if (signal.aborted) aborted();
  });
}

/** Exactly `count` bytes or none: at its end a stream gives what is left, which is then no packet. */
function take(socket: Socket, count: number): Buffer | undefined {
  const bytes: Buffer | null = socket.read(count);
  return bytes?.length === count ? bytes : undefined;
}

/** What a server that can not serve says before it knows with whom it speaks, and before TLS: shown as its word, with nothing inferred from it. */
function refusalOf(payload: Buffer): DatabaseRefusal {
  const error = decodeErr(payload, 0);
  return new DatabaseRefusal({ code: databaseCodeOf(error), message: error.message.slice(0, maxRefusalLength) });
}

function unencrypted(): UpstreamError {
  return new UpstreamError('DATABASE_NO_TLS', 'the database does not offer TLS; set ssl_cert and ssl_key', {
    publicMessage: 'the database does not offer TLS, and Tessera does not connect without',
  });
}

function stuffed(): ProtocolError {
  return new ProtocolError('MYSQL_STUFFED_BYTES', 'mysql: the database sent bytes behind its greeting, before TLS');
}

function notMysql(length: number): ProtocolError {
  return new ProtocolError(
    'MYSQL_NO_GREETING',
    `mysql: the database began with a packet that claims ${length} bytes, where a greeting has at most maxGreetingBytes ${maxGreetingBytes}; is it MySQL?`,
    { publicMessage: 'the database does not speak the MySQL protocol' },
  );
}

/** A real one has about 100. */
const maxGreetingBytes = 1024;
const maxRefusalLength = 500;
