import { shellQuote } from '../connection-info.ts';

/** Where a tunnel listens and as whom it connects. */
export type LocalAddress = {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Empty when the client says it. */
  readonly database: string;
};

/** Ready-to-paste texts by the name of who takes them. */
export type Recipes = {
  readonly commands: Readonly<Record<string, string>>;
  readonly jdbc: Readonly<Record<string, string>>;
  readonly dsn: Readonly<Record<string, string>>;
};

/** How ordinary clients connect to a local endpoint in clear. Each says that there is no TLS, so that no option file or variable asks for it. */
export function recipesFor(protocol: string, at: LocalAddress): Recipes {
  return protocol === 'mysql' ? mysqlRecipes(at) : postgresRecipes(at);
}

/** Every recipe with the label that people see. */
export function recipeLines({ commands, jdbc, dsn }: Recipes): (readonly [string, string])[] {
  return [
    ...Object.entries(commands),
    ...Object.entries(jdbc).map(([driver, url]) => [`JDBC ${driver}`, url] as const),
    ...Object.entries(dsn).map(([kind, text]) => [`DSN ${kind}`, text] as const),
  ];
}

function postgresRecipes(at: LocalAddress): Recipes {
  const place = `${bracketed(at.host)}:${at.port}/${encodeURIComponent(at.database)}`;
  const uri = `postgresql://${login(at.user)}${place}?sslmode=disable`;
  const user = at.user === '' ? '' : `user=${encodeURIComponent(at.user)}&`;
  return {
    commands: { psql: `psql ${shellQuote(uri)}` },
    jdbc: { postgresql: `jdbc:postgresql://${place}?${user}sslmode=disable` },
    dsn: {
      uri,
      libpq: keywords([
        ['host', at.host],
        ['port', String(at.port)],
        ['user', at.user],
        ['dbname', at.database],
        ['sslmode', 'disable'],
      ]),
    },
  };
}

function mysqlRecipes(at: LocalAddress): Recipes {
  const flags = [
    '--protocol=TCP',
    `--host=${at.host}`,
    `--port=${at.port}`,
    ...(at.user === '' ? [] : [`--user=${at.user}`]),
    ...(at.database === '' ? [] : [`--database=${at.database}`]),
  ];
  const command = (program: string, clear: string): string => [program, ...flags, clear].map(shellQuote).join(' ');
  const place = `${bracketed(at.host)}:${at.port}/${encodeURIComponent(at.database)}`;
  const user = at.user === '' ? '' : `user=${encodeURIComponent(at.user)}&`;
  return {
    commands: {
      mysql: command('mysql', '--ssl-mode=DISABLED'),
      mariadb: command('mariadb', '--skip-ssl'),
    },
    jdbc: {
      mysql: `jdbc:mysql://${place}?${user}sslMode=DISABLED`,
      mariadb: `jdbc:mariadb://${place}?${user}sslMode=disable`,
    },
    dsn: {
      uri: `mysql://${login(at.user)}${place}`,
      // https://github.com/go-sql-driver/mysql#dsn-data-source-name: the user is taken as it is, the database is decoded.
      go: `${at.user}${at.user === '' ? '' : '@'}tcp(${bracketed(at.host)}:${at.port})/${encodeURIComponent(at.database)}`,
    },
  };
}

/** https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE */
function keywords(pairs: readonly (readonly [string, string])[]): string {
  return pairs
    .filter(([, value]) => value !== '')
    .map(
      ([key, value]) =>
        `${key}=${/^[A-Za-z0-9_.:@-]+$/.test(value) ? value : `'${value.replace(/[\\']/g, String.raw`\$&`)}'`}`,
    )
    .join(' ');
}

function login(user: string): string {
  return user === '' ? '' : `${encodeURIComponent(user)}@`;
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}
