import net from 'node:net';
import type { BlockList } from 'node:net';
import type { ProxyConfig } from '../../config/schema.ts';

/** `next` with what counts after a restart alone as it was `before`. */
export function withFixed(next: ProxyConfig, before: ProxyConfig): ProxyConfig {
  const { mysqlListenAddr: _changed, ...rest } = next;
  const { listenAddr, mysqlListenAddr, tunnel } = before;
  return { ...rest, listenAddr, tunnel, ...(mysqlListenAddr === undefined ? {} : { mysqlListenAddr }) };
}

/** The networks that must send a PROXY header. Throws TypeError for what is no network (the configuration was checked before). */
export function trustedSourcesOf(config: ProxyConfig): BlockList | undefined {
  if (config.proxyProtocol === undefined) return undefined;
  const list = new net.BlockList();
  for (const source of config.proxyProtocol.trustedSources) {
    const [address = '', prefix] = source.split('/');
    const family = net.isIPv6(address) ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}
