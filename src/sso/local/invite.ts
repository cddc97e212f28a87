import { createHash, randomBytes } from 'node:crypto';
import * as z from 'zod';
import { ConfigError, LoginError, StorageError } from '../../errors.ts';
import type { Item, Json, Store } from '../../state/store.ts';
import { NO_CREDENTIALS, oneTimeSealName, writeCredentials, type Credentials } from './credentials.ts';
import { codeDeviceOf, codeWrong, devicesOf, nameFor, passkeyOf, passkeyRefused, type Device } from './devices.ts';
import { newSecret } from './once.ts';
import { matchOneTimeCode, newOneTimeSecret, oneTimeCodeUri } from './one-time-code.ts';
import { ownerOfPasskey, passkeyKnown } from './passkey-index.ts';
import { checkPasswordRules, type Passwords } from './password.ts';
import { passkeysUnavailable, takes, type FactorDeps } from './second-factors.ts';
import { checkRegistration, registrationOptions } from './webauthn.ts';

/** Invitations and resets: a random token, stored only as its hash, by which a person sets password and second factors, once. */

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
  /** Of a passkey; made at the first look. It is good as long as the token, without which it is of no use. */
  challenge: z.string().optional(),
  userHandle: z.string().optional(),
});
type Invite = Readonly<z.infer<typeof schema>>;
type BegunInvite = Invite & {
  readonly oneTimeSecret: string;
  readonly challenge: string;
  readonly userHandle: string;
};

export type InviteDeps = FactorDeps & { readonly passwords: Passwords; readonly clusterName: string };

export type InviteAnswer = {
  readonly token: string;
  readonly password: string;
  /** Each that is not empty becomes a second factor. */
  readonly oneTimeCode: string;
  readonly webauthnResponseJson: string;
  /** Empty: one is found. */
  readonly webauthnDeviceName: string;
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

/** What the person sees first: for whom it is and what second factors to set up (empty: not taken). Throws LoginError `INVITE_INVALID`. */
export async function startInvite(
  token: string,
  deps: InviteDeps,
): Promise<{
  readonly user: string;
  readonly kind: InviteKind;
  readonly oneTimeCodeUri: string;
  readonly webauthnOptionsJson: string;
  readonly expiresMs: number;
}> {
  for (;;) {
    const { item, invite } = await findInvite(token, deps.store);
    const begun: BegunInvite = {
      ...invite,
      oneTimeSecret:
        invite.oneTimeSecret ??
        (await deps.secrets.seal(oneTimeSealName(invite.user), Buffer.from(newOneTimeSecret()))),
      challenge: invite.challenge ?? newSecret(),
      userHandle: invite.userHandle ?? newSecret(),
    };
    if (!isBegun(invite) && !(await swap(deps.store, item, begun))) continue;
    return {
      user: invite.user,
      kind: invite.kind,
      oneTimeCodeUri: await codeUri(begun, deps),
      webauthnOptionsJson: await passkeyOptions(begun, deps),
      expiresMs: item.expiresMs ?? deps.now(),
    };
  }
}

/**
 * Sets password and second factors, in place of all there were, and uses the token up: of two at once, one wins. Throws LoginError `INVITE_INVALID`, `SECOND_FACTOR_MISSING`,
 * `ONE_TIME_CODE_WRONG`, `PASSKEY_REFUSED` or `PASSKEY_KNOWN`, ConfigError for a password against the rules; the token stays good then.
 */
export async function acceptInvite(
  answer: InviteAnswer,
  deps: InviteDeps,
): Promise<{ readonly user: string; readonly kind: InviteKind; readonly devices: readonly Device[] }> {
  const { item, invite } = await findInvite(answer.token, deps.store);
  checkPasswordRules(answer.password);
  if (!isBegun(invite)) throw new LoginError('INVITE_NOT_STARTED', 'invitation: ask for its second factors first');
  const factors = await shownFactors(answer, invite, deps);
  const passwordHash = await deps.passwords.hash(answer.password);
  if (!(await claim(deps.store, item))) throw invalid();
  // Two that were made at the same moment both live: the other must not undo this.
  await removeInvites(deps.store, invite.user);
  await writeCredentials(deps.store, invite.user, { ...factors, passwordHash });
  return { user: invite.user, kind: invite.kind, devices: devicesOf(factors) };
}

/** Takes back every open invitation and reset of a user. */
export async function removeInvites(store: Store, user: string): Promise<void> {
  for (const item of await store.list(PREFIX)) {
    if (schema.safeParse(item.value).data?.user === user) await store.remove(item.key);
  }
}

const PREFIX = '/invite/';

function isBegun(invite: Invite): invite is BegunInvite {
  return invite.oneTimeSecret !== undefined && invite.challenge !== undefined && invite.userHandle !== undefined;
}

async function codeUri({ user, oneTimeSecret }: BegunInvite, deps: InviteDeps): Promise<string> {
  if (!takes('otp', deps)) return '';
  const secret = (await deps.secrets.open(oneTimeSealName(user), oneTimeSecret)).toString();
  return oneTimeCodeUri(secret, { clusterName: deps.clusterName, user });
}

async function passkeyOptions({ user, challenge, userHandle }: BegunInvite, deps: InviteDeps): Promise<string> {
  const { relyingParty } = deps;
  if (relyingParty === undefined || !takes('webauthn', deps)) return '';
  return registrationOptions({ challenge, user, userHandle, known: [], relyingParty });
}

async function shownFactors(answer: InviteAnswer, invite: BegunInvite, deps: InviteDeps): Promise<Credentials> {
  let factors: Credentials = { ...NO_CREDENTIALS, userHandle: invite.userHandle };
  if (answer.oneTimeCode !== '') factors = await withCode(factors, answer.oneTimeCode, invite, deps);
  if (answer.webauthnResponseJson !== '') factors = await withPasskey(factors, answer, invite, deps);
  const demanded = deps.kinds === undefined || deps.kinds.length > 0;
  if (demanded && devicesOf(factors).length === 0)
    throw new LoginError(
      'SECOND_FACTOR_MISSING',
      'second factor: the cluster demands one; give a one-time code or make a passkey',
    );
  return factors;
}

async function withCode(
  factors: Credentials,
  code: string,
  { user, oneTimeSecret }: BegunInvite,
  deps: InviteDeps,
): Promise<Credentials> {
  if (!takes('otp', deps))
    throw new ConfigError(['one-time code: the cluster takes none (second_factors); make a passkey']);
  const secret = (await deps.secrets.open(oneTimeSealName(user), oneTimeSecret)).toString();
  const nowMs = deps.now();
  const step = matchOneTimeCode(secret, code, { nowMs, lastStep: 0 });
  if (step === undefined) throw codeWrong();
  const name = nameFor('', 'otp', factors);
  return { ...factors, oneTimeCodes: [codeDeviceOf(name, oneTimeSecret, step, nowMs)] };
}

async function withPasskey(
  factors: Credentials,
  answer: InviteAnswer,
  { user, challenge }: BegunInvite,
  deps: InviteDeps,
): Promise<Credentials> {
  const { relyingParty } = deps;
  if (relyingParty === undefined || !takes('webauthn', deps)) throw passkeysUnavailable();
  const name = nameFor(answer.webauthnDeviceName, 'webauthn', factors);
  const made = await checkRegistration(answer.webauthnResponseJson, { challenge, relyingParty });
  if ('fault' in made) throw passkeyRefused(made.fault);
  const owner = await ownerOfPasskey(deps.store, made.credentialId);
  if (owner !== undefined && owner !== user) throw passkeyKnown();
  return { ...factors, passkeys: [passkeyOf(name, made, deps.now())] };
}

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
