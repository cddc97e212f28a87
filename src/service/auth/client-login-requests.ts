import { createHash, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { LimitError, LoginError } from '../../errors.ts';
import { networkOf } from '../../sso/local/rate.ts';
import type { Item, Json } from '../../state/store.ts';
import type { AuthContext } from './context.ts';
import { isConflict } from './records.ts';

/** What tsh asked for by way of a browser and waits for: one record each, for ten minutes, answered once. */

export const CLIENT_LOGIN_TTL_MS = 10 * 60_000;
/** maxConfirmationsPerUser: that wait at once. Sign-ins have limits in the configuration. */
const MAX_CONFIRMATIONS_PER_USER = 10;
/** How often tsh asks, seconds; more by `SLOW_DOWN_SECONDS` each time that it asked too soon (RFC 8628 section 3.5). */
export const POLL_SECONDS = 5;
const SLOW_DOWN_SECONDS = 5;
const MAX_POLL_SECONDS = 60;
/** What a poll may come too soon, milliseconds: networks are no clocks. */
const POLL_LEEWAY_MS = 1000;

const schema = z.strictObject({
  purpose: z.enum(['sign-in', 'mfa']),
  /** DER, base64: tsh's key, which the certificate will be for; empty for a confirmation. */
  publicKey: z.string(),
  /** DER, base64: of this one request. */
  sealKey: z.string(),
  ttlSeconds: z.number(),
  /** Empty: tsh polls. */
  callbackUrl: z.string(),
  /** Empty: a person who is signed in at the web UI decides. */
  connector: z.string(),
  hostName: z.string(),
  address: z.string(),
  startedMs: z.number(),
  /** Of a confirmation: whose. */
  user: z.string().optional(),
  description: z.string(),
  codeDigest: z.string().optional(),
  pollDigest: z.string().optional(),
  pollSeconds: z.number(),
  lastPollMs: z.number().optional(),
  /** `decided`: somebody is at it. `done` has what tsh polls for. */
  state: z.enum(['pending', 'decided', 'denied', 'done']),
  /** base64 */
  sealed: z.string().optional(),
});
export type ClientLogin = Readonly<z.infer<typeof schema>>;
export type FoundLogin = { readonly id: string; readonly login: ClientLogin; readonly item: Item };
type Wanted = Omit<ClientLogin, 'startedMs' | 'codeDigest' | 'pollDigest' | 'pollSeconds' | 'state'>;

/** Keeps a request; without a callback address also a code for the person and a secret for tsh. Throws LimitError `CLIENT_LOGINS_BUSY`. */
export async function keepLogin(
  wanted: Wanted,
  context: AuthContext,
): Promise<{
  readonly id: string;
  readonly userCode: string;
  readonly pollSecret: string;
  readonly expiresMs: number;
}> {
  await admit(wanted, context);
  const id = randomBytes(16).toString('base64url');
  const nowMs = context.clock.now();
  const expiresMs = nowMs + CLIENT_LOGIN_TTL_MS;
  const polls = wanted.callbackUrl === '';
  const pollSecret = polls ? randomBytes(32).toString('base64url') : '';
  const userCode = polls ? await keepCode(id, expiresMs, context) : '';
  const login: ClientLogin = {
    ...wanted,
    startedMs: nowMs,
    pollSeconds: POLL_SECONDS,
    state: 'pending',
    ...(polls ? { codeDigest: digestOf(lettersOf(userCode)), pollDigest: digestOf(pollSecret) } : {}),
  };
  await context.store.put(keyOf(id), login as Json, { expect: 'absent', expiresMs });
  return { id, userCode, pollSecret, expiresMs };
}

/** One that still waits for its decision, by its id. Throws LoginError `CLIENT_LOGIN_GONE`. */
export async function pendingLogin(id: string, context: AuthContext): Promise<FoundLogin> {
  const found = await findLogin(id, context);
  if (found === undefined || found.login.state !== 'pending') throw loginGone();
  return found;
}

/** The same by the code that the person typed; dashes, spaces and case do not count. Throws LoginError `CLIENT_LOGIN_GONE`. */
export async function pendingLoginOfCode(code: string, context: AuthContext): Promise<FoundLogin> {
  const letters = lettersOf(code.slice(0, 64));
  const item = letters.length === CODE_LETTERS ? await context.store.read(codeKey(digestOf(letters))) : undefined;
  if (typeof item?.value !== 'string') throw loginGone();
  return pendingLogin(item.value, context);
}

/** Whether it is there, whatever its state. */
export async function findLogin(id: string, context: AuthContext): Promise<FoundLogin | undefined> {
  const item = /^[\w-]{22}$/.test(id) ? await context.store.read(keyOf(id)) : undefined;
  const login = schema.safeParse(item?.value).data;
  return item === undefined || login === undefined ? undefined : { id, login, item };
}

/** Takes the decision for the caller: of two at once one gets it. Throws LoginError `CLIENT_LOGIN_GONE` for the other. With a callback address nothing is left of it. */
export async function claimLogin({ id, login, item }: FoundLogin, context: AuthContext): Promise<FoundLogin> {
  try {
    if (login.codeDigest !== undefined) await context.store.remove(codeKey(login.codeDigest));
    if (login.callbackUrl === '') return await change({ id, login, item }, { state: 'decided' }, context);
    if (await context.store.remove(item.key, item.revision)) return { id, login, item };
  } catch (error) {
    if (!isConflict(error)) throw error;
    // A poll writes too: the decision is still to be had.
    const again = await findLogin(id, context);
    if (again?.login.state === 'pending') return claimLogin(again, context);
  }
  throw loginGone();
}

/** What tsh gets: sealed bytes, or `denied`. Where the browser goes with it; empty: tsh polls. `claimed` comes from {@link claimLogin}. */
export async function answerLogin(
  claimed: FoundLogin,
  answer: Buffer | 'denied',
  context: AuthContext,
): Promise<string> {
  const { callbackUrl } = claimed.login;
  if (callbackUrl !== '')
    return answer === 'denied'
      ? `${callbackUrl}?error=denied`
      : `${callbackUrl}?response=${answer.toString('base64url')}`;
  const outcome =
    answer === 'denied'
      ? ({ state: 'denied' } as const)
      : ({ state: 'done', sealed: answer.toString('base64') } as const);
  // A poll of tsh may have written in between: the state is ours all the same.
  for (let found: FoundLogin | undefined = claimed; found !== undefined; found = await findLogin(claimed.id, context)) {
    try {
      await change(found, outcome, context);
      return '';
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  return '';
}

/** What a poll gets: the answer, once; else when to ask again. Throws LoginError `CLIENT_LOGIN_GONE` for an unknown request as for a wrong secret. */
export async function pollLogin(
  of: { readonly id: string; readonly secret: string },
  context: AuthContext,
): Promise<
  | { readonly state: 'pending'; readonly pollSeconds: number; readonly tooSoon: boolean }
  | { readonly state: 'denied' }
  | { readonly state: 'done'; readonly sealed: Buffer }
> {
  for (let attempt = 0; attempt < MAX_SWAPS; attempt += 1) {
    const found = await findLogin(of.id, context);
    if (found?.login.pollDigest === undefined || !isSame(of.secret, found.login.pollDigest)) throw loginGone();
    const { login, item } = found;
    try {
      if (login.state === 'denied' || login.sealed !== undefined) {
        if (!(await context.store.remove(item.key, item.revision))) throw loginGone();
        return login.sealed === undefined
          ? { state: 'denied' }
          : { state: 'done', sealed: Buffer.from(login.sealed, 'base64') };
      }
      const nowMs = context.clock.now();
      const tooSoon =
        login.lastPollMs !== undefined && nowMs - login.lastPollMs < login.pollSeconds * 1000 - POLL_LEEWAY_MS;
      const pollSeconds = tooSoon
        ? Math.min(MAX_POLL_SECONDS, login.pollSeconds + SLOW_DOWN_SECONDS)
        : login.pollSeconds;
      // Whoever keeps asking too soon makes no work for the store beyond telling so.
      if (!tooSoon || pollSeconds !== login.pollSeconds)
        await change(found, { lastPollMs: nowMs, pollSeconds }, context);
      return { state: 'pending', pollSeconds, tooSoon };
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  throw new LimitError('CLIENT_LOGINS_BUSY', 'too many polls of one sign-in at once; try again in a moment');
}

/** For what is not known, over, used, or of somebody else's kind: the same words. */
export function loginGone(): LoginError {
  return new LoginError(
    'CLIENT_LOGIN_GONE',
    'no terminal waits with this code or link: it was used, denied, or is older than 10 minutes; begin again in the terminal',
  );
}

const PREFIX = '/client_login/';
const MAX_SWAPS = 8;
const CODE_LETTERS = 8;
/** Letters without vowels, so that no words come out, and none that look like others (RFC 8628 section 6.1). */
const ALPHABET = 'BCDFGHJKLMNPQRSTVWXZ';

async function admit(wanted: Wanted, context: AuthContext): Promise<void> {
  const open = (await context.store.list(PREFIX)).flatMap(({ value }) => schema.safeParse(value).data ?? []);
  const { user } = wanted;
  if (user !== undefined) {
    if (open.filter((login) => login.user === user).length >= MAX_CONFIRMATIONS_PER_USER)
      throw busy(`maxConfirmationsPerUser ${MAX_CONFIRMATIONS_PER_USER}`);
    return;
  }
  const { maxClientLogins, maxClientLoginsPerClient } = context.config.limits;
  const anonymous = open.filter((login) => login.user === undefined);
  if (anonymous.length >= maxClientLogins) throw busy(`max_client_logins ${maxClientLogins}`);
  const network = networkOf(wanted.address);
  if (anonymous.filter((login) => networkOf(login.address) === network).length >= maxClientLoginsPerClient)
    throw busy(`max_client_logins_per_client ${maxClientLoginsPerClient}`);
}

function busy(limit: string): LimitError {
  return new LimitError(
    'CLIENT_LOGINS_BUSY',
    `too many sign-ins of tsh wait for a browser (${limit}); finish one, or try again in 10 minutes`,
  );
}

async function keepCode(id: string, expiresMs: number, context: AuthContext): Promise<string> {
  for (;;) {
    const letters = Array.from({ length: CODE_LETTERS }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
    try {
      await context.store.put(codeKey(digestOf(letters)), id, { expect: 'absent', expiresMs });
      return `${letters.slice(0, CODE_LETTERS / 2)}-${letters.slice(CODE_LETTERS / 2)}`;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
}

async function change(found: FoundLogin, to: Partial<ClientLogin>, context: AuthContext): Promise<FoundLogin> {
  const { id, item } = found;
  const login = { ...found.login, ...to };
  const written = await context.store.put(item.key, login as Json, {
    expect: item.revision,
    ...(item.expiresMs === undefined ? {} : { expiresMs: item.expiresMs }),
  });
  return { id, login, item: written };
}

function isSame(secret: string, digest: string): boolean {
  return timingSafeEqual(Buffer.from(digestOf(secret), 'hex'), Buffer.from(digest, 'hex'));
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function lettersOf(code: string): string {
  return code.toUpperCase().replaceAll(/[^A-Z0-9]/g, '');
}

function keyOf(id: string): string {
  return `${PREFIX}${id}`;
}

function codeKey(digest: string): string {
  return `/client_login_code/${digest}`;
}
