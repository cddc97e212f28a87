import type { ListDatabasesRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { allowedOn } from '../../access/reach.ts';
import { resourceToJson } from '../../rpc/convert.ts';
import type { Database, DatabaseServer } from '../../resource/resource.ts';
import type { Person } from './caller.ts';
import type { AuthContext } from './context.ts';
import type { Call } from './gate.ts';
import { rolesOfUser } from './sign-in.ts';

/** What a person may reach: the databases that agents serve now, and the dynamic ones whether served or not. */

type Health = DatabaseServer['spec']['health']['status'];
export type KnownDatabase = { readonly database: Database; readonly health: Health };

export async function listDatabases(_request: ListDatabasesRequest, { caller, context }: Call<Person>) {
  const roles = await rolesOfUser(caller.user, context);
  const reachable = new Map<
    string,
    { database: Database; health: Health; reach: NonNullable<ReturnType<typeof allowedOn>> }
  >();
  for (const { database, health } of await knownDatabases(context)) {
    const reach = allowedOn(caller.identity, roles, database);
    if (reach === undefined) continue;
    const name = database.metadata.name;
    const known = reachable.get(name);
    if (known === undefined) reachable.set(name, { database, health, reach });
    else if (HEALTH_ORDER.indexOf(health) < HEALTH_ORDER.indexOf(known.health)) known.health = health;
  }
  const sorted = [...reachable.values()].toSorted((a, b) =>
    a.database.metadata.name < b.database.metadata.name ? -1 : 1,
  );
  return {
    databases: sorted.map(({ database, health, reach }) => ({
      json: resourceToJson(withoutSecrets(database)),
      allowedUsers: [...reach.allowedUsers],
      deniedUsers: [...reach.deniedUsers],
      allowedNames: [...reach.allowedNames],
      deniedNames: [...reach.deniedNames],
      health,
    })),
  };
}

/** Every database of the cluster as each agent serves it, then the dynamic ones that nobody serves. */
export async function knownDatabases(context: Pick<AuthContext, 'records'>): Promise<readonly KnownDatabase[]> {
  const servers = (await context.records.list('db_server')).map((stored) => stored.resource);
  const dynamic = new Map(
    (await context.records.list('db')).map((stored) => [stored.resource.metadata.name, stored.resource]),
  );
  const known: KnownDatabase[] = [];
  const served = new Set<string>();
  for (const { spec } of servers) {
    const name = spec.database.metadata.name;
    // A record that outlives its db resource for a moment says nothing any more.
    const database = spec.origin === 'config' ? spec.database : dynamic.get(name);
    if (database === undefined) continue;
    served.add(name);
    known.push({ database, health: spec.health.status });
  }
  for (const [name, database] of dynamic) if (!served.has(name)) known.push({ database, health: 'unknown' });
  return known;
}

const HEALTH_ORDER: readonly Health[] = ['healthy', 'unknown', 'unhealthy'];

// Where the agent keeps a password and who administers the database is nobody else's business.
function withoutSecrets(database: Database): Database {
  const { password_file: _file, admin_user: _admin, ...spec } = database.spec;
  const { ca_cert: _ca, ...tls } = spec.tls;
  return { ...database, spec: { ...spec, tls } };
}
