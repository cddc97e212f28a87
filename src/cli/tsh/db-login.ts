import type { AuthConnection } from '../../rpc/client.ts';
import type { Outcome } from '../command.ts';
import { printDuration } from '../duration.ts';
import { failureCode, failureText } from '../failure.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import { withProgress } from '../progress.ts';
import { connectionInfo, requirePostgres, serviceName, serviceSettings, shellQuote } from './connection-info.ts';
import type { Reachable, Selection } from './databases.ts';
import { choose, listDatabases, withAllowed } from './databases.ts';
import { writeService } from './pg-service-file.ts';
import type { DatabaseLogin } from './route-certificate.ts';
import { activeLogin, issueLogin } from './route-certificate.ts';
import type { Chosen, Session } from './session.ts';
import { connectSession, openSession } from './session.ts';

/** Flags that say which database, and as whom. */
export type RouteOptions = Chosen &
  Selection & { readonly dbUser?: string | undefined; readonly dbName?: string | undefined };

/** Has a certificate for one database issued and writes the native client's configuration. */
export async function dbLogin(io: Io, name: string | undefined, options: RouteOptions): Promise<Outcome> {
  const session = openSession(io, options);
  const connection = await connectSession(io, session);
  try {
    const database = choose(io, await withProgress(io, 'looking it up', listDatabases(connection)), name, options);
    const login = await logIn(io, session, connection, database, options);
    const service = serviceName(session, login.service);
    const who = login.user === '' ? '' : ` as ${login.user}`;
    const where = login.database === '' ? '' : `, database ${login.database}`;
    say(io, `Logged in to ${login.service}${who}${where}; valid for ${printDuration(login.expiresMs - io.nowMs())}.`);
    say(io, `Connection settings are in section [${service}] of pg_service.conf. Next, one of:`);
    say(io, `  psql ${JSON.stringify(`service=${service}`)}`);
    say(io, `  tsh db connect ${shellQuote(login.service)}`);
  } finally {
    connection.close();
  }
}

/** Issues the certificate, keeps it, and writes the section of `pg_service.conf`. */
export async function logIn(
  io: Io,
  session: Session,
  connection: AuthConnection,
  database: Reachable,
  options: RouteOptions,
): Promise<DatabaseLogin> {
  requirePostgres(database.protocol, database.name);
  const before = activeLogin(session.store, session.profile, database.name, io.nowMs());
  const route = {
    service: database.name,
    protocol: database.protocol,
    user: options.dbUser ?? before?.user ?? '',
    database: options.dbName ?? before?.database ?? '',
  };
  const path = session.store.databasePath(session.profile, database.name);
  const login = await withProgress(io, 'getting a certificate', issueOrExplain(connection, database, route, path));
  writeService(io, serviceName(session, login.service), serviceSettings(connectionInfo(session, login)));
  return login;
}

/** {@link issueLogin}, with what would be allowed added to a refusal. */
export async function issueOrExplain(
  connection: AuthConnection,
  database: Reachable,
  route: Parameters<typeof issueLogin>[1],
  path: string,
): Promise<DatabaseLogin> {
  try {
    return await issueLogin(connection, route, path);
  } catch (error) {
    if (EXPLAINED.has(failureCode(error) ?? '')) throw withAllowed(database, failureText(error).split('\n')[0] ?? '');
    throw error;
  }
}

/** The login to use for `name`: the one that is there when it is good and for the same user and database, else a new one. */
export async function ensureLogin(
  io: Io,
  session: Session,
  name: string | undefined,
  options: RouteOptions,
): Promise<DatabaseLogin> {
  const there = name === undefined ? undefined : activeLogin(session.store, session.profile, name, io.nowMs());
  if (there !== undefined && matches(there, options)) return there;
  const connection = await connectSession(io, session);
  try {
    const database = choose(io, await withProgress(io, 'looking it up', listDatabases(connection)), name, options);
    const known = activeLogin(session.store, session.profile, database.name, io.nowMs());
    return known !== undefined && matches(known, options)
      ? known
      : await logIn(io, session, connection, database, options);
  } finally {
    connection.close();
  }
}

function matches(login: DatabaseLogin, options: RouteOptions): boolean {
  return (options.dbUser ?? login.user) === login.user && (options.dbName ?? login.database) === login.database;
}

const EXPLAINED = new Set(['DATABASE_USER_OPEN', 'permission_denied', 'invalid_argument', 'failed_precondition']);
