import { createHash, randomBytes } from 'node:crypto';
import { LimitError, StorageError } from '../../errors.ts';
import type { Json, Store } from '../../state/store.ts';

/** What may be used once and for a short while: challenges, additions that are begun, proofs for later. In the store only under the hash of its secret. */

export type OncePurpose =
  /** A person who is known shows a passkey. */
  | 'challenge'
  /** Somebody signs in with a passkey alone. */
  | 'passkey'
  /** A device is being added. */
  | 'addition'
  /** A factor was shown in the browser, for tsh. */
  | 'token';

/** `user` is empty where nobody is known yet. */
export type Once = { readonly purpose: OncePurpose; readonly user: string; readonly secret: string };

export const ONCE_TTL_MS = 5 * 60_000;
/** maxOpenOfUser: of one purpose; a further one drops the oldest. */
export const MAX_OPEN_OF_USER = 16;
/** maxOpenPasskeySignIns: nobody is known yet, so a further one is refused. */
export const MAX_OPEN_PASSKEY_SIGN_INS = 4096;

/** 256 random bits, base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** Keeps `value` under `secret`. Throws LimitError `PASSKEY_SIGN_INS_BUSY`. */
export async function keepOnce(
  of: Once & { readonly value: Json },
  deps: { readonly store: Store; readonly now: () => number },
): Promise<void> {
  await makeRoom(of, deps.store);
  await deps.store.put(keyOf(of), of.value, { expect: 'absent', expiresMs: deps.now() + ONCE_TTL_MS });
}

/** Takes it: of two at once, one gets it. Undefined: not known, of another purpose or person, used, or too old. */
export async function takeOnce(of: Once, store: Store): Promise<Json | undefined> {
  if (of.secret.length === 0 || of.secret.length > MAX_SECRET_LENGTH) return undefined;
  const item = await store.read(keyOf(of));
  if (item === undefined) return undefined;
  try {
    return (await store.remove(item.key, item.revision)) ? item.value : undefined;
  } catch (error) {
    if (error instanceof StorageError && error.code === 'STATE_CONFLICT') return undefined;
    throw error;
  }
}

/** Looks at it without taking it. */
export async function peekOnce(of: Once, store: Store): Promise<Json | undefined> {
  return of.secret.length > MAX_SECRET_LENGTH ? undefined : (await store.read(keyOf(of)))?.value;
}

/** Everything that is open for a person. */
export async function forgetOnce(store: Store, user: string): Promise<void> {
  for (const purpose of OF_A_PERSON)
    for (const item of await store.list(prefixOf({ purpose, user }))) await store.remove(item.key);
}

const OF_A_PERSON = ['challenge', 'addition', 'token'] as const satisfies readonly OncePurpose[];
const MAX_SECRET_LENGTH = 128;

async function makeRoom(of: { readonly purpose: OncePurpose; readonly user: string }, store: Store): Promise<void> {
  const open = await store.list(prefixOf(of));
  if (of.user === '') {
    if (open.length < MAX_OPEN_PASSKEY_SIGN_INS) return;
    throw new LimitError(
      'PASSKEY_SIGN_INS_BUSY',
      `more than maxOpenPasskeySignIns ${MAX_OPEN_PASSKEY_SIGN_INS} sign-ins with a passkey are open; try again in a few minutes`,
    );
  }
  const byAge = open.toSorted((one, other) => one.revision - other.revision);
  for (const item of byAge.slice(0, Math.max(0, open.length + 1 - MAX_OPEN_OF_USER))) await store.remove(item.key);
}

function prefixOf({ purpose, user }: { readonly purpose: OncePurpose; readonly user: string }): string {
  return `/second_factor/${purpose}/${encodeURIComponent(user.toWellFormed())}/`;
}

function keyOf(of: Once): string {
  return `${prefixOf(of)}${createHash('sha256').update(of.secret).digest('hex')}`;
}
