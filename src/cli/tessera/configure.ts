import { existsSync } from 'node:fs';
import type { ExampleRole } from '../../config/example.ts';
import type { Outcome } from '../command.ts';
import { failure, UsageError } from '../failure.ts';
import { writeAtomic } from '../files.ts';
import type { Io } from '../io.ts';
import { say, tell } from '../io.ts';

export type ConfigureOptions = {
  readonly roles?: readonly string[] | undefined;
  readonly clusterName?: string | undefined;
  readonly publicAddr?: string | undefined;
  readonly authServer?: string | undefined;
  readonly proxyServer?: string | undefined;
  readonly token?: string | undefined;
  readonly caPin?: readonly string[] | undefined;
  readonly dataDir: string;
  readonly output?: string | undefined;
};

/** Prints (or writes, mode 0600) a `tessera.yaml` to start from, checked before it is given out. */
export async function configure(io: Io, options: ConfigureOptions): Promise<Outcome> {
  const text = await configText(options);
  const { parseConfig } = await import('../../config/parse.ts');
  parseConfig(text, options.output ?? 'tessera.yaml');
  if (options.output === undefined || options.output === '-') {
    io.stdout.write(text);
    return;
  }
  if (existsSync(options.output))
    throw failure('FILE_EXISTS', `${options.output} exists already`, 'remove it first, or print with no --output');
  writeAtomic(options.output, text, 0o600);
  tell(io, `Wrote ${options.output}.`);
  say(io, `Next: tessera start -c ${options.output}`);
}

/** The text of a configuration for these roles. Throws UsageError for what is missing. */
async function configText(options: ConfigureOptions): Promise<string> {
  const { EXAMPLE_ROLES, exampleConfig } = await import('../../config/example.ts');
  const roles = new Set<ExampleRole>();
  for (const wanted of options.roles ?? ['auth', 'proxy']) {
    const role = EXAMPLE_ROLES.find((known) => known === wanted);
    if (role === undefined) throw new UsageError(`--roles: expected auth, proxy or db, got "${wanted}"`);
    roles.add(role);
  }
  const { clusterName, publicAddr, authServer, proxyServer, token, caPin, dataDir } = options;
  const [auth, proxy, database] = EXAMPLE_ROLES.map((role) => roles.has(role));
  need(auth, clusterName, 'role auth needs --cluster-name');
  need(proxy, publicAddr, 'role proxy needs --public-addr=<name:port>');
  need(!auth, token, 'joining a cluster needs --token=<file>; see `tessera tokens add`');
  need(!auth, caPin, 'joining a cluster needs --ca-pin; see `tessera tokens add`');
  need(proxy && !auth, authServer, 'role proxy without auth needs --auth-server');
  need(database && !proxy, proxyServer, 'role db without proxy needs --proxy-server');
  return exampleConfig(roles, {
    clusterName,
    publicAddr,
    authServer,
    proxyServer,
    caPins: caPin,
    joinTokenFile: token,
    dataDir,
  });
}

function need(wanted: boolean | undefined, value: unknown, message: string): void {
  if (wanted === true && value === undefined) throw new UsageError(message);
}
