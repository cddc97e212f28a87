import { isIP, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext, type TLSSocket } from 'node:tls';

import { UpstreamError } from '../errors.ts';
import type { Database } from '../resource/resource.ts';

export type SecureOptions = {
  readonly database: Database;
  /** As in the database's uri; checked against its certificate unless the resource names another. */
  readonly host: string;
  readonly secureContext: SecureContext;
  /** The protocol's name in ALPN, where servers know one. */
  readonly alpn?: string;
  readonly signal: AbortSignal;
};

/**
 * TLS over a connected socket whose opening in clear is done and from which nothing is left to read: verified as the database's resource says. Throws UpstreamError `DATABASE_TLS`; aborted by
 * `signal`. The caller destroys `socket` when it throws.
 */
export function secure(socket: Socket, options: SecureOptions): Promise<TLSSocket> {
  const { database, host, secureContext, alpn, signal } = options;
  const { mode, server_name: serverName } = database.spec.tls;
  const name = serverName ?? host;
  return new Promise((resolve, reject) => {
    const secured = connectTls({
      socket,
      host: name,
      secureContext,
      ...(alpn === undefined ? {} : { ALPNProtocols: [alpn] }),
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

function tlsError(name: string, cause: unknown): UpstreamError {
  const text = cause instanceof Error ? cause.message : 'unknown error';
  return new UpstreamError('DATABASE_TLS', `TLS with the database ${name} failed: ${text}`, {
    cause,
    publicMessage: "the database's TLS certificate could not be verified, or TLS failed",
  });
}
