import net from 'node:net';
import tls from 'node:tls';
import { ProtocolError, UpstreamError } from '../errors.ts';

/** The ALPN name of the tunnel. */
export const TUNNEL_ALPN = 'tessera-tunnel';

export type DialTunnelOptions = {
  /** The agent's host key and certificate, and the host authorities as `ca`; asked at each attempt, so a renewal counts at once. */
  readonly secureContext: () => tls.SecureContext;
  /**
   * Judges the proxy's certificate (DER) after its chain was verified; throws when it is not a proxy's. This stands in for the name check:
   * proxies are reached by addresses that their certificates need not name.
   */
  readonly verifyProxy: (certificate: Buffer) => void;
  /** For TCP and TLS together. Default 10,000. */
  readonly timeoutMs?: number;
};

/** A `connect` for Dialer: TCP and TLS 1.3 to a proxy's public port with ALPN `tessera-tunnel`. Throws UpstreamError or ProtocolError. */
export function dialTunnel(
  options: DialTunnelOptions,
): (address: string, signal: AbortSignal) => Promise<tls.TLSSocket> {
  return async (address, signal) => {
    const { host, port } = splitAddress(address);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs ?? 10_000)]);
    const raw = net.connect({ host, port, noDelay: true, keepAlive: true });
    const socket = tls.connect({
      socket: raw,
      secureContext: options.secureContext(),
      ALPNProtocols: [TUNNEL_ALPN],
      minVersion: 'TLSv1.3',
      rejectUnauthorized: true,
      checkServerIdentity: () => undefined,
      ...(net.isIP(host) === 0 ? { servername: host } : {}),
    });
    try {
      await secured(socket, raw, limit);
      if (socket.alpnProtocol !== TUNNEL_ALPN)
        throw new ProtocolError('TUNNEL_ALPN', `proxy ${address} does not speak ${TUNNEL_ALPN}`);
      options.verifyProxy(presented(socket));
    } catch (error) {
      socket.destroy();
      raw.destroy();
      throw error;
    }
    return socket;
  };
}

/** Splits `host:port` or `[v6]:port`. Throws UpstreamError TUNNEL_ADDRESS. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65_535)
    throw new UpstreamError('TUNNEL_ADDRESS', `address must be host:port, got ${JSON.stringify(address)}`);
  return { host, port };
}

function presented(socket: tls.TLSSocket): Buffer {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) throw new ProtocolError('TUNNEL_NO_CERTIFICATE', 'proxy presented no certificate');
  return certificate.raw;
}

function secured(socket: tls.TLSSocket, raw: net.Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => {
      const text = cause instanceof Error ? cause.message : String(cause);
      reject(new UpstreamError('TUNNEL_DIAL', `proxy can not be reached: ${text}`, { cause, retryable: true }));
    };
    const aborted = (): void => fail(signal.reason);
    signal.addEventListener('abort', aborted, { once: true });
    // Errors after this promise is settled are the mux's; this listener only keeps them from being thrown.
    raw.on('error', fail);
    socket.on('error', fail);
    socket.once('close', () => fail(new Error('connection closed')));
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', aborted);
      resolve();
    });
    if (signal.aborted) aborted();
  });
}
