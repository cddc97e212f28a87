import { LoginError } from '../../errors.ts';
import type { Store } from '../../state/store.ts';
import { cleared, countAttempt, lockOf, uncounted } from './attempts.ts';
import { openCodes, spendCode } from './code-devices.ts';
import { changeCredentials, readCredentials, type Credentials, type SecretBox } from './credentials.ts';
import type { Passwords } from './password.ts';

/** A local user's name, password and one-time code in; proof that it is them, or one error for everything, out. */

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
  /** False when the cluster takes no one-time codes: then a code proves nothing. Default true. */
  readonly oneTimeCodes?: boolean;
};

export type SignedIn = { readonly type: 'SignedIn'; readonly mfa: 'otp' | undefined };
/** `reason` is for the audit log and never for the caller; `lockedUntilMs` is set when this very attempt was the one too many. */
export type SignInRefused = {
  readonly type: 'SignInRefused';
  readonly reason: 'unknown user' | 'wrong password' | 'wrong one-time code' | 'locked after too many failures';
  readonly lockedUntilMs?: number;
};

/**
 * Checks all of it, in the same time whoever asks; an attempt is counted before it is checked (attempts.ts). Who has a second factor must show a code, also where the
 * cluster does not ask for one. Throws LimitError when too many wait, StorageError when the store fails.
 */
export async function signInLocally(attempt: LocalSignIn, deps: LocalSignInDeps): Promise<SignedIn | SignInRefused> {
  const held = await holdPassword(attempt, deps);
  if ('type' in held) return held;
  const outcome = await finish(attempt, held, deps);
  if (outcome === 'wrong')
    return { type: 'SignInRefused', reason: 'wrong one-time code', ...lockOf(held.after, held.nowMs) };
  return { type: 'SignedIn', mfa: outcome === 'none' ? undefined : 'otp' };
}

/**
 * The password alone, for a sign-in whose second factor follows (second-factors.ts `checkProof`). In the same time whoever asks. A right one is not counted as a failure, and
 * forgives none: wrong codes of an earlier attempt still count.
 */
export async function checkPassword(
  attempt: { readonly user: string; readonly password: string },
  deps: LocalSignInDeps,
): Promise<{ readonly type: 'PasswordHeld' } | SignInRefused> {
  const held = await holdPassword(attempt, deps);
  if ('type' in held) return held;
  const hash = held.rehashed === undefined ? {} : { passwordHash: held.rehashed };
  let same = false;
  await changeCredentials(deps.store, attempt.user, (current) => {
    // A reset in the meantime: what was checked is no longer what counts.
    same = current.passwordHash === held.after.passwordHash;
    return same ? { ...uncounted(current, held.nowMs), ...hash } : undefined;
  });
  return same ? { type: 'PasswordHeld' } : { type: 'SignInRefused', reason: 'wrong password' };
}

/** Forgives all failures: after a sign-in that needed no second factor, or when an administrator lifts a lockout. */
export async function forgetFailures(store: Store, user: string): Promise<void> {
  await changeCredentials(store, user, (before) => cleared(before));
}

/** The only thing a person is told. */
export function signInRefusal(): LoginError {
  return new LoginError(
    'SIGN_IN_REFUSED',
    'sign-in refused: wrong user, password or one-time code (after 5 failures sign-in is locked for 30 minutes; an administrator can lift it)',
  );
}

type Held = { readonly after: Credentials; readonly nowMs: number; readonly rehashed: string | undefined };

async function holdPassword(
  attempt: { readonly user: string; readonly password: string },
  deps: LocalSignInDeps,
): Promise<Held | SignInRefused> {
  const nowMs = deps.now();
  // Nobody guesses the password of a person who has none, so nobody locks them out with it either.
  const counted = await countAttempt(deps.store, attempt.user, nowMs, ({ passwordHash }) => passwordHash !== undefined);
  const check = await deps.passwords.verify(attempt.password, counted?.before.passwordHash);
  if (counted === undefined) return { type: 'SignInRefused', reason: 'unknown user' };
  const { after, allowed } = counted;
  if (!allowed) return { type: 'SignInRefused', reason: 'locked after too many failures' };
  if (!check.matches) return { type: 'SignInRefused', reason: 'wrong password', ...lockOf(after, nowMs) };
  return { after, nowMs, rehashed: check.outdated ? await deps.passwords.hash(attempt.password) : undefined };
}

// Uses the code up and clears the failures in one swap: of two sign-ins with one code, one wins.
async function finish(
  attempt: LocalSignIn,
  { after, rehashed }: Held,
  deps: LocalSignInDeps,
): Promise<'ok' | 'none' | 'wrong'> {
  const snapshot = (await readCredentials(deps.store, attempt.user))?.credentials;
  if (snapshot === undefined) return 'wrong';
  const opened =
    attempt.oneTimeCodes === false ? new Map<string, string>() : await openCodes(attempt.user, snapshot, deps.secrets);
  const hash = rehashed === undefined ? {} : { passwordHash: rehashed };
  let outcome: 'ok' | 'none' | 'wrong' = 'wrong';
  await changeCredentials(deps.store, attempt.user, (current) => {
    outcome = 'wrong';
    // A reset in the meantime: what was checked is no longer what counts.
    if (current.passwordHash !== after.passwordHash) return undefined;
    if (current.oneTimeCodes.length + current.passkeys.length === 0) {
      if (attempt.secondFactorRequired) return undefined;
      outcome = 'none';
      return { ...cleared(current), ...hash };
    }
    const spent = spendCode(current, opened, attempt.oneTimeCode, deps.now());
    if (spent === undefined) return undefined;
    outcome = 'ok';
    return { ...cleared(spent.after), ...hash };
  });
  return outcome;
}
