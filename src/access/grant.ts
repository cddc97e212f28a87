import { BugError } from '../errors.ts';
import type { Database } from '../resource/resource.ts';
import type { UserIdentity } from '../resource/identity.ts';

const mint = Symbol('held by authorize() alone');

/** What holds for the session, gathered over all roles of the person. */
export type SessionOptions = {
  /** Milliseconds; undefined: no limit. */
  readonly idleTimeoutMs?: number;
  readonly disconnectExpiredCert: boolean;
  readonly requireSessionMfa: boolean;
  readonly maxConnections?: number;
  readonly pinSourceIp: boolean;
  readonly locking: 'strict' | 'best_effort';
  readonly replicationAllowed: boolean;
};

/** Proof that one person may open one database as one database user with one database name. Made by `authorize` alone, spent by `Engine.connect`. */
export class Grant {
  readonly #identity: UserIdentity;
  readonly #database: Database;
  readonly #databaseUser: string;
  readonly #databaseName: string;
  readonly #options: SessionOptions;

  /** Throws BugError for anybody but `authorize`. */
  constructor(
    key: typeof mint,
    of: { identity: UserIdentity; database: Database; databaseUser: string; databaseName: string; options: SessionOptions },
  ) {
    if (key !== mint) throw new BugError('a Grant is made only by authorize()');
    this.#identity = of.identity;
    this.#database = of.database;
    this.#databaseUser = of.databaseUser;
    this.#databaseName = of.databaseName;
    this.#options = of.options;
  }

  get identity(): UserIdentity {
    return this.#identity;
  }
  get database(): Database {
    return this.#database;
  }
  get databaseUser(): string {
    return this.#databaseUser;
  }
  get databaseName(): string {
    return this.#databaseName;
  }
  get options(): SessionOptions {
    return this.#options;
  }
}

/** A refusal as a value. `message` is for the person and tells no more than they may know; `audit` is for the log. */
export type Denial = {
  readonly type: 'Denial';
  readonly reason: 'access-denied' | 'locked' | 'certificate-expired' | 'session-mfa-required' | 'wrong-source-address' | 'stale-locks' | 'replication-denied';
  readonly message: string;
  readonly hint?: string;
  readonly audit: string;
};
