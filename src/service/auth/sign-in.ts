import type { SignInRequest } from '../../../gen/tessera/auth/v1/auth_pb.ts';
import { sessionTtl } from '../../access/session.ts';
import { auditEvent } from '../../audit/event.ts';
import { LoginError } from '../../errors.ts';
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
  const { identity, ttlMs } = await signInPerson(
    user,
    { userKind: 'local', mfa, address: caller.address, ttlSeconds: request.ttlSeconds },
    context,
  );
  const issued = await issueForUser(identity, { publicKey: request.publicKey, ttlMs, caller }, context);
  return clientAnswer(identity, issued.pem, context);
}

/** What tsh keeps of a sign-in: its certificate and what it needs to trust. */
export async function clientAnswer(identity: UserIdentity, certificate: string, context: AuthContext) {
  const preference = await preferenceOf(context);
  return {
    certificate,
    clusterName: context.clusterName,
    hostAuthorities: [...context.authorities.certificates('host')],
    roles: [...identity.roles],
    messageOfTheDay: preference.spec.message_of_the_day ?? '',
  };
}

/** How a person proved who they are. `method` is for the audit log: default `local`, or the kind of the connector. */
export type SignInFacts = {
  readonly userKind: 'local' | 'sso';
  readonly method?: string;
  readonly mfa: UserIdentity['mfa'];
  /** Where the certificate or session will be used from. */
  readonly address: string;
  /** 0 or undefined: the cluster's default. */
  readonly ttlSeconds?: number;
  /** Never later than this, whatever the roles say. */
  readonly notAfterMs?: number;
  /** For the audit log: what the provider said. */
  readonly attributes?: object;
};
/** What a certificate of theirs may say, and how long it may live. */
export type SignedInPerson = { readonly identity: UserIdentity; readonly ttlMs: number };

/**
 * The end of every sign-in, however it was proved: locks, lockout, pinning, the lifetime, and the audit log's word on it. Throws LoginError `SIGN_IN_REFUSED` for a local user who is
 * locked out, `LOCKED` for a lock in force, `LOCAL_SIGN_IN_OFF`.
 */
export async function signInPerson(user: User, facts: SignInFacts, context: AuthContext): Promise<SignedInPerson> {
  const name = user.metadata.name;
  const { userKind, mfa, address } = facts;
  const method = facts.method ?? user.spec.created_by?.connector?.type ?? 'local';
  const preference = await preferenceOf(context);
  if (userKind === 'local') requireLocalSignIn(preference);
  await refuseLockedPerson(user, { ...facts, method }, context);
  const roles = await rolesOfUser(user, context);
  const wantedMs = sessionTtl(roles, preference, (facts.ttlSeconds ?? 0) * 1000);
  const ttlMs = Math.min(wantedMs, (facts.notAfterMs ?? Number.POSITIVE_INFINITY) - context.clock.now());
  if (user.spec.status?.is_locked === true) await liftLockout(name, context);
  await emit(
    context,
    auditEvent(userKind === 'local' ? 'T1000I' : 'T1001I', {
      method,
      connector: user.spec.created_by?.connector?.id,
      success: true,
      with_mfa: mfa,
      user: name,
      user_kind: userKind,
      user_roles: user.spec.roles,
      ...attributesOf(facts),
      'addr.remote': address,
    }),
  );
  context.instruments.logins.of({ result: 'success', method }).value += 1;
  const identity: UserIdentity = {
    kind: 'user',
    user: name,
    userKind,
    roles: user.spec.roles,
    traits: user.spec.traits,
    loginAddress: address,
    ...(mfa === undefined ? {} : { mfa }),
    ...(roles.some((role) => role.spec.options.pin_source_ip === true) ? { pinnedAddress: address } : {}),
  };
  return { identity, ttlMs };
}

// A record's own lock (too many failures, or an administrator's), then locks.
async function refuseLockedPerson(
  user: User,
  facts: SignInFacts & { readonly method: string },
  context: AuthContext,
): Promise<void> {
  const name = user.metadata.name;
  if (isLocked(user, context.clock.now())) {
    await signInRefused(name, { ...facts, reason: 'user is locked' }, context);
    throw facts.userKind === 'local'
      ? signInRefusal()
      : new LoginError('LOCKED', user.spec.status?.locked_message ?? 'this user is locked');
  }
  try {
    await refuseLocked({ user: name, roles: user.spec.roles }, context);
  } catch (error) {
    await signInRefused(name, { ...facts, reason: 'a lock is in force' }, context);
    throw error;
  }
}

function attributesOf({ attributes }: { readonly attributes?: object }): { readonly attributes?: object } {
  return attributes === undefined ? {} : { attributes };
}

/** The user whom name, password and code prove. Throws the one refusal for everything that is wrong, after telling the audit log which it was. */
async function proved(
  request: SignInRequest,
  preference: ClusterAuthPreference,
  address: string,
  context: AuthContext,
): Promise<{ readonly user: User; readonly mfa: 'otp' | undefined }> {
  requireLocalSignIn(preference);
  const attempt = localAttempt(request);
  const name = attempt.user;
  const kinds = preference.spec.second_factors;
  const outcome = await signInLocally(
    {
      ...attempt,
      oneTimeCode: request.oneTimeCode,
      oneTimeCodes: kinds.length === 0 || kinds.includes('otp'),
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
  // The person of a provider proves who they are there.
  if (user !== undefined && user.spec.created_by?.connector === undefined) return { user, mfa: outcome.mfa };
  const reason = user === undefined ? 'user has no record' : 'user signs in at a provider';
  await refused(name, address, reason, context);
  throw signInRefusal();
}

/** Throws LoginError `LOCAL_SIGN_IN_OFF`. The administrator's certificate on the Auth machine needs no sign-in. */
export function requireLocalSignIn({ spec }: ClusterAuthPreference): void {
  if (!spec.allow_local_auth)
    throw new LoginError(
      'LOCAL_SIGN_IN_OFF',
      'local users can not sign in here (allow_local_auth): sign in at a provider, with tsh login --auth=<connector>',
    );
}

/** Name and password as far as they are looked at. */
export function localAttempt(request: { readonly user: string; readonly password: string }): {
  readonly user: string;
  readonly password: string;
} {
  return {
    user: request.user.slice(0, MAX_NAME_LENGTH).toWellFormed(),
    // An overlong password can not be right, and must not be hashed for free.
    password: request.password.slice(0, MAX_PASSWORD_UNITS),
  };
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

/** Tells the audit log of a sign-in that was refused; `reason` is never for the caller. */
export async function signInRefused(
  user: string,
  of: {
    readonly userKind: 'local' | 'sso';
    readonly method: string;
    readonly address: string;
    readonly reason: string;
    readonly attributes?: object;
    readonly connector?: string;
  },
  context: AuthContext,
): Promise<void> {
  context.instruments.logins.of({ result: 'refused', method: of.method }).value += 1;
  await emit(
    context,
    auditEvent(of.userKind === 'local' ? 'T1000W' : 'T1001W', {
      method: of.method,
      connector: of.connector,
      ...(user === '' ? {} : { user }),
      user_kind: of.userKind,
      success: false,
      error: of.reason,
      ...attributesOf(of),
      'addr.remote': of.address,
    }),
  );
}

async function refused(user: string, address: string, reason: string, context: AuthContext): Promise<void> {
  await signInRefused(user, { userKind: 'local', method: 'local', address, reason }, context);
}

/**
 * After the failure that was one too many: shown on the record, so that an administrator sees it and can lift it there, and told to the audit log. What an administrator
 * locked for longer stays so: five wrong guesses must not make it thirty minutes.
 */
export async function lockOut(user: string, untilMs: number, address: string, context: AuthContext): Promise<void> {
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
  await emit(
    context,
    auditEvent('TUL00W', { name: user, user, user_kind: 'local', lock_expires: lockExpires, 'addr.remote': address }),
  );
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
