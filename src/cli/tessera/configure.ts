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
  if (roles.has('auth') && options.clusterName === undefined) throw new UsageError('role auth needs --cluster-name');
  if (roles.has('proxy') && options.publicAddr === undefined)
    throw new UsageError('role proxy needs --public-addr=<name:port>');
  const joins = !roles.has('auth');
  if (joins && (options.token === undefined || options.caPin === undefined)) {
    throw new UsageError('joining a cluster needs --token=<file> and --ca-pin; see `tessera tokens add`');
  }
  const lines = ['version: v1', 'tessera:', `  data_dir: ${quote(options.dataDir)}`];
  if (joins) {
    lines.push(
      `  join_token_file: ${quote(options.token ?? '')}`,
      `  ca_pin: [${(options.caPin ?? []).map(quote).join(', ')}]`,
    );
    if (roles.has('proxy'))
      lines.push(`  auth_server: ${quote(needed(options.authServer, 'role proxy without auth needs --auth-server'))}`);
    if (!roles.has('proxy'))
      lines.push(`  proxy_server: ${quote(needed(options.proxyServer, 'role db needs --proxy-server'))}`);
  }
  if (roles.has('auth'))
    lines.push(
      'auth_service:',
      '  enabled: yes',
      `  cluster_name: ${quote(options.clusterName ?? '')}`,
      '  listen_addr: 0.0.0.0:3025',
    );
  if (roles.has('proxy'))
    lines.push(
      'proxy_service:',
      '  enabled: yes',
      '  listen_addr: 0.0.0.0:3080',
      `  public_addr: ${quote(options.publicAddr ?? '')}`,
    );
  if (roles.has('db'))
    lines.push(
      'db_service:',
      '  enabled: yes',
      '  databases:',
      '    - name: orders',
      '      protocol: postgres',
      '      uri: localhost:5432',
    );
  return `${lines.join('\n')}\n`;
}

function needed(value: string | undefined, message: string): string {
  if (value === undefined) throw new UsageError(message);
  return value;
}

/** A YAML scalar: plain when that can not be misread, else a JSON string, which is YAML too. */
function quote(value: string): string {
  return /^[A-Za-z/][A-Za-z0-9_./-]*(:[0-9]+)?$/.test(value) ? value : JSON.stringify(value);
}

const ROLES = new Set(['auth', 'proxy', 'db']);
