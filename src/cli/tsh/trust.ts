import { X509Certificate } from 'node:crypto';
import type { connect as Connect, DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { UpstreamError } from '../../errors.ts';
import { parseClusterName } from '../../pki/names.ts';
import { pinOf } from '../../pki/pin.ts';
import type { ProxyAddress } from '../address.ts';
import { parseProxyAddress, printProxyAddress } from '../address.ts';
import { failure, UsageError } from '../failure.ts';
import type { Io } from '../io.ts';
import { tell, visible } from '../io.ts';

/** What a proxy says about its cluster, and how far it was proved. */
export type Contact = {
  readonly clusterName: string;
  readonly serverVersion: string;
  /** PEM: what the cluster's services must be signed by. */
  readonly hostAuthorities: readonly string[];
  /** PEM: what the proxy's public certificate chains to; the host authorities, or a public root. */
  readonly proxyAuthorities: readonly string[];
  readonly provedBy: 'pin' | 'known authorities' | 'nothing';
};

export type TrustOptions = {
  /** `sha256:<hex>` of the host authority's public key. Given, nothing else counts. */
  readonly caPins: readonly string[];
  /** Believe the proxy unseen. Said aloud. */
  readonly insecure: boolean;
  /** PEM, of an earlier sign-in: what the proxy's certificate may chain to. */
  readonly pinned: readonly string[];
  /** PEM, as Auth itself told them at an earlier sign-in: a proxy that is proved, and was taken over since, does not replace them. Empty: none yet. */
  readonly hostAuthorities: readonly string[];
};

/**
 * Asks the proxy who it is (`GET /webapi/ping`) and proves it: by the pin, or by the authorities of an earlier sign-in and
 * the machine's own roots, or by nothing with `--insecure`. Throws when the proof fails; nothing secret was sent by then.
 */
export async function contactProxy(io: Io, proxy: ProxyAddress, options: TrustOptions): Promise<Contact> {
  const { connect, getCACertificates } = await import('node:tls');
  const ask = (ca: readonly string[] | undefined): Promise<Answer> => askProxy(connect, proxy, ca);
  if (options.caPins.length > 0) return byPin(proxy, options.caPins, ask);
  const roots = [...getCACertificates('default'), ...getCACertificates('system')];
  try {
    const answer = withKnown(await ask([...options.pinned, ...roots]), options.hostAuthorities);
    return contact(answer, await proxyAuthoritiesOf(answer, ask), 'known authorities');
  } catch (error) {
    if (!isDistrust(error)) throw error;
    if (!options.insecure) throw distrusted(proxy, error, options.pinned.length > 0);
  }
  const answer = await ask(undefined);
  const authorities = answer.ping.hostAuthorities;
  tell(
    io,
    `WARNING: --insecure: nothing proves that ${printProxyAddress(proxy)} is your cluster. Somebody in between could read your password.`,
  );
  tell(
    io,
    `WARNING: compare its CA pin with \`tessera status\` on the Auth machine: ${authorities.map(pinOf).join(' ')}`,
  );
  return contact(answer, authorities, 'nothing');
}

/**
 * Asks a proxy that was pinned at sign-in where its MySQL listener is: `host:port`, `''` when it has none. Throws `PROXY_UNREACHABLE`, `PROXY_NOT_TRUSTED`.
 */
export async function askMysqlListener(proxy: ProxyAddress, pinned: readonly string[]): Promise<string> {
  const { connect } = await import('node:tls');
  try {
    return (await askProxy(connect, proxy, pinned)).ping.mysqlListener;
  } catch (error) {
    throw isDistrust(error) ? distrusted(proxy, error, true) : error;
  }
}

type Ping = {
  readonly clusterName: string;
  readonly serverVersion: string;
  /** `host:port`, or empty. */
  readonly mysqlListener: string;
  readonly hostAuthorities: readonly string[];
};
type Answer = { readonly ping: Ping; readonly chainTop: string };
type Ask = (ca: readonly string[] | undefined) => Promise<Answer>;

/** First asks unproved, only to learn the authorities; keeps those with the right pin; then asks again with nothing else trusted. */
async function byPin(proxy: ProxyAddress, pins: readonly string[], ask: Ask): Promise<Contact> {
  for (const pin of pins) {
    if (!/^sha256:[0-9a-f]{64}$/i.test(pin))
      throw new UsageError('--ca-pin: expected sha256: and 64 hexadecimal digits, as `tessera status` prints it');
  }
  const wanted = new Set(pins.map((pin) => pin.toLowerCase()));
  const claimed = await ask(undefined);
  const matching = claimed.ping.hostAuthorities.filter((pem) => wanted.has(pinOf(pem)));
  if (matching.length === 0) {
    throw failure(
      'CA_PIN_MISMATCH',
      `proxy ${printProxyAddress(proxy)} is not of the cluster with this CA pin`,
      'do not sign in: check the address, and the pin with `tessera status` on the Auth machine',
    );
  }
  try {
    const answer = await ask(matching);
    return contact(answer, matching, 'pin');
  } catch (error) {
    if (!isDistrust(error)) throw error;
    throw failure(
      'PROXY_NOT_TRUSTED',
      `proxy ${printProxyAddress(proxy)}: its certificate is not signed by the pinned authority for this name (${reason(error)})`,
      "check the address; it must be one of the proxy's public_addr names",
      error,
    );
  }
}

function withKnown(answer: Answer, hostAuthorities: readonly string[]): Answer {
  return hostAuthorities.length === 0 ? answer : { ...answer, ping: { ...answer.ping, hostAuthorities } };
}

/** The host authorities when they alone prove the proxy's certificate, else the root that did. */
async function proxyAuthoritiesOf(answer: Answer, ask: Ask): Promise<readonly string[]> {
  try {
    await ask(answer.ping.hostAuthorities);
    return answer.ping.hostAuthorities;
  } catch (error) {
    if (!isDistrust(error)) throw error;
    return [answer.chainTop, ...answer.ping.hostAuthorities];
  }
}

function contact(answer: Answer, proxyAuthorities: readonly string[], provedBy: Contact['provedBy']): Contact {
  const { clusterName, serverVersion, hostAuthorities } = answer.ping;
  return { clusterName, serverVersion, hostAuthorities, proxyAuthorities, provedBy };
}

/** One HTTPS request by hand: HTTP/1.1, bounded in time and size. `ca` undefined: whatever certificate is accepted. */
function askProxy(connect: typeof Connect, proxy: ProxyAddress, ca: readonly string[] | undefined): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const isName = !/^[0-9.]+$|:/.test(proxy.host);
  const socket = connect({
    host: proxy.host,
    port: proxy.port,
    ...(isName ? { servername: proxy.host } : {}),
    ALPNProtocols: ['http/1.1'],
    minVersion: 'TLSv1.2',
    rejectUnauthorized: ca !== undefined,
    ...(ca === undefined ? {} : { ca: [...ca] }),
  });
  socket.setTimeout(CONTACT_TIMEOUT_MS, () =>
    socket.destroy(new Error(`no answer within ${CONTACT_TIMEOUT_MS / 1000} s`)),
  );
  const chunks: Buffer[] = [];
  let size = 0;
  let top = '';
  socket.once('secureConnect', () => {
    top = chainTop(socket);
    socket.write(
      `GET /webapi/ping HTTP/1.1\r\nHost: ${printProxyAddress(proxy)}\r\nAccept: application/json\r\nConnection: close\r\n\r\n`,
    );
  });
  socket.on('data', (chunk: Buffer) => {
    size += chunk.length;
    chunks.push(chunk);
    if (size > MAX_PING_BYTES) socket.destroy(new Error(`answer larger than ${MAX_PING_BYTES} bytes`));
  });
  socket.once('error', (error) => reject(isDistrust(error) ? error : unreachable(proxy, error)));
  socket.once('close', () => {
    try {
      resolve({ ping: parsePing(Buffer.concat(chunks).toString('utf8')), chainTop: top });
    } catch (error) {
      reject(unreachable(proxy, error));
    }
  });
  return promise;
}

/** PEM of the highest certificate of the verified chain. */
function chainTop(socket: TLSSocket): string {
  let link: DetailedPeerCertificate = socket.getPeerCertificate(true);
  for (
    let depth = 0;
    depth < 10 && link.issuerCertificate !== undefined && link.issuerCertificate.fingerprint256 !== link.fingerprint256;
    depth += 1
  ) {
    link = link.issuerCertificate;
  }
  return link.raw === undefined ? '' : new X509Certificate(link.raw).toString();
}

function parsePing(response: string): Ping {
  const split = response.indexOf('\r\n\r\n');
  const head = response.slice(0, split);
  if (split === -1 || !/^HTTP\/1\.[01] 200\b/.test(head)) throw new Error('it does not answer like a Tessera proxy');
  const rest = response.slice(split + 4);
  const json: unknown = JSON.parse(/^transfer-encoding:\s*chunked/im.test(head) ? unchunk(rest) : rest);
  if (!isObject(json) || typeof json['cluster_name'] !== 'string' || !Array.isArray(json['host_authorities'])) {
    throw new Error('it does not answer like a Tessera proxy');
  }
  // Shown to the person before anything is proved.
  const clusterName = parseClusterName(json['cluster_name']);
  return {
    clusterName,
    serverVersion: typeof json['server_version'] === 'string' ? visible(json['server_version']) : '',
    mysqlListener: listenerOf(json['proxy']),
    hostAuthorities: json['host_authorities'].map((pem) => new X509Certificate(String(pem)).toString()),
  };
}

function listenerOf(proxy: unknown): string {
  const address = isObject(proxy) ? proxy['mysql_public_addr'] : undefined;
  if (address === undefined || address === null || address === '') return '';
  if (typeof address !== 'string' || !/:\d+$/.test(address))
    throw new Error('its mysql_public_addr is not host:port, which its administrator must correct');
  return printProxyAddress(parseProxyAddress(address));
}

/** https://www.rfc-editor.org/rfc/rfc9112#section-7.1; the body is ASCII (JSON with PEM inside). */
function unchunk(body: string): string {
  let text = '';
  let at = 0;
  for (;;) {
    const end = body.indexOf('\r\n', at);
    const size = end === -1 ? 0 : Number.parseInt(body.slice(at, end), 16);
    if (!(size > 0)) return text;
    text += body.slice(end + 2, end + 2 + size);
    at = end + 2 + size + 2;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Node's codes for a certificate that was not believed: OpenSSL's verify results and the name check. */
export function isDistrust(error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && DISTRUST.test(error.code);
}

function reason(error: unknown): string {
  const text = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  // Node.js's advice to its own users is none for ours: the system's roots are asked already.
  return text.replace(/; if the root CA is installed locally.*$/, '');
}

function unreachable(proxy: ProxyAddress, error: unknown): UpstreamError {
  return new UpstreamError(
    'PROXY_UNREACHABLE',
    `proxy ${printProxyAddress(proxy)} does not answer: ${reason(error)}\ncheck the address (--proxy=host:port) and the network`,
    { cause: error, retryable: true },
  );
}

function distrusted(proxy: ProxyAddress, error: unknown, wasPinned: boolean): Error {
  return failure(
    'PROXY_NOT_TRUSTED',
    `proxy ${printProxyAddress(proxy)}: its certificate is not trusted (${reason(error)})`,
    wasPinned
      ? 'somebody may be in between, or the cluster was rebuilt: ask the administrator for the new pin and give --ca-pin=sha256:...'
      : 'give --ca-pin=sha256:... (`tessera status` on the Auth machine prints it)',
    error,
  );
}

const DISTRUST =
  /^(ERR_TLS_CERT_ALTNAME_INVALID|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|CRL_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|HOSTNAME_MISMATCH|ERROR_IN_CERT)/;
const CONTACT_TIMEOUT_MS = 10_000;
const MAX_PING_BYTES = 256 * 1024;
