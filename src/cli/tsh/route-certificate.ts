import { rmSync } from 'node:fs';
import { generateKeyPair } from '../../pki/keys.ts';
import type { AuthConnection } from '../../rpc/client.ts';
import { failure } from '../failure.ts';
import { readIfThere, writePrivate } from '../files.ts';
import type { KeyPair, Profile, ProfileStore } from './profile.ts';
import { readKeyPair, writeKeyPair } from './profile.ts';
import type { ShownFactor } from './second-factors.ts';

/** One database login: a certificate that is good for this database and for nothing else, and where its files are. */
export type DatabaseLogin = {
  readonly service: string;
  readonly protocol: string;
  readonly user: string;
  /** Empty when the client itself says it. */
  readonly database: string;
  /** Where clients connect when it is not the proxy's public address: `host:port`, or `''` when the proxy has no listener for the protocol. */
  readonly listener: string | undefined;
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

/** A fresh key and its certificate for one route, nowhere but in memory. */
export type IssuedRoute = RouteRequest & {
  readonly certificate: string;
  readonly privateKey: string;
  /** A second factor was shown for it, so the next one needs another. */
  readonly proven: boolean;
};

/** Makes a key and has its certificate issued. Throws `DATABASE_USER_OPEN` when no user was asked for and several are allowed. */
export async function requestRoute(
  connection: AuthConnection,
  route: RouteRequest,
  mfa?: ShownFactor,
): Promise<IssuedRoute> {
  const { privateKeyPem: privateKey, publicKeyDer } = generateKeyPair();
  const publicKey = new Uint8Array(publicKeyDer);
  const reply = await connection.client.issueUserCertificate({
    publicKey,
    route: { service: route.service, protocol: route.protocol, databaseUser: route.user, databaseName: route.database },
    ...(mfa === undefined ? {} : { mfa }),
  });
  const user = reply.route?.databaseUser ?? route.user;
  if (user === '')
    throw failure(
      'DATABASE_USER_OPEN',
      `which database user on ${route.service}? it can not be inferred from your roles`,
      'give --db-user',
    );
  return {
    service: route.service,
    protocol: reply.route?.protocol || route.protocol,
    user,
    database: reply.route?.databaseName ?? route.database,
    certificate: reply.certificate,
    privateKey,
    proven: mfa !== undefined,
  };
}

/** Writes a route's key and certificate below `path`. `listener`: where its clients connect when that is not the proxy's public address (`host:port`, `''` when nowhere). */
export function keepLogin(issued: IssuedRoute, path: string, listener: string | undefined): DatabaseLogin {
  const { certificate, privateKey, proven: _shown, ...route } = issued;
  const note = { ...route, ...(listener === undefined ? {} : { listener }) };
  // The note goes first: a certificate without its note counts as no login.
  rmSync(`${path}.crt`, { force: true });
  writePrivate(`${path}.json`, `${JSON.stringify(note)}\n`);
  writeKeyPair(path, { certificate, privateKey });
  const pair = readKeyPair(path);
  return { ...route, listener, path, expiresMs: pair === undefined ? 0 : pair.x509.validToDate.getTime() };
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
    const listener = 'listener' in note ? text('listener') : undefined;
    return { service, protocol: text('protocol'), user: text('user'), database: text('database'), listener };
  } catch {
    return undefined;
  }
}

const MARGIN_MS = 5000;
