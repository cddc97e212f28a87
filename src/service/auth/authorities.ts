import { StorageError } from '../../errors.ts';
import {
  AUTHORITY_TYPES,
  createAuthority,
  openAuthority,
  sealAuthority,
  type Authority,
  type AuthorityGenerations,
} from '../../pki/authority.ts';
import type { Pin } from '../../pki/pin.ts';
import type { KeySealer } from '../../pki/seal.ts';
import { TrustedAuthorities } from '../../pki/trust.ts';
import type { AuthorityResource, AuthorityType } from '../../resource/resource.ts';
import type { Json, Store } from '../../state/store.ts';
import { isConflict } from './records.ts';

/** The four authorities: made at the first start, opened with the data key at every other. */
export class Authorities {
  readonly clusterName: string;
  /** Whom callers' certificates are verified against. */
  readonly users: TrustedAuthorities;
  readonly hosts: TrustedAuthorities;
  readonly #generations: ReadonlyMap<AuthorityType, AuthorityGenerations>;

  constructor(clusterName: string, generations: ReadonlyMap<AuthorityType, AuthorityGenerations>) {
    this.clusterName = clusterName;
    this.#generations = generations;
    this.users = new TrustedAuthorities('user', clusterName, this.certificates('user'));
    this.hosts = new TrustedAuthorities('host', clusterName, this.certificates('host'));
  }

  /** The generation that signs. */
  signing(type: AuthorityType): Authority {
    return this.all(type)[0];
  }

  all(type: AuthorityType): AuthorityGenerations {
    const generations = this.#generations.get(type);
    if (generations === undefined)
      throw new StorageError('AUTHORITY_MISSING', `the ${type} authority is missing from the state store`);
    return generations;
  }

  /** PEM of every generation that is trusted. */
  certificates(type: AuthorityType): readonly string[] {
    return this.all(type).map((authority) => authority.certificatePem);
  }

  hostPins(): readonly Pin[] {
    return this.all('host').map((authority) => authority.pin);
  }

  /** The public halves, as services and people get them. */
  trusted(): { readonly [T in AuthorityType]: readonly string[] } {
    return {
      user: this.certificates('user'),
      host: this.certificates('host'),
      db: this.certificates('db'),
      'db-client': this.certificates('db-client'),
    };
  }
}

/** Opens what is stored and makes what is missing; of two processes that start together both end with the first one's. */
export async function openAuthorities(
  clusterName: string,
  deps: { readonly store: Store; readonly sealer: KeySealer; readonly now: () => number },
): Promise<Authorities> {
  const generations = new Map<AuthorityType, AuthorityGenerations>();
  for (const type of AUTHORITY_TYPES) {
    const stored = (await deps.store.read(authorityKey(type))) ?? (await makeAuthority(type, clusterName, deps));
    generations.set(type, await openAuthority(stored.value, deps.sealer));
  }
  return new Authorities(clusterName, generations);
}

/** Where the (sealed) authorities stand in the store. */
export const AUTHORITY_PREFIX = '/authority/';

/** The public half out of a stored authority, for watchers. Undefined when the record is none. */
export function authorityResource(value: Json): AuthorityResource | undefined {
  const record = value as {
    readonly type?: unknown;
    readonly generations?: readonly { readonly certificate?: unknown }[];
  } | null;
  const type = AUTHORITY_TYPES.find((known) => known === record?.type);
  if (type === undefined || !Array.isArray(record?.generations)) return undefined;
  const certificates = record.generations
    .map((one: { readonly certificate?: unknown }) => one.certificate)
    .filter((pem) => typeof pem === 'string');
  return { kind: 'authority', version: 'v2', metadata: { name: type }, spec: { type, certificates } };
}

function authorityKey(type: AuthorityType): string {
  return `${AUTHORITY_PREFIX}${type}`;
}

async function makeAuthority(
  type: AuthorityType,
  clusterName: string,
  deps: { readonly store: Store; readonly sealer: KeySealer; readonly now: () => number },
): Promise<{ readonly value: Json }> {
  const authority = await createAuthority(type, clusterName, deps.now);
  const record = await sealAuthority([authority], deps.sealer);
  try {
    return await deps.store.put(authorityKey(type), record as unknown as Json, { expect: 'absent' });
  } catch (error) {
    const other = isConflict(error) ? await deps.store.read(authorityKey(type)) : undefined;
    if (other === undefined) throw error;
    return other;
  }
}
