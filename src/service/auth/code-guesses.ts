import * as z from 'zod';
import { LimitError } from '../../errors.ts';
import type { Json } from '../../state/store.ts';
import type { AuthContext } from './context.ts';
import { isConflict } from './records.ts';

/** How often one person may type a code of tsh that is not there: eight letters of twenty are few enough to try, were there no end to it (RFC 8628 section 5.1). */

/** maxCodeGuesses: wrong codes of one person within 10 minutes. */
export const MAX_CODE_GUESSES = 10;
const WINDOW_MS = 10 * 60_000;
const MAX_SWAPS = 16;

const schema = z.array(z.number());

/** Runs `look`; counted before it looks, so that many at once get no more guesses than one by one, and not counted when it finds something. Throws LimitError `CODE_GUESSES`. */
export async function guessed<T>(user: string, look: () => Promise<T>, context: AuthContext): Promise<T> {
  const nowMs = context.clock.now();
  await change(user, nowMs, context, (guesses) => {
    if (guesses.length >= MAX_CODE_GUESSES)
      throw new LimitError(
        'CODE_GUESSES',
        `too many wrong codes (maxCodeGuesses ${MAX_CODE_GUESSES}); wait 10 minutes, then begin again in the terminal`,
      );
    return [...guesses, nowMs];
  });
  const found = await look();
  await change(user, nowMs, context, (guesses) => {
    const own = guesses.indexOf(nowMs);
    return guesses.filter((_, index) => index !== own);
  });
  return found;
}

async function change(
  user: string,
  nowMs: number,
  context: AuthContext,
  next: (guesses: readonly number[]) => readonly number[],
): Promise<void> {
  const key = `/client_login_guess/${encodeURIComponent(user.toWellFormed())}`;
  for (let attempt = 0; attempt < MAX_SWAPS; attempt += 1) {
    const item = await context.store.read(key);
    const guesses = (schema.safeParse(item?.value).data ?? []).filter((at) => at > nowMs - WINDOW_MS);
    const after = next(guesses);
    try {
      await context.store.put(key, after as Json, { expect: item?.revision ?? 'absent', expiresMs: nowMs + WINDOW_MS });
      return;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  throw new LimitError('CODE_GUESSES', 'too many codes of one person at once; try again in a moment');
}
