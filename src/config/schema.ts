import type { Database } from '../resource/resource.ts';

/**
 * What `tessera.yaml` says, typed, complete and frozen: every default is filled in, durations are milliseconds (`Ms`), sizes are bytes
 * (`Bytes`). Made by `parseConfig` alone, which does no I/O: files are named here and opened by the services.
 */
export type Config = {
  /** Where the text came from, for messages. */
  readonly path: string;
  /** The name shown in lists; absent: the host's name. */
  readonly nodeName?: string;
  /** State, journal, identities. Default `/var/lib/tessera`. */
  readonly dataDir: string;
  /** `/healthz /readyz /metrics`; absent: not served. */
  readonly diagAddr?: Address;
  readonly pidFile?: string;
  readonly log: { readonly level: LogLevel; readonly format: 'text' | 'json' };
  /** Where `db_service` dials: every proxy listed, at least one when `database` is set. Default: the proxy of this process. */
  readonly proxyServers: readonly Address[];
  /** Where `proxy_service` finds Auth. Default: the Auth Service of this process. Always set when `proxy` is. */
  readonly authServer?: Address;
  /** Present in a process without `auth`: what the first start joins with. Later starts use the identity in `dataDir`. */
  readonly join?: { readonly token: SecretSource; readonly caPins: readonly string[] };
  /** How long a draining process waits for its last session. Default 1 min: less than the 90 s after which a service manager kills. */
  readonly shutdownTimeoutMs: number;
  /** Present when enabled; at least one of the three is. */
  readonly auth?: AuthConfig;
  readonly proxy?: ProxyConfig;
  readonly database?: DatabaseServiceConfig;
};

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error';
/** A host name or IP address (IPv6 without brackets) and a port; 0 lets the system choose one where we listen. */
export type Address = { readonly host: string; readonly port: number };
/** A secret in the file itself (never logged) or, better, in a file of its own. */
export type SecretSource =
  | { readonly type: 'value'; readonly value: string }
  | { readonly type: 'file'; readonly path: string };

export type AuthConfig = {
  /** Can not change after the first start. */
  readonly clusterName: string;
  /** Default `127.0.0.1:3025`. */
  readonly listenAddr: Address;
  /** Further names and addresses that Auth's certificate carries. */
  readonly publicAddrs: readonly Address[];
  /** All are written; the first is what searches read. Default one file store, `<data_dir>/log`. */
  readonly auditEvents: readonly [AuditDestination, ...AuditDestination[]];
  /** The data key that encrypts the authorities' keys at rest. Default `<data_dir>/ca.key`, made at first start, mode 0600. */
  readonly caKeyFile: string;
  readonly limits: AuthLimits;
};
export type AuditDestination = { readonly type: 'file'; readonly directory: string } | { readonly type: 'stdout' };
export type AuthLimits = {
  /** Connections at once. Default 15,000. */
  readonly maxConnections: number;
  /** Of one client address. Default 1,000. */
  readonly maxConnectionsPerClient: number;
  /** Time for a TLS handshake. Default 15 s. */
  readonly handshakeTimeoutMs: number;
  /** Anonymous calls (sign-in, invitation, join) per client address. Default 20 a minute, burst 40. */
  readonly anonymousRatePerMinute: number;
  readonly anonymousBurst: number;
  /** Password hashes computed at once. Default 4. */
  readonly maxPasswordHashes: number;
  /** Certificates signed at once. Default 10. */
  readonly maxSignatures: number;
  /** Open `Watch` calls. Default 10,000. */
  readonly maxWatches: number;
  /** Changes that the store remembers for a watch that resumes. Default 8,192. */
  readonly maxWatchHistory: number;
  /** One request. Default 4 MiB. */
  readonly maxRequestBytes: number;
  /** One batch of audit events, unpacked. Default 16 MiB. */
  readonly maxAuditBatchBytes: number;
  /** Events of one page of a search. Default 1,000. */
  readonly maxSearchResults: number;
  /** Sessions of one person in browsers; with one more the oldest ends. Default 10. */
  readonly maxWebSessionsPerUser: number;
  /** Sign-ins of `tsh` that wait for a browser. Default 5,000. */
  readonly maxClientLogins: number;
  /** Of one client address. Default 100. */
  readonly maxClientLoginsPerClient: number;
  /** Refusals told one by one in the audit log, of one client address; more are counted together. Default 10 a minute. */
  readonly clientRefusalEventsPerMinute: number;
  /** The same, of all together. Default 600 a minute. */
  readonly refusalEventsPerMinute: number;
};

export type ProxyConfig = {
  /** Default `0.0.0.0:3080`. */
  readonly listenAddr: Address;
  /** How clients reach it; the first is advertised. Empty: the node's name and the listening port. */
  readonly publicAddrs: readonly Address[];
  /** Where clients of MySQL and MariaDB come in that begin in clear, as their protocol has it: the server speaks first, so they need a port of their own. Absent: nowhere. */
  readonly mysqlListenAddr?: Address;
  /** How clients reach that port; the first is advertised. Empty: the host of the first public address and the listening port. */
  readonly mysqlPublicAddrs: readonly Address[];
  /** What the greeting there says, whatever the databases are. Absent: their version when they agree, else `defaultMysqlServerVersion`. */
  readonly mysqlServerVersion?: string;
  /** Certificates shown to browsers and to `tsh`. Empty: the host certificate. */
  readonly httpsKeypairs: readonly { readonly keyFile: string; readonly certFile: string }[];
  /** Serves the web UI and its API. Default true. Single sign-on's callback addresses are served in any case: `tsh login` needs them. */
  readonly web: boolean;
  /** Set: a PROXY header is demanded from these networks (CIDR) and from nobody else accepted. */
  readonly proxyProtocol?: { readonly trustedSources: readonly string[] };
  readonly limits: ProxyLimits;
  readonly tunnel: TunnelConfig;
};
export type ProxyLimits = {
  /** Default 15,000. */
  readonly maxConnections: number;
  /** Default 1,000. */
  readonly maxConnectionsPerClient: number;
  /** From accepting a connection until the client's start-up is done. Default 15 s. */
  readonly handshakeTimeoutMs: number;
  /** Default 64 KiB. */
  readonly maxClientHelloBytes: number;
  /** Default 10,000, PostgreSQL's own. */
  readonly maxStartupBytes: number;
  /** Cancel requests of one client address. Default 60. */
  readonly cancelRatePerMinute: number;
  /** Of one agent: KILLs of MySQL sessions that other agents have. Default 600. */
  readonly killRatePerMinute: number;
  /** Agents with a tunnel to this proxy. Default 10,000. */
  readonly maxTunnels: number;
  /** For an agent to accept a stream. Default 10 s. */
  readonly agentAcceptTimeoutMs: number;
  /** Bytes that a client may send before an agent took its session, kept for the next agent to try. Default 64 KiB. */
  readonly maxReplayBytes: number;
  /** How long an agent may take to end a locked session in the protocol's words before the proxy cuts it. Default 10 s. */
  readonly lockGraceMs: number;
  /** Connections of one client address that are joined with Auth. A sign-in takes a handful, and many people may share an address. Default 600. */
  readonly authJoinsPerMinute: number;
  /** Refusals told one by one in the audit log, of one client address; more are counted together. Default 10 a minute. */
  readonly clientRefusalEventsPerMinute: number;
  /** The same, of all together. Default 600 a minute. */
  readonly refusalEventsPerMinute: number;
  /** Of audit events not yet with Auth; a full journal refuses nobody, as only refusals stand in it. Default 64 MiB. */
  readonly maxJournalBytes: number;
  /** Requests at once over one HTTP/2 connection. Default 100. */
  readonly maxWebStreams: number;
  /** Calls of browsers that are relayed to Auth at once, live views among them. Default 4,000. */
  readonly maxWebCalls: number;
  /** The same, of one client address: a whole office may share one. Default 400. */
  readonly maxWebCallsPerClient: number;
  /** The same, of one web session (one cookie). Default 64. */
  readonly maxWebCallsPerSession: number;
  /** One call of a browser with a session's cookie. Default 1 MiB. */
  readonly maxWebRequestBytes: number;
  /** The same without: a sign-in is small. Default 32 KiB. */
  readonly maxWebAnonymousRequestBytes: number;
  /** Calls of all browsers that are not yet whole, together. Default 64 MiB. */
  readonly maxWebBufferedBytes: number;
  /** One answer that is no stream. Default 16 MiB, what Auth's other clients take. */
  readonly maxWebAnswerBytes: number;
  /** For Auth to answer a call that is no stream. Default 30 s. */
  readonly webCallTimeoutMs: number;
  /** For a browser to take what was sent to it. Default 30 s. */
  readonly webStallTimeoutMs: number;
  /** Of an HTTP/2 connection without a request; one with an open live view is asked for a sign of life as often. Default 60 s. */
  readonly webIdleTimeoutMs: number;
  /** Answers of identity providers (callbacks) from one client address. Default 120. */
  readonly webCallbacksPerMinute: number;
  /** One answer of a SAML provider, as its form sends it. Default 512 KiB. */
  readonly maxSamlAnswerBytes: number;
};
export type TunnelConfig = {
  /** Streams of one tunnel. Default 8,192. */
  readonly maxStreams: number;
  /** What a stream's credit may grow to from the protocol's 256 KiB. Default 4 MiB. */
  readonly maxStreamWindowBytes: number;
  /** Default 10 s. */
  readonly keepAliveIntervalMs: number;
  /** Without any sign of life: closed. Default 30 s. */
  readonly keepAliveTimeoutMs: number;
};

export type DatabaseServiceConfig = {
  readonly databases: readonly StaticDatabase[];
  /** `db` resources that match one of these are served too. */
  readonly resources: readonly { readonly labels: { readonly [key: string]: readonly string[] } }[];
  readonly journal: JournalConfig;
  readonly limits: DatabaseLimits;
  readonly tunnel: TunnelConfig;
  /** The only folder in which a `db` resource may name a `password_file`; absent: such resources are not served. The file's own databases may name any. */
  readonly passwordDir?: string;
  readonly healthCheck: { readonly intervalMs: number; readonly timeoutMs: number };
  /** An older view of locks refuses in `strict` locking mode. Default 5 min. */
  readonly maxLockAgeMs: number;
};
/** `database.spec.tls.ca_cert` is absent: the service reads `caCertFile` into it. */
export type StaticDatabase = { readonly database: Database; readonly caCertFile?: string };
export type JournalConfig = {
  /** Of events not yet with Auth; at the limit statements wait. Default 1 GiB. */
  readonly maxBytes: number;
  /** `interval`: to the disk every `syncIntervalMs`; `always`: before each statement is forwarded. */
  readonly sync: 'interval' | 'always';
  /** Default 20 ms. */
  readonly syncIntervalMs: number;
  /** How long a statement waits for space before its session ends. Default 10 s. */
  readonly fullWaitMs: number;
};
export type DatabaseLimits = {
  /** Sessions at once. Default 8,192. */
  readonly maxSessions: number;
  /** Default 10,000, PostgreSQL's own. */
  readonly maxStartupBytes: number;
  /** Of a statement's text kept; the rest is told by length and SHA-256. Default 64 KiB. */
  readonly maxAuditedStatementBytes: number;
  /** Of all bind values of one execution. Default 64 KiB. */
  readonly maxAuditedValuesBytes: number;
  /** Named statements and portals per session. Default 10,000. */
  readonly maxPreparedStatements: number;
  /** Statements sent and not yet answered, per session. Default 10,000. */
  readonly maxPipelinedStatements: number;
  /** To open and sign in to a database. Default 30 s. */
  readonly connectTimeoutMs: number;
  /** Of one person: KILLs of MySQL sessions that other agents have. Default 60. */
  readonly killRatePerMinute: number;
  /** Refusals told one by one in the audit log, of one proxy; more are counted together. Default 10 a minute. */
  readonly clientRefusalEventsPerMinute: number;
  /** The same, of all together. Default 600 a minute. */
  readonly refusalEventsPerMinute: number;
};
