import type { HeartbeatRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { ConfigError, LimitError } from '../../errors.ts';
import { parseResourceJson } from '../../resource/parse.ts';
import type { Database, DatabaseServer, ProxyServer } from '../../resource/resource.ts';
import * as z from 'zod';
import type { Caller } from './caller.ts';
import type { AuthContext } from './context.ts';
import type { Call } from './gate.ts';

/**
 * Which services are there and what they serve. A record lives for three heartbeats. Whose it is comes from the caller's certificate, never from what it says: an
 * agent can announce databases of its own, and the description of a dynamic one is always the administrator's.
 */

const NEXT_SECONDS = 20;
const TTL_MS = 3 * NEXT_SECONDS * 1000;
/** maxPresenceResources: of one service in one heartbeat. */
const MAX_RESOURCES = 1000;
/** How long a silent service is still listed by `tessera status`. */
const STATUS_TTL_MS = 24 * 3_600_000;
const MAX_VERSION_LENGTH = 64;
const SERVICE_PREFIX = '/service/';

type ServiceCaller = Extract<Caller, { type: 'service' }>;

export async function heartbeat(request: HeartbeatRequest, { caller, context }: Call<ServiceCaller>) {
  if (request.resources.length + request.removed.length > MAX_RESOURCES) {
    throw new LimitError(
      'PRESENCE_TOO_MANY',
      `${request.resources.length + request.removed.length} resources in one heartbeat exceed maxPresenceResources ${MAX_RESOURCES}`,
    );
  }
  const databases: string[] = [];
  let addresses: ProxyAddresses = { public_addr: '', mysql_public_addr: '' };
  const problems: string[] = [];
  for (const json of request.resources) {
    try {
      const resource = parseResourceJson(json);
      if (resource.kind === 'proxy_server' && caller.role === 'proxy') {
        await keepProxy(resource, caller, context);
        const { public_addr, mysql_public_addr = '' } = resource.spec;
        addresses = { public_addr, mysql_public_addr };
      } else if (resource.kind === 'db_server' && caller.role === 'database')
        databases.push(await keepDatabase(resource, caller, context));
      else throw new ConfigError([`heartbeat: a ${caller.role} service may not announce ${resource.kind}`]);
    } catch (error) {
      // One wrong database must not take the others out of the lists.
      if (!(error instanceof ConfigError)) throw error;
      problems.push(...error.problems);
    }
  }
  for (const name of request.removed) {
    if (caller.role === 'database')
      await context.records.remove('db_server', `${caller.hostId}/${name.slice(name.lastIndexOf('/') + 1)}`);
    else await context.records.remove('proxy_server', caller.hostId);
  }
  await keepStatus(request, { databases, ...addresses }, caller, context);
  if (problems.length > 0) throw new ConfigError(problems.slice(0, 20));
  return { nextSeconds: NEXT_SECONDS };
}

type ProxyAddresses = Pick<ServiceRecord, 'public_addr' | 'mysql_public_addr'>;

/** What `tessera status` shows of a service. */
export type ServiceRecord = Readonly<z.infer<typeof serviceSchema>>;

export async function listServices(context: AuthContext): Promise<readonly ServiceRecord[]> {
  return (await context.store.list(SERVICE_PREFIX)).flatMap((item) => serviceSchema.safeParse(item.value).data ?? []);
}

/** The database as this agent serves it now; undefined when it does not. A dynamic database is described by its own resource alone. */
export async function servedDatabase(
  hostId: string,
  name: string,
  context: AuthContext,
): Promise<Database | undefined> {
  const server = (await context.records.read('db_server', `${hostId}/${name}`))?.resource;
  if (server === undefined) return undefined;
  const dynamic = (await context.records.read('db', name))?.resource;
  return server.spec.origin === 'config' ? server.spec.database : dynamic;
}

async function keepProxy(resource: ProxyServer, caller: ServiceCaller, context: AuthContext): Promise<void> {
  const { hostId, hostName } = caller.certificate.identity;
  const kept: ProxyServer = {
    ...resource,
    metadata: { name: hostId },
    spec: { ...resource.spec, host_id: hostId, host_name: hostName },
  };
  await context.records.put(kept, { expect: 'any', expiresMs: context.clock.now() + TTL_MS });
}

async function keepDatabase(resource: DatabaseServer, caller: ServiceCaller, context: AuthContext): Promise<string> {
  const { hostId, hostName } = caller.certificate.identity;
  const name = resource.spec.database.metadata.name;
  const dynamic = (await context.records.read('db', name))?.resource;
  if (resource.spec.origin === 'config' && dynamic !== undefined) {
    throw new ConfigError([
      `database ${name} of this service's file has the name of a db resource; rename one of them`,
    ]);
  }
  if (resource.spec.origin !== 'config' && dynamic === undefined)
    throw new ConfigError([`database ${name}: there is no db resource of this name (any more)`]);
  const database = dynamic ?? resource.spec.database;
  const kept: DatabaseServer = {
    ...resource,
    metadata: {
      name: `${hostId}/${name}`,
      ...(database.metadata.labels === undefined ? {} : { labels: database.metadata.labels }),
    },
    spec: { ...resource.spec, host_id: hostId, host_name: hostName, database },
  };
  await context.records.put(kept, { expect: 'any', expiresMs: context.clock.now() + TTL_MS });
  return name;
}

const serviceSchema = z.object({
  host_id: z.string(),
  host_name: z.string(),
  role: z.string(),
  last_heartbeat: z.string(),
  audit_backlog_bytes: z.number(),
  audit_lag_milliseconds: z.number(),
  databases: z.array(z.string()),
  /** Of proxies; empty: none. */
  public_addr: z.string().default(''),
  mysql_public_addr: z.string().default(''),
  version: z.string().default(''),
});

async function keepStatus(
  request: HeartbeatRequest,
  announced: { readonly databases: string[] } & ProxyAddresses,
  caller: ServiceCaller,
  context: AuthContext,
): Promise<void> {
  const nowMs = context.clock.now();
  const record: ServiceRecord = {
    host_id: caller.hostId,
    host_name: caller.certificate.identity.hostName,
    role: caller.role,
    last_heartbeat: new Date(nowMs).toISOString(),
    audit_backlog_bytes: Number(request.auditBacklogBytes),
    audit_lag_milliseconds: Number(request.auditLagMilliseconds),
    version: request.version.slice(0, MAX_VERSION_LENGTH).replaceAll(/[^\w.+-]/gu, ''),
    ...announced,
  };
  await context.store.put(`${SERVICE_PREFIX}${caller.hostId}`, record, {
    expect: 'any',
    expiresMs: nowMs + STATUS_TTL_MS,
  });
}
