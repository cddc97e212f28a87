import type { UserIdentity } from '../resource/identity.ts';
import type { ClusterAuthPreference, Database, Lock, Role } from '../resource/resource.ts';

/** What the decisions of this folder speak about. The folder decides and does nothing else: no I/O, no clock, no randomness. */

/** What holds for the session, gathered over all roles of the person. */
export type SessionOptions = {
  /** Milliseconds; undefined: no limit. */
  readonly idleTimeoutMs?: number;
  readonly disconnectExpiredCert: boolean;
  /** For the database that was decided about; of `sessionOptions` alone: of any. */
  readonly requireSessionMfa: boolean;
  readonly maxConnections?: number;
  readonly pinSourceIp: boolean;
  readonly locking: 'strict' | 'best_effort';
  readonly replicationAllowed: boolean;
  /** A role that allows this access lets the client send files of its machine (MySQL's LOAD DATA LOCAL), and none denies it. */
  readonly localInfileAllowed: boolean;
};

/** A refusal as a value. `message` is for the person and tells no more than they may know; `audit` is for the log. */
export type Denial = {
  readonly type: 'Denial';
  readonly reason:
    | 'access-denied'
    | 'locked'
    | 'certificate-expired'
    | 'session-mfa-required'
    | 'wrong-source-address'
    | 'stale-locks'
    | 'replication-denied';
  readonly message: string;
  readonly hint?: string;
  readonly audit: string;
};

/** One question to `authorize`. Everything it may know is here. */
export type AuthorizeRequest = {
  readonly identity: UserIdentity;
  /**
   * Asked about a session that began with this certificate and goes on, perhaps beyond its end: what ends sessions with their certificate is `disconnectExpiredCert`. Default
   * false.
   */
  readonly goesOn?: boolean;
  /** The certificate that `identity` was read from; verified by the caller. `notBeforeMs` is checked when given. */
  readonly certificate: { readonly fingerprint: string; readonly notAfterMs: number; readonly notBeforeMs?: number };
  /**
   * A role as the caller's cache has it. undefined: there is no such role (the person does not have it). A cache that was never
   * filled must not be asked: the caller denies.
   */
  readonly roleByName: (name: string) => Role | undefined;
  readonly database: Database;
  readonly databaseUser: string;
  readonly databaseName: string;
  /** The client asks for a replication connection. */
  readonly replication: 'none' | 'logical' | 'physical';
  readonly locks: Iterable<Lock>;
  /** Milliseconds since the locks were known to be complete. */
  readonly locksAgeMs: number;
  /** In strict locking mode an older view refuses. Default 300,000 (5 min). */
  readonly maxLockAgeMs?: number;
  readonly nowMs: number;
  /** The client's IP address, as the proxy saw it; `::ffff:` forms are understood. */
  readonly clientAddress: string;
  readonly preference: ClusterAuthPreference;
  /** The session that is asked for, a possible target of locks. */
  readonly sessionId?: string;
  /** The agent's host id, a possible target of locks. */
  readonly hostId?: string;
};
