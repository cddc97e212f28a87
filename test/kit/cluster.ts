/** A whole cluster of real processes on loopback, set up with the commands that a person would use. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMysql, type MysqlServer } from '../servers/mysql.ts';
import type { MysqlBinaries } from '../servers/mysql-binaries.ts';
import { freePort, startPostgres, type PostgresServer, type PostgresTls } from '../servers/postgres.ts';
import type { PostgresBinaries } from '../servers/postgres-binaries.ts';
import { invitationLink } from './invitation.ts';
import { runCommand, runOk, type Output, type RunOptions } from './command.ts';
import { invite, type Person } from './person.ts';
import { startService, top, type ServiceProcess } from './service-process.ts';

export type ClusterOptions = {
  readonly proxies?: number;
  readonly agents?: number;
  /** A PostgreSQL called `orders`. */
  readonly postgres?: PostgresBinaries;
  /** Each a server of its own; the proxies listen for MySQL's protocol when there is one. */
  readonly mysql?: readonly MysqlDatabase[];
  readonly postgresSettings?: Readonly<Record<string, string>>;
  /** More lines under `db_service:`, each indented by two. */
  readonly dbService?: string;
  /** More lines under `tessera:` of the agents, each indented by two. */
  readonly agentTop?: string;
  readonly proxyService?: string;
  readonly authService?: string;
  /** Default `test`. */
  readonly clusterName?: string;
  /** Of the databases, YAML. Default `{env: test}`. */
  readonly labels?: string;
  /** Told before each step that takes a while. */
  readonly onStep?: (text: string) => void;
};

export type MysqlDatabase = {
  readonly name: string;
  readonly binaries: MysqlBinaries;
  readonly settings?: Readonly<Record<string, string>>;
  /** More lines of the agent's entry for it, each indented by six. */
  readonly agentYaml?: string;
};

export type Cluster = {
  readonly folder: string;
  readonly auth: ServiceProcess;
  readonly proxies: readonly ProxyProcess[];
  readonly agents: readonly ServiceProcess[];
  /** Throws when the cluster was started without. */
  readonly postgres: PostgresServer;
  /** By the name it was started with; throws for another. */
  mysql(name: string): MysqlServer;
  readonly caPin: string;
  /** The administrator's command on the Auth machine. */
  tessera(...args: string[]): Promise<string>;
  tryTessera(args: readonly string[], options?: RunOptions): Promise<Output>;
  /** Certificate and key for a database server, from `tessera auth sign`. */
  signDatabase(name: string): Promise<PostgresTls>;
  addPerson(name: string, flags: readonly string[]): Promise<Person>;
  close(): Promise<void>;
};

/** `mysqlPort` is 0 when the cluster has no MySQL. */
export type ProxyProcess = ServiceProcess & { readonly port: number; readonly mysqlPort: number };

/** Auth, proxies and agents for the databases asked for; resolves when all are ready. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  await using owned = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), 'tessera-cluster-'));
  owned.defer(() => {
    if (process.env['TESSERA_TEST_KEEP'] === undefined) rmSync(folder, { recursive: true, force: true });
  });
  const startOne = async (
    name: string,
    config: (diagnostics: string, home: string) => string,
  ): Promise<ServiceProcess> => {
    const home = join(folder, name);
    mkdirSync(home, { recursive: true, mode: 0o700 });
    const diagnostics = `127.0.0.1:${await freePort()}`;
    const service = startService(name, home, config(diagnostics, home), diagnostics);
    owned.defer(async () => void (await service.stop('SIGKILL')));
    return service;
  };
  const authPort = await freePort();
  options.onStep?.('Auth Service');
  const auth = await startOne('auth', (diagnostics) =>
    authConfig(folder, {
      port: authPort,
      diagnostics,
      clusterName: options.clusterName ?? 'test',
      more: options.authService,
    }),
  );
  await auth.ready();
  const env = { TESSERA_CONFIG: auth.configFile, TESSERA_HOME: join(folder, 'no-home') };
  const tryTessera = (args: readonly string[], more: RunOptions = {}): Promise<Output> =>
    runCommand(process.execPath, ['--disable-warning=ExperimentalWarning', join(top, 'bin/tessera.ts'), ...args], {
      ...more,
      env: { ...env, ...more.env },
    });
  const tessera = (...args: string[]): Promise<string> =>
    runOk(process.execPath, ['--disable-warning=ExperimentalWarning', join(top, 'bin/tessera.ts'), ...args], { env });

  const [proxyToken, dbToken] = await Promise.all([addToken(tessera, 'proxy'), addToken(tessera, 'db')]);
  const tls = await signDatabase('server');
  const { postgres, mysql, entries } = await startDatabases(options, tls, owned);

  options.onStep?.('Proxy Service, joined by token');
  const proxies = await Promise.all(
    Array.from({ length: options.proxies ?? 1 }, async (_, index) => {
      const port = await freePort();
      const mysqlPort = mysql.size === 0 ? 0 : await freePort();
      const service = await startOne(`proxy${index + 1}`, (diagnostics, home) =>
        proxyConfig(home, { port, mysqlPort, authPort, diagnostics, token: proxyToken, more: options.proxyService }),
      );
      return Object.assign(service, { port, mysqlPort });
    }),
  );
  await Promise.all(proxies.map((proxy) => proxy.ready()));
  options.onStep?.('Database Service, joined by token, its tunnel to the proxy');
  const agents = await Promise.all(
    Array.from({ length: options.agents ?? 1 }, (_, index) =>
      startOne(`db${index + 1}`, (diagnostics, home) =>
        agentConfig(home, {
          proxyPort: proxies[0]?.port ?? 0,
          diagnostics,
          token: dbToken,
          databases: entries,
          top: options.agentTop,
          more: options.dbService,
        }),
      ),
    ),
  );
  await Promise.all(agents.map((agent) => agent.ready()));

  const kept = owned.move();
  return {
    folder,
    auth,
    proxies,
    agents,
    get postgres() {
      if (postgres === undefined) throw new Error('this cluster was started without PostgreSQL');
      return postgres;
    },
    mysql(name) {
      const server = mysql.get(name);
      if (server === undefined) throw new Error(`this cluster was started without a MySQL called ${name}`);
      return server;
    },
    caPin: dbToken.caPin,
    tessera,
    tryTessera,
    signDatabase,
    addPerson,
    close: () => kept.disposeAsync(),
  };

  async function signDatabase(name: string): Promise<PostgresTls> {
    const out = join(folder, name);
    await tessera('auth', 'sign', '--format=db', '--host=localhost,127.0.0.1', `--out=${out}`, '--ttl=24h');
    return {
      certificate: readFileSync(`${out}.crt`, 'utf8'),
      privateKey: readFileSync(`${out}.key`, 'utf8'),
      clientAuthorities: readFileSync(`${out}.cas`, 'utf8'),
    };
  }

  async function addPerson(name: string, flags: readonly string[]): Promise<Person> {
    return invite(name, await invitationLink({ tessera }, name, flags), {
      home: join(folder, `home-${name}`),
      proxy: `localhost:${proxies[0]?.port}`,
      caPin: dbToken.caPin,
    });
  }
}

type Databases = {
  readonly postgres: PostgresServer | undefined;
  readonly mysql: ReadonlyMap<string, MysqlServer>;
  /** YAML, below `databases:`. */
  readonly entries: string;
};

async function startDatabases(
  options: ClusterOptions,
  tls: PostgresTls,
  owned: AsyncDisposableStack,
): Promise<Databases> {
  const labels = options.labels ?? '{env: test}';
  const entry = (name: string, protocol: string, port: number, more = ''): string => `    - name: ${name}
      protocol: ${protocol}
      uri: localhost:${port}
      static_labels: ${labels}
${more}`;
  let entries = '';
  let postgres: PostgresServer | undefined;
  if (options.postgres !== undefined) {
    options.onStep?.(`${options.postgres.name}, with a certificate of the cluster`);
    const settings = options.postgresSettings;
    postgres = await startPostgres(options.postgres, { tls, ...(settings === undefined ? {} : { settings }) });
    owned.defer(() => postgres?.remove());
    entries += entry('orders', 'postgres', postgres.port);
  }
  const mysql = new Map<string, MysqlServer>();
  for (const { name, binaries, settings, agentYaml } of options.mysql ?? []) {
    options.onStep?.(`${binaries.name}, with a certificate of the cluster`);
    const server = await startMysql(binaries, { tls, ...(settings === undefined ? {} : { settings }) });
    owned.defer(() => server.remove());
    mysql.set(name, server);
    entries += entry(name, 'mysql', server.port, agentYaml);
  }
  return { postgres, mysql, entries };
}

type Token = { readonly token: string; readonly caPin: string };

async function addToken(tessera: (...args: string[]) => Promise<string>, type: string): Promise<Token> {
  const parsed = JSON.parse(await tessera('tokens', 'add', `--type=${type}`, '--format=json')) as {
    token: string;
    ca_pins: string[];
  };
  return { token: parsed.token, caPin: parsed.ca_pins[0] ?? '' };
}

function authConfig(
  folder: string,
  of: { port: number; diagnostics: string; clusterName: string; more?: string | undefined },
): string {
  return `version: v1
tessera:
  nodename: auth
  data_dir: ${join(folder, 'auth/data')}
  diag_addr: ${of.diagnostics}
auth_service:
  enabled: yes
  cluster_name: ${of.clusterName}
  listen_addr: 127.0.0.1:${of.port}
${of.more ?? ''}`;
}

function proxyConfig(
  home: string,
  of: {
    port: number;
    mysqlPort: number;
    authPort: number;
    diagnostics: string;
    token: Token;
    more?: string | undefined;
  },
): string {
  const mysql =
    of.mysqlPort === 0
      ? ''
      : `  mysql_listen_addr: 127.0.0.1:${of.mysqlPort}\n  mysql_public_addr: localhost:${of.mysqlPort}\n`;
  return `version: v1
tessera:
  nodename: proxy
  data_dir: ${join(home, 'data')}
  diag_addr: ${of.diagnostics}
  auth_server: 127.0.0.1:${of.authPort}
  join_token: ${of.token.token}
  ca_pin: ${of.token.caPin}
proxy_service:
  enabled: yes
  listen_addr: 127.0.0.1:${of.port}
  public_addr: localhost:${of.port}
${mysql}${of.more ?? ''}`;
}

function agentConfig(
  home: string,
  of: {
    proxyPort: number;
    diagnostics: string;
    token: Token;
    databases: string;
    top?: string | undefined;
    more?: string | undefined;
  },
): string {
  return `version: v1
tessera:
  nodename: db
${of.top ?? ''}  data_dir: ${join(home, 'data')}
  diag_addr: ${of.diagnostics}
  proxy_server: localhost:${of.proxyPort}
  join_token: ${of.token.token}
  ca_pin: ${of.token.caPin}
db_service:
  enabled: yes
  databases:
${of.databases}${of.more ?? ''}`;
}
