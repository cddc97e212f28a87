import type { Store } from '../../state/store.ts';
import { changeCredentials, type Credentials } from './credentials.ts';

/** Failures of everything that can be guessed (password, one-time code, passkey), counted together for each person. */

export const MAX_FAILURES = 5;
export const FAILURE_WINDOW_MS = 30 * 60_000;
export const LOCKOUT_MS = 30 * 60_000;

/** `allowed` is false while sign-in is locked; then nothing was counted. */
export type Counted = { readonly before: Credentials; readonly after: Credentials; readonly allowed: boolean };

/**
 * Counts an attempt before it is checked, so that many at once get no more guesses than one by one: with the fifth within 30 minutes that did not succeed, sign-in is
 * locked for 30 minutes. Undefined: there is nobody whom `guessable` says to have what is guessed.
 */
export async function countAttempt(
  store: Store,
  user: string,
  nowMs: number,
  guessable: (credentials: Credentials) => boolean,
): Promise<Counted | undefined> {
  let before: Credentials | undefined;
  let allowed = false;
  const after = await changeCredentials(store, user, (current) => {
    before = guessable(current) ? current : undefined;
    allowed = (current.lockedUntilMs ?? 0) <= nowMs;
    if (before === undefined || !allowed) return undefined;
    const attempts = [...current.attempts.filter((at) => at > nowMs - FAILURE_WINDOW_MS), nowMs];
    const { lockedUntilMs: _over, ...rest } = current;
    return { ...rest, attempts, ...(attempts.length >= MAX_FAILURES ? { lockedUntilMs: nowMs + LOCKOUT_MS } : {}) };
  });
  return before === undefined || after === undefined ? undefined : { before, after, allowed };
}

/** After a full success: nothing counts any more. */
export function cleared(current: Credentials): Credentials {
  const { lockedUntilMs: _over, ...rest } = current;
  return { ...rest, attempts: [] };
}

/** After a success in part (the password was right, the second factor is still to come): this one attempt did not fail, the others count on. */
export function uncounted(current: Credentials, atMs: number): Credentials {
  const index = current.attempts.indexOf(atMs);
  const attempts = current.attempts.filter((_, each) => each !== index);
  const { lockedUntilMs, ...rest } = current;
  const locked = lockedUntilMs !== undefined && attempts.length >= MAX_FAILURES;
  return { ...rest, attempts, ...(locked ? { lockedUntilMs } : {}) };
}

/** The lockout that this very attempt caused, for who tells it. */
export function lockOf(after: Credentials, nowMs: number): { readonly lockedUntilMs?: number } {
  return after.lockedUntilMs !== undefined && after.lockedUntilMs > nowMs ? { lockedUntilMs: after.lockedUntilMs } : {};
}
