import { isIP } from 'node:net';
import type { ConnectionOptions, SecureContext, TLSSocket } from 'node:tls';
import { connect } from 'node:tls';
import type { ProxyAddress } from '../../address.ts';
import { printProxyAddress } from '../../address.ts';
import { failureText } from '../../failure.ts';
import { isDistrust } from '../trust.ts';
import { TunnelRefused } from './refusal.ts';

/** One way to the database: TLS 1.3 to the proxy's public port, ALPN `tessera-<protocol>`; the proxy is verified by what the context trusts, and by name. */
export type DialTarget = { readonly proxy: ProxyAddress; readonly protocol: string; readonly timeoutMs: number };

/** Resolves with a socket that is ready and paused. Throws TunnelRefused. The caller owns the socket and its errors from then on. */
export async function dialProxy(target: DialTarget, context: SecureContext): Promise<TLSSocket> {
  const { proxy, protocol } = target;
  const alpn = `tessera-${protocol}`;
  const options: ConnectionOptions & { readonly allowHalfOpen: boolean } = {
    host: proxy.host,
    port: proxy.port,
    ...(isIP(proxy.host) === 0 ? { servername: proxy.host } : {}),
    secureContext: context,
    ALPNProtocols: [alpn],
    minVersion: 'TLSv1.3',
    allowHalfOpen: true,
  };
  const socket = connect(options);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket
    .once('secureConnect', resolve)
    .once('error', reject)
    .once('close', () => reject(new Error('it closed the connection')));
  const timer = setTimeout(
    () => reject(new Error(`no TLS connection within dialTimeoutMs ${target.timeoutMs}`)),
    target.timeoutMs,
  );
  try {
    await promise;
    if (socket.alpnProtocol !== alpn) throw new Error(`it does not speak ${alpn}`);
  } catch (error) {
    socket.on('error', () => {}).destroy();
    throw refused(proxy, alpn, error);
  } finally {
    clearTimeout(timer);
  }
  socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
}

function refused(proxy: ProxyAddress, alpn: string, error: unknown): TunnelRefused {
  const address = printProxyAddress(proxy);
  if (isDistrust(error)) {
    const message = `proxy ${address}: its certificate is not trusted (${failureText(error).split('\n')[0] ?? ''})`;
    return new TunnelRefused(
      {
        reason: 'denied',
        message,
        hint: `somebody may be in between; sign in again: tsh login --proxy=${address} --force`,
      },
      error,
    );
  }
  const text = failureText(error);
  if (/no_application_protocol|does not speak/i.test(`${text} ${codeOf(error)}`)) {
    return new TunnelRefused(
      {
        reason: 'unreachable',
        message: `proxy ${address} takes no tunnels of this kind (${alpn})`,
        hint: 'it may be older than this tsh: ask the administrator',
      },
      error,
    );
  }
  return new TunnelRefused(
    {
      reason: 'unreachable',
      message: `proxy ${address} does not answer: ${text}`,
      hint: 'check the network, then connect again; the tunnel goes on listening',
    },
    error,
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

const KEEP_ALIVE_MS = 60_000;
