import type { SignInRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { sessionTtl } from '../../access/session.ts';
import { auditEvent } from '../../audit/event.ts';
import { parsePublicKey } from '../../pki/keys.ts';
import type { UserIdentity } from '../../resource/identity.ts';
import type { ClusterAuthPreference, Role, User } from '../../resource/resource.ts';
import { signInLocally, signInRefusal } from '../../sso/local/sign-in.ts';
import { refuseLocked } from './caller.ts';
import { issueForUser } from './certificates.ts';
import { emit, preferenceOf, type AuthContext } from './context.ts';
import type { Call } from './gate.ts';

/** A local user's sign-in: name, password and one-time code for an identity certificate. */
export async function signIn(request: SignInRequest, { caller, context }: Call) {
  await limited(caller.address, context);
  parsePublicKey(request.publicKey);
  const preference = await preferenceOf(context);
  const { user, mfa } = await proved(request, preference, caller.address, context);
  const roles = await rolesOfUser(user, context);
  const name = user.metadata.name;
  try {
    await refuseLocked({ user: name, roles: user.spec.roles }, context);
  } catch (error) {
    await refused(name, caller.address, 'a lock is in force', context);
    throw error;
  }
  if (user.spec.status?.is_locked === true) await liftLockout(name, context);
  const who = { user: name, user_kind: 'local', user_roles: user.spec.roles, 'addr.remote': caller.address } as const;
  await emit(context, auditEvent('T1000I', { method: 'local', success: true, with_mfa: mfa, ...who }));
  context.instruments.logins.of({ result: 'success', method: 'local' }).value += 1;
  const identity: UserIdentity = {
    kind: 'user',
    user: name,
    userKind: 'local',
    roles: user.spec.roles,
    traits: user.spec.traits,
    loginAddress: caller.address,
    ...(mfa === undefined ? {} : { mfa }),
    ...(roles.some((role) => role.spec.options.pin_source_ip === true) ? { pinnedAddress: caller.address } : {}),
  };
  const ttlMs = sessionTtl(roles, preference, request.ttlSeconds * 1000);
  const issued = await issueForUser(identity, { publicKey: request.publicKey, ttlMs, caller }, context);
  return {
    certificate: issued.pem,
    clusterName: context.clusterName,
    hostAuthorities: [...context.authorities.certificates('host')],
    roles: [...user.spec.roles],
    messageOfTheDay: preference.spec.message_of_the_day ?? '',
  };
}

/** The user whom name, password and code prove. Throws the one refusal for everything that is wrong, after telling the audit log which it was. */
async function proved(
  request: SignInRequest,
  preference: ClusterAuthPreference,
  address: string,
  context: AuthContext,
): Promise<{ readonly user: User; readonly mfa: 'otp' | undefined }> {
  const name = request.user.slice(0, MAX_NAME_LENGTH).toWellFormed();
  const outcome = await signInLocally(
    {
      user: name,
      // An overlong password can not be right, and must not be hashed for free.
      password: request.password.slice(0, MAX_PASSWORD_UNITS),
      oneTimeCode: request.oneTimeCode,
      secondFactorRequired: preference.spec.second_factors.length > 0,
    },
    { store: context.store, secrets: context.sealer, passwords: context.passwords, now: () => context.clock.now() },
  );
  if (outcome.type === 'SignInRefused') {
    await refused(name, address, outcome.reason, context);
    if (outcome.lockedUntilMs !== undefined) await lockOut(name, outcome.lockedUntilMs, address, context);
    throw signInRefusal();
  }
  const user = (await context.records.read('user', name))?.resource;
  if (user !== undefined && !isLocked(user, context.clock.now())) return { user, mfa: outcome.mfa };
  await refused(name, address, user === undefined ? 'user has no record' : 'user is locked', context);
  throw signInRefusal();
}

/** Counts one anonymous call of an address. Throws LimitError `ANONYMOUS_RATE`. */
export async function limited(address: string, context: AuthContext): Promise<void> {
  try {
    await context.anonymousRate.take(address);
  } catch (error) {
    context.instruments.rateLimited.of({ listener: 'auth' }).value += 1;
    throw error;
  }
}

/** The roles of a stored user that exist. */
export async function rolesOfUser(user: User, context: Pick<AuthContext, 'records'>): Promise<readonly Role[]> {
  const found = await Promise.all(user.spec.roles.map((name) => context.records.read('role', name)));
  return found.flatMap((stored) => (stored === undefined ? [] : [stored.resource]));
}

/** True while the user's record says so and its time is not over. */
export function isLocked(user: User, nowMs: number): boolean {
  const status = user.spec.status;
  return status?.is_locked === true && (status.lock_expires === undefined || Date.parse(status.lock_expires) > nowMs);
}

async function refused(user: string, address: string, reason: string, context: AuthContext): Promise<void> {
  context.instruments.logins.of({ result: 'refused', method: 'local' }).value += 1;
  await emit(
    context,
    auditEvent('T1000W', {
      method: 'local',
      user,
      user_kind: 'local',
      success: false,
      error: reason,
      'addr.remote': address,
    }),
  );
}

// Shown on the record, so that an administrator sees it and can lift it there. What an administrator locked for longer stays so: five wrong guesses must not make it thirty minutes.
async function lockOut(user: string, untilMs: number, address: string, context: AuthContext): Promise<void> {
  const lockExpires = new Date(untilMs).toISOString();
  await context.records.change('user', user, (before) =>
    isLocked(before, untilMs)
      ? undefined
      : withStatus(before, {
          is_locked: true,
          lock_expires: lockExpires,
          locked_message: 'too many failed sign-ins',
        }),
  );
  await emit(context, auditEvent('TUL00W', { name: user, lock_expires: lockExpires, 'addr.remote': address }));
}

// Only one that is over: an administrator may have locked the record since it was read.
async function liftLockout(user: string, context: AuthContext): Promise<void> {
  await context.records.change('user', user, (before) =>
    isLocked(before, context.clock.now()) ? undefined : withStatus(before, { is_locked: false }),
  );
}

function withStatus(user: User, status: NonNullable<User['spec']['status']>): User {
  return { ...user, spec: { ...user.spec, status } };
}

const MAX_NAME_LENGTH = 64;
/** 128 characters of two UTF-16 units, and one more so that a longer one stays wrong. */
const MAX_PASSWORD_UNITS = 257;
