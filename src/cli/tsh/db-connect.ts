import type { Outcome } from '../command.ts';
import type { Io } from '../io.ts';
import { tell } from '../io.ts';
import { withClientTarget } from './client-target.ts';
import type { RouteOptions } from './db-login.ts';
import { ensureLogin } from './db-login.ts';
import { nativeClient } from './native-client.ts';
import { runProgram } from './run-program.ts';
import { openSession } from './session.ts';

export type DbConnectOptions = RouteOptions & { readonly tunnel?: boolean | undefined };

/** Runs the database's command-line client, logging in first when there is no good certificate. Gives the client's exit code. */
export async function dbConnect(
  io: Io,
  name: string | undefined,
  args: readonly string[],
  options: DbConnectOptions,
): Promise<Outcome> {
  const session = openSession(io, options);
  const login = await ensureLogin(io, session, name, options);
  const client = nativeClient(login.protocol, login.service);
  const code = await withClientTarget(io, session, login, options.tunnel === true, (target) =>
    runProgram(client.interactive(io, target, args)),
  );
  if (client.lostConnection(code, args))
    tell(
      io,
      `hint: the client could not reach or stay with ${login.service}; \`tsh db ls -v\` shows its health and whom you may be there`,
    );
  return code;
}
