import { LoginError, StorageError } from '../../errors.ts';
import type { Traits } from '../../resource/identity.ts';
import type { Connector, User } from '../../resource/resource.ts';
import type { AuthContext } from './context.ts';
import { isConflict } from './records.ts';
import { forgetUser } from './resources.ts';
import {
  isSameOwner,
  keepOwner,
  NAME_KEPT_MS,
  namesakeOf,
  readOwner,
  untilUnlocked,
  type Owner,
} from './sso-owners.ts';

/** The `user` records of people who sign in at a provider: written anew at each sign-in, gone with the last certificate. */

/** What a sign-in says of a person. */
export type SsoPerson = {
  readonly connector: Connector;
  readonly subject: string;
  readonly username: string;
  readonly roles: readonly string[];
  readonly traits: Traits;
  /** When the certificate of this sign-in ends. */
  readonly untilMs: number;
};

/**
 * Writes the record. A name that is there already, or was not long ago, must be this very person's: throws LoginError `SSO_NAME_TAKEN` for a local user's, another connector's or another subject's, in whatever case it is written. Status (locks), labels and the time it was
 * first made stay. Second factors of the name's former owner do not come back to life.
 */
export async function upsertSsoPerson(person: SsoPerson, context: AuthContext): Promise<User> {
  const { username: name, connector } = person;
  const owner: Owner = { type: connector.kind, id: connector.metadata.name, identity: person.subject };
  for (let attempt = 0; attempt < MAX_SWAPS; attempt += 1) {
    const found = await context.records.read('user', name);
    if (found === undefined) await takeName(name, owner, context);
    else refuseTaken(found.resource, owner);
    const user = recordOf(person, owner, found?.resource, context.clock.now());
    try {
      const { resource } = await context.records.put(user, { expect: found?.revision ?? 'absent' });
      await keepOwner(name, owner, Math.max(person.untilMs, context.clock.now()) + NAME_KEPT_MS, context.store);
      return resource;
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }
  throw new StorageError('STATE_CONFLICT', `user ${name}: others keep changing it; try again`);
}

/** As it would be written; throws as `upsertSsoPerson`. For a try-out. */
export async function previewSsoPerson(person: SsoPerson, context: AuthContext): Promise<User> {
  const { connector } = person;
  const owner: Owner = { type: connector.kind, id: connector.metadata.name, identity: person.subject };
  const found = (await context.records.read('user', person.username))?.resource;
  if (found === undefined) await isTheirs(person.username, owner, context);
  else refuseTaken(found, owner);
  return recordOf(person, owner, found, context.clock.now());
}

function recordOf(person: SsoPerson, owner: Owner, before: User | undefined, nowMs: number): User {
  // A former sign-in's certificate may outlive this one's.
  const untilMs = Math.max(person.untilMs, Date.parse(before?.metadata.expires ?? '') || 0);
  const user: User = {
    kind: 'user',
    version: 'v2',
    metadata: { ...before?.metadata, name: person.username, expires: new Date(untilMs).toISOString() },
    spec: {
      roles: person.roles,
      traits: person.traits,
      created_by: {
        user: before?.spec.created_by?.user ?? `${owner.type}/${owner.id}`,
        time: before?.spec.created_by?.time ?? new Date(nowMs).toISOString(),
        connector: owner,
      },
      ...(before?.spec.status === undefined ? {} : { status: before.spec.status }),
    },
  };
  return untilUnlocked(user, nowMs);
}

function refuseTaken(user: User, owner: Owner): void {
  const known = user.spec.created_by?.connector;
  if (known === undefined || !isSameOwner(known, owner)) throw nameTaken(user.metadata.name, whoseOf(known, owner));
}

// Also while there is no record: it ends with each day's certificate, and another provider must not step in overnight. True: the name is this person's already.
async function isTheirs(name: string, owner: Owner, context: AuthContext): Promise<boolean> {
  const known = await readOwner(name, context.store);
  if (known !== undefined && isSameOwner(known, owner)) return true;
  // The people of a connector that is gone do not come back.
  if (known !== undefined && (await context.records.read(known.type, known.id)) !== undefined)
    throw nameTaken(name, whoseOf(known, owner));
  const namesake = await namesakeOf(name, owner, context);
  if (namesake !== undefined) throw nameTaken(name, `${JSON.stringify(namesake)}, another person`);
  return false;
}

function whoseOf(known: Owner | undefined, owner: Owner): string {
  if (known === undefined) return 'a local user';
  return known.type === owner.type && known.id === owner.id
    ? 'another person at the same provider'
    : `a person of connector ${known.type}/${known.id}`;
}

function nameTaken(name: string, whose: string): LoginError {
  return new LoginError(
    'SSO_NAME_TAKEN',
    `the name ${JSON.stringify(name)} is ${whose}'s ("tessera rm user/<name>" frees a name that nobody uses any more)`,
    { publicMessage: 'your user name belongs to somebody else in this cluster; ask an administrator' },
  );
}

// Devices stay with a person whose record ended; they do not pass on to the next one of that name.
async function takeName(name: string, owner: Owner, context: AuthContext): Promise<void> {
  if (await isTheirs(name, owner, context)) return;
  await forgetUser(name, context);
  await keepOwner(name, owner, context.clock.now() + NAME_KEPT_MS, context.store);
}

const MAX_SWAPS = 16;
