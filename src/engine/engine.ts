import type { SecureContext } from 'node:tls';

import type { Denial, Grant, SessionOptions } from '../access/grant.ts';
import type { Recorder } from '../audit/recorder.ts';
import type { DatabaseProtocol, Route } from '../resource/identity.ts';
import type { Database } from '../resource/resource.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Channel } from '../wire/channel.ts';
import type { CancelKeys } from './cancel-keys.ts';
import type { KillKind, OwnSessionIds, SessionsElsewhere, StopSession } from './session-ids.ts';

/**
 * The seam between databases and everything else: one object per wire protocol, without state of its own. src/engine/session.ts alone
 * knows the order: accept, authorize, record the start, connect, admit, relay, record the end. The proxy uses `accept` and `refuse` only.
 */
export interface Engine {
  readonly protocol: DatabaseProtocol;
  /**
   * Speaks the protocol's opening with the client until it said who it wants to be; applies the protocol's defaults. What the client did
   * wrong comes back as a value, so that one `refuse` can say it. Never throws. Leaves the channel without a receiver, so bytes that came early stay.
   */
  accept(client: Channel, options: AcceptOptions): Promise<Accepted>;
  /** Set for a protocol whose server speaks first: what a listener of its own says and hears in clear before TLS. */
  readonly serverFirst?: ServerFirst;
  /**
   * Says no in the protocol's own words, then ends the channel after the bytes are sent. Never throws. `request`: undefined when `accept` did not get so far, or
   * when somebody else read it.
   */
  refuse(client: Channel, request: AccessRequest | undefined, refusal: Refusal): Promise<void>;
  /** Opens, verifies and signs in to the database. Only a Grant opens one. Throws UpstreamError (`DatabaseRefusal` when the database itself said no). */
  connect(
    grant: Grant,
    request: AccessRequest,
    target: DatabaseTarget,
    signal: AbortSignal,
  ): Promise<DatabaseConnection>;
  /** Says yes, once, after the database did; hands out our own cancel key or id, which lives until `release`. Throws when the client is gone. */
  admit(
    client: Channel,
    request: AccessRequest,
    database: DatabaseConnection,
    handles: SessionHandles,
  ): Promise<Admission>;
  /** Moves bytes both ways until one side ends; records every statement before it is forwarded. Resolves once, never rejects. */
  relay(session: RelaySession): Promise<Closed>;
  /** Acts on a raw cancel packet as the client sent it. Never throws, and the client is told nothing either way. */
  cancel(packet: Uint8Array, keys: CancelKeys): Promise<'sent' | 'unknown' | 'malformed'>;
  /** Speaks the protocol to the database without signing in: enough to know that it is there. Returns its version when it tells. */
  checkHealth(database: Database, target: HealthTarget, signal: AbortSignal): Promise<ServerFacts>;
}

/** What a database server tells of itself before anybody signs in. */
export type ServerFacts = {
  readonly serverVersion?: string;
  /** What the server can do, in the engine's own notation; bounded text. For greetings that are said before a database is chosen. */
  readonly capabilities?: string;
};

/** The opening in clear of a protocol whose server speaks first. Pure: the caller moves the bytes. */
export interface ServerFirst {
  /**
   * A greeting for a client that has not said which database it wants: promises what every one of `servers` keeps. `serverVersion`: the one to say when they
   * differ or none is known.
   */
  greet(
    servers: readonly ServerFacts[],
    options: { readonly serverVersion: string; readonly random: RandomBytes },
  ): Buffer;
  /** Reads the client's first bytes after the greeting. */
  understand(bytes: Buffer): ServerFirstAnswer;
}

export type RandomBytes = (bytes: number) => Buffer;

export type ServerFirstAnswer =
  /** At least `need` bytes in all are needed to tell. Never above 16 KiB. */
  | { readonly type: 'more'; readonly need: number }
  /** A request for TLS of `length` bytes: drop them; the ClientHello follows, perhaps already in `bytes`. */
  | { readonly type: 'tls'; readonly length: number }
  /** The client goes on in clear: write `answer` (our refusal in the protocol's words) and close. */
  | { readonly type: 'plaintext'; readonly answer: Buffer }
  | { readonly type: 'malformed'; readonly reason: string };

export type AcceptOptions = {
  readonly route: Route;
  readonly signal: AbortSignal;
  /** What the client was told in clear by `serverFirst.greet`, byte for byte. Absent: an engine whose server speaks first greets the client itself. */
  readonly greeting?: Buffer;
  /** What is known of the database's server, for a greeting of the engine's own. */
  readonly server?: ServerFacts;
  /** Start-up packets above this are refused. Default 10,000 (PostgreSQL's own MAX_STARTUP_PACKET_LENGTH). */
  readonly maxStartupBytes: number;
};

/** How an opening ended. */
export type Accepted =
  | { readonly type: 'request'; readonly request: AccessRequest }
  /** The client is still there and waits for a word: call `refuse`. */
  | { readonly type: 'refused'; readonly request?: AccessRequest; readonly refusal: Refusal }
  /** Not a session but a request to stop a statement of another one: give `packet` (a copy) to `Engine.cancel` of the agent that its key names. */
  | { readonly type: 'cancel'; readonly packet: Buffer }
  /** The client left, or the signal was aborted. */
  | { readonly type: 'gone'; readonly error?: Error };

/** What the client asked for. `details` is the engine's own (start-up parameters, protocol version). */
export type AccessRequest = {
  readonly databaseUser: string;
  readonly databaseName: string;
  /** The client asks for a replication connection: of one database (`logical`) or of the whole server's WAL (`physical`). */
  readonly replication: 'none' | 'logical' | 'physical';
  /** What else the client set at the start, for the audit log: it can change what a statement means. */
  readonly parameters: Readonly<Record<string, string>>;
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
    | 'unsupported'
    | 'too-many-connections'
    | 'audit-unavailable'
    | 'idle'
    | 'killed'
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
export type HealthTarget = { readonly connectTimeoutMs: number; readonly secureContext: SecureContext };

export type DatabaseCredentials =
  | {
      readonly type: 'certificate';
      readonly secureContext: SecureContext;
      /** False: the certificate is over, or will be before a connection is made. Absent: not known, it is tried. */
      readonly stillGood?: () => boolean;
    }
  | { readonly type: 'password'; readonly secureContext: SecureContext; readonly password: string };

/** A signed-in database connection, nothing relayed yet. `details` is the engine's own. The owner destroys the channel. */
export type DatabaseConnection = {
  readonly channel: Channel;
  /** For the audit log: the database's own number of the session (PostgreSQL's process id, MySQL's connection id) where there is one. */
  readonly backendId?: number;
  readonly serverVersion?: string;
  readonly details: unknown;
  /**
   * Asks the database to stop the running statement, over a connection of its own, within `connectTimeoutMs`. Rejects where it is known that the database was not asked:
   * MySQL has to be signed in to once more, PostgreSQL's cancel needs a key alone and does not tell.
   */
  cancel(): Promise<void>;
  /** False: what this connection signed in with is over, so another agent should stop what it runs (decision 0012). Absent: `cancel` needs no credentials. */
  canCancel?(): boolean;
  /**
   * Stops what another connection runs, or ends it, by the database's own number, as this one's database user and with its credentials. Outlives this connection; takes at most
   * `connectTimeoutMs`. Rejects when the database could not be asked, or says no. Absent: the protocol has no such thing.
   */
  stop?(backendId: number, what: KillKind): Promise<void>;
};

/** By what a session can be named from outside, so that its running statement can be stopped. */
export type SessionHandles = {
  /** Keys that entitle whoever shows them (PostgreSQL). */
  readonly keys: CancelKeys;
  /** Numbers that name this person's sessions with this database to this person alone (MySQL). */
  readonly ids: OwnSessionIds;
  /** To be registered with the number. */
  readonly stop: StopSession;
};

/** What admit gives back: call `release` when the session ends, else its cancel key stays valid. Idempotent. */
export type Admission = { release(): void };

export type RelaySession = {
  readonly client: Channel;
  readonly database: DatabaseConnection;
  readonly request: AccessRequest;
  /** What the Grant says of this session. */
  readonly options: SessionOptions;
  /** Asks again whether this session may go on with another database name (`USE`); undefined: it may. Takes microseconds; a look-up that fails is a refusal. */
  readonly mayUse: (databaseName: string) => Refusal | undefined;
  readonly ids: OwnSessionIds;
  readonly elsewhere: SessionsElsewhere;
  readonly recorder: Recorder;
  /** Aborted with a `Refusal` as reason: idle, lock, expiry, shutdown. The relay then says it in the protocol and ends. */
  readonly signal: AbortSignal;
  readonly limits: RelayLimits;
  /** Where the relay counts, in place; read by idle watch and metrics. */
  readonly counters: RelayCounters;
  readonly clock: Clock;
};

/** What one session may hold and what of it is kept for audit; made from tessera.yaml (`DatabaseLimits`). */
export type RelayLimits = {
  /** Of a statement's text kept for audit; the rest is told by length and SHA-256. */
  readonly maxAuditedStatementBytes: number;
  /** Of all bind values of one execution together. */
  readonly maxAuditedValuesBytes: number;
  /** Named statements and portals remembered per session, each; later ones are journalled, but their executions say that the text is not known. */
  readonly maxPreparedStatements: number;
  /** Statements sent and not yet answered, per session; above it the client is not read until answers come. */
  readonly maxPipelinedStatements: number;
};

/** `running`: statements that the database was given and has not answered. Times are `clock.now()`. */
export type RelayCounters = {
  bytesFromClient: number;
  bytesFromDatabase: number;
  statements: number;
  lastActivityMs: number;
  running: number;
  /** The relay sets it: the text of the statement that was asked last and is not answered, as far as it is kept for audit; undefined: none, or not known. */
  current?: () => string | undefined;
};

/** A session that its client was let into; `counters` go on counting. */
export type AdmittedSession = {
  readonly grant: Grant;
  readonly request: AccessRequest;
  readonly startedMs: number;
  readonly counters: RelayCounters;
};

/** How a relay ended. */
export type Closed = {
  readonly by: 'client' | 'database' | 'refusal' | 'error';
  readonly refusal?: Refusal;
  readonly error?: Error;
  /** We ended the session while a statement ran, and could not have it stopped, because of this: it may run on in the database. */
  readonly statementMayRunOn?: Error;
};
