import { UnsupportedError } from '../errors.ts';
import type { DatabaseProtocol } from '../resource/identity.ts';
import type { Engine } from './engine.ts';
import { mysqlEngine } from './mysql/engine.ts';
import { postgresEngine } from './postgres/engine.ts';

/** Protocols that this build can relay. A new database is a folder beside postgres/ and its line in `engines`. */
export type SupportedProtocol = Extract<DatabaseProtocol, 'postgres' | 'mysql'>;

const engines = { postgres: postgresEngine, mysql: mysqlEngine } satisfies Record<SupportedProtocol, Engine>;

/** The engine of a protocol. Throws UnsupportedError for one that Tessera names but does not relay. */
export function engineOf(protocol: DatabaseProtocol): Engine {
  if (isSupported(protocol)) return engines[protocol];
  throw new UnsupportedError(
    'PROTOCOL_UNSUPPORTED',
    `databases of protocol ${protocol} are not supported, expected one of ${Object.keys(engines).join(', ')}; change the protocol of the db resource or remove it`,
  );
}

/** True when `engineOf` would give an engine. */
export function isSupported(protocol: DatabaseProtocol): protocol is SupportedProtocol {
  return Object.hasOwn(engines, protocol);
}
