import { isIP } from 'node:net';
import type { Address } from '../../config/schema.ts';
import { type ClientAddress, plainIp } from './client-address.ts';

/**
 * The origin that a browser addressed, `https://host[:port]`, when it is one of ours: a public address (with its port, or the one it came in by), or this machine's own loopback. Undefined for any
 * other host: a name of somebody else's that was made to point here (DNS rebinding) gets neither cookies nor answers.
 */
export function originOf(
  host: string | undefined,
  publicAddresses: readonly Address[],
  local: ClientAddress,
): string | undefined {
  const asked = hostAndPort(host);
  if (asked === undefined) return undefined;
  const isPublic = publicAddresses.some(
    (one) => one.host.toLowerCase() === asked.host && (one.port === asked.port || local.port === asked.port),
  );
  if (!isPublic && !(isLoopback(asked.host) && isLoopback(plainIp(local.ip)) && asked.port === local.port))
    return undefined;
  const shown = asked.host.includes(':') ? `[${asked.host}]` : asked.host;
  return `https://${shown}${asked.port === HTTPS_PORT ? '' : `:${asked.port}`}`;
}

function hostAndPort(host: string | undefined): Address | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::(\d{1,5}))?$/.exec(host ?? '');
  if (match === null) return undefined;
  const name = (match[1] ?? match[2] ?? '').toLowerCase();
  const port = match[3] === undefined ? HTTPS_PORT : Number(match[3]);
  return port > 65_535 || port < 1 ? undefined : { host: name, port };
}

/** Names and addresses that no stranger's DNS can be behind. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

const HTTPS_PORT = 443;
