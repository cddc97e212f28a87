import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';

import { ProtocolError, UpstreamError } from '../../errors.ts';
import { encodeStartupPacket } from '../../protocol/postgres/startup.ts';
import type { Database } from '../../resource/resource.ts';
import { addressOf, dialTcp, unreachableError } from '../dial-tcp.ts';
import { secure } from '../secure.ts';

/**
 * TCP, SSLRequest, TLS to a database, verified as its resource says. Never goes on in clear. Throws UpstreamError (`retryable` when nobody answered) or ProtocolError; aborted by
 * `signal`. The caller owns the socket.
 */
export async function dialPostgres(
  database: Database,
  secureContext: SecureContext,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { host, port } = addressOf(database);
  const socket = await dialTcp(host, port, signal);
  try {
    const answer = await askForTls(socket, signal);
    if (answer !== 'S') throw unencrypted(answer);
    return await secure(socket, { database, host, secureContext, alpn, signal });
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** As `dialPostgres`, but for a mode that trusts anybody a refused SSLRequest leaves the connection in clear, as libpq's cancel does. */
export async function dialForCancel(
  database: Database,
  secureContext: SecureContext,
  signal: AbortSignal,
): Promise<Socket> {
  const { host, port } = addressOf(database);
  const socket = await dialTcp(host, port, signal);
  try {
    const answer = await askForTls(socket, signal);
    if (answer === 'S') return await secure(socket, { database, host, secureContext, alpn, signal });
    if (answer !== 'N' || database.spec.tls.mode !== 'insecure') throw unencrypted(answer);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Sends SSLRequest and takes exactly one byte. More than that before TLS was put there by somebody in between (CVE-2021-23222). */
function askForTls(socket: Socket, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', aborted);
      socket.off('readable', readable).off('end', ended).off('close', ended);
      finish();
    };
    const aborted = (): void => settle(() => reject(unreachableError('database', signal.reason)));
    const ended = (): void =>
      settle(() =>
        reject(unreachableError('database', new Error('the connection was closed in answer to SSLRequest'))),
      );
    const readable = (): void => {
      const byte: Buffer | null = socket.read(1);
      if (byte === null) return;
      const stuffed = socket.readableLength > 0;
      settle(() => {
        if (stuffed && byte[0] !== 0x45)
          reject(
            new ProtocolError(
              'PG_STUFFED_BYTES',
              'postgres: the database sent bytes behind its answer to SSLRequest, before TLS',
            ),
          );
        else resolve(byte.toString('latin1'));
      });
    };
    signal.addEventListener('abort', aborted, { once: true });
    socket.on('readable', readable).on('end', ended).on('close', ended);
    socket.write(encodeStartupPacket({ type: 'SSLRequest' }));
  });
}

function unencrypted(answer: string): UpstreamError {
  const said =
    answer === 'N'
      ? 'refused TLS; set ssl = on in postgresql.conf'
      : 'did not understand SSLRequest; is it PostgreSQL?';
  return new UpstreamError('DATABASE_NO_TLS', `the database ${said}`, {
    publicMessage: 'the database does not offer TLS, and Tessera does not connect without',
  });
}

const alpn = 'postgresql';
