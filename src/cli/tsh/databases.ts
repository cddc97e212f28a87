import type { AuthConnection } from '../../rpc/client.ts';
import { failure, UsageError } from '../failure.ts';
import type { Io } from '../io.ts';
import { outputWidth, visible } from '../io.ts';
import { splitList } from '../command.ts';
import { renderTable } from '../table.ts';
import { quickCall } from './quick-call.ts';
import type { Session } from './session.ts';

/** A database as the person may reach it. */
export type Reachable = {
  readonly name: string;
  readonly description: string;
  readonly protocol: string;
  readonly uri: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly allowedUsers: readonly string[];
  readonly deniedUsers: readonly string[];
  readonly allowedNames: readonly string[];
  readonly deniedNames: readonly string[];
  readonly health: string;
  /** The resource as Auth sent it. */
  readonly resource: unknown;
};

/** Which databases are meant. All that are given must hold. */
export type Selection = {
  /** `k=v,k2=v2`: every one must be there. */
  readonly labels?: string | undefined;
  /** Words that must each occur in the name, the description or a label. */
  readonly search?: string | undefined;
};

/** One call: everything the person may reach now, by name. */
export async function listDatabases(connection: AuthConnection): Promise<Reachable[]> {
  return sorted((await connection.client.listDatabases({})).databases);
}

/** {@link listDatabases} without loading the RPC library: what `tsh db ls` needs and nothing else. */
export async function listDatabasesQuickly(io: Io, session: Session): Promise<Reachable[]> {
  const reply = await quickCall(io, session, 'ListDatabases', {});
  const databases = field(reply, 'databases');
  // Protobuf's JSON leaves out what is empty.
  return sorted(
    (Array.isArray(databases) ? databases : []).map((entry: unknown) => ({
      json: text(entry, 'json'),
      allowedUsers: texts(entry, 'allowedUsers'),
      deniedUsers: texts(entry, 'deniedUsers'),
      allowedNames: texts(entry, 'allowedNames'),
      deniedNames: texts(entry, 'deniedNames'),
      health: text(entry, 'health'),
    })),
  );
}

type Entry = Pick<Reachable, 'allowedUsers' | 'deniedUsers' | 'allowedNames' | 'deniedNames' | 'health'> & {
  readonly json: string;
};

function sorted(entries: readonly Entry[]): Reachable[] {
  return entries
    .map((entry) => ({
      ...readDatabase(entry.json),
      allowedUsers: entry.allowedUsers,
      deniedUsers: entry.deniedUsers,
      allowedNames: entry.allowedNames,
      deniedNames: entry.deniedNames,
      health: entry.health,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}

/** The databases that a selection leaves. */
export function select(databases: readonly Reachable[], selection: Selection): Reachable[] {
  const labels = parseLabels(selection.labels ?? '');
  const words = splitList(selection.search ?? '').map((word) => word.toLowerCase());
  return databases.filter((database) => {
    if (labels.some(([key, value]) => database.labels[key] !== value)) return false;
    const text = [database.name, database.description, ...Object.entries(database.labels).flat()]
      .join('\n')
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** The one database that a name (its full name, or its only beginning) and a selection mean. Throws with the candidates otherwise. */
export function choose(
  io: Io,
  databases: readonly Reachable[],
  name: string | undefined,
  selection: Selection,
): Reachable {
  const selected = select(databases, selection);
  const exact = selected.find((database) => database.name === name);
  if (exact !== undefined) return exact;
  const candidates = name === undefined ? selected : selected.filter((database) => database.name.startsWith(name));
  const [only, ...others] = candidates;
  if (only !== undefined && others.length === 0) return only;
  if (databases.length === 0)
    throw failure(
      'DATABASE_NOT_FOUND',
      'no database is open to you',
      'ask an administrator for a role that allows one',
    );
  const which = name === undefined ? 'the selection' : `"${visible(name)}"`;
  if (only === undefined) {
    throw failure('DATABASE_NOT_FOUND', `no database that you may reach matches ${which}`, 'see them all: tsh db ls');
  }
  const anyAtAll = name === undefined && candidates.length === databases.length;
  throw failure(
    'DATABASE_AMBIGUOUS',
    anyAtAll
      ? `which database? ${candidates.length} are open to you`
      : `${which} matches ${candidates.length} databases`,
    `${renderTable(
      [{ title: 'Name' }, { title: 'Description', shrink: true }, { title: 'Labels', shrink: true }],
      candidates.slice(0, 20).map((database) => [database.name, database.description, printLabels(database.labels)]),
      outputWidth(io),
    )}\ngive the full name, or narrow it with --labels key=value`,
  );
}

/** `[*]`, `[* except root]`, `[alice, bob]`; empty when nothing is allowed. */
export function printAllowed(allowed: readonly string[], denied: readonly string[]): string {
  if (allowed.length === 0) return '';
  if (!allowed.includes('*')) return `[${allowed.filter((name) => !denied.includes(name)).join(', ')}]`;
  return denied.length === 0 ? '[*]' : `[* except ${denied.join(', ')}]`;
}

/** `k=v,k2=v2`, by key. */
export function printLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
}

/** Adds to a refusal what would be allowed. */
export function withAllowed(database: Reachable, what: string): Error {
  return failure(
    'ROUTE_REFUSED',
    what,
    `allowed on ${database.name}: --db-user ${printAllowed(database.allowedUsers, database.deniedUsers) || '[]'}, --db-name ${printAllowed(database.allowedNames, database.deniedNames) || '[]'}`,
  );
}

function parseLabels(text: string): [string, string][] {
  return splitList(text).map((pair) => {
    const at = pair.indexOf('=');
    if (at <= 0) throw new UsageError(`labels: expected key=value, got "${pair}"`);
    return [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
  });
}

function readDatabase(
  json: string,
): Pick<Reachable, 'name' | 'description' | 'protocol' | 'uri' | 'labels' | 'resource'> {
  const resource: unknown = JSON.parse(json);
  const metadata = field(resource, 'metadata');
  const spec = field(resource, 'spec');
  const labels = field(metadata, 'labels');
  return {
    name: text(metadata, 'name'),
    description: text(metadata, 'description'),
    protocol: text(spec, 'protocol'),
    uri: text(spec, 'uri'),
    labels: Object.fromEntries(
      Object.entries(typeof labels === 'object' && labels !== null ? labels : {}).map(([key, value]) => [
        key,
        String(value),
      ]),
    ),
    resource,
  };
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}

function text(value: unknown, key: string): string {
  const found = field(value, key);
  return typeof found === 'string' ? found : '';
}

function texts(value: unknown, key: string): string[] {
  const found = field(value, key);
  return Array.isArray(found) ? found.map(String) : [];
}
