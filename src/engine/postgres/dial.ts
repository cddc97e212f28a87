import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';

import { ProtocolError, UpstreamError } from '../../errors.ts';
import { encodeStartupPacket } from '../../protocol/postgres/startup.ts';
import type { Database } from '../../resource/resource.ts';

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
    return await secure(socket, database, host, secureContext, signal);
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
    if (answer === 'S') return await secure(socket, database, host, secureContext, signal);
    if (answer !== 'N' || database.spec.tls.mode !== 'insecure') throw unencrypted(answer);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function addressOf(database: Database): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]/@]+)):(\d{1,5})$/.exec(database.spec.uri);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined)
    throw new UpstreamError('DATABASE_ADDRESS', `database ${database.metadata.name}: uri must be host:port`, {
      publicMessage: unreachable,
    });
  return { host, port: Number(match?.[3]) };
}

function dialTcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, noDelay: true, keepAlive: true });
    const fail = (cause: unknown): void => {
      signal.removeEventListener('abort', aborted);
      socket.destroy();
      reject(unreachableError(`${host}:${port}`, cause));
    };
    const aborted = (): void => fail(signal.reason);
    if (signal.aborted) {
      fail(signal.reason);
      return;
    }
    signal.addEventListener('abort', aborted, { once: true });
    socket.once('error', fail);
    socket.once('connect', () => {
      signal.removeEventListener('abort', aborted);
      socket.off('error', fail);
      // Whoever takes the socket over listens too; this one keeps a late error from being thrown.
      socket.on('error', () => {});
      resolve(socket);
    });
  });
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

function secure(
  socket: Socket,
  database: Database,
  host: string,
  secureContext: SecureContext,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { mode, server_name: serverName } = database.spec.tls;
  const name = serverName ?? host;
  return new Promise((resolve, reject) => {
    const secured = connectTls({
      socket,
      host: name,
      secureContext,
      ALPNProtocols: ['postgresql'],
      rejectUnauthorized: mode !== 'insecure',
      ...(isIP(name) === 0 ? { servername: name } : {}),
      ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
    });
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', aborted);
      secured.off('error', failed).off('close', closed);
      finish();
    };
    const failed = (cause: unknown): void => settle(() => reject(tlsError(name, cause)));
    const closed = (): void => failed(new Error('the connection was closed during the TLS handshake'));
    const aborted = (): void => failed(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    secured.on('error', failed).on('close', closed);
    secured.once('secureConnect', () => settle(() => resolve(secured)));
    // A late error must find a listener until the channel has its own.
    secured.on('error', () => {});
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

function tlsError(name: string, cause: unknown): UpstreamError {
  const text = cause instanceof Error ? cause.message : 'unknown error';
  return new UpstreamError('DATABASE_TLS', `TLS with the database ${name} failed: ${text}`, {
    cause,
    publicMessage: "the database's TLS certificate could not be verified, or TLS failed",
  });
}

function unreachableError(where: string, cause: unknown): UpstreamError {
  const text = cause instanceof Error ? cause.message : 'the time was over, or the session ended';
  return new UpstreamError('DATABASE_UNREACHABLE', `${where} can not be reached: ${text}`, {
    cause,
    retryable: true,
    publicMessage: unreachable,
  });
}

const unreachable = 'the database can not be reached';
