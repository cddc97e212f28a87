import { accessSync, constants, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { AuthConnection } from '../../rpc/client.ts';
import { failure } from '../failure.ts';
import { readIfThere, readSecret } from '../files.ts';
import type { Io } from '../io.ts';
import { connectSession, debugLog, openSession } from '../tsh/session.ts';
import { splitPem } from '../tsh/profile.ts';

/** Flags of every `tessera` command. */
export type Globals = {
  readonly config?: string | undefined;
  readonly identity?: string | undefined;
  readonly proxy?: string | undefined;
};

/** Runs `work` with a connection to Auth and closes it. */
export async function withAuth<T>(
  io: Io,
  globals: Globals,
  work: (connection: AuthConnection) => Promise<T>,
): Promise<T> {
  const connection = await connectAdmin(io, globals);
  try {
    return await work(connection);
  } finally {
    connection.close();
  }
}

/**
 * Who the administrator is, in this order: the identity folder of `-i`; the Auth Service's own administrator on its
 * machine, found through the configuration, when it may be read; the person signed in with `tsh`, through the proxy.
 */
export async function connectAdmin(io: Io, globals: Globals): Promise<AuthConnection> {
  if (globals.identity !== undefined) return connectAs(io, readAdminFolder(globals.identity));
  if (globals.proxy === undefined) {
    const folder = await localAdminFolder(io, globals.config);
    if (folder !== undefined) return connectAs(io, readAdminFolder(folder));
  }
  try {
    return await connectSession(io, openSession(io, globals));
  } catch (error) {
    throw noCredentials(io, globals, error);
  }
}

/** Where the configuration is: `-c`, `TESSERA_CONFIG`, `/etc/tessera.yaml`. `explicit`: a person named it, so it must be there. */
export function configPath(io: Io, flag: string | undefined): { readonly path: string; readonly explicit: boolean } {
  const named = flag ?? (io.env['TESSERA_CONFIG'] || undefined);
  return { path: named ?? '/etc/tessera.yaml', explicit: named !== undefined };
}

/** `<data_dir>/auth/admin` when the configuration is readable and the folder too. */
async function localAdminFolder(io: Io, flag: string | undefined): Promise<string | undefined> {
  const { path, explicit } = configPath(io, flag);
  if (!readable(path)) {
    if (flag !== undefined || (explicit && !existsSync(path))) {
      throw failure(
        'CONFIG_UNREADABLE',
        `configuration ${path} can not be read`,
        'give its path with -c, or unset TESSERA_CONFIG',
      );
    }
    return undefined;
  }
  const { parseConfig } = await import('../../config/parse.ts');
  const folder = join(parseConfig(readIfThere(path) ?? '', path).dataDir, 'auth', 'admin');
  return readable(join(folder, 'admin.key')) ? folder : undefined;
}

type AdminIdentity = {
  readonly certificate: string;
  readonly privateKey: string;
  readonly hostAuthorities: readonly string[];
  readonly address: string;
};

function readAdminFolder(folder: string): AdminIdentity {
  const privateKey = readSecret(join(folder, 'admin.key'));
  const certificate = readIfThere(join(folder, 'admin.crt'));
  const authorities = splitPem(readIfThere(join(folder, 'cas.pem')) ?? '');
  const address = readIfThere(join(folder, 'address'))?.trim();
  if (
    privateKey === undefined ||
    certificate === undefined ||
    address === undefined ||
    address === '' ||
    authorities.length === 0
  ) {
    throw failure(
      'IDENTITY_INCOMPLETE',
      `identity folder ${folder}: expected admin.crt, admin.key, cas.pem and address`,
      'the Auth Service writes it at its start: is it running?',
    );
  }
  return { certificate, privateKey, hostAuthorities: authorities, address };
}

async function connectAs(io: Io, identity: AdminIdentity): Promise<AuthConnection> {
  const { connectAuth } = await import('../../rpc/client.ts');
  return connectAuth({
    addresses: [identity.address],
    via: 'direct',
    identity: { certificate: identity.certificate, privateKey: identity.privateKey },
    trust: { hostAuthorities: identity.hostAuthorities },
    log: debugLog(io),
  });
}

function noCredentials(io: Io, globals: Globals, cause: unknown): Error {
  const { path } = configPath(io, globals.config);
  const text = cause instanceof Error ? cause.message.split('\n') : [String(cause)];
  return failure(
    'NO_CREDENTIALS',
    `no way to the Auth Service: no administrator identity through ${path} on this machine, and ${text[0]}`,
    `on the Auth machine: run as the service's user, or give its configuration with -c; elsewhere: ${text[1] ?? 'tsh login'}`,
    cause,
  );
}

function readable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
