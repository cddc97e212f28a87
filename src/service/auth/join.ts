import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import type {
  AddTokenRequest,
  JoinRequest,
  RenewHostCertificateRequest,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { auditEvent, type CommonFields } from '../../audit/event.ts';
import { ConfigError, LoginError, StorageError, TesseraError } from '../../errors.ts';
import { parsePublicKey } from '../../pki/keys.ts';
import type { AlternativeNames } from '../../pki/names.ts';
import { hostProfile } from '../../pki/profiles.ts';
import type { HostIdentity } from '../../resource/identity.ts';
import { parseResourceOf } from '../../resource/parse.ts';
import type { ProvisionToken } from '../../resource/resource.ts';
import { authoritiesToGen } from '../../rpc/convert.ts';
import { actorOf, type Caller } from './caller.ts';
import { issueForHost } from './certificates.ts';
import { emit, type AuthContext } from './context.ts';
import type { Call } from './gate.ts';
import { isConflict, type Stored } from './records.ts';
import { limited } from './sign-in.ts';

/** How proxies and agents become members: a join token for a host certificate, later that certificate for the next. */

/** How long a service's certificate lives; it is renewed at two thirds. */
export const HOST_TTL_MS = 30 * 24 * 3_600_000;
const DEFAULT_TOKEN_TTL_MS = 30 * 60_000;
const MAX_TOKEN_TTL_MS = 30 * 24 * 3_600_000;

export async function join(request: JoinRequest, { caller, context }: Call) {
  await limited(caller.address, context);
  const hostName = request.hostName.slice(0, 253).toWellFormed();
  try {
    const role = request.role === 'proxy' || request.role === 'database' ? request.role : undefined;
    if (role === undefined) throw new ConfigError(['role: expected proxy or database']);
    if (hostName === '') throw new ConfigError(['host_name: expected a name, got none']);
    const identity: HostIdentity = { kind: 'host', hostId: randomUUID(), hostName, role };
    const names: AlternativeNames = { dnsNames: request.dnsNames, ipAddresses: request.ipAddresses };
    // All that can be wrong with the wish is found before a use of the token is spent on it.
    parsePublicKey(request.publicKey);
    hostProfile(identity, names);
    await spendToken(request.token, role === 'proxy' ? 'Proxy' : 'Db', context);
    const issued = await issueForHost(
      identity,
      names,
      { publicKey: request.publicKey, ttlMs: HOST_TTL_MS, caller },
      context,
    );
    await emit(
      context,
      auditEvent('TJ001I', {
        host_id: identity.hostId,
        node_name: hostName,
        role,
        method: 'token',
        success: true,
        'addr.remote': caller.address,
      }),
    );
    return {
      certificate: issued.pem,
      hostId: identity.hostId,
      clusterName: context.clusterName,
      authorities: authoritiesToGen(context.authorities.trusted()),
    };
  } catch (error) {
    const reason = error instanceof TesseraError ? error.message : 'failed';
    await emit(
      context,
      auditEvent('TJ001W', {
        node_name: hostName,
        role: request.role.slice(0, 32),
        method: 'token',
        error: reason,
        success: false,
        'addr.remote': caller.address,
      }),
    );
    throw error;
  }
}

export async function renewHostCertificate(
  request: RenewHostCertificateRequest,
  { caller, context }: Call<Extract<Caller, { type: 'service' }>>,
) {
  const names: AlternativeNames = { dnsNames: request.dnsNames, ipAddresses: request.ipAddresses };
  const issued = await issueForHost(
    caller.certificate.identity,
    names,
    { publicKey: request.publicKey, ttlMs: HOST_TTL_MS, caller },
    context,
  );
  return { certificate: issued.pem, authorities: authoritiesToGen(context.authorities.trusted()) };
}

export async function addToken(request: AddTokenRequest, { caller, context }: Call) {
  const { roles, value, uses } = request;
  const ttlMs = request.ttlSeconds === 0 ? DEFAULT_TOKEN_TTL_MS : request.ttlSeconds * 1000;
  return makeToken({ roles, ttlMs, value, uses }, actorOf(caller), context);
}

/** Makes a join token; an empty `value` means 256 random bits, `uses` 0 means until it expires. */
export async function makeToken(
  wish: { readonly roles: readonly string[]; readonly ttlMs: number; readonly value: string; readonly uses: number },
  actor: CommonFields,
  context: AuthContext,
) {
  const { ttlMs } = wish;
  if (ttlMs > MAX_TOKEN_TTL_MS)
    throw new ConfigError([
      `ttl of a token: expected at most ${MAX_TOKEN_TTL_MS / 3_600_000}h, got ${ttlMs / 3_600_000}h`,
    ]);
  const expires = new Date(context.clock.now() + ttlMs).toISOString();
  const token = parseResourceOf('token', {
    kind: 'token',
    version: 'v2',
    metadata: { name: wish.value === '' ? randomBytes(32).toString('hex') : wish.value, expires },
    spec: { roles: wish.roles, join_method: 'token', ...(wish.uses === 0 ? {} : { uses_left: wish.uses }) },
  });
  try {
    await context.records.put(token, { expect: 'absent' });
  } catch (error) {
    if (isConflict(error)) throw new StorageError('ALREADY_EXISTS', 'a token of this value exists already');
    throw error;
  }
  await emit(context, auditEvent('TJT00I', { roles: token.spec.roles, join_method: 'token', expires, ...actor }));
  return { token: token.metadata.name, expires, caPins: [...context.authorities.hostPins()] };
}

/** Uses a token once, by compare-and-swap: of two callers with one use left, one gets it. Throws LoginError `JOIN_REFUSED`. */
async function spendToken(value: string, role: 'Proxy' | 'Db', context: AuthContext): Promise<void> {
  for (let attempt = 0; attempt < 16; attempt += 1) {
    const found = findToken(value, await context.records.list('token'));
    const token = found?.resource;
    const expired = token?.metadata.expires !== undefined && Date.parse(token.metadata.expires) <= context.clock.now();
    if (found === undefined || token === undefined || expired)
      throw joinRefused('the join token is not known, expired or used up; make a new one with "tessera tokens add"');
    if (!token.spec.roles.includes(role))
      throw joinRefused(`the join token is not for a ${role === 'Proxy' ? 'proxy' : 'database'} service`);
    try {
      await takeUse(found, context);
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  throw joinRefused('the join token is being used by too many at once; try again');
}

async function takeUse(found: Stored<ProvisionToken>, context: AuthContext): Promise<void> {
  const { resource, revision } = found;
  const left = resource.spec.uses_left;
  if (left === undefined) return;
  if (left > 1) {
    await context.records.put({ ...resource, spec: { ...resource.spec, uses_left: left - 1 } }, { expect: revision });
    return;
  }
  if (!(await context.records.remove('token', resource.metadata.name, revision)))
    throw new StorageError('STATE_CONFLICT', 'token: somebody else used it');
}

// Looks at every token in the same time, whichever it is and however near the guess.
function findToken(value: string, tokens: readonly Stored<ProvisionToken>[]): Stored<ProvisionToken> | undefined {
  const wanted = digest(value);
  let found: Stored<ProvisionToken> | undefined;
  for (const token of tokens) {
    if (timingSafeEqual(digest(token.resource.metadata.name), wanted)) found = token;
  }
  return found;
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function joinRefused(why: string): LoginError {
  return new LoginError('JOIN_REFUSED', `join refused: ${why}`);
}
