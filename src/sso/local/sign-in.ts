import { LoginError } from '../../errors.ts';
import type { Store } from '../../state/store.ts';
import {
  changeCredentials,
  oneTimeSealName,
  readCredentials,
  type Credentials,
  type SecretBox,
} from './credentials.ts';
import { matchOneTimeCode } from './one-time-code.ts';
import type { Passwords } from './password.ts';

/** A local user's name, password and one-time code in; proof that it is them, or one error for everything, out. */

export const MAX_FAILURES = 5;
export const FAILURE_WINDOW_MS = 30 * 60_000;
export const LOCKOUT_MS = 30 * 60_000;

export type LocalSignInDeps = {
  readonly store: Store;
  readonly secrets: SecretBox;
  readonly passwords: Passwords;
  readonly now: () => number;
};

export type LocalSignIn = {
  readonly user: string;
  readonly password: string;
  /** Empty when none was typed. */
  readonly oneTimeCode: string;
  /** True when the cluster asks for a second factor: then a user without one is refused. */
  readonly secondFactorRequired: boolean;
};

export type SignedIn = { readonly type: 'SignedIn'; readonly mfa: 'otp' | undefined };
/** `reason` is for the audit log and never for the caller; `lockedUntilMs` is set when this very attempt was the one too many. */
export type SignInRefused = {
  readonly type: 'SignInRefused';
  readonly reason: 'unknown user' | 'wrong password' | 'wrong one-time code' | 'locked after too many failures';
  readonly lockedUntilMs?: number;
};

/**
 * Checks all of it, in the same time whoever asks. An attempt is counted before it is checked, so that many at once get no more guesses than one by one: with the
 * fifth within 30 minutes that did not succeed, sign-in is locked for 30 minutes. Throws LimitError when too many wait, StorageError when the store fails.
 */
export async function signInLocally(attempt: LocalSignIn, deps: LocalSignInDeps): Promise<SignedIn | SignInRefused> {
  const nowMs = deps.now();
  const counted = await countAttempt(attempt.user, nowMs, deps.store);
  const check = await deps.passwords.verify(attempt.password, counted?.before.passwordHash);
  if (counted === undefined) return { type: 'SignInRefused', reason: 'unknown user' };
  if (!counted.allowed) return { type: 'SignInRefused', reason: 'locked after too many failures' };
  if (!check.matches) return { type: 'SignInRefused', reason: 'wrong password', ...lockOf(counted.after, nowMs) };
  const rehashed = check.outdated ? await deps.passwords.hash(attempt.password) : undefined;
  const step = await spendCode(attempt, deps, rehashed);
  if (step === 'wrong')
    return { type: 'SignInRefused', reason: 'wrong one-time code', ...lockOf(counted.after, nowMs) };
  return { type: 'SignedIn', mfa: step === 'none' ? undefined : 'otp' };
}

/** The only thing a person is told. */
export function signInRefusal(): LoginError {
  return new LoginError(
    'SIGN_IN_REFUSED',
    'sign-in refused: wrong user, password or one-time code (after 5 failures sign-in is locked for 30 minutes; an administrator can lift it)',
  );
}

/** Lifts a lockout and forgets failures. */
export async function forgetFailures(store: Store, user: string): Promise<void> {
  await changeCredentials(store, user, (before) => cleared(before));
}

async function countAttempt(
  user: string,
  nowMs: number,
  store: Store,
): Promise<{ before: Credentials; after: Credentials; allowed: boolean } | undefined> {
  let before: Credentials | undefined;
  let allowed = false;
  const after = await changeCredentials(store, user, (current) => {
    before = current;
    allowed = (current.lockedUntilMs ?? 0) <= nowMs;
    if (!allowed) return undefined;
    const attempts = [...current.attempts.filter((at) => at > nowMs - FAILURE_WINDOW_MS), nowMs];
    const { lockedUntilMs: _over, ...rest } = current;
    return { ...rest, attempts, ...(attempts.length >= MAX_FAILURES ? { lockedUntilMs: nowMs + LOCKOUT_MS } : {}) };
  });
  return before === undefined || after === undefined ? undefined : { before, after, allowed };
}

// Uses the code up and clears the failures in one swap: of two sign-ins with one code, one wins.
async function spendCode(
  attempt: LocalSignIn,
  deps: LocalSignInDeps,
  rehashed: string | undefined,
): Promise<'ok' | 'none' | 'wrong'> {
  const sealed = (await readCredentials(deps.store, attempt.user))?.credentials.oneTimeSecret;
  const secret =
    sealed === undefined ? undefined : (await deps.secrets.open(oneTimeSealName(attempt.user), sealed)).toString();
  const hash = rehashed === undefined ? {} : { passwordHash: rehashed };
  let outcome: 'ok' | 'none' | 'wrong' = 'wrong';
  await changeCredentials(deps.store, attempt.user, (current) => {
    outcome = 'wrong';
    // A reset in the meantime: what was checked is no longer what counts.
    if (current.oneTimeSecret !== sealed) return undefined;
    if (secret === undefined) {
      if (attempt.secondFactorRequired) return undefined;
      outcome = 'none';
      return { ...cleared(current), ...hash };
    }
    const step = matchOneTimeCode(secret, attempt.oneTimeCode, { nowMs: deps.now(), lastStep: current.lastStep });
    if (step === undefined) return undefined;
    outcome = 'ok';
    return { ...cleared(current), ...hash, lastStep: step };
  });
  return outcome;
}

function cleared(current: Credentials): Credentials {
  const { lockedUntilMs: _over, ...rest } = current;
  return { ...rest, attempts: [] };
}

function lockOf(after: Credentials, nowMs: number): { lockedUntilMs?: number } {
  return after.lockedUntilMs !== undefined && after.lockedUntilMs > nowMs ? { lockedUntilMs: after.lockedUntilMs } : {};
}
