import { X509Certificate } from 'node:crypto';
import type { SecureContext } from 'node:tls';

import { LRUCache } from 'lru-cache';

import type { DatabaseCredentials } from '../../engine/engine.ts';
import { UpstreamError } from '../../errors.ts';
import { generateKeyPair } from '../../pki/keys.ts';
import type { UserIdentity } from '../../resource/identity.ts';
import type { Database } from '../../resource/resource.ts';
import type { Clock } from '../../telemetry/clock.ts';
import type { Log } from '../../telemetry/log.ts';
import { readPasswordFile } from './password-file.ts';
import { databaseContext, type ServerTrust, serverTrustOf } from './tls-context.ts';

/** Asks Auth for a database certificate (IssueDatabaseCertificate). `opening` is the session opening as the proxy signed it. Returns PEM, and which of the person's roles are in force still; none: not told. */
export type IssueCertificate = (request: {
  readonly opening: Buffer;
  readonly publicKey: Buffer;
  readonly databaseUser: string;
  readonly databaseName: string;
}) => Promise<{ readonly certificate: string; readonly roles: readonly string[] }>;

export type CredentialsOptions = {
  readonly issue: IssueCertificate;
  /** PEM of the cluster's db authorities as trusted now. */
  readonly databaseAuthorities: () => readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** Certificates kept, each about 50 KiB; the least recently used go first. Default 2,000. */
  readonly maxCachedCredentials?: number;
};

export type CredentialRequest = {
  readonly identity: UserIdentity;
  readonly opening: Buffer;
  readonly database: Database;
  readonly databaseUser: string;
  readonly databaseName: string;
};

/**
 * What the agent signs in to databases with. A certificate is asked for once and kept, as a ready TLS context, for the same person with the same roles and traits, the same
 * database and the same database user, until a quarter of its life is left; it never serves anybody else. Whether the person may is not decided here: authorize runs
 * before each use. With Auth away, a kept certificate is used until it expires.
 */
export class DatabaseCredentialCache {
  readonly #options: CredentialsOptions;
  readonly #kept: LRUCache<string, Kept>;
  readonly #pending = new Map<string, Promise<Kept>>();
  readonly #serverOnly: LRUCache<string, SecureContext>;

  constructor(options: CredentialsOptions) {
    this.#options = options;
    const max = options.maxCachedCredentials ?? 2000;
    this.#kept = new LRUCache({ max });
    this.#serverOnly = new LRUCache({ max });
  }

  /** Throws what Auth's refusal became, UpstreamError when Auth is away, LoginError for a bad password file. */
  async credentials(request: CredentialRequest): Promise<DatabaseCredentials & RolesInForce> {
    const trust = serverTrustOf(request.database, this.#options.databaseAuthorities());
    // Also where a password signs in: Auth authorizes the person again, or there is none.
    const kept = await this.#certificate(request, trust);
    const file = request.database.spec.password_file;
    if (file !== undefined) {
      const password = await readPasswordFile(file);
      return { type: 'password', secureContext: this.#serverContext(trust), password, rolesInForce: kept.roles };
    }
    const { secureContext, expiresMs } = kept;
    const rolesInForce = kept.roles;
    const stillGood = (): boolean => this.#options.clock.now() < expiresMs - signInMs;
    return { type: 'certificate', secureContext, stillGood, rolesInForce };
  }

  /** A context that shows no certificate: for health checks. */
  healthContext(database: Database): SecureContext {
    return this.#serverContext(serverTrustOf(database, this.#options.databaseAuthorities()));
  }

  async #certificate(request: CredentialRequest, trust: ServerTrust): Promise<Kept> {
    const key = keyOf(request, trust);
    const now = this.#options.clock.now();
    const kept = this.#kept.get(key);
    if (kept !== undefined && now < kept.renewAtMs) return kept;
    // One request at a time per key: what one opening is given serves all.
    const others = this.#pending.get(key);
    try {
      return await (others ?? this.#ask(key, request, trust));
    } catch (error) {
      // A refusal counts at once; only an absent Auth is waited for.
      const absent = error instanceof UpstreamError && error.retryable;
      // What one opening is refused is not refused to the others: it may be that of an old session which is to be cancelled, and too old to be believed.
      if (others !== undefined && !absent) return await this.#certificate(request, trust);
      if (!absent) this.#kept.delete(key);
      if (!absent || kept === undefined || this.#options.clock.now() >= kept.expiresMs) throw error;
      this.#options.log.warn(
        { err: error, db_service: request.database.metadata.name },
        'a database certificate could not be renewed; the one before is still valid',
      );
      return kept;
    }
  }

  #ask(key: string, request: CredentialRequest, trust: ServerTrust): Promise<Kept> {
    const pending = this.#issue(key, request, trust).finally(() => this.#pending.delete(key));
    this.#pending.set(key, pending);
    return pending;
  }

  async #issue(key: string, request: CredentialRequest, trust: ServerTrust): Promise<Kept> {
    const { privateKeyPem, publicKeyDer } = generateKeyPair();
    const { opening, databaseUser, databaseName } = request;
    const { certificate, roles } = await this.#options.issue({
      opening,
      publicKey: publicKeyDer,
      databaseUser,
      databaseName,
    });
    const { fromMs, expiresMs } = validity(certificate, publicKeyDer);
    const secureContext = databaseContext(trust, { certificate, privateKeyPem });
    const kept = { secureContext, roles, expiresMs, renewAtMs: expiresMs - (expiresMs - fromMs) / 4 };
    this.#kept.set(key, kept);
    return kept;
  }

  #serverContext(trust: ServerTrust): SecureContext {
    let context = this.#serverOnly.get(trust.digest);
    if (context === undefined) {
      context = databaseContext(trust);
      this.#serverOnly.set(trust.digest, context);
    }
    return context;
  }
}

/** A sign-in begun with a certificate that has less than this left may come too late for the database. */
const signInMs = 5000;

/** Of the person's roles those that Auth found when it issued; empty: it did not say. */
export type RolesInForce = { readonly rolesInForce: readonly string[] };

type Kept = {
  readonly secureContext: SecureContext;
  readonly roles: readonly string[];
  readonly renewAtMs: number;
  readonly expiresMs: number;
};

/** Everything that Auth decides by, and whom the context trusts. */
function keyOf({ identity, database, databaseUser }: CredentialRequest, trust: ServerTrust): string {
  const traits = Object.entries(identity.traits)
    .map(([name, values]) => [name, [...values].sort()] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([
    identity.user,
    identity.userKind,
    [...identity.roles].sort(),
    traits,
    database.metadata.name,
    databaseUser,
    trust.digest,
  ]);
}

/** When a certificate that Auth returned is good. Throws UpstreamError when it is none, or for another key than ours. */
function validity(pem: string, publicKeyDer: Buffer): { readonly fromMs: number; readonly expiresMs: number } {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (cause) {
    throw new UpstreamError('DATABASE_CERTIFICATE_MALFORMED', 'the auth service returned no certificate in PEM', {
      cause,
    });
  }
  if (!certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(publicKeyDer)) {
    throw new UpstreamError('DATABASE_CERTIFICATE_KEY', 'the auth service returned a certificate for another key');
  }
  return { fromMs: certificate.validFromDate.getTime(), expiresMs: certificate.validToDate.getTime() };
}
