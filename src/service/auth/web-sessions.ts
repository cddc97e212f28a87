import { createHash, randomBytes } from 'node:crypto';
import * as z from 'zod';
import { auditEvent } from '../../audit/event.ts';
import { LoginError } from '../../errors.ts';
import { generateKeyPair } from '../../pki/keys.ts';
import { verifyUserCertificate } from '../../pki/verify.ts';
import type { UserIdentity } from '../../resource/identity.ts';
import type { Item, Json } from '../../state/store.ts';
import { identifyPerson, type Person } from './caller.ts';
import { issueForUser } from './certificates.ts';
import { emit, preferenceOf, type AuthContext } from './context.ts';
import type { Call } from './gate.ts';
import { isConflict } from './records.ts';
import { dropWebAttemptsOf } from './web-attempts.ts';

/**
 * A browser's session: an ordinary identity certificate whose key nobody has, kept in the store under the hash of the cookie's token. So its end, locks, a removed user and a
 * pinned address count as they do for tsh (decision 0013).
 */

/** Where a session is used from. */
export type WebPlace = { readonly address: string; readonly userAgent: string };

const schema = z.strictObject({
  user: z.string(),
  userKind: z.enum(['local', 'sso']),
  /** DER, base64. */
  certificate: z.string(),
  address: z.string(),
  userAgent: z.string(),
  createdMs: z.number(),
  lastSeenMs: z.number(),
});
type Session = Readonly<z.infer<typeof schema>>;

/** A session's last use is written at most this often, milliseconds. */
const TOUCH_INTERVAL_MS = 60_000;

/** Makes a session of `ttlMs`. The oldest of the person's go when there are too many. */
export async function createWebSession(
  identity: UserIdentity,
  ttlMs: number,
  where: WebPlace,
  context: AuthContext,
): Promise<{ readonly token: string; readonly seconds: number }> {
  const caller = { type: 'anonymous', address: where.address } as const;
  const publicKey = generateKeyPair().publicKeyDer;
  const issued = await issueForUser(identity, { publicKey, ttlMs, caller }, context);
  await makeRoom(identity.user, context);
  const token = randomBytes(32).toString('base64url');
  const id = webSessionId(token);
  const nowMs = context.clock.now();
  const session: Session = {
    user: identity.user,
    userKind: identity.userKind,
    certificate: issued.der.toString('base64'),
    address: where.address,
    userAgent: where.userAgent,
    createdMs: nowMs,
    lastSeenMs: nowMs,
  };
  const kept = { expect: 'absent', expiresMs: issued.notAfterMs } as const;
  await context.store.put(listKey(identity.user, id), { createdMs: nowMs }, kept);
  await context.store.put(keyOf(id), session as Json, kept);
  // Whoever ends all sessions of the person finds them by the list: one that was written meanwhile must not stay.
  if ((await context.store.read(listKey(identity.user, id))) === undefined) {
    await context.store.remove(keyOf(id));
    throw notSignedIn();
  }
  return { token, seconds: Math.floor((issued.notAfterMs - nowMs) / 1000) };
}

/**
 * Whose the token's session is. Throws LoginError `NOT_SIGNED_IN` when there is none (any more), or what `identifyPerson` throws. A session that was not used for
 * `web_idle_timeout`, whose person is gone or locked, is over for good. `quiet`: the call is no sign of life.
 */
export async function openWebSession(
  token: string,
  where: { readonly address: string; readonly quiet?: boolean },
  context: AuthContext,
): Promise<Person> {
  const id = webSessionId(token);
  const item = await context.store.read(keyOf(id));
  const session = sessionIn(item);
  if (item === undefined || session === undefined) throw notSignedIn();
  const nowMs = context.clock.now();
  const idleMs = (await preferenceOf(context)).spec.web_idle_timeout;
  if (session.lastSeenMs + idleMs <= nowMs) {
    await end(id, session, 'idle', context);
    throw notSignedIn();
  }
  const person = await personOf(id, session, where.address, context);
  const touchMs = Math.min(TOUCH_INTERVAL_MS, idleMs / 4);
  if (where.quiet !== true && nowMs - session.lastSeenMs >= touchMs) await touch(item, session, context);
  return { ...person, webSession: { startedMs: session.createdMs } };
}

/** Ends the session of a token; `reason` is for the audit log. Whose it was; undefined: there was none. */
export async function endWebSession(
  token: string,
  context: AuthContext,
  reason = 'signed out',
): Promise<string | undefined> {
  return endWebSessionOfId(webSessionId(token), context, reason);
}

/** The same by what `webSessionId` gave. */
export async function endWebSessionOfId(id: string, context: AuthContext, reason: string): Promise<string | undefined> {
  const session = sessionIn(await context.store.read(keyOf(id)));
  if (session === undefined) return undefined;
  await end(id, session, reason, context);
  return session.user;
}

/** What a token's session is kept under: its hash. Looking it up tells nothing about how near a guess was, and the store holds no token. */
export function webSessionId(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** Ends every session of a person, and sign-ins that are half done: a reset, a new password, a removed user. */
export async function endWebSessionsOf(user: string, context: AuthContext, reason = 'reset or removed'): Promise<void> {
  await dropWebAttemptsOf(user, context);
  for (const { key } of await context.store.list(listPrefix(user))) {
    const id = key.slice(key.lastIndexOf('/') + 1);
    // First off the list: a session that is being written looks there last.
    await context.store.remove(key);
    const session = sessionIn(await context.store.read(keyOf(id)));
    if (session === undefined) await context.store.remove(keyOf(id));
    else await end(id, session, reason, context);
  }
}

/** Gives the browser a session and ends the one that it came with: nobody goes on with a session that was planted before. */
export async function setSession(
  call: Pick<Call, 'responseHeader' | 'web' | 'context'>,
  session: { readonly token: string; readonly seconds: number },
): Promise<void> {
  const old = call.web?.sessionToken;
  if (old !== undefined) await endWebSession(old, call.context, ANOTHER_SIGN_IN);
  call.responseHeader.set(SET_SESSION, `${session.token};${session.seconds}`);
}

/** Why a session ends when its browser gets another; for the audit log. */
export const ANOTHER_SIGN_IN = 'another sign-in in the same browser';

/** Takes the cookie away. */
export function clearSession(call: Pick<Call, 'responseHeader'>): void {
  call.responseHeader.set(SET_SESSION, '');
}

/** For a token that is of no session: the same words for every reason. */
export function notSignedIn(): LoginError {
  return new LoginError('NOT_SIGNED_IN', 'not signed in, or the session is over: sign in again');
}

/** Answer header that the proxy turns into the cookie: `<token>;<seconds>`, or nothing to clear it. */
export const SET_SESSION = 'tessera-set-session';

async function personOf(id: string, session: Session, address: string, context: AuthContext): Promise<Person> {
  try {
    const certificate = verifyUserCertificate(Buffer.from(session.certificate, 'base64'), {
      authorities: context.authorities.users,
      nowMs: context.clock.now(),
    });
    return await identifyPerson(certificate, address, context);
  } catch (error) {
    if (!(error instanceof LoginError) || error.code === 'WRONG_ADDRESS') throw error;
    await end(id, session, error.code === 'LOCKED' ? 'locked' : 'not valid any more', context);
    // Why a person is locked out is for them to know; that the rest is over is all there is to say.
    throw error.code === 'LOCKED' ? error : notSignedIn();
  }
}

async function touch(item: Item, session: Session, context: AuthContext): Promise<void> {
  try {
    await context.store.put(item.key, { ...session, lastSeenMs: context.clock.now() } as Json, {
      expect: item.revision,
      ...(item.expiresMs === undefined ? {} : { expiresMs: item.expiresMs }),
    });
  } catch (error) {
    // Another call wrote it, or it was ended: then it stays ended.
    if (!isConflict(error)) throw error;
  }
}

async function makeRoom(user: string, context: AuthContext): Promise<void> {
  const items = await context.store.list(listPrefix(user));
  const tooMany = Math.max(0, items.length + 1 - context.config.limits.maxWebSessionsPerUser);
  const byAge = items.toSorted((one, other) => one.revision - other.revision);
  for (const { key } of byAge.slice(0, tooMany)) {
    const id = key.slice(key.lastIndexOf('/') + 1);
    const session = sessionIn(await context.store.read(keyOf(id)));
    if (session === undefined) await context.store.remove(key);
    else await end(id, session, 'too many sessions', context);
  }
}

async function end(id: string, session: Session, reason: string, context: AuthContext): Promise<void> {
  const removed = await context.store.remove(keyOf(id));
  await context.store.remove(listKey(session.user, id));
  // Of several who end it at once, one tells.
  if (!removed) return;
  await emit(
    context,
    auditEvent('T1017I', {
      reason,
      user: session.user,
      user_kind: session.userKind,
      'addr.remote': session.address,
    }),
  );
}

function keyOf(id: string): string {
  return `/web_session/${id}`;
}

function listPrefix(user: string): string {
  return `/web_session_of/${encodeURIComponent(user.toWellFormed())}/`;
}

function listKey(user: string, id: string): string {
  return `${listPrefix(user)}${id}`;
}

function sessionIn(item: Item | undefined): Session | undefined {
  return schema.safeParse(item?.value).data;
}
