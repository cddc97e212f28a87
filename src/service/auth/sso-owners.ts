import * as z from 'zod';
import type { User } from '../../resource/resource.ts';
import type { Store } from '../../state/store.ts';
import type { AuthContext } from './context.ts';
import { isLocked } from './sign-in.ts';

/** Whose a name is that came from a provider, also while its `user` record is not there: second factors belong to a person, not to a name. */

const schema = z.strictObject({ type: z.enum(['oidc', 'saml', 'github']), id: z.string(), identity: z.string() });
/** As `created_by.connector` of the record. */
export type Owner = Readonly<z.infer<typeof schema>>;

export function isSameOwner(a: Owner, b: Owner): boolean {
  return a.type === b.type && a.id === b.id && a.identity === b.identity;
}

export async function readOwner(name: string, store: Store): Promise<Owner | undefined> {
  return schema.safeParse((await store.read(keyOf(name)))?.value).data;
}

/** How long a name stays its person's after their record ended, milliseconds: whoever signs in with it elsewhere meanwhile would stand in the audit log, and in databases, as them. */
export const NAME_KEPT_MS = 90 * 24 * 3_600_000;

export async function keepOwner(name: string, owner: Owner, expiresMs: number, store: Store): Promise<void> {
  await store.put(keyOf(name), { ...owner }, { expect: 'any', expiresMs });
}

/** Another's name that differs in upper and lower case only, which people and databases take for the same; undefined: there is none. */
export async function namesakeOf(
  name: string,
  owner: Owner,
  { records, store }: Pick<AuthContext, 'records' | 'store'>,
): Promise<string | undefined> {
  const folded = name.toLowerCase();
  const isOther = (other: string, whose: Owner | undefined): boolean =>
    other !== name && other.toLowerCase() === folded && (whose === undefined || !isSameOwner(whose, owner));
  for (const { resource } of await records.list('user'))
    if (isOther(resource.metadata.name, resource.spec.created_by?.connector)) return resource.metadata.name;
  for (const { key, value } of await store.list(PREFIX)) {
    const other = decodeURIComponent(key.slice(PREFIX.length));
    const whose = schema.safeParse(value).data;
    if (whose !== undefined && isOther(other, whose)) return other;
  }
  return undefined;
}

/** Part of forgetting a user. */
export async function forgetOwner(name: string, store: Store): Promise<void> {
  await store.remove(keyOf(name));
}

/**
 * A provider's person whose record an administrator locked, as it is to be written: the record must not end before the lock does, or the next sign-in would make one without it. Others stay as they are.
 */
export function untilUnlocked(user: User, nowMs: number): User {
  if (user.spec.created_by?.connector === undefined || !isLocked(user, nowMs)) return user;
  const { expires, ...metadata } = user.metadata;
  const lockExpires = user.spec.status?.lock_expires;
  if (expires === undefined || lockExpires === undefined) return { ...user, metadata };
  const latest = Date.parse(lockExpires) > Date.parse(expires) ? lockExpires : expires;
  return { ...user, metadata: { ...metadata, expires: latest } };
}

const PREFIX = '/sso_person/';

function keyOf(name: string): string {
  return `${PREFIX}${encodeURIComponent(name)}`;
}
