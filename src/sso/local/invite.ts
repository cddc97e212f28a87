import { createHash, randomBytes } from 'node:crypto';
import * as z from 'zod';
import { ConfigError, LoginError, StorageError } from '../../errors.ts';
import type { Item, Json, Store } from '../../state/store.ts';
import { oneTimeSealName, writeCredentials, type SecretBox } from './credentials.ts';
import { matchOneTimeCode, newOneTimeSecret, oneTimeCodeUri } from './one-time-code.ts';
import { checkPasswordRules, type Passwords } from './password.ts';

/** Invitations and resets: a random token, stored only as its hash, by which a person sets password and one-time code, once. */

export type InviteKind = 'invite' | 'reset';

export const INVITE_TTL: { readonly [K in InviteKind]: { readonly defaultMs: number; readonly maxMs: number } } = {
  invite: { defaultMs: 3_600_000, maxMs: 48 * 3_600_000 },
  reset: { defaultMs: 8 * 3_600_000, maxMs: 24 * 3_600_000 },
};

const schema = z.strictObject({
  user: z.string(),
  kind: z.enum(['invite', 'reset']),
  /** Sealed; made at the first look, so that reloading shows the same code. */
  oneTimeSecret: z.string().optional(),
});
type Invite = Readonly<z.infer<typeof schema>>;

export type InviteDeps = {
  readonly store: Store;
  readonly secrets: SecretBox;
  readonly passwords: Passwords;
  readonly now: () => number;
  readonly clusterName: string;
};

/** Makes a token of 256 random bits; earlier ones of the user die. `ttlMs` undefined: the kind's default. Throws ConfigError beyond the kind's maximum. */
export async function createInvite(
  of: { readonly user: string; readonly kind: InviteKind; readonly ttlMs: number | undefined },
  deps: Pick<InviteDeps, 'store' | 'now'>,
): Promise<{ readonly token: string; readonly expiresMs: number }> {
  const { defaultMs, maxMs } = INVITE_TTL[of.kind];
  const ttlMs = of.ttlMs ?? defaultMs;
  if (ttlMs > maxMs)
    throw new ConfigError([
      `ttl of a${of.kind === 'invite' ? 'n invitation' : ' reset'}: expected at most ${maxMs / 3_600_000}h, got ${ttlMs / 3_600_000}h`,
    ]);
  await removeInvites(deps.store, of.user);
  const token = randomBytes(32).toString('base64url');
  const expiresMs = deps.now() + ttlMs;
  await deps.store.put(keyOf(token), { user: of.user, kind: of.kind }, { expect: 'absent', expiresMs });
  return { token, expiresMs };
}

/** What the person sees first: for whom it is and the one-time code to set up. Throws LoginError `INVITE_INVALID`. */
export async function startInvite(
  token: string,
  deps: InviteDeps,
): Promise<{
  readonly user: string;
  readonly kind: InviteKind;
  readonly oneTimeCodeUri: string;
  readonly expiresMs: number;
}> {
  for (;;) {
    const { item, invite } = await findInvite(token, deps.store);
    const sealed =
      invite.oneTimeSecret ?? (await deps.secrets.seal(oneTimeSealName(invite.user), Buffer.from(newOneTimeSecret())));
    if (invite.oneTimeSecret === undefined && !(await swap(deps.store, item, { ...invite, oneTimeSecret: sealed })))
      continue;
    const secret = (await deps.secrets.open(oneTimeSealName(invite.user), sealed)).toString();
    return {
      user: invite.user,
      kind: invite.kind,
      oneTimeCodeUri: oneTimeCodeUri(secret, { clusterName: deps.clusterName, user: invite.user }),
      expiresMs: item.expiresMs ?? deps.now(),
    };
  }
}

/**
 * Sets password and one-time code and uses the token up: of two at once, one wins. Throws LoginError `INVITE_INVALID` or `ONE_TIME_CODE_WRONG`, ConfigError for a
 * password against the rules; the token stays good then.
 */
export async function acceptInvite(
  answer: { readonly token: string; readonly password: string; readonly oneTimeCode: string },
  deps: InviteDeps,
): Promise<{ readonly user: string; readonly kind: InviteKind }> {
  const { item, invite } = await findInvite(answer.token, deps.store);
  checkPasswordRules(answer.password);
  if (invite.oneTimeSecret === undefined)
    throw new LoginError('INVITE_NOT_STARTED', 'invitation: ask for its one-time code first');
  const secret = (await deps.secrets.open(oneTimeSealName(invite.user), invite.oneTimeSecret)).toString();
  const step = matchOneTimeCode(secret, answer.oneTimeCode, { nowMs: deps.now(), lastStep: 0 });
  if (step === undefined)
    throw new LoginError(
      'ONE_TIME_CODE_WRONG',
      'one-time code: not the one of this moment; check the clock of the device that shows it',
    );
  const passwordHash = await deps.passwords.hash(answer.password);
  if (!(await claim(deps.store, item))) throw invalid();
  // Two that were made at the same moment both live: the other must not undo this.
  await removeInvites(deps.store, invite.user);
  await writeCredentials(deps.store, invite.user, {
    passwordHash,
    oneTimeSecret: invite.oneTimeSecret,
    lastStep: step,
    attempts: [],
  });
  return { user: invite.user, kind: invite.kind };
}

/** Takes back every open invitation and reset of a user. */
export async function removeInvites(store: Store, user: string): Promise<void> {
  for (const item of await store.list(PREFIX)) {
    if (schema.safeParse(item.value).data?.user === user) await store.remove(item.key);
  }
}

const PREFIX = '/invite/';

function keyOf(token: string): string {
  // The hash is the key: looking it up tells nothing about how near a guess was, and the store holds no token.
  return `${PREFIX}${createHash('sha256').update(token).digest('hex')}`;
}

async function findInvite(token: string, store: Store): Promise<{ item: Item; invite: Invite }> {
  const item = token.length > 128 ? undefined : await store.read(keyOf(token));
  const parsed = schema.safeParse(item?.value);
  if (item === undefined || !parsed.success) throw invalid();
  return { item, invite: parsed.data };
}

function invalid(): LoginError {
  return new LoginError(
    'INVITE_INVALID',
    'invitation: not known, already used or expired; ask an administrator for a new one',
  );
}

async function swap(store: Store, item: Item, value: Invite): Promise<boolean> {
  try {
    await store.put(item.key, value as unknown as Json, {
      expect: item.revision,
      ...(item.expiresMs === undefined ? {} : { expiresMs: item.expiresMs }),
    });
    return true;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'STATE_CONFLICT') return false;
    throw error;
  }
}

async function claim(store: Store, item: Item): Promise<boolean> {
  try {
    return await store.remove(item.key, item.revision);
  } catch (error) {
    if (error instanceof StorageError && error.code === 'STATE_CONFLICT') return false;
    throw error;
  }
}
