import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import type { ClientTarget, ConnectionInfo } from './connection-info.ts';
import { mysqlClient } from './mysql-client.ts';
import { postgresClient } from './postgres-client.ts';
import type { Launch } from './run-program.ts';

/** What tsh knows of one protocol's own clients. */
export type NativeClient = {
  /** Writes what clients read on their own about one login; `section` names it there. */
  readonly configure: (io: Io, section: string, info: ConnectionInfo) => void;
  /** Removes what {@link configure} wrote, where it is. */
  readonly unconfigure: (io: Io, sections: readonly string[]) => void;
  /** Of a login that is configured: the file it stands in, and what to type. */
  readonly configured: (section: string) => { readonly file: string; readonly command: string };
  /** Variables that lead clients to a login that is configured. */
  readonly environment: (section: string, info: ConnectionInfo) => Readonly<Record<string, string>>;
  /** One command line that needs no other file. */
  readonly commandLine: (io: Io, info: ConnectionInfo) => string;
  /** The command-line client, to be run with the person's own arguments. Throws `CLIENT_MISSING` with how to get it. */
  readonly interactive: (io: Io, target: ClientTarget, args: readonly string[]) => Launch;
  /** The command-line client, to run the SQL text on its stdin and stop at the first error, without the person's settings. Throws `CLIENT_MISSING`. */
  readonly script: (io: Io, target: ClientTarget) => Launch;
  /** Throws `CLIENT_MISSING` before anything else is done. */
  readonly check: (io: Io) => void;
  /** Whether this exit code says that the client could not reach or stay with the database. */
  readonly lostConnection: (code: number, args: readonly string[]) => boolean;
  /** File name of a socket that {@link ClientTarget} names by its path. */
  readonly socketName: string;
};

/** The clients of a database's protocol. Throws `PROTOCOL_UNSUPPORTED`. */
export function nativeClient(protocol: string, database: string): NativeClient {
  const client = CLIENTS.get(protocol);
  if (client !== undefined) return client;
  throw failure(
    'PROTOCOL_UNSUPPORTED',
    `${database} speaks ${protocol}, which this version of tsh can not configure a client for`,
    'databases with their protocols: tsh db ls -v',
  );
}

/** Whether {@link nativeClient} knows it. */
export function hasNativeClient(protocol: string): boolean {
  return CLIENTS.has(protocol);
}

/** Removes these sections from the files of every protocol: what a name spoke may have changed since. */
export function unconfigureAll(io: Io, sections: readonly string[]): void {
  for (const client of CLIENTS.values()) client.unconfigure(io, sections);
}

const CLIENTS: ReadonlyMap<string, NativeClient> = new Map([
  ['postgres', postgresClient],
  ['mysql', mysqlClient],
]);
