import { connect as connectTcp, type Socket } from 'node:net';

import { UpstreamError } from '../errors.ts';
import type { Database } from '../resource/resource.ts';

/** A database's address in parts. Throws UpstreamError `DATABASE_ADDRESS` for a uri that is not host:port. */
export function addressOf(database: Database): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]/@]+)):(\d{1,5})$/.exec(database.spec.uri);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined)
    throw new UpstreamError('DATABASE_ADDRESS', `database ${database.metadata.name}: uri must be host:port`, {
      publicMessage: unreachable,
    });
  return { host, port: Number(match?.[3]) };
}

/** A TCP connection. Throws UpstreamError `DATABASE_UNREACHABLE`; aborted by `signal`. The caller owns the socket, which has a listener for late errors. */
export function dialTcp(host: string, port: number, signal: AbortSignal): Promise<Socket> {
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

/** Nobody answers at `where`, or not in time. Worth another try. */
export function unreachableError(where: string, cause: unknown): UpstreamError {
  const text = cause instanceof Error ? cause.message : 'the time was over, or the session ended';
  return new UpstreamError('DATABASE_UNREACHABLE', `${where} can not be reached: ${text}`, {
    cause,
    retryable: true,
    publicMessage: unreachable,
  });
}

const unreachable = 'the database can not be reached';
