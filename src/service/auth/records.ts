import { LRUCache } from 'lru-cache';
import { StorageError } from '../../errors.ts';
import { parseResourceOf } from '../../resource/parse.ts';
import { toJson } from '../../resource/print.ts';
import type { Kind, Resource, ResourceOf } from '../../resource/resource.ts';
import type { Item, Json, PutOptions, Store } from '../../state/store.ts';

/** The cluster's resources in the store: `/resource/<kind>/<name>`. Values are documents in the public shapes (durations as text). */

export type Stored<R extends Resource = Resource> = {
  readonly resource: R;
  readonly revision: number;
  readonly expiresMs?: number;
};

export class Records {
  readonly #store: Store;
  readonly #parsed = new LRUCache<string, { readonly revision: number; readonly resource: Resource }>({ max: 10_000 });

  constructor(store: Store) {
    this.#store = store;
  }

  async read<K extends Kind>(kind: K, name: string): Promise<Stored<ResourceOf<K>> | undefined> {
    const item = await this.#store.read(recordKey(kind, name));
    return item === undefined ? undefined : this.#stored(kind, item);
  }

  /** In order of name. */
  async list<K extends Kind>(kind: K): Promise<readonly Stored<ResourceOf<K>>[]> {
    return (await this.#store.list(recordPrefix(kind))).map((item) => this.#stored(kind, item));
  }

  /** As `Store.put`; the record goes away by itself at `metadata.expires` unless `expiresMs` says otherwise. Throws ConfigError for what could not be read again. */
  async put<R extends Resource>(resource: R, options: PutOptions): Promise<Stored<R>> {
    const expiresMs = options.expiresMs ?? expiryOf(resource);
    const document = toJson(resource) as Json;
    // One record that nobody can read would stop every list of its kind, and the watch of every service.
    parseResourceOf(resource.kind, document);
    const item = await this.#store.put(recordKey(resource.kind, resource.metadata.name), document, {
      expect: options.expect,
      ...(expiresMs === undefined ? {} : { expiresMs }),
    });
    return withExpiry({ resource, revision: item.revision }, item);
  }

  /** False when it was not there. */
  remove(kind: Kind, name: string, expect?: number): Promise<boolean> {
    return this.#store.remove(recordKey(kind, name), expect);
  }

  /**
   * Changes one by compare-and-swap; `change` may be called again with a newer one and returns undefined to leave it. Undefined: it is not there or was left.
   */
  async change<K extends Kind>(
    kind: K,
    name: string,
    change: (before: ResourceOf<K>) => ResourceOf<K> | undefined,
  ): Promise<ResourceOf<K> | undefined> {
    for (let attempt = 0; attempt < MAX_SWAPS; attempt += 1) {
      const found = await this.read(kind, name);
      const after = found === undefined ? undefined : change(found.resource);
      if (found === undefined || after === undefined) return undefined;
      try {
        return (await this.put(after, { expect: found.revision })).resource;
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    }
    throw new StorageError('STATE_CONFLICT', `${kind} ${name}: others keep changing it; try again`);
  }

  #stored<K extends Kind>(kind: K, item: Item): Stored<ResourceOf<K>> {
    const known = this.#parsed.get(item.key);
    // Keys hold the kind, so a remembered resource is of this kind.
    const resource =
      known?.revision === item.revision ? (known.resource as ResourceOf<K>) : parseResourceOf(kind, item.value);
    this.#parsed.set(item.key, { revision: item.revision, resource });
    return withExpiry({ resource, revision: item.revision }, item);
  }
}

/** The key of one resource. */
export function recordKey(kind: Kind, name: string): string {
  return `${recordPrefix(kind)}${encodeURIComponent(name.toWellFormed())}`;
}

/** What every key of a kind begins with. */
export function recordPrefix(kind: Kind): string {
  return `/resource/${kind}/`;
}

/** Kind and name out of a key of `recordKey`; undefined for other keys. */
export function fromRecordKey(key: string): { readonly kind: Kind; readonly name: string } | undefined {
  const [, root, kind, name] = key.split('/');
  return root === 'resource' && kind !== undefined && name !== undefined
    ? { kind: kind as Kind, name: decodeURIComponent(name) }
    : undefined;
}

/** True for a lost compare-and-swap. */
export function isConflict(error: unknown): boolean {
  return error instanceof StorageError && error.code === 'STATE_CONFLICT';
}

const MAX_SWAPS = 16;

function expiryOf(resource: Resource): number | undefined {
  const text =
    resource.kind === 'lock' ? (resource.spec.expires ?? resource.metadata.expires) : resource.metadata.expires;
  return text === undefined ? undefined : Date.parse(text);
}

function withExpiry<R extends Resource>(stored: Stored<R>, item: Item): Stored<R> {
  return item.expiresMs === undefined ? stored : { ...stored, expiresMs: item.expiresMs };
}
