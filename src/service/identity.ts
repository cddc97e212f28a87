import { X509Certificate, createPrivateKey } from 'node:crypto';
import type { JoinResponse, RenewHostCertificateResponse } from '../../gen/tessera/auth/v1/auth_pb.ts';
import { LoginError, StorageError, UpstreamError } from '../errors.ts';
import { generateKeyPair } from '../pki/keys.ts';
import { connectAuth, type AuthConnection } from '../rpc/client.ts';
import { authoritiesFromGen, type Authorities } from '../rpc/convert.ts';
import type { DialVia } from '../rpc/dial.ts';
import { fromConnectError } from '../rpc/errors.ts';
import type { AuthorityType } from '../resource/resource.ts';
import type { Clock, Timer } from '../telemetry/clock.ts';
import type { Log } from '../telemetry/log.ts';
import { readIdentityFile, writeIdentityFile, type StoredIdentity } from './identity-file.ts';

/** Who a proxy or agent is: loaded from its data folder, else joined by token, renewed by itself at two thirds of each certificate's life. */

export type HostIdentityOptions = {
  /** The identity is kept in `<dataDir>/<role>/identity.json`, mode 0600, replaced atomically. */
  readonly dataDir: string;
  readonly role: 'proxy' | 'database';
  /** For people: shown in lists. */
  readonly hostName: string;
  /** Auth's own addresses (`direct`) or proxies' (`proxy`), `host:port`. */
  readonly addresses: readonly string[];
  readonly via: DialVia;
  /** Needed once, when there is no identity yet. Without a pin joining is refused: a token must never be shown to a stranger. */
  readonly join?: { readonly token: string; readonly caPins: readonly string[] };
  /** A proxy's public host names and addresses, for its certificate. */
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the attempts to join. */
  readonly signal?: AbortSignal;
  /** 0 to 1; spreads retries and renewals. Default Math.random. */
  readonly random?: () => number;
};

/** Beside those that Auth gives by itself. */
type CertificateNames = { readonly dnsNames: readonly string[]; readonly ipAddresses: readonly string[] };

/** One generation of an identity: key and certificate always belong together. */
export type HostCredentials = {
  /** PEM, leaf only. */
  readonly certificate: string;
  /** PKCS#8 PEM; never leaves this process and its file. */
  readonly privateKey: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
};

const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;

/**
 * Resolves once there is an identity: at once from the file, else after joining, which is retried while Auth is away. Rejects with LoginError when Auth refuses
 * the token or the pin does not match, with StorageError when the file can not be read or written.
 */
export async function openHostIdentity(options: HostIdentityOptions): Promise<HostIdentityHolder> {
  const stored = await readIdentityFile(options.dataDir, options.role);
  if (stored !== undefined && isUsable(stored, options.clock)) return new HostIdentityHolder(options, stored);
  if (options.join === undefined) {
    const why =
      stored === undefined ? `no identity in ${options.dataDir}` : `the identity in ${options.dataDir} has expired`;
    throw new LoginError(
      'JOIN_TOKEN_MISSING',
      `${options.role} service: ${why} and no join token is configured; make one with "tessera tokens add" and set join_params and ca_pin`,
    );
  }
  if (options.join.caPins.length === 0) {
    throw new LoginError(
      'CA_PIN_MISSING',
      'joining needs ca_pin: without it the token could be shown to a stranger; "tessera status" on the auth machine prints it',
    );
  }
  const joined = await joinUntilDone(options, options.join);
  await writeIdentityFile(options.dataDir, options.role, joined);
  return new HostIdentityHolder(options, joined);
}

/** True when `openHostIdentity` needs no token. Throws StorageError as it does. */
export async function hasIdentity(options: Pick<HostIdentityOptions, 'dataDir' | 'role' | 'clock'>): Promise<boolean> {
  const stored = await readIdentityFile(options.dataDir, options.role);
  return stored !== undefined && isUsable(stored, options.clock);
}

export class HostIdentityHolder {
  readonly hostId: string;
  readonly hostName: string;
  readonly role: 'proxy' | 'database';
  readonly clusterName: string;
  /** The calls of this service to Auth, with the identity of the moment. Closed by `close`. */
  readonly connection: AuthConnection;
  readonly #options: HostIdentityOptions;
  readonly #listeners = new Set<(credentials: HostCredentials) => void>();
  #stored: StoredIdentity;
  #credentials: HostCredentials;
  #timer: Timer | undefined;
  #failures = 0;
  #closed = false;
  #names: CertificateNames;
  /** Asked for by this process: a certificate that lacks some of them all the same is not asked for again. */
  #askedNames: CertificateNames | undefined;

  /** Use `openHostIdentity`. */
  constructor(options: HostIdentityOptions, stored: StoredIdentity) {
    this.#options = options;
    this.#stored = stored;
    this.#credentials = credentialsOf(stored);
    this.#names = { dnsNames: options.dnsNames ?? [], ipAddresses: options.ipAddresses ?? [] };
    this.hostId = stored.hostId;
    this.hostName = options.hostName;
    this.role = options.role;
    this.clusterName = stored.clusterName;
    this.connection = connectAuth({
      addresses: options.addresses,
      via: options.via,
      identity: this.#credentials,
      trust: { hostAuthorities: stored.authorities.host },
      log: options.log,
    });
    this.#schedule();
  }

  /** The credentials of the moment. */
  current(): HostCredentials {
    return this.#credentials;
  }

  /** PEM certificates as last told by Auth and kept on disk: what to trust before the cluster cache is ready. */
  authorities(type: AuthorityType): readonly string[] {
    return this.#stored.authorities[type];
  }

  /** False once the certificate has expired: Auth was away for a third of its life, or refuses this host. */
  valid(): boolean {
    return this.#options.clock.now() < this.#credentials.notAfterMs;
  }

  /** Calls back with each new generation, after it is on disk and `current`. Returns what ends it. */
  onRenew(listener: (credentials: HostCredentials) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Takes over authorities that the cluster cache learned (a rotation); kept on disk. Unchanged ones cost nothing. */
  async useAuthorities(type: AuthorityType, certificates: readonly string[]): Promise<void> {
    if (certificates.length === 0 || certificates.join() === this.#stored.authorities[type].join()) return;
    await this.#keep({ ...this.#stored, authorities: { ...this.#stored.authorities, [type]: certificates } });
  }

  /** Other addresses of Auth or of proxies, tried from the next connection on. */
  useAddresses(addresses: readonly string[]): void {
    this.connection.use({ addresses });
  }

  /** Names for the certificate from now on. One that lacks some of them is renewed at once; so is one at the start of a process. */
  useNames(names: CertificateNames): void {
    this.#names = names;
    if (this.#lacksNames()) this.#schedule();
  }

  /** Asks for a new certificate now, with a new key. Throws as the call does; the old identity stays then. */
  async renew(): Promise<void> {
    const keys = generateKeyPair();
    const names = this.#names;
    const answer = await this.connection.client.renewHostCertificate({
      publicKey: new Uint8Array(keys.publicKeyDer),
      dnsNames: [...names.dnsNames],
      ipAddresses: [...names.ipAddresses],
    });
    this.#askedNames = names;
    await this.#keep({ ...this.#stored, ...checked(answer, keys.privateKeyPem) });
    this.#options.log.info(
      { host_id: this.hostId, expires: new Date(this.#credentials.notAfterMs).toISOString() },
      "renewed this host's certificate",
    );
    for (const listener of this.#listeners) listener(this.#credentials);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.connection.close();
  }

  async #keep(next: StoredIdentity): Promise<void> {
    await writeIdentityFile(this.#options.dataDir, this.#options.role, next);
    this.#stored = next;
    this.#credentials = credentialsOf(next);
    this.connection.use({ identity: this.#credentials, trust: { hostAuthorities: next.authorities.host } });
  }

  #schedule(): void {
    this.#timer?.cancel();
    if (this.#closed) return;
    const { notBeforeMs, notAfterMs } = this.#credentials;
    const random = (this.#options.random ?? Math.random)();
    // Two thirds of the life, spread over the twentieth before it, so that hosts that joined together do not come back together.
    const dueMs = this.#lacksNames()
      ? 0
      : notBeforeMs + (notAfterMs - notBeforeMs) * (2 / 3 - random / 20) - this.#options.clock.now();
    const retryMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 10)) * (0.5 + random / 2);
    this.#timer = this.#options.clock.after(
      this.#failures > 0 ? retryMs : Math.max(dueMs, 0),
      () => void this.#renewOnTime(),
      { background: true },
    );
  }

  #lacksNames(): boolean {
    if (this.#askedNames === this.#names) return false;
    const certificate = new X509Certificate(this.#credentials.certificate);
    const { dnsNames, ipAddresses } = this.#names;
    return (
      dnsNames.some((name) => certificate.checkHost(name) === undefined) ||
      ipAddresses.some((address) => certificate.checkIP(address) === undefined)
    );
  }

  async #renewOnTime(): Promise<void> {
    try {
      await this.renew();
      this.#failures = 0;
    } catch (error) {
      if (this.#closed) return;
      this.#failures += 1;
      const known = fromConnectError(error);
      const expires = new Date(this.#credentials.notAfterMs).toISOString();
      this.#options.log.warn(
        { code: known.code, reason: known.message, expires },
        "could not renew this host's certificate; trying again",
      );
    }
    this.#schedule();
  }
}

async function joinUntilDone(
  options: HostIdentityOptions,
  join: { token: string; caPins: readonly string[] },
): Promise<StoredIdentity> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await joinOnce(options, join);
    } catch (error) {
      const known = fromConnectError(error);
      if (!(known instanceof UpstreamError) || !known.retryable || options.signal?.aborted === true) throw known;
      options.log.warn({ code: known.code, reason: known.message }, 'could not join the cluster yet; trying again');
      const waitMs =
        Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10)) *
        (0.5 + (options.random ?? Math.random)() / 2);
      await options.clock.sleep(waitMs, options.signal);
    }
  }
}

async function joinOnce(
  options: HostIdentityOptions,
  join: { token: string; caPins: readonly string[] },
): Promise<StoredIdentity> {
  const connection = connectAuth({
    addresses: options.addresses,
    via: options.via,
    identity: undefined,
    trust: { caPins: join.caPins },
    log: options.log,
  });
  try {
    const keys = generateKeyPair();
    const answer = await connection.client.join({
      token: join.token,
      role: options.role,
      hostName: options.hostName,
      publicKey: new Uint8Array(keys.publicKeyDer),
      dnsNames: [...(options.dnsNames ?? [])],
      ipAddresses: [...(options.ipAddresses ?? [])],
    });
    options.log.info({ host_id: answer.hostId, cluster_name: answer.clusterName }, 'joined the cluster');
    return {
      version: 1,
      hostId: answer.hostId,
      clusterName: answer.clusterName,
      ...checked(answer, keys.privateKeyPem),
    };
  } finally {
    connection.close();
  }
}

// Auth is trusted by now; this catches an answer that would lock us out at the next start.
function checked(
  answer: JoinResponse | RenewHostCertificateResponse,
  privateKey: string,
): { certificate: string; privateKey: string; authorities: Authorities } {
  const authorities = authoritiesFromGen(answer.authorities);
  const certificate = new X509Certificate(answer.certificate);
  if (!certificate.checkPrivateKey(createPrivateKey(privateKey))) {
    throw new StorageError('HOST_CERTIFICATE_MISMATCH', 'the auth service returned a certificate for another key');
  }
  if (authorities.host.length === 0)
    throw new StorageError('HOST_AUTHORITY_MISSING', 'the auth service returned no host authority');
  return { certificate: answer.certificate, privateKey, authorities };
}

function isUsable(stored: StoredIdentity, clock: Clock): boolean {
  return credentialsOf(stored).notAfterMs > clock.now();
}

function credentialsOf(stored: StoredIdentity): HostCredentials {
  const certificate = new X509Certificate(stored.certificate);
  return {
    certificate: stored.certificate,
    privateKey: stored.privateKey,
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  };
}
