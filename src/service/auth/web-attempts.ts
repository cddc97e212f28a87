import { createHash, randomBytes } from 'node:crypto';
import * as z from 'zod';
import type { Json } from '../../state/store.ts';
import type { AuthContext } from './context.ts';
import { isConflict } from './records.ts';

/** Sign-ins in the browser whose password was right and whose second factor is still to come. */

const schema = z.strictObject({
  user: z.string(),
  /** Of the person's passkeys; empty: they have none. */
  challenge: z.string(),
  startedMs: z.number(),
});
export type WebAttempt = Readonly<z.infer<typeof schema>> & { readonly key: string; readonly revision: number };

export const WEB_ATTEMPT_TTL_MS = 5 * 60_000;

/** Keeps one for 5 minutes; what the browser finishes it with. */
export async function keepWebAttempt(user: string, challenge: string, context: AuthContext): Promise<string> {
  const secret = randomBytes(32).toString('base64url');
  const nowMs = context.clock.now();
  const value = { user, challenge, startedMs: nowMs };
  await context.store.put(keyOf(user, secret), value as Json, {
    expect: 'absent',
    expiresMs: nowMs + WEB_ATTEMPT_TTL_MS,
  });
  return `${Buffer.from(user).toString('base64url')}.${secret}`;
}

/** Undefined: not known, used, or too old. */
export async function findWebAttempt(text: string, context: AuthContext): Promise<WebAttempt | undefined> {
  const match = /^([\w-]{1,400})\.([\w-]{43})$/.exec(text);
  if (match === null) return undefined;
  const [, name = '', secret = ''] = match;
  const item = await context.store.read(keyOf(Buffer.from(name, 'base64url').toString(), secret));
  const attempt = schema.safeParse(item?.value).data;
  return item === undefined || attempt === undefined
    ? undefined
    : { ...attempt, key: item.key, revision: item.revision };
}

/** Uses it up: of two at once, one gets true. */
export async function claimWebAttempt(attempt: WebAttempt, context: AuthContext): Promise<boolean> {
  try {
    return await context.store.remove(attempt.key, attempt.revision);
  } catch (error) {
    if (isConflict(error)) return false;
    throw error;
  }
}

/** Everything that is half done of a person. */
export async function dropWebAttemptsOf(user: string, context: AuthContext): Promise<void> {
  for (const { key } of await context.store.list(prefixOf(user))) await context.store.remove(key);
}

function prefixOf(user: string): string {
  return `/web_attempt/${encodeURIComponent(user.toWellFormed())}/`;
}

function keyOf(user: string, secret: string): string {
  return `${prefixOf(user)}${createHash('sha256').update(secret).digest('hex')}`;
}
