import type { DatabaseProtocol, Traits } from './identity.ts';

/** The nouns of a cluster, in the YAML files' shapes (camelCase is for code; these keys are the public format). */

export type Labels = { readonly [key: string]: string };
/** A label matcher: keys AND, values OR; `*`, globs, `^regex$`. */
export type LabelMatcher = { readonly [key: string]: readonly string[] };

export type Metadata = {
  readonly name: string;
  readonly description?: string;
  readonly labels?: Labels;
  /** RFC 3339. */
  readonly expires?: string;
};

export type RoleConditions = {
  readonly db_labels?: LabelMatcher;
  readonly db_labels_expression?: string;
  readonly db_users?: readonly string[];
  readonly db_names?: readonly string[];
  readonly db_roles?: readonly string[];
  readonly rules?: readonly Rule[];
  /** Tessera: `logical` allows replication connections to one PostgreSQL database, `*` also the whole server's WAL. */
  readonly db_replication?: readonly string[];
  /** Tessera: the client may send files of its own machine when a statement asks for them (MySQL's LOAD DATA LOCAL). */
  readonly db_local_infile?: boolean;
};

export type Rule = {
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly where?: string;
};

export type RoleOptions = {
  /** Milliseconds here; text with a unit (`8h`) in YAML. */
  readonly max_session_ttl?: number;
  readonly client_idle_timeout?: number;
  readonly disconnect_expired_cert?: boolean;
  readonly require_session_mfa?: boolean;
  readonly max_connections?: number;
  readonly pin_source_ip?: boolean;
  readonly lock?: 'strict' | 'best_effort';
};

export type Role = {
  readonly kind: 'role';
  readonly version: 'v3' | 'v4' | 'v5' | 'v6' | 'v7' | 'v8';
  readonly metadata: Metadata;
  readonly spec: { readonly options: RoleOptions; readonly allow: RoleConditions; readonly deny: RoleConditions };
};

export type User = {
  readonly kind: 'user';
  readonly version: 'v2';
  readonly metadata: Metadata;
  readonly spec: {
    readonly roles: readonly string[];
    readonly traits: Traits;
    readonly created_by?: {
      readonly user: string;
      readonly time: string;
      /** The provider that the person signs in at; absent: a local user. Roles and traits are then written anew at each sign-in. */
      readonly connector?: { readonly type: ConnectorKind; readonly id: string; readonly identity: string };
    };
    readonly status?: { readonly is_locked: boolean; readonly lock_expires?: string; readonly locked_message?: string };
  };
};

export type DatabaseTls = {
  readonly mode: 'verify-full' | 'verify-ca' | 'insecure';
  readonly server_name?: string;
  /** PEM; absent: the cluster's db authorities. */
  readonly ca_cert?: string;
  readonly trust_system_cert_pool?: boolean;
};

export type Database = {
  readonly kind: 'db';
  readonly version: 'v3';
  readonly metadata: Metadata;
  readonly spec: {
    readonly protocol: DatabaseProtocol;
    /** host:port */
    readonly uri: string;
    readonly tls: DatabaseTls;
    /** When set the agent signs in with this password instead of a client certificate. A file on the agent's machine. */
    readonly password_file?: string;
    readonly admin_user?: { readonly name: string; readonly default_database?: string };
    readonly mysql?: { readonly server_version?: string };
  };
};

export type ProvisionToken = {
  readonly kind: 'token';
  readonly version: 'v2';
  readonly metadata: Metadata;
  readonly spec: {
    readonly roles: readonly ('Db' | 'Proxy')[];
    readonly join_method: 'token';
    /** How often it may still be used; absent: until it expires. */
    readonly uses_left?: number;
  };
};

export type LockTarget = {
  readonly user?: string;
  readonly role?: string;
  readonly db_service?: string;
  readonly server_id?: string;
  readonly access_request?: string;
  /** Lower-case hex SHA-256 of a certificate. */
  readonly certificate?: string;
  /** One session, by its id (UUID): what ending a session from the web UI writes. */
  readonly session_id?: string;
};

export type Lock = {
  readonly kind: 'lock';
  readonly version: 'v2';
  readonly metadata: Metadata;
  readonly spec: { readonly target: LockTarget; readonly message?: string; readonly expires?: string };
};

export type ClusterAuthPreference = {
  readonly kind: 'cluster_auth_preference';
  readonly version: 'v2';
  readonly metadata: Metadata;
  readonly spec: {
    readonly type: 'local' | 'oidc' | 'saml' | 'github';
    readonly second_factors: readonly ('otp' | 'webauthn')[];
    readonly locking_mode: 'strict' | 'best_effort';
    readonly require_session_mfa: boolean;
    readonly message_of_the_day?: string;
    /** Ends sessions when the certificate does, whatever the roles say. */
    readonly disconnect_expired_cert?: boolean;
    /** Milliseconds. */
    readonly default_session_ttl: number;
    /** The connector that "tsh login" takes when nothing is said. */
    readonly connector_name?: string;
    /** Local users may sign in; default true. */
    readonly allow_local_auth: boolean;
    /** A passkey alone, which verifies its person, is enough; default true where webauthn is a second factor. */
    readonly allow_passwordless: boolean;
    /** `rp_id`: the domain that passkeys are bound to; absent: the host of the proxies' public address. */
    readonly webauthn?: { readonly rp_id: string };
    /** Milliseconds that a certificate made with a second factor for one session lives. Default 5 min. */
    readonly session_mfa_ttl: number;
    /** Milliseconds without a call after which a web session ends. Default 1 h. */
    readonly web_idle_timeout: number;
  };
};

export type ConnectorKind = 'oidc' | 'saml' | 'github';
/** `value`: exact, a glob, or `^regex$`; roles may use `$1`. */
export type ClaimToRoles = {
  readonly claim: string;
  readonly value: string;
  readonly roles: readonly string[];
};

/** Single sign-on by OpenID Connect. */
export type OidcConnector = {
  readonly kind: 'oidc';
  readonly version: 'v3';
  readonly metadata: Metadata;
  readonly spec: {
    readonly display?: string;
    readonly issuer_url: string;
    readonly client_id: string;
    /** Only on the way in: it is sealed beside the record, and no answer has it. */
    readonly client_secret?: string;
    /** Where the provider sends the browser back to; the first is used unless the browser's own origin is among them. */
    readonly redirect_url: readonly string[];
    readonly scope: readonly string[];
    readonly claims_to_roles: readonly ClaimToRoles[];
    /** Default `email` (which must be verified), else `sub`. */
    readonly username_claim?: string;
    readonly prompt?: string;
    readonly acr_values?: string;
    /** Milliseconds since the person last proved who they are at the provider. */
    readonly max_age?: number;
    /** A key of the ecosystem's files. Must be empty: tsh's answer goes to loopback alone (src/service/auth/connectors.ts). */
    readonly client_redirect_settings?: { readonly allowed_https_hostnames: readonly string[] };
    /** An unverified email as user name; default false. */
    readonly allow_unverified_email: boolean;
  };
};

/** Single sign-on by SAML 2.0. */
export type SamlConnector = {
  readonly kind: 'saml';
  readonly version: 'v2';
  readonly metadata: Metadata;
  readonly spec: {
    readonly display?: string;
    /** Assertion consumer service: `https://<proxy>/v1/webapi/saml/acs/<name>`. */
    readonly acs: string;
    /** Default: `service_provider_issuer`, else `acs`. */
    readonly audience?: string;
    readonly service_provider_issuer?: string;
    /** One of the two. */
    readonly entity_descriptor?: string;
    readonly entity_descriptor_url?: string;
    readonly attributes_to_roles: readonly {
      readonly name: string;
      readonly value: string;
      readonly roles: readonly string[];
    }[];
    /** The attribute that is the user name; absent: NameID. */
    readonly username_attribute?: string;
    readonly allow_idp_initiated: boolean;
    /** PEM; made by Auth when absent. Signs requests. */
    readonly signing_key_pair?: { readonly private_key?: string; readonly cert: string };
    /** PEM; decrypts assertions. */
    readonly assertion_key_pair?: { readonly private_key?: string; readonly cert: string };
    readonly client_redirect_settings?: { readonly allowed_https_hostnames: readonly string[] };
  };
};

/** Single sign-on by GitHub's organisations and teams. */
export type GithubConnector = {
  readonly kind: 'github';
  readonly version: 'v3';
  readonly metadata: Metadata;
  readonly spec: {
    readonly display?: string;
    readonly client_id: string;
    readonly client_secret?: string;
    readonly redirect_url: string;
    readonly teams_to_roles: readonly {
      readonly organization: string;
      readonly team: string;
      readonly roles: readonly string[];
    }[];
    /** Of GitHub Enterprise; default github.com. */
    readonly endpoint_url?: string;
    readonly api_endpoint_url?: string;
    readonly client_redirect_settings?: { readonly allowed_https_hostnames: readonly string[] };
  };
};
export type Connector = OidcConnector | SamlConnector | GithubConnector;

/** Presence: one database as served by one agent. Name: `<host id>/<database>`. */
export type DatabaseServer = {
  readonly kind: 'db_server';
  readonly version: 'v3';
  readonly metadata: Metadata;
  readonly spec: {
    readonly host_id: string;
    readonly host_name: string;
    readonly database: Database;
    readonly origin: 'config' | 'dynamic' | 'cloud';
    readonly health: {
      readonly status: 'healthy' | 'unhealthy' | 'unknown';
      readonly message?: string;
      readonly since?: string;
    };
    /** As the database itself says, once known. */
    readonly server_version?: string;
  };
};

/** Presence: one proxy. Name: host id. */
export type ProxyServer = {
  readonly kind: 'proxy_server';
  readonly version: 'v2';
  readonly metadata: Metadata;
  readonly spec: {
    readonly host_id: string;
    readonly host_name: string;
    readonly public_addr: string;
    /** Where clients of MySQL connect that begin in clear; absent: nowhere. */
    readonly mysql_public_addr?: string;
    readonly draining?: boolean;
  };
};

/** A certificate authority's public half. Name: its type. */
export type AuthorityResource = {
  readonly kind: 'authority';
  readonly version: 'v2';
  readonly metadata: Metadata;
  readonly spec: { readonly type: AuthorityType; readonly certificates: readonly string[] };
};

export type AuthorityType = 'user' | 'host' | 'db' | 'db-client';

export type Resource =
  | Role
  | User
  | Database
  | ProvisionToken
  | Lock
  | ClusterAuthPreference
  | OidcConnector
  | SamlConnector
  | GithubConnector
  | DatabaseServer
  | ProxyServer
  | AuthorityResource;
export type Kind = Resource['kind'];
export type ResourceOf<K extends Kind> = Extract<Resource, { readonly kind: K }>;
