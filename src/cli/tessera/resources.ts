import type { Outcome } from '../command.ts';
import { failure, UsageError } from '../failure.ts';
import type { Format } from '../format.ts';
import { printMachine } from '../format.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import type { Io } from '../io.ts';
import { outputWidth, say, tell } from '../io.ts';
import { renderTable } from '../table.ts';
import type { Globals } from './admin.ts';
import { withAuth } from './admin.ts';
import { labelsAt, parseJson, textAt } from './json.ts';

const KINDS = ['user', 'role', 'db', 'token', 'lock', 'cluster_auth_preference', 'oidc', 'saml', 'github'] as const;
/** Kinds that a person may write. */
export const WRITABLE: ReadonlySet<string> = new Set(KINDS);
/** Those, and what services tell of themselves. */
export const READABLE = [...KINDS, 'db_server', 'proxy_server'] as const;

/** `kind` or `kind/name`. */
export type Reference = { readonly kind: string; readonly name?: string };

/** Reads `role/dba`, `roles`, `cap`. A name may hold slashes. Throws UsageError with the kinds there are. */
export function parseReference(text: string): Reference {
  const slash = text.indexOf('/');
  const word = (slash === -1 ? text : text.slice(0, slash)).toLowerCase();
  const name = slash === -1 ? '' : text.slice(slash + 1);
  const kind = ALIASES[word] ?? READABLE.find((each) => each === word || `${each}s` === word);
  if (kind === undefined)
    throw new UsageError(`"${text}": expected kind or kind/name with a kind of ${READABLE.join(', ')}`);
  if (name !== '') return { kind, name };
  return kind === SINGLETON ? { kind, name: SINGLETON_NAME } : { kind };
}

/** Prints resources as documents that `tessera create -f` reads back. */
export async function getResources(
  io: Io,
  globals: Globals,
  what: string,
  options: { readonly format: Format },
): Promise<Outcome> {
  const references =
    what === 'all' ? READABLE.map((kind): Reference => ({ kind })) : what.split(',').map(parseReference);
  const resources = await withAuth(io, globals, async (connection) =>
    (await Promise.all(references.map((one) => fetchResources(connection, one)))).flat(),
  );
  if (options.format === 'text') say(io, resourceTable(io, resources));
  else if (options.format === 'json') say(io, await printMachine('json', resources));
  else say(io, (await Promise.all(resources.map((resource) => printMachine('yaml', resource)))).join('\n---\n'));
  if (resources.length === 0) tell(io, `none of ${what}`);
}

/** Removes resources by `kind/name`. */
export async function removeResources(io: Io, globals: Globals, what: readonly string[]): Promise<Outcome> {
  const references = what.map((text) => {
    const reference = parseReference(text);
    if (reference.name === undefined) throw new UsageError(`"${text}": expected kind/name`);
    if (!WRITABLE.has(reference.kind))
      throw new UsageError(`${reference.kind} can not be removed: services report it themselves`);
    return { kind: reference.kind, name: reference.name };
  });
  await withAuth(io, globals, async (connection) => {
    for (const reference of references) {
      await connection.client.deleteResource(reference);
      say(
        io,
        `${reference.kind}/${reference.name} was ${reference.kind === SINGLETON ? 'set back to its defaults' : 'removed'}`,
      );
    }
  });
}

async function fetchResources(connection: AuthConnection, reference: Reference): Promise<unknown[]> {
  if (reference.name !== undefined) {
    const { resource } = await connection.client.getResource({ kind: reference.kind, name: reference.name });
    if (resource === undefined)
      throw failure('NOT_FOUND', `${reference.kind}/${reference.name} does not exist`, `tessera get ${reference.kind}`);
    return [parseJson(resource.json)];
  }
  const { resources } = await connection.client.listResources({ kind: reference.kind });
  return resources.map((resource) => parseJson(resource.json));
}

function resourceTable(io: Io, resources: readonly unknown[]): string {
  return renderTable(
    [
      { title: 'Kind' },
      { title: 'Name' },
      { title: 'Description', shrink: true },
      { title: 'Labels', shrink: true },
      { title: 'Expires' },
    ],
    resources.map((resource) => [
      textAt(resource, 'kind'),
      textAt(resource, 'metadata', 'name'),
      textAt(resource, 'metadata', 'description'),
      labelsAt(resource, 'metadata', 'labels'),
      textAt(resource, 'metadata', 'expires'),
    ]),
    outputWidth(io),
  );
}

const SINGLETON = 'cluster_auth_preference';
const SINGLETON_NAME = 'cluster-auth-preference';
const ALIASES: Readonly<Record<string, string>> = {
  cap: SINGLETON,
  database: 'db',
  databases: 'db',
  proxy: 'proxy_server',
  proxies: 'proxy_server',
};
