import type { Outcome } from '../command.ts';
import type { Io } from '../io.ts';
import { tell } from '../io.ts';
import { connectionInfo } from './connection-info.ts';
import type { RouteOptions } from './db-login.ts';
import { ensureLogin } from './db-login.ts';
import { findPsql, runPsql } from './psql.ts';
import { openSession } from './session.ts';

/** Runs psql on a database, logging in to it first when there is no good certificate. Gives psql's exit code. */
export async function dbConnect(
  io: Io,
  name: string | undefined,
  args: readonly string[],
  options: RouteOptions,
): Promise<Outcome> {
  const session = openSession(io, options);
  findPsql(io);
  const login = await ensureLogin(io, session, name, options);
  const code = await runPsql(io, connectionInfo(session, login), args);
  // psql: 2 = the connection to the server went bad or was never made.
  if (code === 2)
    tell(
      io,
      `hint: psql could not reach or stay with ${login.service}; \`tsh db ls -v\` shows its health and whom you may be there`,
    );
  return code;
}
