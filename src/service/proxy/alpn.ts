import { isSupported } from '../../engine/registry.ts';
import type { DatabaseProtocol } from '../../resource/identity.ts';
import { protocols } from '../../resource/schema/database.ts';

/**
 * ALPN names that begin a database's own protocol right behind TLS, and which. `tessera-<protocol>` is what `tsh proxy db --tunnel` offers; `postgresql` is PostgreSQL's own name, which its
 * clients also offer behind an SSLRequest.
 */
const databaseAlpn: ReadonlyMap<string, DatabaseProtocol> = new Map<string, DatabaseProtocol>([
  ['postgresql', 'postgres'],
  ...protocols.filter(isSupported).map((protocol) => [`tessera-${protocol}`, protocol] as const),
]);

/** The names, in the order in which they are preferred. */
export const databaseAlpnNames: readonly string[] = [...databaseAlpn.keys()];

/** The protocol that a negotiated name stands for; undefined: it is no database's. */
export function protocolOfAlpn(name: string | false | null | undefined): DatabaseProtocol | undefined {
  return typeof name === 'string' ? databaseAlpn.get(name) : undefined;
}
