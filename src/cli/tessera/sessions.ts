import type { LiveSession } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import type { Outcome } from '../command.ts';
import { UsageError } from '../failure.ts';
import type { Format } from '../format.ts';
import { print } from '../format.ts';
import type { Io } from '../io.ts';
import { outputWidth, say, tell } from '../io.ts';
import { renderTable } from '../table.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';

export type SessionListOptions = {
  readonly format: Format;
  readonly user?: string | undefined;
  readonly db?: string | undefined;
};

/** Prints the sessions that go on now, as far as the caller may see them; the newest first. */
export async function listSessions(io: Io, globals: Globals, options: SessionListOptions): Promise<Outcome> {
  const all = await withAuth(io, globals, async ({ client }) => (await client.listSessions({})).sessions);
  const sessions = all.filter(
    (session) =>
      (options.user === undefined || session.user === options.user) &&
      (options.db === undefined || session.databaseService === options.db),
  );
  await print(io, options.format, sessions.map(machineForm), () => table(io, sessions));
  if (options.format === 'text' && sessions.length === 0) tell(io, 'no session goes on that you may see');
}

/** Ends one session, its id as `tessera sessions ls` prints it. */
export async function terminateSession(
  io: Io,
  globals: Globals,
  options: { readonly id: string; readonly message?: string | undefined; readonly format: Format },
): Promise<Outcome> {
  const sessionId = options.id.toLowerCase();
  if (!SESSION_ID.test(sessionId))
    throw new UsageError('expected the id of a session, as "tessera sessions ls" prints it');
  await withAuth(io, globals, ({ client }) => client.terminateSession({ sessionId, message: options.message ?? '' }));
  await print(io, options.format, { session_id: sessionId, terminated: true }, () => `Session ${sessionId} ends now.`);
  if (options.format === 'text') say(io, `What it did: tessera audit search --session=${sessionId}`);
}

/** As audit events call things. */
function machineForm(session: LiveSession): object {
  return {
    sid: session.sessionId,
    user: session.user,
    db_service: session.databaseService,
    db_protocol: session.protocol,
    db_user: session.databaseUser,
    db_name: session.databaseName,
    'addr.remote': session.clientAddress,
    client_program: session.clientProgram,
    started: session.started,
    idle: session.idle,
    since: session.since,
    current_statement: session.currentStatement,
    statements: Number(session.statements),
    statements_per_second: session.statementsPerSecond,
    bytes_from_client: Number(session.bytesFromClient),
    bytes_from_database: Number(session.bytesFromDatabase),
    bytes_per_second: session.bytesPerSecond,
    agent: session.agentHostId,
    proxy: session.proxyHostId,
  };
}

function table(io: Io, sessions: readonly LiveSession[]): string {
  return renderTable(
    [
      { title: 'Session' },
      { title: 'User', shrink: true },
      { title: 'Database', shrink: true },
      { title: 'Database User', shrink: true },
      { title: 'From', shrink: true },
      { title: 'Age' },
      { title: 'Statements' },
      { title: 'Now', shrink: true, least: 20 },
    ],
    sessions.map((session) => [
      session.sessionId,
      session.user,
      [session.databaseService, session.databaseName].filter((part) => part !== '').join('/'),
      session.databaseUser,
      session.clientAddress,
      since(io, session.started),
      `${session.statements} (${session.statementsPerSecond}/s)`,
      now(io, session),
    ]),
    outputWidth(io),
  );
}

function now(io: Io, session: LiveSession): string {
  if (session.idle) return `idle for ${since(io, session.since)}`;
  const what = session.currentStatement === '' ? 'busy' : session.currentStatement.replaceAll(/\s+/g, ' ');
  return `${since(io, session.since)}: ${what}`;
}

/** `42s`, `5m`, `3h`, `2d`. */
function since(io: Io, time: string): string {
  const seconds = Math.max(0, Math.round((io.nowMs() - Date.parse(time)) / 1000));
  if (Number.isNaN(seconds)) return '?';
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)}m`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}

const SESSION_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
