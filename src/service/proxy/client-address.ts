import type { Socket } from 'node:net';
import { isIPv6 } from 'node:net';

/** Where a client really comes from: the socket's peer, or what a trusted PROXY header said. */
export type ClientAddress = {
  /** IPv4 or IPv6 without brackets; IPv4-mapped forms are plain IPv4. */
  readonly ip: string;
  readonly port: number;
};

/** The socket's peer; undefined when it is gone already. */
export function peerAddress(socket: Socket): ClientAddress | undefined {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return { ip: plainIp(remoteAddress), port: remotePort };
}

/** `::ffff:1.2.3.4` as `1.2.3.4`, without a zone; anything else as it is. */
export function plainIp(ip: string): string {
  const bare = ip.replace(/%.*$/, '');
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare.toLowerCase();
}

/** `1.2.3.4:5` or `[::1]:5`. */
export function formatAddress({ ip, port }: ClientAddress): string {
  return isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** What counts as one client for limits: an IPv4 address, or an IPv6 network of 64 bits (what one host is commonly given). */
export function limitKey(ip: string): string {
  if (!isIPv6(ip)) return ip;
  const [head = '', tail] = ip.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups =
    tail === undefined
      ? front
      : [...front, ...Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0'), ...back];
  return `${groups.slice(0, 4).join(':')}::/64`;
}
