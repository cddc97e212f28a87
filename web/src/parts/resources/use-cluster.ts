import { useQuery } from '@connectrpc/connect-query';
import { useMemo } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useMay } from '../../api/session.ts';
import { listAt, valueAt } from '../events/event.ts';
import { EMPTY_CLUSTER, type Cluster } from './known-names.ts';
import { itemOf, type Item } from './item.ts';

const { listResources } = AuthService.method;

/** The names that an editor offers, as far as the person may see them. */
export function useCluster(): Cluster {
  const may = useMay();
  const roles = useQuery(listResources, { kind: 'role' }, { enabled: may('role', 'list') });
  const databases = useQuery(listResources, { kind: 'db' }, { enabled: may('db', 'list') });
  const servers = useQuery(listResources, { kind: 'db_server' }, { enabled: may('db_server', 'list') });
  return useMemo(() => {
    const served = (servers.data?.resources ?? []).map((one) =>
      JSON.stringify(valueAt(itemOf(one).spec, 'database') ?? {}),
    );
    const all = [...(databases.data?.resources ?? []), ...served.map((json) => ({ json, revision: 0n }))];
    return clusterOf((roles.data?.resources ?? []).map(itemOf), all.map(itemOf));
  }, [roles.data, databases.data, servers.data]);
}

/** What roles and databases name. */
function clusterOf(roles: readonly Item[], databases: readonly Item[]): Cluster {
  if (roles.length === 0 && databases.length === 0) return EMPTY_CLUSTER;
  const labels = new Map<string, string[]>();
  for (const database of databases)
    for (const [key, value] of Object.entries(database.labels)) {
      const values = labels.get(key) ?? [];
      if (!values.includes(value)) labels.set(key, [...values, value].toSorted());
    }
  const allowed = (key: string): readonly string[] =>
    literals(roles.flatMap(({ spec }) => listAt(valueAt(spec, 'allow'), key)));
  return {
    roles: unique(roles.map(({ name }) => name)),
    databases: unique(databases.map(({ name }) => name)),
    labels,
    databaseUsers: allowed('db_users'),
    databaseNames: allowed('db_names'),
  };
}

/** The traits that a role's text asks for: `internal.db_users` gives `db_users`. */
export function traitsAsked(text: string): readonly string[] {
  return unique(
    [...text.matchAll(/\b(?:internal|external)\.([A-Za-z0-9_]+)|traits\["([^"\]]+)"\]/g)].map(
      (match) => match[1] ?? match[2] ?? '',
    ),
  );
}

function literals(entries: readonly string[]): readonly string[] {
  return unique(entries.filter((entry) => /^[\w.@-]+$/.test(entry)));
}

function unique(texts: readonly string[]): readonly string[] {
  return [...new Set(texts)].filter((text) => text !== '').toSorted((a, b) => a.localeCompare(b));
}
