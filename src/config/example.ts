/** A `tessera.yaml` to start from, with comments, for `tessera configure`. `parseConfig` accepts every one as printed. */

export type ExampleKind = 'auth' | 'proxy' | 'db' | 'all';

/** What an example fills in; each has a stand-in that is plainly one. */
export type ExampleValues = {
  readonly clusterName?: string;
  /** host:port */
  readonly publicAddr?: string;
  readonly authServer?: string;
  readonly proxyServer?: string;
  readonly caPin?: string;
  readonly joinTokenFile?: string;
  readonly dataDir?: string;
  readonly database?: { readonly name: string; readonly uri: string };
};

/** Values are quoted, so nothing that a flag says can change the file's meaning. */
export function exampleConfig(kind: ExampleKind, values: ExampleValues = {}): string {
  const parts = [header(kind, values)];
  if (kind === 'auth' || kind === 'all') parts.push(authSection(values));
  if (kind === 'proxy' || kind === 'all') parts.push(proxySection(values));
  if (kind === 'db' || kind === 'all') parts.push(databaseSection(values));
  return `${parts.join('\n')}`;
}

function header(kind: ExampleKind, values: ExampleValues): string {
  const lines = ['version: v1', 'tessera:', `  data_dir: ${quoted(values.dataDir ?? '/var/lib/tessera')}`];
  if (kind === 'proxy')
    lines.push(
      '  # The Auth Service, on the private network.',
      `  auth_server: ${quoted(values.authServer ?? 'auth.internal:3025')}`,
    );
  if (kind === 'db')
    lines.push(
      '  # One proxy or a list: the agent keeps a tunnel to each.',
      `  proxy_server: ${quoted(values.proxyServer ?? 'access.example.com:3080')}`,
    );
  if (kind === 'proxy' || kind === 'db') {
    lines.push(
      '  # From "tessera tokens add": read at the first start alone.',
      `  join_token_file: ${quoted(values.joinTokenFile ?? '/etc/tessera/join-token')}`,
      `  ca_pin: ${quoted(values.caPin ?? `sha256:${'0'.repeat(64)}`)}`,
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

function authSection(values: ExampleValues): string {
  return [
    'auth_service:',
    '  enabled: yes',
    '  # Stands in every certificate: can not change after the first start.',
    `  cluster_name: ${quoted(values.clusterName ?? 'example')}`,
    '  # Reachable by proxies alone: 0.0.0.0:3025 when they run on other machines.',
    '  listen_addr: "127.0.0.1:3025"',
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
    "  # A certificate that browsers and tsh know; without it tsh pins the cluster's own.",
    '  # https_keypairs: [{key_file: /etc/tessera/tls.key, cert_file: /etc/tessera/tls.crt}]',
    '',
  ].join('\n');
}

function databaseSection(values: ExampleValues): string {
  return [
    'db_service:',
    '  enabled: yes',
    '  databases:',
    `  - name: ${quoted(values.database?.name ?? 'orders')}`,
    '    protocol: postgres',
    `    uri: ${quoted(values.database?.uri ?? 'orders.internal:5432')}`,
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
