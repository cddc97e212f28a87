import { randomBytes } from 'node:crypto';
import { defaultMysqlServerVersion } from '../../config/defaults.ts';
import type { ServerFacts } from '../../engine/engine.ts';
import { engineOf } from '../../engine/registry.ts';
import { BugError } from '../../errors.ts';
import type { Port } from './entrance.ts';
import { serverFirstPort } from './server-first-port.ts';

export type MysqlPortOptions = {
  /** What is known of every MySQL-family database that an agent here serves; the same list as long as nothing changes. */
  readonly servers: () => readonly ServerFacts[];
  /** `mysql_server_version`; undefined: not set. */
  readonly configuredVersion: () => string | undefined;
};

/**
 * The port of clients of MySQL and MariaDB that begin in clear. Both questions are asked at each connection: agents come and go, and a reload may change the version. A configured version is
 * said whatever the databases are; their capabilities count all the same. Throws UnsupportedError for a build without MySQL.
 */
export function mysqlPort({ servers, configuredVersion }: MysqlPortOptions): Port {
  const { serverFirst } = engineOf('mysql');
  if (serverFirst === undefined) throw new BugError('the engine of mysql has no greeting');
  const named = rememberLast((known: readonly ServerFacts[], serverVersion: string) =>
    known.map((server) => ({ ...server, serverVersion })),
  );
  const greet = (): Buffer => {
    const version = configuredVersion();
    const known = servers();
    const facts = version === undefined ? known : named(known, version);
    return serverFirst.greet(facts, { serverVersion: version ?? defaultMysqlServerVersion, random: randomBytes });
  };
  return serverFirstPort({ protocol: 'mysql', serverFirst, greet });
}

/** `make`, whose last result stands for as long as it is asked the same: anybody may connect, so a connection must not cost the length of a list. */
function rememberLast<A, B, R>(make: (a: A, b: B) => R): (a: A, b: B) => R {
  let last: { readonly a: A; readonly b: B; readonly result: R } | undefined;
  return (a, b) => {
    if (last?.a !== a || last.b !== b) last = { a, b, result: make(a, b) };
    return last.result;
  };
}
