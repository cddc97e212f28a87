import { createHash } from 'node:crypto';
import * as z from 'zod';
import { LoginError, StorageError } from '../../errors.ts';
import type { Json, Store } from '../../state/store.ts';

/** Whose a passkey is, by its credential id: for a sign-in that begins with the passkey, and so that no two people have one (WebAuthn level 3, section 7.1 step 26). */

const schema = z.strictObject({ user: z.string() });

export async function ownerOfPasskey(store: Store, credentialId: string): Promise<string | undefined> {
  const item = await store.read(keyOf(credentialId));
  return schema.safeParse(item?.value).data?.user;
}

/** Before the passkey is written with its person. Throws LoginError `PASSKEY_KNOWN` when it is another's. */
export async function claimPasskey(store: Store, credentialId: string, user: string): Promise<void> {
  try {
    await store.put(keyOf(credentialId), { user } satisfies Json, { expect: 'absent' });
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'STATE_CONFLICT') throw error;
    if ((await ownerOfPasskey(store, credentialId)) !== user) throw passkeyKnown();
  }
}

/** For a passkey that another person has. */
export function passkeyKnown(): LoginError {
  return new LoginError('PASSKEY_KNOWN', 'passkey: it is registered already; use another device');
}

/** After the person lost them. Those that another person has stay. */
export async function releasePasskeys(
  store: Store,
  passkeys: readonly { readonly credentialId: string }[],
  user: string,
): Promise<void> {
  for (const { credentialId } of passkeys)
    if ((await ownerOfPasskey(store, credentialId)) === user) await store.remove(keyOf(credentialId));
}

function keyOf(credentialId: string): string {
  return `/passkey/${createHash('sha256').update(credentialId).digest('hex')}`;
}
