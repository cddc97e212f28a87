import { BugError } from '../errors.ts';
import type { UserIdentity } from '../resource/identity.ts';
import type { Database } from '../resource/resource.ts';
import { decide } from './decide.ts';
import type { AuthorizeRequest, Denial, SessionOptions } from './decision.ts';

export type { AuthorizeRequest, Denial, SessionOptions } from './decision.ts';

const mint = Symbol('held by authorize() alone');

/**
 * May this person open this database as this user with this name, now? Checks, in this order: the certificate's validity, locks and
 * their age, the certificate's route, the pinned address, the roles, replication, the second factor. Never throws for what a person or a resource says.
 */
export function authorize(request: AuthorizeRequest): Grant | Denial {
  const outcome = decide(request);
  if ('type' in outcome) return outcome;
  const { identity, database, databaseUser, databaseName } = request;
  return new Grant(mint, { identity, database, databaseUser, databaseName, options: outcome });
}

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
    of: {
      identity: UserIdentity;
      database: Database;
      databaseUser: string;
      databaseName: string;
      options: SessionOptions;
    },
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
