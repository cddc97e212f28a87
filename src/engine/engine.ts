import type { Denial, Grant } from '../access/grant.ts';
import type { Recorder } from '../audit/recorder.ts';
import type { DatabaseProtocol, Route } from '../resource/identity.ts';
import type { Database } from '../resource/resource.ts';
import type { Channel } from '../wire/channel.ts';

/**
 * The seam between databases and everything else: one object per wire protocol, without state of its own. src/engine/session.ts alone
 * knows the order: accept, authorize, record the start, connect, admit, relay, record the end. The proxy uses `accept` and `refuse` only.
 */
export interface Engine {
  readonly protocol: DatabaseProtocol;
  /** Speaks the protocol's opening with the client until it said who it wants to be; applies the protocol's defaults. */
  accept(client: Channel, options: AcceptOptions): Promise<AccessRequest>;
  /** Says no in the protocol's own words, then ends the channel after the bytes are sent. Never throws. */
  refuse(client: Channel, request: AccessRequest | undefined, refusal: Refusal): Promise<void>;
  /** Opens, verifies and signs in to the database. Only a Grant opens one. Throws UpstreamError (or LoginError from the database). */
  connect(grant: Grant, request: AccessRequest, target: DatabaseTarget, signal: AbortSignal): Promise<DatabaseConnection>;
  /** Says yes, once, after the database did; hands out our own cancel key. */
  admit(client: Channel, request: AccessRequest, database: DatabaseConnection): Promise<void>;
  /** Moves bytes both ways until one side ends; records every statement before it is forwarded. Resolves once, never rejects. */
  relay(session: RelaySession): Promise<Closed>;
  /** Speaks the protocol to the database without signing in: enough to know that it is there. Returns its version when it tells. */
  checkHealth(database: Database, target: HealthTarget, signal: AbortSignal): Promise<{ readonly serverVersion?: string }>;
}

export type AcceptOptions = {
  readonly route: Route;
  readonly signal: AbortSignal;
  /** Start-up packets above this are refused. Default 10,000 (PostgreSQL's own MAX_STARTUP_PACKET_LENGTH). */
  readonly maxStartupBytes: number;
};

/** What the client asked for. `details` is the engine's own (start-up parameters, protocol version). */
export type AccessRequest = {
  readonly databaseUser: string;
  readonly databaseName: string;
  /** The client asks for a replication connection. */
  readonly replication: boolean;
  readonly details: unknown;
};

/** Why a client is turned away or a live session ends; each engine maps `reason` to its own code (a table that must be complete). */
export type Refusal = {
  readonly reason:
    | Denial['reason']
    | 'no-tls'
    | 'no-certificate'
    | 'bad-certificate'
    | 'wrong-route'
    | 'unknown-database'
    | 'no-agent'
    | 'database-unreachable'
    | 'database-refused'
    | 'protocol-error'
    | 'too-many-connections'
    | 'audit-unavailable'
    | 'idle'
    | 'certificate-expired'
    | 'locked'
    | 'shutdown'
    | 'internal';
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
  /** The database's own code (SQLSTATE) when it was the database that refused. */
  readonly databaseCode?: string;
};

/** What connect needs beside the Grant; made by service/database. */
export type DatabaseTarget = {
  readonly database: Database;
  /** Key, certificate and trusted authorities for the database user; cached by the caller, a fresh context is never made per connection. */
  credentials(databaseUser: string, databaseName: string): Promise<DatabaseCredentials>;
  readonly connectTimeoutMs: number;
};
export type HealthTarget = { readonly connectTimeoutMs: number };

export type DatabaseCredentials =
  | { readonly type: 'certificate'; readonly secureContext: import('node:tls').SecureContext }
  | { readonly type: 'password'; readonly secureContext: import('node:tls').SecureContext; readonly password: string };

/** A signed-in database connection, nothing relayed yet. `details` is the engine's own. The owner destroys the channel. */
export type DatabaseConnection = {
  readonly channel: Channel;
  /** For the audit log: the backend's process id where there is one. */
  readonly backendId?: number;
  readonly serverVersion?: string;
  readonly details: unknown;
  /** Asks the database to stop the running statement; its own connection; never throws. */
  cancel(): Promise<void>;
};

export type RelaySession = {
  readonly client: Channel;
  readonly database: DatabaseConnection;
  readonly request: AccessRequest;
  readonly grant: Grant;
  readonly recorder: Recorder;
  /** Aborted with a `Refusal` as reason: idle, lock, expiry, shutdown. The relay then says it in the protocol and ends. */
  readonly signal: AbortSignal;
  readonly limits: RelayLimits;
  /** Where the relay counts, in place; read by idle watch and metrics. */
  readonly counters: RelayCounters;
};

export type RelayLimits = {
  /** Of a statement's text kept for audit; the rest is told by length and SHA-256. */
  readonly maxAuditedStatementBytes: number;
  /** Of all bind values of one execution together. */
  readonly maxAuditedValuesBytes: number;
  /** Named statements and portals remembered per session. */
  readonly maxPreparedStatements: number;
  /** Statements sent and not yet answered, per session. */
  readonly maxPipelinedStatements: number;
};

export type RelayCounters = { bytesFromClient: number; bytesFromDatabase: number; statements: number; lastActivityMs: number; running: number };

/** How a relay ended. */
export type Closed = {
  readonly by: 'client' | 'database' | 'refusal' | 'error';
  readonly refusal?: Refusal;
  readonly error?: Error;
};
