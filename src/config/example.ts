/** A `tessera.yaml` to start from, with comments: what `tessera configure` prints. `parseConfig` accepts every one. */

export const EXAMPLE_ROLES = ['auth', 'proxy', 'db'] as const;
export type ExampleRole = (typeof EXAMPLE_ROLES)[number];

/** What an example fills in; each has a stand-in that is plainly one. */
export type ExampleValues = {
  readonly clusterName?: string | undefined;
  /** host:port */
  readonly publicAddr?: string | undefined;
  readonly authServer?: string | undefined;
  readonly proxyServer?: string | undefined;
  readonly caPins?: readonly string[] | undefined;
  readonly joinTokenFile?: string | undefined;
  readonly dataDir?: string | undefined;
};

/** For one process with these roles. Values are quoted, so nothing that a flag says can change the file's meaning. */
export function exampleConfig(roles: ReadonlySet<ExampleRole>, values: ExampleValues = {}): string {
  const parts = [header(roles, values)];
  if (roles.has('auth')) parts.push(authSection(roles, values));
  if (roles.has('proxy')) parts.push(proxySection(values));
  if (roles.has('db')) parts.push(databaseSection());
  return parts.join('\n');
}

function header(roles: ReadonlySet<ExampleRole>, values: ExampleValues): string {
  const lines = ['version: v1', 'tessera:', `  data_dir: ${quoted(values.dataDir ?? '/var/lib/tessera')}`];
  if (roles.has('proxy') && !roles.has('auth'))
    lines.push(
      '  # The Auth Service, on the private network.',
      `  auth_server: ${quoted(values.authServer ?? 'auth.internal:3025')}`,
    );
  if (roles.has('db') && !roles.has('proxy'))
    lines.push(
      '  # One proxy or a list: the agent keeps a tunnel to each.',
      `  proxy_server: ${quoted(values.proxyServer ?? 'access.example.com:3080')}`,
    );
  if (!roles.has('auth')) {
    const pins = values.caPins ?? [`sha256:${'0'.repeat(64)}`];
    lines.push(
      '  # From "tessera tokens add": read at the first start alone.',
      `  join_token_file: ${quoted(values.joinTokenFile ?? '/etc/tessera/join-token')}`,
      `  ca_pin: [${pins.map(quoted).join(', ')}]`,
    );
  }
  lines.push(
    '  # /healthz /readyz /metrics',
    '  diag_addr: "127.0.0.1:3000"',
    '  log: {level: info, format: text}',
    '',
  );
  return lines.join('\n');
}

function authSection(roles: ReadonlySet<ExampleRole>, values: ExampleValues): string {
  const listen = roles.has('proxy') ? '127.0.0.1:3025' : '0.0.0.0:3025';
  return [
    'auth_service:',
    '  enabled: yes',
    '  # Stands in every certificate: can not change after the first start.',
    `  cluster_name: ${quoted(values.clusterName ?? 'example')}`,
    '  # For proxies alone: 0.0.0.0:3025 when one runs on another machine.',
    `  listen_addr: ${quoted(listen)}`,
    '',
  ].join('\n');
}

function proxySection(values: ExampleValues): string {
  return [
    'proxy_service:',
    '  enabled: yes',
    '  listen_addr: "0.0.0.0:3080"',
    '  # How clients and agents reach it.',
    `  public_addr: ${quoted(values.publicAddr ?? 'access.example.com:3080')}`,
    '  # MySQL and MariaDB: their server speaks first, so they have a port of their own.',
    '  mysql_listen_addr: "0.0.0.0:3036"',
    "  # A certificate that browsers and tsh know; without it tsh pins the cluster's own.",
    '  # https_keypairs: [{key_file: /etc/tessera/tls.key, cert_file: /etc/tessera/tls.crt}]',
    '',
  ].join('\n');
}

function databaseSection(): string {
  return [
    'db_service:',
    '  enabled: yes',
    '  databases:',
    '  - name: orders',
    '    protocol: postgres',
    '    uri: orders.internal:5432',
    '    static_labels: {env: prod}',
    '  # "db" resources with these labels are served too.',
    '  resources:',
    '  - labels: {env: [dev, staging]}',
    '',
  ].join('\n');
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
