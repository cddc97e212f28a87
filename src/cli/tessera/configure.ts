import { existsSync } from 'node:fs';
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
  const text = configText(options);
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
export function configText(options: ConfigureOptions): string {
  const roles = new Set(options.roles ?? ['auth', 'proxy']);
  for (const role of roles)
    if (!ROLES.has(role)) throw new UsageError(`--roles: expected auth, proxy or db, got "${role}"`);
  const lines = [
    'version: v1',
    'tessera:',
    `  data_dir: ${quote(options.dataDir)}`,
    ...(roles.has('auth') ? [] : joinLines(options, roles)),
  ];
  if (roles.has('auth')) {
    const name = needed(options.clusterName, 'role auth needs --cluster-name');
    lines.push('auth_service:', '  enabled: yes', `  cluster_name: ${quote(name)}`, '  listen_addr: 0.0.0.0:3025');
  }
  if (roles.has('proxy')) {
    const address = needed(options.publicAddr, 'role proxy needs --public-addr=<name:port>');
    lines.push('proxy_service:', '  enabled: yes', '  listen_addr: 0.0.0.0:3080', `  public_addr: ${quote(address)}`);
  }
  if (roles.has('db')) {
    lines.push(
      'db_service:',
      '  enabled: yes',
      '  databases:',
      '    - name: orders',
      '      protocol: postgres',
      '      uri: localhost:5432',
    );
  }
  return `${lines.join('\n')}\n`;
}

/** What a process without Auth needs to join the cluster. */
function joinLines(options: ConfigureOptions, roles: ReadonlySet<string>): string[] {
  const token = needed(options.token, 'joining a cluster needs --token=<file>; see `tessera tokens add`');
  const pins = needed(options.caPin, 'joining a cluster needs --ca-pin; see `tessera tokens add`');
  const where = roles.has('proxy')
    ? `  auth_server: ${quote(needed(options.authServer, 'role proxy without auth needs --auth-server'))}`
    : `  proxy_server: ${quote(needed(options.proxyServer, 'role db needs --proxy-server'))}`;
  return [`  join_token_file: ${quote(token)}`, `  ca_pin: [${pins.map(quote).join(', ')}]`, where];
}

function needed<T>(value: T | undefined, message: string): T {
  if (value === undefined) throw new UsageError(message);
  return value;
}

/** A YAML scalar: plain when that can not be misread, else a JSON string, which is YAML too. */
function quote(value: string): string {
  return /^[A-Za-z/][A-Za-z0-9_./-]*(:[0-9]+)?$/.test(value) ? value : JSON.stringify(value);
}

const ROLES = new Set(['auth', 'proxy', 'db']);
