import { parseProxyAddress } from '../address.ts';
import { failure } from '../failure.ts';
import type { DatabaseLogin } from './route-certificate.ts';
import type { Session } from './session.ts';

/** Everything a native client needs to connect through the proxy. */
export type ConnectionInfo = {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
};

/** Where a client that tsh starts connects: to the proxy, or to a socket of tsh's own in a folder that nobody else may enter. */
export type ClientTarget =
  | { readonly kind: 'proxy'; readonly info: ConnectionInfo }
  | { readonly kind: 'socket'; readonly path: string; readonly user: string; readonly database: string };

/** What a login means to a client. The host is the address that was proved at sign-in, or the listener that the proxy named. Throws `NO_LISTENER` when only a tunnel leads there. */
export function connectionInfo(session: Session, login: DatabaseLogin): ConnectionInfo {
  if (needsTunnel(login)) {
    const name = shellQuote(login.service);
    throw failure(
      'NO_LISTENER',
      `${session.profile.proxy} has no listener for ${login.protocol}, so clients reach ${login.service} through a tunnel only`,
      `tsh db connect ${name}, or for any client: tsh proxy db --tunnel ${name}`,
    );
  }
  const { host, port } = parseProxyAddress(login.listener ?? session.profile.proxy);
  return {
    name: login.service,
    host,
    port,
    user: login.user,
    database: login.database,
    ca: session.store.proxyAuthoritiesPath(session.profile),
    cert: `${login.path}.crt`,
    key: `${login.path}.key`,
  };
}

/** Whether the proxy has no address that this protocol's clients can connect to themselves. */
export function needsTunnel(login: DatabaseLogin): boolean {
  return login.listener === '';
}

/** Names a database in the files of native clients. */
export function sectionName(cluster: string, database: string): string {
  return `${cluster}-${database}`;
}

/** A word for a POSIX shell. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
