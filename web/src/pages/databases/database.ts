import { listAt, textAt, valueAt } from '../../parts/events/event.ts';

/** A database as the signed-in person may reach it. Names, labels and descriptions are other people's texts. */
export type Database = {
  readonly name: string;
  readonly description: string;
  readonly protocol: string;
  /** host:port as its agent dials it. */
  readonly uri: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly users: Choice;
  readonly names: Choice;
  readonly health: string;
};

/** What roles allow of database users or names. */
export type Choice = {
  /** Exact ones, to choose from. */
  readonly exact: readonly string[];
  /** Patterns, `*` for any: something else may be typed. */
  readonly patterns: readonly string[];
  readonly denied: readonly string[];
};

/** The wire form of ReachableDatabase. */
export type Reachable = {
  readonly json: string;
  readonly allowedUsers: readonly string[];
  readonly deniedUsers: readonly string[];
  readonly allowedNames: readonly string[];
  readonly deniedNames: readonly string[];
  readonly health: string;
};

/** Reads an answer of ListDatabases; what has no name is left out. */
export function databasesOf(answers: readonly Reachable[]): readonly Database[] {
  return answers.map(databaseOf).filter(({ name }) => name !== '');
}

function databaseOf(answer: Reachable): Database {
  const resource = parse(answer.json);
  const metadata = valueAt(resource, 'metadata');
  const spec = valueAt(resource, 'spec');
  return {
    name: textAt(metadata, 'name'),
    description: textAt(metadata, 'description'),
    protocol: textAt(spec, 'protocol'),
    uri: textAt(spec, 'uri'),
    labels: labelsOf(valueAt(metadata, 'labels')),
    users: choiceOf(answer.allowedUsers, answer.deniedUsers),
    names: choiceOf(answer.allowedNames, answer.deniedNames),
    health: answer.health,
  };
}

/** One agent that serves a database, from a `db_server` record. */
export type Server = {
  readonly database: string;
  readonly hostName: string;
  readonly hostId: string;
  readonly health: string;
  readonly message: string;
  readonly version: string;
};

/** Reads records of kind `db_server`. */
export function serversOf(documents: readonly string[]): readonly Server[] {
  return documents.map((json) => {
    const spec = valueAt(parse(json), 'spec');
    const health = valueAt(spec, 'health');
    return {
      database: textAt(valueAt(valueAt(spec, 'database'), 'metadata'), 'name'),
      hostName: textAt(spec, 'host_name'),
      hostId: textAt(spec, 'host_id'),
      health: textAt(health, 'status') || 'unknown',
      message: textAt(health, 'message'),
      version: textAt(spec, 'server_version'),
    };
  });
}

/** Why a database can not be used: what its agents say. Empty when one of them is fine or none says anything. */
export function healthMessage(servers: readonly Server[]): string {
  if (servers.some(({ health }) => health === 'healthy')) return '';
  return servers.find(({ message }) => message !== '')?.message ?? '';
}

/** The best that agents tell; undefined when none serves it. */
export function bestHealth(servers: readonly Server[]): string | undefined {
  return (
    ['healthy', 'unhealthy'].find((health) => servers.some((server) => server.health === health)) ?? servers[0]?.health
  );
}

/** What the address says of the list. */
export type ListFilters = { readonly search: string; readonly labels: readonly string[]; readonly protocol: string };

/** The databases with every word of the search in name, description, protocol, address or labels, and with every label `key=value`. */
export function selectDatabases(databases: readonly Database[], filters: ListFilters): readonly Database[] {
  const words = filters.search.toLowerCase().split(/\s+/).filter(Boolean);
  return databases.filter((database) => {
    if (filters.protocol !== '' && database.protocol !== filters.protocol) return false;
    const labels = labelTexts(database.labels);
    if (!filters.labels.every((label) => labels.includes(label))) return false;
    const text = [database.name, database.description, database.protocol, database.uri, ...labels]
      .join('\n')
      .toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** Every label `key=value` there is, by key and value. */
export function labelsIn(databases: readonly Database[]): readonly string[] {
  return [...new Set(databases.flatMap(({ labels }) => labelTexts(labels)))].toSorted((a, b) => a.localeCompare(b));
}

/** `any`, `any but root`, `reader, writer`, `none`. */
export function choiceWords({ exact, patterns, denied }: Choice): string {
  const allowed = patterns.includes('*') ? ['any'] : [...exact, ...patterns];
  if (allowed.length === 0) return 'none';
  return denied.length === 0 ? allowed.join(', ') : `${allowed.join(', ')} but ${denied.join(', ')}`;
}

/** What is filled in at first: the only one that is allowed; nothing when there are several or a pattern leaves it open. */
export function onlyOf({ exact, patterns }: Choice): string {
  return patterns.length === 0 && exact.length === 1 ? (exact[0] ?? '') : '';
}

/** `PostgreSQL`, `MySQL`; other protocols as they are called. */
export function protocolWords(protocol: string): string {
  return PROTOCOLS.get(protocol) ?? protocol;
}

const PROTOCOLS: ReadonlyMap<string, string> = new Map([
  ['postgres', 'PostgreSQL'],
  ['mysql', 'MySQL / MariaDB'],
]);

function choiceOf(allowed: readonly string[], denied: readonly string[]): Choice {
  const isPattern = (text: string): boolean => text.includes('*') || /^\^.*\$$/s.test(text);
  return {
    exact: allowed.filter((text) => !isPattern(text) && !denied.includes(text)),
    patterns: allowed.filter(isPattern),
    denied,
  };
}

function labelTexts(labels: Readonly<Record<string, string>>): readonly string[] {
  return Object.entries(labels).map(([key, value]) => `${key}=${value}`);
}

function labelsOf(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.keys(value)
      .toSorted((a, b) => a.localeCompare(b))
      .map((key) => [key, textAt(value, key) || listAt(value, key).join(',')]),
  );
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
