import type { AuthConnection } from '../../rpc/client.ts';
import type { Outcome } from '../command.ts';
import { parseProxyAddress } from '../address.ts';
import { printDuration } from '../duration.ts';
import { failureCode, failureText, refusalCode } from '../failure.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import { withProgress } from '../progress.ts';
import { openPrompter } from '../prompt.ts';
import { connectionInfo, needsTunnel, sectionName, shellQuote } from './connection-info.ts';
import type { Reachable, Selection } from './databases.ts';
import { choose, listDatabases, withAllowed } from './databases.ts';
import type { MfaMode } from './mfa-modes.ts';
import { nativeClient } from './native-client.ts';
import type { DatabaseLogin, IssuedRoute, RouteRequest } from './route-certificate.ts';
import { activeLogin, keepLogin, requestRoute } from './route-certificate.ts';
import type { ShownFactor } from './second-factors.ts';
import { SecondFactors, terminalPrompter } from './second-factors.ts';
import type { Chosen, Session } from './session.ts';
import { connectSession, openSession } from './session.ts';
import { askMysqlListener } from './trust.ts';

/** Flags that say which database, and as whom. */
export type RouteOptions = Chosen &
  Selection & {
    readonly dbUser?: string | undefined;
    readonly dbName?: string | undefined;
    readonly mfaMode?: MfaMode | undefined;
  };

/** Has a certificate for one database issued and writes the native client's configuration. */
export async function dbLogin(io: Io, name: string | undefined, options: RouteOptions): Promise<Outcome> {
  const session = openSession(io, options);
  const connection = await connectSession(io, session);
  using prompter = openPrompter(io);
  const factors = new SecondFactors(io, options.mfaMode, prompter);
  try {
    const database = choose(io, await withProgress(io, 'looking it up', listDatabases(connection)), name, options);
    const login = await logIn(io, { session, connection, factors }, database, options);
    report(io, session, login);
  } finally {
    connection.close();
  }
}

function report(io: Io, session: Session, login: DatabaseLogin): void {
  const name = shellQuote(login.service);
  const who = login.user === '' ? '' : ` as ${login.user}`;
  const where = login.database === '' ? '' : `, database ${login.database}`;
  say(io, `Logged in to ${login.service}${who}${where}; valid for ${printDuration(login.expiresMs - io.nowMs())}.`);
  if (needsTunnel(login)) {
    say(io, `The proxy has no listener for ${login.protocol}, so a tunnel leads there. Next, one of:`);
    say(io, `  tsh db connect ${name}`);
    say(io, `  tsh proxy db --tunnel ${name}`);
    return;
  }
  const section = sectionName(session.profile.cluster, login.service);
  const { file, command } = nativeClient(login.protocol, login.service).configured(section);
  say(io, `Connection settings are in ${file}. Next, one of:`);
  say(io, `  ${command}`);
  say(io, `  tsh db connect ${name}`);
}

/** What a certificate is got with. */
export type Issuing = {
  readonly session: Session;
  readonly connection: AuthConnection;
  readonly factors: SecondFactors;
};

/** Issues the certificate, keeps it, and writes the native client's configuration. */
async function logIn(io: Io, of: Issuing, database: Reachable, options: RouteOptions): Promise<DatabaseLogin> {
  const { session } = of;
  const client = nativeClient(database.protocol, database.name);
  const before = activeLogin(session.store, session.profile, database.name, io.nowMs());
  const route = routeFor(database, options, before);
  const path = session.store.databasePath(session.profile, database.name);
  const login = await issueAndKeep(io, of, database, route, path);
  const section = sectionName(session.profile.cluster, login.service);
  if (needsTunnel(login)) client.unconfigure(io, [section]);
  else client.configure(io, section, connectionInfo(session, login));
  return login;
}

/** What to ask for: the flags, else what an active login was made for, else what Auth infers. */
export function routeFor(database: Reachable, options: RouteOptions, before: DatabaseLogin | undefined): RouteRequest {
  return {
    service: database.name,
    protocol: database.protocol,
    user: options.dbUser ?? before?.user ?? '',
    database: options.dbName ?? before?.database ?? '',
  };
}

/** Has the certificate issued, learns where this protocol's clients connect, and writes both below `path`. */
export async function issueAndKeep(
  io: Io,
  of: Issuing,
  database: Reachable,
  route: RouteRequest,
  path: string,
): Promise<DatabaseLogin> {
  const { session } = of;
  const { proxy } = session.profile;
  // Asked each time: a listener may have been opened, moved or closed since the sign-in.
  const asked =
    route.protocol === 'mysql'
      ? askMysqlListener(parseProxyAddress(proxy), session.store.proxyAuthorities(proxy))
      : undefined;
  // Both are waited for, whichever fails: a call that is cut off in the middle would hold the process until its deadline.
  const [issued, listener] = await Promise.allSettled([issueOrExplain(io, of, database, route), asked]);
  if (issued.status === 'rejected') throw issued.reason;
  if (listener.status === 'rejected') throw listener.reason;
  return keepLogin(issued.value, path, listener.value);
}

/** {@link requestRoute}, with a second factor where one is demanded, and with what would be allowed added to a refusal. */
export async function issueOrExplain(
  io: Io,
  { session, connection, factors }: Issuing,
  database: Reachable,
  route: RouteRequest,
): Promise<IssuedRoute> {
  const request = (shown?: ShownFactor): Promise<IssuedRoute> =>
    withProgress(io, 'getting a certificate', requestRoute(connection, route, shown));
  try {
    return await request();
  } catch (error) {
    if (refusalCode(error) === 'SESSION_MFA_REQUIRED')
      return factors.run({ session, connection }, `open ${database.name}`, request);
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
  // What is piped in is for the client.
  using prompter = terminalPrompter(io);
  const factors = new SecondFactors(io, options.mfaMode, prompter);
  try {
    const database = choose(io, await withProgress(io, 'looking it up', listDatabases(connection)), name, options);
    const known = activeLogin(session.store, session.profile, database.name, io.nowMs());
    return known !== undefined && matches(known, options)
      ? known
      : await logIn(io, { session, connection, factors }, database, options);
  } finally {
    connection.close();
  }
}

function matches(login: DatabaseLogin, options: RouteOptions): boolean {
  return (options.dbUser ?? login.user) === login.user && (options.dbName ?? login.database) === login.database;
}

const EXPLAINED = new Set(['DATABASE_USER_OPEN', 'permission_denied', 'invalid_argument', 'failed_precondition']);
