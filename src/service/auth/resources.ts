import {
  PutResourceRequest_Mode,
  type DeleteResourceRequest,
  type GetResourceRequest,
  type ListResourcesRequest,
  type PutResourceRequest,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { auditEvent } from '../../audit/event.ts';
import { ConfigError, StorageError } from '../../errors.ts';
import { kinds } from '../../resource/kinds.ts';
import { parseResourceJson } from '../../resource/parse.ts';
import type { Kind, Resource, User } from '../../resource/resource.ts';
import { removeCredentials } from '../../sso/local/credentials.ts';
import { removeInvites } from '../../sso/local/invite.ts';
import { forgetFailures } from '../../sso/local/sign-in.ts';
import type { PutOptions } from '../../state/store.ts';
import { resourceToJson } from '../../rpc/convert.ts';
import { authorityResource, AUTHORITY_PREFIX } from './authorities.ts';
import { actorOf, type Caller } from './caller.ts';
import { isConnector, keepSecrets, prepareConnector, removeSecrets } from './connectors.ts';
import { emit, type AuthContext } from './context.ts';
import type { Call } from './gate.ts';
import { isConflict, type Stored } from './records.ts';
import { changeEvent } from './resource-events.ts';
import { forgetOwner, readOwner, untilUnlocked } from './sso-owners.ts';
import { endWebSessionsOf } from './web-sessions.ts';

/** Resources of every kind, as administrators read and write them. Secrets are kept elsewhere (src/sso/local/), so none can be read here. */

export async function getResource(request: GetResourceRequest, { context }: Call) {
  const found = (await listKind(knownKind(request.kind), context)).find(
    (stored) => stored.resource.metadata.name === request.name,
  );
  if (found === undefined) throw notFound(request.kind, request.name);
  return { resource: toGen(found) };
}

export async function listResources(request: ListResourcesRequest, { context }: Call) {
  return { resources: (await listKind(knownKind(request.kind), context)).map(toGen) };
}

export async function putResource(request: PutResourceRequest, { caller, context }: Call) {
  const resource = parseResourceJson(request.json);
  const { kind } = resource;
  const { name } = resource.metadata;
  const before = await context.records.read(kind, name);
  const fit = await checked(resource, before?.resource, caller, context);
  const connector = isConnector(fit) ? await prepareConnector(fit, context) : undefined;
  const wanted = connector?.record ?? fit;
  // Credentials of a user of the same name who was removed or expired must not come back to life.
  if (kind === 'user' && before === undefined) await forgetUser(name, context);
  let stored: Stored;
  try {
    stored = await context.records.put(wanted, { expect: expectation(request, before) });
  } catch (error) {
    if (!isConflict(error)) throw error;
    if (request.mode === PutResourceRequest_Mode.CREATE)
      throw new StorageError(
        'ALREADY_EXISTS',
        `${nameless(kind, name)} exists already; use "tessera create --force" or "tessera edit"`,
      );
    throw new StorageError(
      'STATE_CONFLICT',
      `${nameless(kind, name)} was changed by somebody else in the meantime; read it again`,
    );
  }
  if (connector !== undefined) await keepSecrets(connector, context);
  if (wasUnlocked(wanted, before?.resource)) await forgetFailures(context.store, name);
  await emit(context, changeEvent(before === undefined ? 'create' : 'update', wanted, actorOf(caller)));
  return { resource: toGen(stored) };
}

export async function deleteResource(request: DeleteResourceRequest, { caller, context }: Call) {
  const kind = editableKind(request.kind);
  if (kind === 'cluster_auth_preference')
    throw new ConfigError(['cluster_auth_preference can not be removed, only changed']);
  const before = await context.records.read(kind, request.name);
  if (before === undefined && kind === 'user' && (await readOwner(request.name, context.store)) !== undefined) {
    // A provider's person whose record ended: their name and their second factors are still kept for them.
    await forgetUser(request.name, context);
    await emit(context, auditEvent('T1004I', { ...actorOf(caller), name: request.name }));
    return {};
  }
  if (before === undefined) throw notFound(kind, request.name);
  if (kind === 'role') await refuseUsedRole(request.name, context);
  if (!(await context.records.remove(kind, request.name))) throw notFound(kind, request.name);
  if (kind === 'user') await forgetUser(request.name, context);
  if (isConnector(before.resource)) await removeSecrets(before.resource, context);
  await emit(context, changeEvent('delete', before.resource, actorOf(caller)));
  return {};
}

/** Throws ConfigError naming every role of the user that does not exist. */
export async function requireRoles(user: User, context: AuthContext): Promise<void> {
  const problems: string[] = [];
  for (const role of user.spec.roles) {
    if ((await context.records.read('role', role)) === undefined)
      problems.push(`user ${user.metadata.name}: role ${role} does not exist`);
  }
  if (problems.length > 0) throw new ConfigError(problems);
}

/** Removes password, second factors, open links and web sessions of a user who is not there (any more). */
export async function forgetUser(name: string, context: AuthContext): Promise<void> {
  await removeCredentials(context.store, name);
  await removeInvites(context.store, name);
  await endWebSessionsOf(name, context);
  await forgetOwner(name, context.store);
}

async function listKind(kind: Kind, context: AuthContext): Promise<readonly Stored[]> {
  if (kind !== 'authority') return context.records.list(kind);
  const items = await context.store.list(AUTHORITY_PREFIX);
  return items.flatMap((item) => {
    const resource = authorityResource(item.value);
    return resource === undefined ? [] : [{ resource, revision: item.revision }];
  });
}

async function checked(
  resource: Resource,
  before: Resource | undefined,
  caller: Caller,
  context: AuthContext,
): Promise<Resource> {
  editableKind(resource.kind);
  const expires =
    resource.kind === 'lock' ? (resource.spec.expires ?? resource.metadata.expires) : resource.metadata.expires;
  if (expires !== undefined && Date.parse(expires) <= context.clock.now())
    throw new ConfigError([`${nameless(resource.kind, resource.metadata.name)}: expires ${expires} is in the past`]);
  if (resource.kind === 'token' && expires === undefined)
    throw new ConfigError(['metadata.expires: is missing: a join token must end']);
  if (resource.kind !== 'user') return resource;
  await requireRoles(resource, context);
  const known = before?.kind === 'user' ? before.spec.created_by : undefined;
  const createdBy = known ?? {
    user: actorOf(caller).user ?? 'admin',
    time: new Date(context.clock.now()).toISOString(),
  };
  return untilUnlocked({ ...resource, spec: { ...resource.spec, created_by: createdBy } }, context.clock.now());
}

function expectation(request: PutResourceRequest, before: Stored | undefined): PutOptions['expect'] {
  switch (request.mode) {
    case PutResourceRequest_Mode.CREATE:
      return 'absent';
    case PutResourceRequest_Mode.UPDATE:
      return Number(request.expectedRevision);
    default:
      // What the checks looked at is what is replaced.
      return before?.revision ?? 'absent';
  }
}

async function refuseUsedRole(name: string, context: AuthContext): Promise<void> {
  const users = (await context.records.list('user')).filter((stored) => stored.resource.spec.roles.includes(name));
  if (users.length === 0) return;
  const some = users.slice(0, 5).map((stored) => stored.resource.metadata.name);
  throw new ConfigError([
    `role ${name} is held by ${users.length} user(s) (${some.join(', ')}${users.length > some.length ? ', ...' : ''}); take it from them first`,
  ]);
}

function wasUnlocked(after: Resource, before: Resource | undefined): boolean {
  return (
    after.kind === 'user' &&
    before?.kind === 'user' &&
    before.spec.status?.is_locked === true &&
    after.spec.status?.is_locked !== true
  );
}

function knownKind(text: string): Kind {
  if (Object.hasOwn(kinds, text)) return text as Kind;
  throw new ConfigError([
    `kind: expected one of ${Object.keys(kinds).join(', ')}, got ${JSON.stringify(text.slice(0, 64))}`,
  ]);
}

function editableKind(text: string): Kind {
  const kind = knownKind(text);
  if (!kinds[kind].editable) throw new ConfigError([`${kind} is kept by the services and can not be written`]);
  return kind;
}

// A token's name is its secret, and messages are logged.
function nameless(kind: Kind, name: string): string {
  return kind === 'token' ? 'this token' : `${kind} ${name}`;
}

function notFound(kind: string, name: string): StorageError {
  return new StorageError(
    'NOT_FOUND',
    kind === 'token' ? 'token: there is none of this value' : `${kind} ${name} does not exist`,
  );
}

function toGen(stored: Stored): { json: string; revision: bigint } {
  return { json: resourceToJson(stored.resource), revision: BigInt(stored.revision) };
}
