import type { Outcome } from '../command.ts';
import type { Format } from '../format.ts';
import { print } from '../format.ts';
import type { Io } from '../io.ts';
import { outputWidth, tell } from '../io.ts';
import { renderTable } from '../table.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';
import { at, labelsAt, parseJson, textAt } from './json.ts';

/** Every database of the cluster with the agents that serve it, and their health; `db` resources that nobody serves too. */
export async function listServed(
  io: Io,
  globals: Globals,
  options: { readonly format: Format; readonly search?: string | undefined },
): Promise<Outcome> {
  const { servers, databases } = await withAuth(io, globals, async ({ client }) => {
    const [served, defined] = await Promise.all([
      client.listResources({ kind: 'db_server' }),
      client.listResources({ kind: 'db' }),
    ]);
    return {
      servers: served.resources.map(({ json }) => parseJson(json)),
      databases: defined.resources.map(({ json }) => parseJson(json)),
    };
  });
  const names = new Set(servers.map((server) => textAt(server, 'spec', 'database', 'metadata', 'name')));
  const orphans = databases.filter((database) => !names.has(textAt(database, 'metadata', 'name')));
  const words = (options.search ?? '').toLowerCase();
  const found = (value: unknown): boolean => JSON.stringify(value).toLowerCase().includes(words);
  const rows = [
    ...servers.filter(found).map((server) => row(at(server, 'spec', 'database'), server)),
    ...orphans.filter(found).map((database) => row(database, undefined)),
  ].sort((a, b) => ((a[0] ?? '') < (b[0] ?? '') ? -1 : 1));
  await print(io, options.format, [...servers, ...orphans].filter(found), () =>
    renderTable(
      [
        { title: 'Name' },
        { title: 'Protocol' },
        { title: 'URI' },
        { title: 'Health' },
        { title: 'Host' },
        { title: 'Version' },
        { title: 'Origin' },
        { title: 'Labels', shrink: true },
      ],
      rows,
      outputWidth(io),
    ),
  );
  if (options.format === 'text' && rows.length === 0) tell(io, 'No database yet. Next: tessera tokens add --type=db');
}

function row(database: unknown, server: unknown): string[] {
  return [
    textAt(database, 'metadata', 'name'),
    textAt(database, 'spec', 'protocol'),
    textAt(database, 'spec', 'uri'),
    server === undefined ? 'not served' : textAt(server, 'spec', 'health', 'status'),
    textAt(server, 'spec', 'host_name'),
    textAt(server, 'spec', 'server_version'),
    server === undefined ? 'dynamic' : textAt(server, 'spec', 'origin'),
    labelsAt(database, 'metadata', 'labels'),
  ];
}
