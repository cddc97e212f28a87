import type { Outcome } from '../command.ts';
import { failure } from '../failure.ts';
import type { Format } from '../format.ts';
import { print, printMachine } from '../format.ts';
import type { Io } from '../io.ts';
import { say } from '../io.ts';
import { renderPairs } from '../table.ts';
import type { ConnectionInfo } from './connection-info.ts';
import { connectionInfo, sectionName, shellQuote } from './connection-info.ts';
import { nativeClient } from './native-client.ts';
import type { DatabaseLogin } from './route-certificate.ts';
import { activeLogins } from './route-certificate.ts';
import type { Chosen, Session } from './session.ts';
import { openSession } from './session.ts';

/** Prints `export NAME=value` lines that lead native clients to an active login, for `eval`. */
export async function dbEnv(
  io: Io,
  name: string | undefined,
  options: Chosen & { readonly format: Format },
): Promise<Outcome> {
  const session = openSession(io, options);
  const login = oneLogin(io, session, name);
  const info = connectionInfo(session, login);
  const section = sectionName(session.profile.cluster, login.service);
  const values = nativeClient(login.protocol, login.service).environment(section, info);
  await print(io, options.format, values, () =>
    Object.entries(values)
      .map(([key, value]) => `export ${key}=${shellQuote(value)}`)
      .join('\n'),
  );
}

/** Prints what a client needs: for people, as a command line, or for machines. */
export async function dbConfig(
  io: Io,
  name: string | undefined,
  options: Chosen & { readonly format: Format | 'cmd' },
): Promise<Outcome> {
  const session = openSession(io, options);
  const login = oneLogin(io, session, name);
  const info = connectionInfo(session, login);
  if (options.format === 'cmd') say(io, nativeClient(login.protocol, login.service).commandLine(io, info));
  else if (options.format === 'text') say(io, configText(info));
  else say(io, await printMachine(options.format, info));
}

function configText(info: ConnectionInfo): string {
  return renderPairs([
    ['Name', info.name],
    ['Host', info.host],
    ['Port', String(info.port)],
    ['User', info.user],
    ['Database', info.database],
    ['CA', info.ca],
    ['Cert', info.cert],
    ['Key', info.key],
  ]);
}

/** The named login, or the only one. */
function oneLogin(io: Io, session: Session, name: string | undefined): DatabaseLogin {
  const logins = activeLogins(session.store, session.profile, io.nowMs());
  const [only, ...others] = name === undefined ? logins : logins.filter((login) => login.service === name);
  if (only !== undefined && others.length === 0) return only;
  if (only === undefined) {
    throw failure(
      'NOT_LOGGED_IN',
      name === undefined ? 'not logged in to any database' : `not logged in to ${name}`,
      `tsh db login ${name ?? '<database>'}`,
    );
  }
  throw failure(
    'DATABASE_AMBIGUOUS',
    'logged in to several databases',
    `say which one: ${logins.map((login) => login.service).join(', ')}`,
  );
}
