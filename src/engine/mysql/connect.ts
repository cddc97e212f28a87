import type { Grant } from '../../access/grant.ts';
import { BugError } from '../../errors.ts';
import { isMariadb } from '../../protocol/mysql/greeting.ts';
import { withoutRedirect } from '../../protocol/mysql/session-track.ts';
import { connectError, within } from '../connect-limit.ts';
import type { AccessRequest, DatabaseConnection, DatabaseTarget } from '../engine.ts';
import { isGood, type Killer, killAtDatabase } from './cancel.ts';
import { confirmDatabase } from './confirm-database.ts';
import { MysqlDatabase } from './database.ts';
import { loginOf } from './legs.ts';
import { type LoggedIn, logIn } from './log-in.ts';
import { MysqlRequest } from './request.ts';
import { boundedVersion } from './version.ts';

/** See `Engine.connect`. The whole of it, from the credentials to the database's OK, takes at most `target.connectTimeoutMs`. */
export async function connectMysql(
  grant: Grant,
  request: AccessRequest,
  target: DatabaseTarget,
  signal: AbortSignal,
): Promise<DatabaseConnection> {
  const { details } = request;
  if (!(details instanceof MysqlRequest)) throw new BugError('a mysql connection needs a mysql request');
  const limit = AbortSignal.any([signal, AbortSignal.timeout(target.connectTimeoutMs)]);
  // User and name come from the Grant, so nothing but what was authorized can be asked for.
  const { databaseUser: user, databaseName } = grant;
  const credentials = await within(limit, target.credentials(user, databaseName));
  const login = loginOf(details, { user, databaseName, localInfile: grant.options.localInfileAllowed });
  try {
    const loggedIn = await logIn(target.database, credentials, login, limit);
    await confirmed(loggedIn, databaseName, limit);
    return connectionOf(loggedIn, { target, user, databaseName, credentials });
  } catch (error) {
    throw connectError(error, limit, { timeoutMs: target.connectTimeoutMs, hint: closedHint });
  }
}

async function confirmed(loggedIn: LoggedIn, databaseName: string, signal: AbortSignal): Promise<void> {
  try {
    await confirmDatabase(loggedIn, databaseName, signal);
  } catch (error) {
    loggedIn.channel.destroy();
    throw error;
  }
}

function connectionOf(loggedIn: LoggedIn, killer: Killer): DatabaseConnection {
  const { channel, reader, greeting } = loggedIn;
  const early = reader.release();
  let details: MysqlDatabase;
  try {
    details = detailsOf(loggedIn, early);
  } catch (error) {
    channel.destroy();
    throw error;
  }
  const serverVersion = boundedVersion(greeting.serverVersion);
  return {
    channel,
    details,
    backendId: greeting.connectionId,
    ...(serverVersion === undefined ? {} : { serverVersion }),
    cancel: () => killAtDatabase(killer, greeting.connectionId, 'query'),
    canCancel: () => isGood(killer.credentials),
    stop: (connectionId, what) => killAtDatabase(killer, connectionId, what),
  };
}

/** Throws a ProtocolError for session state that is none. */
function detailsOf({ greeting, flags, ok }: LoggedIn, early: Buffer): MysqlDatabase {
  return new MysqlDatabase({
    capabilities: flags.capabilities,
    extended: flags.extended,
    flavour: isMariadb(greeting) ? 'mariadb' : 'mysql',
    status: ok.status,
    track: ok.track === undefined ? undefined : withoutRedirect(ok.track),
    early,
  });
}

/** With TLS 1.3 a database refuses our certificate only now, by an alert or by just closing. */
const closedHint = 'does ssl_ca hold the db-client authority?';
