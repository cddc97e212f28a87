import type { UserIdentity } from '../../resource/identity.ts';
import { authorize, type Denial, type Grant } from '../../access/grant.ts';
import type { AuthorityType } from '../../resource/resource.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import type { CacheChange, ClusterCache } from '../cache.ts';
import type { HostIdentityHolder } from '../identity.ts';
import type { Question } from './sessions.ts';

export type ClusterViewOptions = {
  readonly cache: ClusterCache;
  readonly identity: HostIdentityHolder;
  readonly maxLockAgeMs: () => number;
  readonly clock: Clock;
  readonly log: Log;
};

/** The cluster as this agent decides by it: roles, locks and authorities of the cache; authorities also of the last run, until the cache is filled. */
export class ClusterView {
  readonly #options: ClusterViewOptions;
  readonly #listeners = new Set<() => void>();
  #told = false;
  #filled = false;

  constructor(options: ClusterViewOptions) {
    this.#options = options;
    options.cache.onChange((change) => this.#changed(change));
    options.cache.ready
      .then(() => {
        this.#filled = true;
        for (const type of authorityTypes) this.#keepAuthorities(type);
      })
      .catch(() => {});
  }

  /** False until the first full picture: every decision is a denial. */
  get filled(): boolean {
    return this.#filled;
  }

  /** PEM certificates trusted now. */
  authorities(type: AuthorityType): readonly string[] {
    const cached = this.#options.cache.authorities(type);
    return cached.length > 0 ? cached : this.#options.identity.authorities(type);
  }

  /** Calls back after locks changed, once for all changes of a turn. Returns what ends it. */
  readonly onPolicyChange = (callback: () => void): (() => void) => {
    // A wrapper, so that one callback given twice counts twice.
    const listener = (): void => callback();
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  readonly decide = ({ opening, database, request, rolesInForce, goesOn }: Question): Grant | Denial => {
    const { cache, identity, clock, maxLockAgeMs } = this.#options;
    const preference = cache.preference();
    if (!this.#filled || preference === undefined) return notFilled;
    return authorize({
      identity: withRoles(opening.client.identity, rolesInForce),
      certificate: opening.client,
      goesOn,
      roleByName: (name) => cache.role(name),
      database,
      databaseUser: request.databaseUser,
      databaseName: request.databaseName,
      replication: request.replication,
      locks: cache.locks(),
      locksAgeMs: cache.ageMs(),
      maxLockAgeMs: maxLockAgeMs(),
      nowMs: clock.now(),
      clientAddress: hostOf(opening.opening.clientAddress),
      preference,
      hostId: identity.hostId,
      sessionId: opening.opening.sessionId,
    });
  };

  #changed({ kind, name }: CacheChange): void {
    if (kind === 'lock') this.#tell();
    const type = kind === 'authority' ? authorityTypes.find((known) => known === name) : undefined;
    if (type !== undefined) this.#keepAuthorities(type);
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    setImmediate(() => {
      this.#told = false;
      for (const listener of this.#listeners) listener();
    });
  }

  #keepAuthorities(type: AuthorityType): void {
    const { identity, cache, log } = this.#options;
    identity
      .useAuthorities(type, cache.authorities(type))
      .catch((error: unknown) =>
        log.error({ err: error, authority: type }, 'new authorities could not be kept on disk'),
      );
  }
}

/** Never more than the certificate says. */
function withRoles(identity: UserIdentity, inForce: readonly string[] | undefined): UserIdentity {
  return inForce === undefined
    ? identity
    : { ...identity, roles: identity.roles.filter((role) => inForce.includes(role)) };
}

/** `1.2.3.4:5` or `[::1]:5` without the port. */
function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/u, '$1');
}

const notFilled: Denial = {
  type: 'Denial',
  reason: 'stale-locks',
  message: 'this agent does not know the roles and locks of the cluster yet',
  hint: 'try again in a moment',
  audit: 'the cluster cache is empty',
};
const authorityTypes = ['user', 'host', 'db', 'db-client'] as const satisfies readonly AuthorityType[];
