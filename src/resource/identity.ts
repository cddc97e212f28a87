/** Who somebody is, as written into a certificate (src/pki/identity.ts) and read out of a verified one. */

export type DatabaseProtocol = 'postgres' | 'mysql' | 'mongodb' | 'redis' | 'sqlserver';

/** The database a route certificate is for. User and name may be open: the engine's start-up packet then says them. */
export type Route = {
  /** Name of the `db` resource. */
  readonly service: string;
  readonly protocol: DatabaseProtocol;
  readonly databaseUser?: string;
  readonly databaseName?: string;
};

/** Every trait is a list; names are free (`db_users`, `db_names`, and what single sign-on brings). */
export type Traits = { readonly [name: string]: readonly string[] };

/** A person. With `route`, the certificate is good for that one database and for nothing else. */
export type UserIdentity = {
  readonly kind: 'user';
  readonly user: string;
  /** `local` or `sso`. */
  readonly userKind: 'local' | 'sso';
  readonly roles: readonly string[];
  readonly traits: Traits;
  readonly route?: Route;
  /** Set when a second factor was shown at sign-in: what kind. */
  readonly mfa?: 'otp' | 'webauthn';
  /** Of a route certificate: a second factor was shown for this very route, so that it opens what demands one for each session. */
  readonly sessionMfa?: 'otp' | 'webauthn';
  /** The only client address that may use the certificate, when a role pins it. */
  readonly pinnedAddress?: string;
  /** Where the person signed in from. */
  readonly loginAddress?: string;
  /** Access requests whose roles the person holds now; a possible target of locks. */
  readonly accessRequests?: readonly string[];
  /** For a route certificate: when the certificate it was made from expires, milliseconds since 1970. */
  readonly previousExpiresMs?: number;
};

export type HostRole = 'auth' | 'proxy' | 'database' | 'admin';

/** A service, or (`admin`) the administrator on the Auth machine. */
export type HostIdentity = {
  readonly kind: 'host';
  /** UUID, chosen by Auth at join. */
  readonly hostId: string;
  readonly hostName: string;
  readonly role: HostRole;
};

export type Identity = UserIdentity | HostIdentity;

/** A verified certificate's content: only src/pki/verify.ts makes one. */
export type VerifiedCertificate<I extends Identity = Identity> = {
  readonly identity: I;
  readonly clusterName: string;
  /** Lower-case hex SHA-256 of the DER. */
  readonly fingerprint: string;
  readonly serial: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** DER of leaf, as presented. */
  readonly der: Buffer;
};
