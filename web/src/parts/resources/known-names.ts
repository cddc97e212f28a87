import type { KnownNames } from './suggestions.ts';

/** What a cluster has that its resources name. */
export type Cluster = {
  readonly roles: readonly string[];
  readonly databases: readonly string[];
  /** Of databases: each key with the values there are. */
  readonly labels: ReadonlyMap<string, readonly string[]>;
  readonly databaseUsers: readonly string[];
  readonly databaseNames: readonly string[];
};

export const EMPTY_CLUSTER: Cluster = {
  roles: [],
  databases: [],
  labels: new Map(),
  databaseUsers: [],
  databaseNames: [],
};

/** What rules are about (docs/reference/roles.md). */
export const RULE_RESOURCES: readonly string[] = [
  'user',
  'role',
  'lock',
  'token',
  'auth_connector',
  'cluster_auth_preference',
  'db',
  'db_server',
  'proxy_server',
  'authority',
  'event',
  'session',
  'database_certificate',
  '*',
];
const DURATIONS = ['15m', '1h', '8h', '12h', '24h'];

/** The names for a role, a user or a connector. */
export function namesOf(cluster: Cluster): KnownNames {
  return (path, of) => {
    const keys = path.filter((step) => step !== '[]');
    const last = keys.at(-1) ?? '';
    const parent = keys.at(-2) ?? '';
    if (of === 'key') return last === 'db_labels' ? [...cluster.labels.keys(), '*'] : [];
    if (parent === 'db_labels') return [...(cluster.labels.get(last) ?? []), '*'];
    return valuesOf(last, cluster);
  };
}

function valuesOf(key: string, cluster: Cluster): readonly string[] {
  switch (key) {
    case 'roles':
      return cluster.roles;
    case 'db_users':
      return ['{{internal.db_users}}', ...cluster.databaseUsers, '*'];
    case 'db_names':
      return ['{{internal.db_names}}', ...cluster.databaseNames, '*'];
    case 'db_roles':
      return ['{{internal.db_roles}}'];
    case 'resources':
      return RULE_RESOURCES;
    case 'max_session_ttl':
    case 'client_idle_timeout':
      return DURATIONS;
    case 'db_service':
      return cluster.databases;
    default:
      return [];
  }
}
