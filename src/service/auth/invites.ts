import type {
  AcceptInviteRequest,
  AddUserRequest,
  ResetUserRequest,
  StartInviteRequest,
} from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { auditEvent } from '../../audit/event.ts';
import { ConfigError, LoginError, StorageError } from '../../errors.ts';
import { parseResourceOf } from '../../resource/parse.ts';
import type { User } from '../../resource/resource.ts';
import { removeCredentials } from '../../sso/local/credentials.ts';
import {
  acceptInvite as accept,
  createInvite,
  startInvite as start,
  type InviteDeps,
  type InviteKind,
} from '../../sso/local/invite.ts';
import type { Device } from '../../sso/local/devices.ts';
import { actorOf } from './caller.ts';
import { emit, preferenceOf, type AuthContext } from './context.ts';
import { factorDeps } from './factor-deps.ts';
import type { Call } from './gate.ts';
import { toldDevice } from './mfa-proof.ts';
import { isConflict } from './records.ts';
import { forgetUser, requireRoles } from './resources.ts';
import { limited, signInPerson } from './sign-in.ts';
import type { WebCall } from './web-call.ts';
import { createWebSession, endWebSessionsOf, setSession } from './web-sessions.ts';

/** New users and resets: an administrator makes a link, the person sets password and second factors with it. */

export async function startInvite(request: StartInviteRequest, { caller, context }: Call) {
  await limited(caller.address, context);
  const begun = await start(request.token, await depsOf(context));
  await requireUser(begun.user, context);
  const preference = await preferenceOf(context);
  return {
    user: begun.user,
    kind: begun.kind,
    oneTimeCodeUri: begun.oneTimeCodeUri,
    expires: new Date(begun.expiresMs).toISOString(),
    secondFactors: [...preference.spec.second_factors],
    webauthnOptionsJson: begun.webauthnOptionsJson,
  };
}

/** From a browser the person is signed in with it: whoever holds the link and sets the password could do that next anyway. */
export async function acceptInvite(request: AcceptInviteRequest, call: Call) {
  const { caller, context } = call;
  await limited(caller.address, context);
  const deps = await depsOf(context);
  const { user } = await start(request.token, deps);
  await requireUser(user, context);
  const { token, password, oneTimeCode, webauthnResponseJson, webauthnDeviceName } = request;
  const { devices } = await accept({ token, password, oneTimeCode, webauthnResponseJson, webauthnDeviceName }, deps);
  await endWebSessionsOf(user, context, 'password changed');
  const who = { user, user_kind: 'local', 'addr.remote': caller.address } as const;
  await emit(context, auditEvent('T1005I', { name: user, ...who }));
  for (const device of devices) await emit(context, auditEvent('T1006I', { ...toldDevice(device), ...who }));
  if (call.web !== undefined) await signInTo(call, call.web, user, devices);
  return { user };
}

export async function addUser(request: AddUserRequest, { caller, context }: Call) {
  const wished = parseResourceOf('user', request.json);
  await requireRoles(wished, context);
  const actor = actorOf(caller);
  const user: User = {
    ...wished,
    spec: {
      ...wished.spec,
      created_by: { user: actor.user ?? 'admin', time: new Date(context.clock.now()).toISOString() },
    },
  };
  const name = user.metadata.name;
  // Left over from a user of the same name who was removed; before the record, so that no moment has both.
  if ((await context.records.read('user', name)) === undefined) await forgetUser(name, context);
  try {
    await context.records.put(user, { expect: 'absent' });
  } catch (error) {
    if (isConflict(error))
      throw new StorageError(
        'ALREADY_EXISTS',
        `user ${name} exists already; "tessera users reset ${name}" makes a new link`,
      );
    throw error;
  }
  await emit(
    context,
    auditEvent('T1002I', {
      name,
      roles: user.spec.roles,
      connector: 'local',
      expires: user.metadata.expires,
      ...actor,
    }),
  );
  const invite = await makeLink(name, 'invite', request.ttlSeconds, { caller, context });
  return { inviteToken: invite.token, expires: invite.expires, link: invite.link };
}

export async function resetUser(request: ResetUserRequest, { caller, context }: Pick<Call, 'caller' | 'context'>) {
  await requireUser(request.user, context);
  await refuseProviders(request.user, context);
  const reset = await makeLink(request.user, 'reset', request.ttlSeconds, { caller, context });
  // Whoever has the old password, an old device or a browser that is signed in must not be able to go on with it.
  await removeCredentials(context.store, request.user);
  await endWebSessionsOf(request.user, context);
  await context.records.change('user', request.user, (before) => {
    const { status: _over, ...spec } = before.spec;
    return { ...before, spec };
  });
  return { resetToken: reset.token, expires: reset.expires, link: reset.link };
}

async function signInTo(call: Call, web: WebCall, name: string, devices: readonly Device[]): Promise<void> {
  const { caller, context } = call;
  const user = (await context.records.read('user', name))?.resource;
  if (user === undefined) throw userDoesNotExist(name);
  const mfa = devices.some(({ kind }) => kind === 'webauthn') ? 'webauthn' : devices[0]?.kind;
  const facts = { userKind: 'local', mfa, address: caller.address } as const;
  const { identity, ttlMs } = await signInPerson(user, facts, context);
  const where = { address: caller.address, userAgent: web.userAgent };
  await setSession(call, await createWebSession(identity, ttlMs, where, context));
}

async function makeLink(
  user: string,
  kind: InviteKind,
  ttlSeconds: number,
  { caller, context }: Pick<Call, 'caller' | 'context'>,
) {
  const ttlMs = ttlSeconds === 0 ? undefined : ttlSeconds * 1000;
  const { token, expiresMs } = await createInvite(
    { user, kind, ttlMs },
    { store: context.store, now: () => context.clock.now() },
  );
  const expires = new Date(expiresMs).toISOString();
  await emit(
    context,
    auditEvent('T6000I', {
      name: user,
      expires,
      ttl: `${Math.round((expiresMs - context.clock.now()) / 1000)}s`,
      ...actorOf(caller),
    }),
  );
  const [proxy] = await context.records.list('proxy_server');
  const link = proxy === undefined ? '' : `https://${proxy.resource.spec.public_addr}/web/invite/${token}`;
  return { token, expires, link };
}

async function requireUser(name: string, context: AuthContext): Promise<void> {
  if ((await context.records.read('user', name)) === undefined) throw userDoesNotExist(name);
}

// A password of their own would let them in after the provider did not.
async function refuseProviders(name: string, context: AuthContext): Promise<void> {
  const connector = (await context.records.read('user', name))?.resource.spec.created_by?.connector;
  if (connector !== undefined)
    throw new ConfigError([
      `user ${name} signs in at ${connector.type}/${connector.id}, which resets passwords; "tessera rm user/${name}" forgets their second factors, and the next sign-in makes the user anew`,
    ]);
}

function userDoesNotExist(name: string): LoginError {
  return new LoginError('USER_GONE', `user ${name} does not exist`);
}

async function depsOf(context: AuthContext): Promise<InviteDeps> {
  return { ...(await factorDeps(context)), passwords: context.passwords, clusterName: context.clusterName };
}
