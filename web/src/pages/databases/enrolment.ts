import { shellQuote } from './recipes.ts';

/** A database that is to be served by a new agent, as the wizard collects it. */
export type Plan = {
  readonly protocol: 'postgres' | 'mysql';
  readonly name: string;
  /** host:port as the agent's machine reaches it. */
  readonly uri: string;
  /** `key=value`, one a line or separated by commas. */
  readonly labels: string;
};

/** How the agent comes in: a fresh token, and what it needs to know that it speaks with this cluster. */
export type Joining = {
  readonly token: string;
  readonly caPins: readonly string[];
  /** host:port of the proxy. */
  readonly proxy: string;
};

export type PlanProblems = { readonly name?: string; readonly uri?: string; readonly labels?: string };

/** What is wrong with a plan, field by field, in the words of a person; empty when nothing is. `taken` are the names there are. */
export function planProblems(plan: Plan, taken: readonly string[]): PlanProblems {
  const name = nameProblem(plan.name, taken);
  const uri = uriProblem(plan.uri);
  const labels = labelsProblem(plan.labels);
  return {
    ...(name === undefined ? {} : { name }),
    ...(uri === undefined ? {} : { uri }),
    ...(labels === undefined ? {} : { labels }),
  };
}

/** The labels of a plan, in order; what is no `key=value` is left out. */
export function labelPairs(text: string): readonly (readonly [string, string])[] {
  return labelLines(text).flatMap((line) => {
    const at = line.indexOf('=');
    return at > 0 ? [[line.slice(0, at).trim(), line.slice(at + 1).trim()] as const] : [];
  });
}

/** The port that a database of this protocol has by default. */
export function defaultPort(protocol: Plan['protocol']): number {
  return protocol === 'mysql' ? 3306 : 5432;
}

/** The agent's tessera.yaml. Every value is quoted, so that nothing in it can be read as anything else. */
export function agentConfig(plan: Plan, joining: Joining): string {
  const labels = labelPairs(plan.labels).map(([key, value]) => `${quoted(key)}: ${quoted(value)}`);
  return [
    'version: v1',
    'tessera:',
    `  proxy_server: ${quoted(joining.proxy)}`,
    `  join_token_file: ${TOKEN_FILE}`,
    `  ca_pin: [${joining.caPins.map(quoted).join(', ')}]`,
    'db_service:',
    '  enabled: yes',
    '  databases:',
    `  - name: ${quoted(plan.name)}`,
    `    protocol: ${plan.protocol}`,
    `    uri: ${quoted(plan.uri)}`,
    ...(labels.length === 0 ? [] : [`    static_labels: {${labels.join(', ')}}`]),
    '',
  ].join('\n');
}

/** For an agent that runs already: what is added below `databases:` of its tessera.yaml. */
export function agentEntry(plan: Plan): string {
  const lines = agentConfig(plan, { token: '', caPins: [], proxy: '' }).split('\n');
  return lines.slice(lines.indexOf('  databases:') + 1).join('\n');
}

/**
 * What is pasted, as root, on a new agent's machine where Tessera is installed as docs/guide/operation.md says: the token in a file of its own that the service alone may read, the configuration,
 * and the service's start. Ends at the first failure and never overwrites a configuration that is there.
 */
export function agentScript(plan: Plan, joining: Joining): string {
  return [
    '(',
    'set -eu',
    `test ! -e ${CONFIG_FILE} || { echo "${CONFIG_FILE} exists already: this machine runs Tessera" >&2; exit 1; }`,
    'install -d -m 0755 /etc/tessera',
    `install -o tessera -g tessera -m 0600 /dev/stdin ${TOKEN_FILE} <<'END_OF_TOKEN'`,
    joining.token,
    'END_OF_TOKEN',
    `install -o root -g tessera -m 0640 /dev/stdin ${CONFIG_FILE} <<'END_OF_CONFIG'`,
    `${agentConfig(plan, joining).trimEnd()}`,
    'END_OF_CONFIG',
    `/opt/tessera/bin/tessera check-config -c ${CONFIG_FILE}`,
    'systemctl enable --now tessera',
    ')',
  ].join('\n');
}

/** The same to try it by hand in a folder of one's own, without root: it runs until Ctrl-C. */
export function trialScript(plan: Plan, joining: Joining): string {
  const config = agentConfig(plan, joining).replace(
    `join_token_file: ${TOKEN_FILE}`,
    () => `join_token: ${quoted(joining.token)}`,
  );
  return [
    '(',
    'set -eu',
    'umask 077',
    'export TESSERA_DATA_DIR="$PWD/tessera-agent-data"',
    "cat > tessera-agent.yaml <<'END_OF_CONFIG'",
    config.trimEnd(),
    'END_OF_CONFIG',
    'tessera check-config -c tessera-agent.yaml',
    'tessera start -c tessera-agent.yaml',
    ')',
  ].join('\n');
}

export type Preparation = {
  readonly title: string;
  readonly note: string;
  readonly text: string;
  readonly kind: 'shell' | 'file' | 'sql';
};

/** What the database itself needs, so that it knows the agent's certificates and the agent knows it. */
export function preparation(plan: Plan): readonly Preparation[] {
  const host = hostOf(plan.uri);
  const names = [...new Set([host, 'localhost'])].filter((name) => name !== '').join(',');
  const folder = plan.protocol === 'mysql' ? '/etc/mysql' : '/etc/tessera-postgres';
  const owner = plan.protocol === 'mysql' ? 'mysql' : 'postgres';
  const sign: Preparation = {
    title: 'A certificate for the server',
    note: 'On the database’s machine, signed in with tsh as somebody who may sign (or on the Auth machine, then copy the files).',
    kind: 'shell',
    text: [
      `tessera auth sign --format=db --host=${shellQuote(names)} --out=server --ttl=2190h`,
      `sudo install -d -o ${owner} -g ${owner} -m 0700 ${folder === '/etc/mysql' ? `${folder}/tessera` : folder}`,
      `sudo install -o ${owner} -g ${owner} -m 0600 server.key server.crt server.cas ${folder === '/etc/mysql' ? `${folder}/tessera` : folder}/`,
    ].join('\n'),
  };
  return plan.protocol === 'mysql' ? [sign, ...mysqlParts(`${folder}/tessera`)] : [sign, ...postgresParts(folder)];
}

function postgresParts(folder: string): readonly Preparation[] {
  return [
    {
      title: 'postgresql.conf',
      note: 'What it shows, and whose certificates it believes.',
      kind: 'file',
      text: [
        'ssl = on',
        `ssl_cert_file = '${folder}/server.crt'`,
        `ssl_key_file = '${folder}/server.key'`,
        `ssl_ca_file = '${folder}/server.cas'`,
      ].join('\n'),
    },
    {
      title: 'pg_hba.conf',
      note: 'A database user must show a certificate of the same name. The first line that matches counts, so no earlier one may match.',
      kind: 'file',
      text: ['hostssl all  all  0.0.0.0/0   cert', 'hostssl all  all  ::/0        cert'].join('\n'),
    },
    {
      title: 'Take it up',
      note: 'A reload is enough, for ssl = on too. What was wrong stands in the log of PostgreSQL, which goes on without it.',
      kind: 'shell',
      text: 'sudo systemctl reload postgresql',
    },
  ];
}

function mysqlParts(folder: string): readonly Preparation[] {
  return [
    {
      title: 'my.cnf',
      note: 'What it shows, and whose certificates it believes.',
      kind: 'file',
      text: [
        '[mysqld]',
        'require_secure_transport = ON',
        `ssl_cert = ${folder}/server.crt`,
        `ssl_key  = ${folder}/server.key`,
        `ssl_ca   = ${folder}/server.cas`,
      ].join('\n'),
    },
    {
      title: 'Each account',
      note: 'Bound to the certificate of its own name, without a password. REQUIRE X509 alone would accept any database user’s.',
      kind: 'sql',
      text: ["CREATE USER 'reader'@'%' REQUIRE SUBJECT '/CN=reader';", "GRANT SELECT ON shop.* TO 'reader'@'%';"].join(
        '\n',
      ),
    },
    {
      title: 'Take it up',
      note: 'The server reads its certificates at its start.',
      kind: 'shell',
      text: 'sudo systemctl restart mysql   # or mariadb',
    },
  ];
}

const TOKEN_FILE = '/etc/tessera/join-token';
const CONFIG_FILE = '/etc/tessera.yaml';

function nameProblem(name: string, taken: readonly string[]): string | undefined {
  if (name === '') return 'Give it a name, such as orders';
  if (name.length > 128) return 'At most 128 characters';
  if (!/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(name) || name.includes('..'))
    return 'Letters, digits and . _ - between them';
  return taken.includes(name) ? 'A database of this name is there already' : undefined;
}

function uriProblem(uri: string): string | undefined {
  if (uri === '') return 'Where the agent reaches it, such as localhost:5432';
  if (uri.includes('@')) return 'Host and port alone: no user and no password';
  if (uri.includes('://')) return 'Host and port alone, without a scheme';
  const port = Number(/^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/.exec(uri)?.[1]);
  return port >= 1 && port <= 65_535 ? undefined : 'Expected host:port, such as db.internal:5432';
}

function labelsProblem(text: string): string | undefined {
  for (const line of labelLines(text)) {
    const at = line.indexOf('=');
    const [key, value] = [line.slice(0, at).trim(), line.slice(at + 1).trim()];
    if (at <= 0 || key === '') return `Expected key=value, got “${line.slice(0, 40)}”`;
    if (!/^[A-Za-z0-9][A-Za-z0-9._/-]*$/.test(key))
      return `A key has letters, digits and . _ / -, got “${key.slice(0, 40)}”`;
    if (/[\u0000-\u001f\u007f-\u009f]/.test(value)) return 'A value has no control characters';
  }
  const keys = labelPairs(text).map(([key]) => key);
  return new Set(keys).size === keys.length ? undefined : 'A key stands there twice';
}

function labelLines(text: string): readonly string[] {
  return text
    .split(/[,\n]/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

function hostOf(uri: string): string {
  return uri.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
}

/** A double-quoted scalar of YAML is a string of JSON. */
function quoted(text: string): string {
  return JSON.stringify(text);
}
