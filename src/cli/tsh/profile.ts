import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readIfThere, readSecret, writePrivate } from '../files.ts';
import { failure } from '../failure.ts';
import type { Io } from '../io.ts';
import { parseProxyAddress } from '../address.ts';
import type { ProxyAddress } from '../address.ts';

/**
 * What `tsh` keeps under `~/.tsh` (or `TESSERA_HOME`), all of it 0600 in folders 0700:
 *
 *     current-profile                        name of the profile in use
 *     <proxy>.yaml                           one profile
 *     keys/<proxy>/certs.pem                 what the proxy's public certificate must chain to
 *     keys/<proxy>/cas/<cluster>.pem         the cluster's host authorities
 *     keys/<proxy>/<user>.key .crt           the person's identity
 *     keys/<proxy>/<user>-db/<cluster>/<db>.key .crt .json   one database login
 */
export type Profile = {
  /** As typed at sign-in: `host:port`. */
  readonly proxy: string;
  readonly user: string;
  readonly cluster: string;
  readonly roles: readonly string[];
  /** How the person signed in: `local` or a connector's name; what the next sign-in takes. Absent: the cluster's own way. */
  readonly auth?: string;
};

/** A key pair of a person: PEM certificate, PKCS#8 PEM key, and the certificate read. */
export type KeyPair = { readonly certificate: string; readonly privateKey: string; readonly x509: X509Certificate };

/** The folder of all profiles. Every path below it is built here and nowhere else. */
export class ProfileStore {
  readonly home: string;

  constructor(io: Io) {
    const chosen = io.env['TESSERA_HOME'];
    this.home = chosen !== undefined && chosen !== '' ? chosen : join(io.home, '.tsh');
  }

  /** The profile by the proxy's address, or the current one. Undefined when there is none. */
  read(proxy?: string): Profile | undefined {
    const name = proxy === undefined ? this.currentName() : profileName(parseProxyAddress(proxy));
    if (name === undefined) return undefined;
    const text = readIfThere(join(this.home, `${name}.yaml`));
    return text === undefined ? undefined : parseProfile(text, join(this.home, `${name}.yaml`));
  }

  /** All profiles, the current one first. */
  list(): Profile[] {
    const current = this.currentName();
    const names = entries(this.home)
      .filter((entry) => entry.endsWith('.yaml'))
      .map((entry) => entry.slice(0, -'.yaml'.length))
      .sort((a, b) => Number(b === current) - Number(a === current) || (a < b ? -1 : 1));
    return names.flatMap((name) => {
      const path = join(this.home, `${name}.yaml`);
      const text = readIfThere(path);
      return text === undefined ? [] : [parseProfile(text, path)];
    });
  }

  /** Writes the profile; the current one stays the current one. */
  save(profile: Profile): void {
    writePrivate(join(this.home, `${profileName(parseProxyAddress(profile.proxy))}.yaml`), printProfile(profile));
  }

  /** Writes the profile and makes it the current one. */
  write(profile: Profile): void {
    const name = profileName(parseProxyAddress(profile.proxy));
    this.save(profile);
    writePrivate(join(this.home, 'current-profile'), `${name}\n`);
  }

  /** The name in `current-profile`; one that could leave the folder counts as none. */
  currentName(): string | undefined {
    const name = readIfThere(join(this.home, 'current-profile'))?.trim();
    return name === undefined || !/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(name) ? undefined : name;
  }

  /** Removes every key and certificate of a profile. What proves the proxy (the pinned authorities) stays, so that the next sign-in is as safe as this one was. */
  forget(profile: Profile): void {
    const folder = this.#keys(profile);
    for (const entry of entries(folder)) {
      if (entry !== 'certs.pem' && entry !== 'cas') rmSync(join(folder, entry), { recursive: true, force: true });
    }
    rmSync(join(this.home, `${profileName(parseProxyAddress(profile.proxy))}.yaml`), { force: true });
    if (this.currentName() === profileName(parseProxyAddress(profile.proxy)))
      rmSync(join(this.home, 'current-profile'), { force: true });
  }

  /** Pins what the proxy's public certificate and the cluster's services must chain to. */
  writeTrust(
    profile: Profile,
    trust: { readonly proxyAuthorities: readonly string[]; readonly hostAuthorities: readonly string[] },
  ): void {
    writePrivate(this.proxyAuthoritiesPath(profile), joinPem(trust.proxyAuthorities));
    writePrivate(join(this.#keys(profile), 'cas', `${safe(profile.cluster)}.pem`), joinPem(trust.hostAuthorities));
  }

  /** The file for clients that check the proxy's public certificate (psql's `sslrootcert`). */
  proxyAuthoritiesPath(of: { readonly proxy: string }): string {
    return join(this.#keys(of), 'certs.pem');
  }

  /** What was pinned for this proxy, by this or an earlier sign-in. */
  proxyAuthorities(proxy: string): string[] {
    return splitPem(readIfThere(this.proxyAuthoritiesPath({ proxy })) ?? '');
  }

  /** The host authorities of every cluster that was signed in to through this proxy; they outlive a sign-out. */
  knownHostAuthorities(proxy: string): string[] {
    const folder = join(this.#keys({ proxy }), 'cas');
    return entries(folder)
      .filter((entry) => entry.endsWith('.pem'))
      .flatMap((entry) => splitPem(readIfThere(join(folder, entry)) ?? ''));
  }

  hostAuthorities(profile: Profile): string[] {
    return splitPem(readIfThere(join(this.#keys(profile), 'cas', `${safe(profile.cluster)}.pem`)) ?? '');
  }

  identity(profile: Profile): KeyPair | undefined {
    return readKeyPair(join(this.#keys(profile), safe(profile.user)));
  }

  writeIdentity(profile: Profile, pair: { readonly certificate: string; readonly privateKey: string }): void {
    writeKeyPair(join(this.#keys(profile), safe(profile.user)), pair);
  }

  /** Path without ending of a database login; `.key`, `.crt` and `.json` stand there. */
  databasePath(profile: Profile, database: string): string {
    return join(this.#databases(profile), safe(database));
  }

  /** Names of the databases that were logged in to; their certificates may have expired. */
  databaseNames(profile: Profile): string[] {
    return entries(this.#databases(profile))
      .filter((entry) => entry.endsWith('.crt'))
      .map((entry) => decodeURIComponent(entry.slice(0, -'.crt'.length)))
      .sort();
  }

  /** A folder of its own for keys that live as long as one command. The caller removes it. */
  temporaryFolder(name: string): string {
    const path = join(this.home, 'tmp', name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }

  #keys(of: { readonly proxy: string }): string {
    return join(this.home, 'keys', profileName(parseProxyAddress(of.proxy)));
  }

  #databases(profile: Profile): string {
    return join(this.#keys(profile), `${safe(profile.user)}-db`, safe(profile.cluster));
  }
}

/** `host`, or `host_port` when the port is not 443: two clusters on one machine keep apart. */
export function profileName(address: ProxyAddress): string {
  const host = address.host.replaceAll(':', '_');
  return address.port === 443 ? host : `${host}_${address.port}`;
}

/** Reads `<path>.key` and `<path>.crt`; undefined when one is missing or they do not belong together (a sign-in was interrupted). */
export function readKeyPair(path: string): KeyPair | undefined {
  const privateKey = readSecret(`${path}.key`);
  const certificate = readIfThere(`${path}.crt`);
  if (privateKey === undefined || certificate === undefined) return undefined;
  try {
    const x509 = new X509Certificate(certificate);
    return x509.checkPrivateKey(createPrivateKey(privateKey)) ? { certificate, privateKey, x509 } : undefined;
  } catch {
    return undefined;
  }
}

export function writeKeyPair(path: string, pair: { readonly certificate: string; readonly privateKey: string }): void {
  writePrivate(`${path}.key`, pair.privateKey);
  writePrivate(`${path}.crt`, pair.certificate);
}

/** PEM certificates of a bundle. */
export function splitPem(text: string): string[] {
  return (text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []).map((pem) => `${pem}\n`);
}

function joinPem(certificates: readonly string[]): string {
  return [...new Set(certificates.map((pem) => `${pem.trim()}\n`))].join('');
}

/** A name as a file name: what is not plainly harmless is percent-encoded, so that no name can leave its folder. */
function safe(name: string): string {
  const encoded = encodeURIComponent(name).replace(
    /[!'()*~]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return encoded.replaceAll('%40', '@').replaceAll('%2B', '+').replace(/^\./, '%2E');
}

/** One `key: <JSON>` a line, which is YAML that needs no YAML reader: `tsh db ls` starts faster. */
function printProfile(profile: Profile): string {
  return Object.entries(profile)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('');
}

function parseProfile(text: string, path: string): Profile {
  const values = new Map<string, unknown>();
  try {
    for (const line of text.split('\n')) {
      const match = /^([a-z_]+): (.+)$/.exec(line.trimEnd());
      if (match !== null) values.set(match[1] ?? '', JSON.parse(match[2] ?? ''));
    }
  } catch {
    values.clear();
  }
  const [proxy, user, cluster, roles] = [
    values.get('proxy'),
    values.get('user'),
    values.get('cluster'),
    values.get('roles'),
  ];
  if (typeof proxy !== 'string' || typeof user !== 'string' || typeof cluster !== 'string') {
    throw failure(
      'PROFILE_BROKEN',
      `profile ${path} can not be read: expected proxy, user and cluster`,
      `remove it and sign in again: rm ${path}`,
    );
  }
  const auth = values.get('auth');
  return {
    proxy,
    user,
    cluster,
    roles: Array.isArray(roles) ? roles.map(String) : [],
    ...(typeof auth === 'string' ? { auth } : {}),
  };
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
