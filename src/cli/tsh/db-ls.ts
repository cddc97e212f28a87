import type { Outcome } from '../command.ts';
import type { Format } from '../format.ts';
import { print } from '../format.ts';
import type { Io } from '../io.ts';
import { outputWidth, tell } from '../io.ts';
import { withProgress } from '../progress.ts';
import type { Column } from '../table.ts';
import { renderTable } from '../table.ts';
import type { Reachable, Selection } from './databases.ts';
import { listDatabasesQuickly, printAllowed, printLabels, select } from './databases.ts';
import type { DatabaseLogin } from './route-certificate.ts';
import { activeLogins } from './route-certificate.ts';
import type { Chosen } from './session.ts';
import { openSession } from './session.ts';

export type DbLsOptions = Chosen & Selection & { readonly format: Format; readonly verbose?: boolean | undefined };

/** The databases that the person may reach, as of now: one call, nothing remembered. */
export async function dbLs(io: Io, labels: string | undefined, options: DbLsOptions): Promise<Outcome> {
  const session = openSession(io, options);
  const all = await withProgress(io, 'listing databases', listDatabasesQuickly(io, session));
  const databases = select(all, {
    labels: [labels, options.labels].filter((part) => part !== undefined).join(','),
    search: options.search,
  });
  const logins = activeLogins(session.store, session.profile, io.nowMs());
  await print(io, options.format, databases.map(machineForm), () =>
    databaseTable(io, databases, logins, options.verbose === true),
  );
  if (options.format === 'text' && databases.length === 0) {
    tell(
      io,
      all.length === 0
        ? 'No database is open to you: ask an administrator for a role.'
        : 'None matches; all: tsh db ls',
    );
  } else if (options.format === 'text' && io.stdout.isTTY === true && logins.length === 0) {
    tell(io, `\nNext: tsh db login ${databases[0]?.name ?? ''}`);
  }
}

/** The table of `tsh db ls`; an active login has the leading `>` and the command that connects. */
export function databaseTable(
  io: Io,
  databases: readonly Reachable[],
  logins: readonly DatabaseLogin[],
  verbose: boolean,
): string {
  const columns: {
    readonly column: Column;
    readonly cell: (database: Reachable, login: DatabaseLogin | undefined) => string;
  }[] = [
    {
      column: { title: 'Name' },
      cell: (database, login) => (login === undefined ? database.name : `> ${database.name} (${who(login)})`),
    },
    { column: { title: 'Description', shrink: true }, cell: (database) => database.description },
    ...(verbose
      ? [
          { column: { title: 'Protocol' }, cell: (database: Reachable) => database.protocol },
          { column: { title: 'Type' }, cell: () => 'self-hosted' },
          { column: { title: 'URI' }, cell: (database: Reachable) => database.uri },
          { column: { title: 'Health' }, cell: (database: Reachable) => database.health },
          {
            column: { title: 'Allowed Names' },
            cell: (database: Reachable) => printAllowed(database.allowedNames, database.deniedNames),
          },
        ]
      : []),
    {
      column: { title: 'Allowed Users' },
      cell: (database) => printAllowed(database.allowedUsers, database.deniedUsers),
    },
    { column: { title: 'Labels', shrink: true }, cell: (database) => printLabels(database.labels) },
    {
      column: { title: 'Connect' },
      cell: (database, login) => (login === undefined ? '' : `tsh db connect ${database.name}`),
    },
  ];
  const rows = databases.map((database) => {
    const login = logins.find((candidate) => candidate.service === database.name);
    return columns.map(({ cell }) => cell(database, login));
  });
  return renderTable(
    columns.map(({ column }) => column),
    rows,
    verbose ? undefined : outputWidth(io),
  );
}

function who(login: DatabaseLogin): string {
  const parts = [login.user === '' ? '' : `user: ${login.user}`, login.database === '' ? '' : `db: ${login.database}`];
  return parts.filter((part) => part !== '').join(', ') || 'any user';
}

function machineForm(database: Reachable): unknown {
  return {
    ...(typeof database.resource === 'object' ? database.resource : {}),
    users: { allowed: database.allowedUsers, denied: database.deniedUsers },
    names: { allowed: database.allowedNames, denied: database.deniedNames },
    health: database.health,
  };
}
