import type { Client } from '@connectrpc/connect';
import { WatchResponse_Type, type AuthService, type WatchResponse } from '../../gen/tessera/auth/v1/auth_pb.ts';
import { StorageError, UpstreamError } from '../errors.ts';
import { resourceFromJson } from '../rpc/convert.ts';
import { fromConnectError } from '../rpc/errors.ts';
import type {
  AuthorityResource,
  AuthorityType,
  ClusterAuthPreference,
  Database,
  DatabaseServer,
  Kind,
  Lock,
  ProxyServer,
  Resource,
  Role,
} from '../resource/resource.ts';
import type { Clock, Timer } from '../telemetry/clock.ts';
import type { Log } from '../telemetry/log.ts';

/** A proxy's or agent's own copy of what it needs of the cluster, fed by Auth's Watch; it keeps serving, and growing older, while Auth is away. */

export type CacheChange =
  | { readonly type: 'put'; readonly kind: Kind; readonly name: string; readonly resource: Resource }
  | { readonly type: 'remove'; readonly kind: Kind; readonly name: string };

export type ClusterCacheOptions = {
  readonly client: Client<typeof AuthService>;
  /** What to copy; Auth refuses kinds that this service's role may not watch (src/service/auth/watch.ts). */
  readonly kinds: readonly Kind[];
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds without any message after which the stream counts as dead. Default 15 000; Auth says something every 3 s. */
  readonly maxSilenceMs?: number;
  /** Longest wait between attempts to reconnect, milliseconds; the first is 250. Default 3 000. */
  readonly maxBackoffMs?: number;
  /** 0 to 1; spreads reconnects. Default Math.random. */
  readonly random?: () => number;
};

const DEFAULT_MAX_SILENCE_MS = 15_000;
const DEFAULT_MAX_BACKOFF_MS = 3_000;
const FIRST_BACKOFF_MS = 250;

/** Kinds a proxy needs: who to refuse (locks), whom to believe (authorities), where to route (presence, databases), who else is a proxy. No roles: proxies do not authorize. */
export const PROXY_KINDS: readonly Kind[] = [
  'lock',
  'authority',
  'cluster_auth_preference',
  'db',
  'db_server',
  'proxy_server',
];
/** Kinds an agent needs: to authorize (roles, locks, preference), to serve (dynamic databases), to dial (proxies), to believe (authorities). */
export const DATABASE_KINDS: readonly Kind[] = [
  'role',
  'lock',
  'authority',
  'cluster_auth_preference',
  'db',
  'proxy_server',
];

/** Opens the copy and begins to fill it; lookups answer empty until `ready`. The caller owns it and closes it. */
export function openClusterCache(options: ClusterCacheOptions): ClusterCache {
  return new ClusterCache(options);
}

export class ClusterCache {
  /** Resolves with the first full picture; rejects only when the cache is closed before. */
  readonly ready: Promise<void>;
  readonly #options: ClusterCacheOptions;
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(change: CacheChange) => void>();
  readonly #settleReady: { resolve(): void; reject(error: Error): void };
  readonly #done: Promise<void>;
  #kinds = new Map<Kind, Map<string, Resource>>();
  #staging: Map<Kind, Map<string, Resource>> | undefined;
  #revision = 0n;
  #freshAtMs: number | undefined;
  /** This connection has told everything up to now; what it missed before may still be on its way otherwise. */
  #caughtUp = false;

  constructor(options: ClusterCacheOptions) {
    this.#options = options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.ready.catch(() => {});
    this.#settleReady = { resolve, reject };
    this.#done = this.#run();
  }

  role(name: string): Role | undefined {
    return this.#one('role', name);
  }
  roles(): readonly Role[] {
    return this.#all('role');
  }
  /** Locks as stored: the caller compares `spec.expires` with its clock (Auth also removes expired ones). */
  locks(): readonly Lock[] {
    return this.#all('lock');
  }
  /** A dynamic `db` resource; databases of an agent's own file stand in `databaseServers` only. */
  database(name: string): Database | undefined {
    return this.#one('db', name);
  }
  databases(): readonly Database[] {
    return this.#all('db');
  }
  databaseServers(): readonly DatabaseServer[] {
    return this.#all('db_server');
  }
  proxies(): readonly ProxyServer[] {
    return this.#all('proxy_server');
  }
  /** PEM certificates that are trusted now; empty until `ready`. */
  authorities(type: AuthorityType): readonly string[] {
    return this.#one<AuthorityResource>('authority', type)?.spec.certificates ?? [];
  }
  preference(): ClusterAuthPreference | undefined {
    return this.#all<ClusterAuthPreference>('cluster_auth_preference')[0];
  }

  /** Milliseconds since Auth last confirmed that this copy is complete; Infinity until `ready`. */
  ageMs(): number {
    return this.#freshAtMs === undefined ? Number.POSITIVE_INFINITY : this.#options.clock.monotonic() - this.#freshAtMs;
  }

  /** Calls back after each change is visible to lookups, also for the differences a new full picture brings. Returns what ends it. A throw is logged. */
  onChange(listener: (change: CacheChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Ends the watch; lookups keep answering with what was there. */
  async close(): Promise<void> {
    this.#stop.abort(new UpstreamError('CACHE_CLOSED', 'the cluster cache was closed'));
    this.#settleReady.reject(
      new UpstreamError('CACHE_CLOSED', 'the cluster cache was closed before the first full picture'),
    );
    await this.#done;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      try {
        await this.#watchOnce(() => {
          failures = 0;
        });
        failures += 1;
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        failures += 1;
        const known = fromConnectError(error);
        this.#options.log.warn(
          { code: known.code, reason: known.message, age_ms: Math.round(this.ageMs()) },
          'watch on the auth service ended; serving from the copy',
        );
      }
      await this.#options.clock.sleep(this.#backoffMs(failures), this.#stop.signal).catch(() => {});
    }
  }

  async #watchOnce(healthy: () => void): Promise<void> {
    const silence = this.#silenceGuard();
    this.#staging = undefined;
    this.#caughtUp = false;
    try {
      const signal = AbortSignal.any([this.#stop.signal, silence.signal]);
      const stream = this.#options.client.watch(
        { kinds: [...this.#options.kinds], afterRevision: this.#revision },
        { signal },
      );
      for await (const message of stream) {
        silence.heard();
        this.#apply(message);
        if (message.type !== WatchResponse_Type.RESET) healthy();
      }
    } finally {
      silence.cancel();
    }
  }

  #silenceGuard(): { signal: AbortSignal; heard(): void; cancel(): void } {
    const controller = new AbortController();
    const limitMs = this.#options.maxSilenceMs ?? DEFAULT_MAX_SILENCE_MS;
    let timer: Timer | undefined;
    const heard = (): void => {
      timer?.cancel();
      timer = this.#options.clock.after(
        limitMs,
        () =>
          controller.abort(
            new UpstreamError('WATCH_SILENT', `the auth service said nothing for ${limitMs} ms`, { retryable: true }),
          ),
        { background: true },
      );
    };
    heard();
    return { signal: controller.signal, heard, cancel: () => timer?.cancel() };
  }

  #backoffMs(failures: number): number {
    const ceiling = Math.min(
      this.#options.maxBackoffMs ?? DEFAULT_MAX_BACKOFF_MS,
      FIRST_BACKOFF_MS * 2 ** Math.min(failures, 16),
    );
    return ceiling * (0.5 + 0.5 * (this.#options.random ?? Math.random)());
  }

  #apply(message: WatchResponse): void {
    switch (message.type) {
      case WatchResponse_Type.RESET:
        this.#staging = new Map();
        return;
      case WatchResponse_Type.PUT:
        this.#put(message);
        break;
      case WatchResponse_Type.DELETE:
        this.#remove(message.kind as Kind, message.name);
        break;
      case WatchResponse_Type.SYNCED:
        this.#synced();
        break;
      case WatchResponse_Type.ALIVE:
        break;
      case WatchResponse_Type.UNSPECIFIED:
        throw new StorageError('WATCH_MESSAGE_UNKNOWN', 'watch: expected a known message type, got 0');
    }
    if (this.#staging !== undefined) return;
    if (message.revision > this.#revision) this.#revision = message.revision;
    if (message.type === WatchResponse_Type.SYNCED) this.#caughtUp = true;
    if (this.#caughtUp) this.#freshAtMs = this.#options.clock.monotonic();
    if (message.type === WatchResponse_Type.SYNCED) this.#settleReady.resolve();
  }

  #put(message: WatchResponse): void {
    const resource = resourceFromJson(message.json);
    const target = this.#staging ?? this.#kinds;
    const resources = kindOf(target, resource.kind);
    const old = resources.get(message.name);
    resources.set(message.name, resource);
    // A heartbeat writes the same again.
    if (old !== undefined && JSON.stringify(old) === JSON.stringify(resource)) return;
    if (this.#staging === undefined) this.#tell({ type: 'put', kind: resource.kind, name: message.name, resource });
  }

  #remove(kind: Kind, name: string): void {
    const known = kindOf(this.#staging ?? this.#kinds, kind).delete(name);
    if (known && this.#staging === undefined) this.#tell({ type: 'remove', kind, name });
  }

  #synced(): void {
    const next = this.#staging;
    if (next === undefined) return;
    const before = this.#kinds;
    this.#staging = undefined;
    this.#kinds = next;
    for (const [kind, resources] of next) {
      for (const [name, resource] of resources) {
        const old = before.get(kind)?.get(name);
        if (old === undefined || JSON.stringify(old) !== JSON.stringify(resource))
          this.#tell({ type: 'put', kind, name, resource });
      }
    }
    for (const [kind, resources] of before) {
      for (const name of resources.keys()) {
        if (next.get(kind)?.has(name) !== true) this.#tell({ type: 'remove', kind, name });
      }
    }
  }

  #tell(change: CacheChange): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#options.log.error(
          { err: error, kind: change.kind, name: change.name },
          'a listener of the cluster cache failed',
        );
      }
    }
  }

  #one<T extends Resource>(kind: T['kind'], name: string): T | undefined {
    return this.#kinds.get(kind)?.get(name) as T | undefined;
  }

  #all<T extends Resource>(kind: T['kind']): readonly T[] {
    return [...(this.#kinds.get(kind)?.values() ?? [])] as unknown as readonly T[];
  }
}

function kindOf(kinds: Map<Kind, Map<string, Resource>>, kind: Kind): Map<string, Resource> {
  let resources = kinds.get(kind);
  if (resources === undefined) kinds.set(kind, (resources = new Map()));
  return resources;
}
