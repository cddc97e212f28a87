import { rmSync } from 'node:fs';
import { generateKeyPair } from '../../pki/keys.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import { failure } from '../failure.ts';
import { readIfThere, writePrivate } from '../files.ts';
import type { KeyPair, Profile, ProfileStore } from './profile.ts';
import { readKeyPair, writeKeyPair } from './profile.ts';

/** One database login: a certificate that is good for this database and for nothing else, and where its files are. */
export type DatabaseLogin = {
  readonly service: string;
  readonly protocol: string;
  readonly user: string;
  /** Empty when the client itself says it. */
  readonly database: string;
  readonly expiresMs: number;
  /** Path of the `.crt` and `.key` without ending. */
  readonly path: string;
};

/** What a login is asked for. */
export type RouteRequest = {
  readonly service: string;
  readonly protocol: string;
  readonly user: string;
  readonly database: string;
};

/** Makes a key, has its certificate issued and writes both below `path`. Throws `DATABASE_USER_OPEN` when no user was asked for and several are allowed. */
export async function issueLogin(
  connection: AuthConnection,
  route: RouteRequest,
  path: string,
): Promise<DatabaseLogin> {
  const { privateKeyPem: privateKey, publicKeyDer } = generateKeyPair();
  const publicKey = new Uint8Array(publicKeyDer);
  const reply = await connection.client.issueUserCertificate({
    publicKey,
    route: { service: route.service, protocol: route.protocol, databaseUser: route.user, databaseName: route.database },
  });
  const granted = {
    service: route.service,
    protocol: reply.route?.protocol || route.protocol,
    user: reply.route?.databaseUser ?? route.user,
    database: reply.route?.databaseName ?? route.database,
  };
  if (granted.user === '')
    throw failure(
      'DATABASE_USER_OPEN',
      `which database user on ${route.service}? it can not be inferred from your roles`,
      'give --db-user',
    );
  // The note goes first: a certificate without its note counts as no login.
  rmSync(`${path}.crt`, { force: true });
  writePrivate(`${path}.json`, `${JSON.stringify(granted)}\n`);
  writeKeyPair(path, { certificate: reply.certificate, privateKey });
  const pair = readKeyPair(path);
  return { ...granted, path, expiresMs: pair === undefined ? 0 : pair.x509.validToDate.getTime() };
}

/** The login for a database when its certificate is still good. */
export function activeLogin(
  store: ProfileStore,
  profile: Profile,
  service: string,
  nowMs: number,
): DatabaseLogin | undefined {
  const path = store.databasePath(profile, service);
  const note = readNote(`${path}.json`, service);
  const pair: KeyPair | undefined = note === undefined ? undefined : readKeyPair(path);
  if (note === undefined || pair === undefined) return undefined;
  const expiresMs = pair.x509.validToDate.getTime();
  return expiresMs - MARGIN_MS > nowMs ? { ...note, path, expiresMs } : undefined;
}

/** Every login of a profile that is still good, by name. */
export function activeLogins(store: ProfileStore, profile: Profile, nowMs: number): DatabaseLogin[] {
  return store.databaseNames(profile).flatMap((name) => activeLogin(store, profile, name, nowMs) ?? []);
}

/** Removes the files of a login. */
export function removeLogin(store: ProfileStore, profile: Profile, service: string): void {
  const path = store.databasePath(profile, service);
  for (const ending of ['.key', '.crt', '.json']) rmSync(path + ending, { force: true });
}

function readNote(path: string, service: string): Omit<DatabaseLogin, 'path' | 'expiresMs'> | undefined {
  try {
    const note: unknown = JSON.parse(readIfThere(path) ?? '');
    if (typeof note !== 'object' || note === null || !('service' in note) || note.service !== service) return undefined;
    const text = (key: string): string => {
      const value: unknown = Reflect.get(note, key);
      return typeof value === 'string' ? value : '';
    };
    return { service, protocol: text('protocol'), user: text('user'), database: text('database') };
  } catch {
    return undefined;
  }
}

const MARGIN_MS = 5000;
