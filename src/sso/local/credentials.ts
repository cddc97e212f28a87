import * as z from 'zod';
import { LimitError, StorageError } from '../../errors.ts';
import type { Json, Store } from '../../state/store.ts';
import { forgetOnce } from './once.ts';
import { claimPasskey, releasePasskeys } from './passkey-index.ts';

/** What a person proves themselves with, as it is stored: a password's hash, devices for one-time codes, passkeys, the recent failures. Never leaves Auth. */

const oneTimeCodeDevice = z.strictObject({
  id: z.string(),
  name: z.string(),
  /** Sealed under the data key; see SecretBox. */
  secret: z.string(),
  /** The step of the last code that was used. */
  lastStep: z.number().int(),
  /** Missing of what an earlier version wrote. */
  addedMs: z.number().optional(),
  lastUsedMs: z.number().optional(),
});

const passkey = z.strictObject({
  id: z.string(),
  name: z.string(),
  /** base64url, as WebAuthn's JSON has it. */
  credentialId: z.string(),
  /** base64url of the COSE key. */
  publicKey: z.string(),
  /** 0 for ever where the authenticator does not count. */
  counter: z.number().int(),
  transports: z.array(z.string()).readonly(),
  /** It may be copied to other devices by its maker's account, and whether it was. */
  backupEligible: z.boolean(),
  backedUp: z.boolean(),
  /** It found itself without being named, and verified its person: good without a password. */
  passwordless: z.boolean(),
  /** The domain that it was made for. */
  relyingParty: z.string(),
  addedMs: z.number(),
  lastUsedMs: z.number().optional(),
});

const schema = z.strictObject({
  version: z.literal(2),
  /** Missing of a person who signs in through single sign-on. */
  passwordHash: z.string().optional(),
  oneTimeCodes: z.array(oneTimeCodeDevice).readonly(),
  passkeys: z.array(passkey).readonly(),
  /** WebAuthn's user handle: 32 random bytes, base64url; says nothing of who it is. */
  userHandle: z.string().optional(),
  /** Attempts of the last half hour that did not succeed (yet), milliseconds since 1970. */
  attempts: z.array(z.number()).max(64).readonly(),
  lockedUntilMs: z.number().optional(),
});

/** As version 0.1 wrote it: one device for one-time codes, without a name. */
const firstSchema = z.strictObject({
  passwordHash: z.string(),
  oneTimeSecret: z.string().optional(),
  lastStep: z.number().int(),
  attempts: z.array(z.number()).max(64).readonly(),
  lockedUntilMs: z.number().optional(),
});

export type Credentials = Readonly<z.infer<typeof schema>>;
export type OneTimeCodeDevice = Readonly<z.infer<typeof oneTimeCodeDevice>>;
export type Passkey = Readonly<z.infer<typeof passkey>>;

export const NO_CREDENTIALS: Credentials = { version: 2, oneTimeCodes: [], passkeys: [], attempts: [] };

/** Encrypts small secrets at rest; `name` is bound to the text, so one can not be put in another's place. The data key's sealer (src/pki/seal.ts) fits. */
export interface SecretBox {
  seal(name: string, secret: Uint8Array): Promise<string>;
  /** Throws StorageError when the text or the name is not the one that was sealed. */
  open(name: string, sealed: string): Promise<Buffer>;
}

/** The name under which a user's one-time secrets are sealed. */
export function oneTimeSealName(user: string): string {
  return `one-time-code/${user}`;
}

export async function readCredentials(
  store: Store,
  user: string,
): Promise<{ readonly credentials: Credentials; readonly revision: number } | undefined> {
  const item = await store.read(keyOf(user));
  return item === undefined ? undefined : { credentials: parse(item.value), revision: item.revision };
}

/** Replaces them whatever was there (an accepted invitation). Throws LoginError `PASSKEY_KNOWN` for a passkey that another person has. */
export async function writeCredentials(store: Store, user: string, credentials: Credentials): Promise<void> {
  const before = (await readCredentials(store, user))?.credentials.passkeys ?? [];
  for (const { credentialId } of credentials.passkeys) await claimPasskey(store, credentialId, user);
  await store.put(keyOf(user), credentials as unknown as Json, { expect: 'any' });
  // What was begun with the former ones must not add to these.
  await forgetOnce(store, user);
  const kept = new Set(credentials.passkeys.map(({ credentialId }) => credentialId));
  await releasePasskeys(
    store,
    before.filter(({ credentialId }) => !kept.has(credentialId)),
    user,
  );
}

export async function removeCredentials(store: Store, user: string): Promise<void> {
  const before = (await readCredentials(store, user))?.credentials.passkeys ?? [];
  await store.remove(keyOf(user));
  await forgetOnce(store, user);
  await releasePasskeys(store, before, user);
}

/**
 * Changes them by compare-and-swap. `change` sees the newest ones, may be called again, and returns undefined to leave them. Undefined: there are none (`initial`, when given,
 * is what it sees then). Throws LimitError `SIGN_IN_BUSY` when others keep changing them.
 */
export async function changeCredentials(
  store: Store,
  user: string,
  change: (before: Credentials) => Credentials | undefined,
  initial?: Credentials,
): Promise<Credentials | undefined> {
  for (let attempt = 0; attempt < MAX_SWAPS; attempt += 1) {
    const found = await readCredentials(store, user);
    const before = found?.credentials ?? initial;
    if (before === undefined) return undefined;
    const after = change(before);
    if (after === undefined) return before;
    try {
      await store.put(keyOf(user), after as unknown as Json, { expect: found?.revision ?? 'absent' });
      return after;
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'STATE_CONFLICT') throw error;
    }
  }
  throw new LimitError('SIGN_IN_BUSY', 'too many sign-ins of this user at once; try again in a moment');
}

const MAX_SWAPS = 16;

function keyOf(user: string): string {
  return `/local_user/${encodeURIComponent(user)}`;
}

function parse(value: Json): Credentials {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const first = firstSchema.safeParse(value);
  if (first.success) return upgraded(first.data);
  throw new StorageError('CREDENTIALS_INVALID', 'stored credentials of a user are not what this version writes');
}

// Written in today's shape with the next change.
function upgraded({ oneTimeSecret, lastStep, ...rest }: z.infer<typeof firstSchema>): Credentials {
  const device = oneTimeSecret === undefined ? [] : [{ id: 'otp', name: 'otp', secret: oneTimeSecret, lastStep }];
  return { ...NO_CREDENTIALS, ...rest, oneTimeCodes: device };
}
