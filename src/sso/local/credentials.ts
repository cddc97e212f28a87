import * as z from 'zod';
import { LimitError, StorageError } from '../../errors.ts';
import type { Json, Store } from '../../state/store.ts';

/** What a local user signs in with, as it is stored: a password hash, a sealed one-time secret, the recent failures. Never leaves Auth. */

const schema = z.strictObject({
  passwordHash: z.string(),
  /** Sealed under the data key; see SecretBox. */
  oneTimeSecret: z.string().optional(),
  /** The step of the last one-time code that was used. */
  lastStep: z.number().int(),
  /** Attempts of the last half hour that did not succeed (yet), milliseconds since 1970. */
  attempts: z.array(z.number()).max(64).readonly(),
  lockedUntilMs: z.number().optional(),
});

export type Credentials = Readonly<z.infer<typeof schema>>;

/** Encrypts small secrets at rest; `name` is bound to the text, so one can not be put in another's place. The data key's sealer (src/pki/seal.ts) fits. */
export interface SecretBox {
  seal(name: string, secret: Uint8Array): Promise<string>;
  /** Throws StorageError when the text or the name is not the one that was sealed. */
  open(name: string, sealed: string): Promise<Buffer>;
}

/** The name under which a user's one-time secret is sealed. */
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

/** Replaces them whatever was there (an accepted invitation). */
export async function writeCredentials(store: Store, user: string, credentials: Credentials): Promise<void> {
  await store.put(keyOf(user), credentials as unknown as Json, { expect: 'any' });
}

export async function removeCredentials(store: Store, user: string): Promise<void> {
  await store.remove(keyOf(user));
}

/**
 * Changes them by compare-and-swap. `change` sees the newest ones, may be called again, and returns undefined to leave them. Undefined: there are none. Throws LimitError
 * `SIGN_IN_BUSY` when others keep changing them.
 */
export async function changeCredentials(
  store: Store,
  user: string,
  change: (before: Credentials) => Credentials | undefined,
): Promise<Credentials | undefined> {
  for (let attempt = 0; attempt < MAX_SWAPS; attempt += 1) {
    const found = await readCredentials(store, user);
    if (found === undefined) return undefined;
    const after = change(found.credentials);
    if (after === undefined) return found.credentials;
    try {
      await store.put(keyOf(user), after as unknown as Json, { expect: found.revision });
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
  if (!parsed.success)
    throw new StorageError(
      'CREDENTIALS_INVALID',
      'stored credentials of a local user are not what this version writes',
    );
  return parsed.data;
}
