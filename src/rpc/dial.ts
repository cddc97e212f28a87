import { X509Certificate } from 'node:crypto';
import * as tls from 'node:tls';
import { LoginError, UpstreamError } from '../errors.ts';
import { AUTH_SERVER_NAME } from '../pki/names.ts';
import { checkPin } from '../pki/pin.ts';

/** One verified TLS 1.3 connection to the Auth Service, straight or joined by a proxy that sees nothing of the inside. */

/** The ALPN by which a proxy's public port recognises a connection it must join to Auth. */
export const AUTH_ALPN = 'tessera-auth';

export type DialVia = 'direct' | 'proxy';
/** PEM certificate (leaf only is enough) and PKCS#8 PEM key. */
export type ClientIdentity = { readonly certificate: string; readonly privateKey: string };
/** Either the host authorities (PEM) that are trusted, or `sha256:<hex>` pins of their public keys for the very first contact. */
export type AuthTrust = { readonly hostAuthorities: readonly string[] } | { readonly caPins: readonly string[] };

export type DialOptions = {
  readonly addresses: readonly string[];
  readonly via: DialVia;
  readonly identity: ClientIdentity | undefined;
  readonly trust: AuthTrust;
  readonly timeoutMs: number;
  readonly log: { debug(fields: object, message: string): void };
};
export type Dialled = {
  readonly socket: tls.TLSSocket;
  readonly address: string;
  readonly authority: string | undefined;
};

/**
 * Tries the addresses in order. Throws LoginError `AUTH_NOT_TRUSTED` when an address answered with a certificate that is not this cluster's (the rest
 * is not tried: somebody is in between), UpstreamError `AUTH_UNREACHABLE` when none answered.
 */
export async function dialAuth(options: DialOptions): Promise<Dialled> {
  const failures: string[] = [];
  for (const address of options.addresses) {
    try {
      const socket = await dialOne(address, options);
      try {
        return { socket, address, authority: proveAuth(socket, options.trust, address) };
      } catch (error) {
        socket.destroy();
        throw error;
      }
    } catch (error) {
      if (error instanceof LoginError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      options.log.debug({ address, reason }, 'auth service address failed');
      failures.push(`${address}: ${reason}`);
    }
  }
  throw new UpstreamError(
    'AUTH_UNREACHABLE',
    `auth service not reachable (${failures.join('; ') || 'no address configured'})`,
    {
      retryable: true,
      publicMessage: 'the auth service is not reachable',
    },
  );
}

async function dialOne(address: string, options: DialOptions): Promise<tls.TLSSocket> {
  const { host, port } = splitAddress(address);
  const socket = tls.connect({
    host,
    port,
    servername: AUTH_SERVER_NAME,
    minVersion: 'TLSv1.3',
    ALPNProtocols: options.via === 'proxy' ? [AUTH_ALPN] : ['h2', AUTH_ALPN],
    ...(options.identity === undefined ? {} : { cert: options.identity.certificate, key: options.identity.privateKey }),
    // Verified in proveAuth, before a byte is sent: the refusal then says what to do.
    rejectUnauthorized: false,
    ...('hostAuthorities' in options.trust ? { ca: [...options.trust.hostAuthorities] } : {}),
  });
  const { promise, resolve, reject } = Promise.withResolvers<tls.TLSSocket>();
  const timer = setTimeout(
    () => socket.destroy(new UpstreamError('AUTH_DIAL_TIMEOUT', `no TLS connection within ${options.timeoutMs} ms`)),
    options.timeoutMs,
  );
  socket.once('secureConnect', () => resolve(socket));
  socket.once('error', reject);
  socket.once('close', () => reject(new UpstreamError('AUTH_DIAL_CLOSED', 'connection closed before TLS was ready')));
  try {
    const ready = await promise;
    ready.setNoDelay(true);
    ready.on('error', () => {});
    return ready;
  } finally {
    clearTimeout(timer);
  }
}

function splitAddress(address: string): { host: string; port: number } {
  const at = address.lastIndexOf(':');
  const port = Number(address.slice(at + 1));
  if (at <= 0 || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new LoginError('AUTH_ADDRESS_INVALID', `auth service address ${address}: expected host:port`);
  }
  return { host: address.slice(0, at).replace(/^\[(.*)\]$/u, '$1'), port };
}

function proveAuth(socket: tls.TLSSocket, trust: AuthTrust, address: string): string | undefined {
  if ('caPins' in trust) return provePin(socket, trust.caPins, address);
  if (!socket.authorized) {
    throw notTrusted(
      address,
      `its certificate is not signed by this cluster's host authority (${String(socket.authorizationError)})`,
    );
  }
  return undefined;
}

// First contact: nothing is trusted but the pin, so chain, name and dates are checked here by hand.
function provePin(socket: tls.TLSSocket, pins: readonly string[], address: string): string {
  const chain = presentedChain(socket);
  const leaf = chain[0];
  const authority = chain.find((certificate) => certificate.ca && pins.some((pin) => checkPin(certificate.raw, pin)));
  if (leaf === undefined || authority === undefined) {
    throw notTrusted(
      address,
      'no certificate authority that it presented matches the pin; check ca_pin against "tessera status" on the auth machine',
    );
  }
  const now = Date.now();
  const dated = (certificate: X509Certificate): boolean =>
    certificate.validFromDate.getTime() <= now && now < certificate.validToDate.getTime();
  if (!leaf.checkIssued(authority) || !leaf.verify(authority.publicKey))
    throw notTrusted(address, 'its certificate is not signed by the pinned authority');
  if (leaf.checkHost(AUTH_SERVER_NAME) === undefined)
    throw notTrusted(address, `its certificate is not for ${AUTH_SERVER_NAME}`);
  if (!dated(leaf) || !dated(authority))
    throw notTrusted(address, 'its certificate is outside its validity; check the clocks');
  return authority.toString();
}

function presentedChain(socket: tls.TLSSocket): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let link: tls.DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  const seen = new Set<string>();
  while (link?.raw !== undefined && chain.length < 8 && !seen.has(link.fingerprint256)) {
    seen.add(link.fingerprint256);
    chain.push(new X509Certificate(link.raw));
    link = link.issuerCertificate;
  }
  return chain;
}

function notTrusted(address: string, why: string): LoginError {
  return new LoginError('AUTH_NOT_TRUSTED', `auth service at ${address}: ${why}`);
}
