import { isIP } from 'node:net';
import { LoginError, ProtocolError } from '../../errors.ts';
import { identifyCaller } from './caller.ts';
import type { AuthContext } from './context.ts';
import type { Connection } from './listener.ts';

/** A browser's call as a proxy passed it on: what its headers say, believed on a proxy's own connection alone. */

export type WebCall = {
  /** What the browser addressed, `https://host[:port]`: one of the proxy's public addresses. */
  readonly origin: string;
  /** The browser's, for limits, pinning and the audit log. IP address without port. */
  readonly address: string;
  /** Bounded; for lists and the audit log. */
  readonly userAgent: string;
  /** Of the cookie; undefined: the browser has none. */
  readonly sessionToken?: string;
  /** The page asks by itself, nobody touched it: no sign of life. */
  readonly background: boolean;
};

/** Request headers that the proxy sets, and takes off what a browser sends. */
export const WEB_HEADERS = {
  web: 'tessera-web',
  session: 'tessera-web-session',
  address: 'tessera-client-address',
  origin: 'tessera-web-origin',
  userAgent: 'tessera-user-agent',
  background: 'tessera-web-background',
} as const;

/** Undefined for a program's call. Throws LoginError `WEB_HEADERS_FORGED` when anybody but a proxy says it is a browser's, ProtocolError `WEB_HEADERS` for a proxy's mistake. */
export async function webCallOf(
  headers: Headers,
  connection: Connection,
  context: AuthContext,
): Promise<WebCall | undefined> {
  const mark = headers.get(WEB_HEADERS.web);
  if (mark === null) return undefined;
  const sender = await identifyCaller(connection, context);
  if (sender.type !== 'service' || sender.role !== 'proxy')
    throw new LoginError('WEB_HEADERS_FORGED', "only a proxy passes on a browser's call");
  const address = headers.get(WEB_HEADERS.address) ?? '';
  const origin = headers.get(WEB_HEADERS.origin) ?? '';
  if (mark !== '1') throw new ProtocolError('WEB_HEADERS', `${WEB_HEADERS.web}: expected 1`);
  if (isIP(address) === 0) throw new ProtocolError('WEB_HEADERS', `${WEB_HEADERS.address}: expected an IP address`);
  if (!isOrigin(origin)) throw new ProtocolError('WEB_HEADERS', `${WEB_HEADERS.origin}: expected https://host[:port]`);
  const token = headers.get(WEB_HEADERS.session) ?? '';
  return {
    origin,
    address,
    userAgent: plainUserAgent(headers.get(WEB_HEADERS.userAgent) ?? ''),
    background: headers.get(WEB_HEADERS.background) === '1',
    // A cookie of another form was never ours.
    ...(/^[\w-]{43}$/.test(token) ? { sessionToken: token } : {}),
  };
}

/** maxUserAgentLength */
const MAX_USER_AGENT = 256;

/** As lists and the audit log show it. */
export function plainUserAgent(text: string): string {
  return text.replaceAll(/[^\u0020-\u007e]/g, '').slice(0, MAX_USER_AGENT);
}

function isOrigin(text: string): boolean {
  const url = text.length > 300 ? null : URL.parse(text);
  return url !== null && url.protocol === 'https:' && url.origin === text;
}
