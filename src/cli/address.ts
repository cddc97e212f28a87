import { UsageError } from './failure.ts';

/** A proxy's public address as a person types it. */
export type ProxyAddress = { readonly host: string; readonly port: number };

/** `host`, `host:port`, `[::1]:port`, with or without `https://`; the port is 443 when none is said. Throws UsageError. */
export function parseProxyAddress(text: string): ProxyAddress {
  const bare = text
    .trim()
    .replace(/^https:\/\//i, '')
    .replace(/\/$/, '');
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(bare);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? 443 : Number(match[3]);
  if (host === undefined || port < 1 || port > 65_535) {
    throw new UsageError(`proxy address: expected host or host:port, got "${text}"`);
  }
  return { host: host.toLowerCase(), port };
}

/** `host:port`, with brackets where they are needed. */
export function printProxyAddress(address: ProxyAddress): string {
  return `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/** An invitation or reset link: the proxy, and the secret token. */
export type InviteLink = { readonly proxy: ProxyAddress; readonly token: string; readonly kind: 'invite' | 'reset' };

/** `https://host[:port]/web/invite/<token>` or `/web/reset/<token>`. Throws UsageError, which never repeats the token. */
export function parseInviteLink(text: string): InviteLink {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw new UsageError('invitation link: expected https://<proxy>/web/invite/<token>');
  }
  const match = /^\/web\/(invite|reset)\/([A-Za-z0-9_-]{8,256})\/?$/.exec(url.pathname);
  if (url.protocol !== 'https:' || match === null || url.username !== '' || url.password !== '') {
    throw new UsageError('invitation link: expected https://<proxy>/web/invite/<token>; copy the whole link');
  }
  return {
    proxy: parseProxyAddress(url.host),
    token: match[2] ?? '',
    kind: match[1] === 'reset' ? 'reset' : 'invite',
  };
}
