/** Ready-to-paste texts for clients of a database through Tessera. Pure; the same texts as tsh prints (recipes.test.ts holds both against each other). */

/** A database, as whom, and through which cluster. */
export type Target = {
  readonly name: string;
  readonly protocol: string;
  /** Database user and name; empty: not said. */
  readonly user: string;
  readonly database: string;
  readonly cluster: string;
  /** host:port */
  readonly proxy: string;
  /** host:port where clients of MySQL connect themselves; empty: nowhere. */
  readonly mysqlProxy: string;
  /** The person, for paths of files. */
  readonly person: string;
  /** Of the local end of a tunnel. */
  readonly port: number;
};

/** One thing to copy: a command for a terminal, or a value for a field. */
export type Line = { readonly label: string; readonly value: string; readonly command: boolean };
/** `note` says in one line what it is good for. */
export type Recipe = { readonly title: string; readonly note: string; readonly lines: readonly Line[] };

/** Whether clients of this protocol can show their certificate to the proxy themselves. */
export function hasListener(target: Target): boolean {
  return target.protocol !== 'mysql' || target.mysqlProxy !== '';
}

/** Signing in at a terminal, at a provider where the person has a `connector` (else empty); `pin` where the proxy's certificate is known to no browser. */
export function signInCommand(
  target: Target,
  options: { readonly connector: string; readonly pin?: string | undefined },
): string {
  const { connector } = options;
  const who = connector === '' ? [`--user=${shellQuote(target.person)}`] : [`--auth=${shellQuote(connector)}`];
  const pin = options.pin === undefined ? [] : [`--ca-pin=${options.pin}`];
  return ['tsh', 'login', `--proxy=${shellQuote(target.proxy)}`, ...who, ...pin].join(' ');
}

/** What one does in a terminal. */
export function terminalRecipes(target: Target): readonly Recipe[] {
  const route = routeFlags(target);
  const name = shellQuote(target.name);
  const client = target.protocol === 'mysql' ? 'mariadb or mysql' : 'psql';
  const connect: Recipe = {
    title: 'Open it now',
    note: `Gets a certificate for this database alone and starts ${client}.`,
    lines: [command('tsh db connect', ['tsh db connect', name, ...route].join(' '))],
  };
  if (!hasListener(target)) return [connect];
  return [
    connect,
    {
      title: 'Any command-line client',
      note: `Writes the connection's settings where ${target.protocol === 'mysql' ? 'MySQL’s clients look' : 'libpq looks'} for them; after it, use the client as ever.`,
      lines: [command('tsh db login', ['tsh db login', name, ...route].join(' ')), ...nativeCommands(target)],
    },
  ];
}

/** A local port without a password, for programs that know no certificates. */
export function tunnelRecipe(target: Target): Recipe {
  const flags = [...routeFlags(target), `--port=${target.port}`];
  return {
    title: 'A tunnel on this computer',
    note: 'Listens on 127.0.0.1 as you, without password or certificate, until Ctrl-C. Leave it running, then connect to it.',
    lines: [command('tsh proxy db', ['tsh proxy db --tunnel', shellQuote(target.name), ...flags].join(' '))],
  };
}

/** Through the tunnel: command lines, JDBC, DSN. */
export function tunnelLines(target: Target): readonly Line[] {
  return target.protocol === 'mysql' ? mysqlTunnel(target) : postgresTunnel(target);
}

/** What a graphical program asks for, field by field, connected to the tunnel. */
export function graphicalRecipes(target: Target): readonly Recipe[] {
  const database = target.database === '' ? [] : [value('Database', target.database)];
  const user = target.user === '' ? [] : [value('Username', target.user)];
  const place = [value('Host', HOST), value('Port', String(target.port))];
  const jdbc = tunnelLines(target).find(({ label }) => label.startsWith('JDBC'))?.value ?? '';
  const isMysql = target.protocol === 'mysql';
  const shared: readonly Recipe[] = [
    {
      title: 'DBeaver',
      note: `New connection, ${isMysql ? 'MySQL or MariaDB' : 'PostgreSQL'}, connect by host. Leave the password empty and SSL off.`,
      lines: [...place, ...database, ...user],
    },
    {
      title: 'DataGrip',
      note: 'New data source, connection type “URL only”; authentication “User & Password” with an empty password.',
      lines: [value('URL', jdbc), ...user],
    },
  ];
  if (isMysql) {
    return [
      ...shared,
      {
        title: 'MySQL Workbench',
        note: 'Standard (TCP/IP); SSL tab: Use SSL “No”. When it asks for a password, leave it empty.',
        lines: [
          value('Hostname', HOST),
          value('Port', String(target.port)),
          ...user,
          ...renamed(database, 'Default Schema'),
        ],
      },
    ];
  }
  return [
    ...shared,
    {
      title: 'pgAdmin',
      note: 'Register server, tab Connection; leave the password empty. Parameters: SSL mode “disable”.',
      lines: [
        value('Host name/address', HOST),
        value('Port', String(target.port)),
        ...renamed(database, 'Maintenance database'),
        ...user,
      ],
    },
  ];
}

/** For programs that show a client certificate themselves, without a tunnel: where they connect and which files `tsh db login` writes. */
export function certificateRecipe(target: Target): Recipe {
  const at = addressOf(target.protocol === 'mysql' ? target.mysqlProxy : target.proxy);
  const keys = `~/.tsh/keys/${profileName(addressOf(target.proxy))}`;
  const own = `${keys}/${safe(target.person)}-db/${safe(target.cluster)}/${safe(target.name)}`;
  return {
    title: 'With certificate files, without a tunnel',
    note: `After “tsh db login”, for programs with fields for TLS files. Certificates are short-lived: log in again when it has ended; the files' names stay.`,
    lines: [
      value('Host', at.host),
      value('Port', String(at.port)),
      ...(target.user === '' ? [] : [value('User', target.user)]),
      ...(target.database === '' ? [] : [value('Database', target.database)]),
      value('CA certificate', `${keys}/certs.pem`),
      value('Client certificate', `${own}.crt`),
      value('Client key', `${own}.key`),
      value('SSL mode', target.protocol === 'mysql' ? 'VERIFY_IDENTITY' : 'verify-full'),
      command('All of it, as this computer has it', ['tsh db config', shellQuote(target.name)].join(' ')),
    ],
  };
}

/** A word for a POSIX shell. */
export function shellQuote(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

const HOST = '127.0.0.1';

function nativeCommands(target: Target): readonly Line[] {
  const section = `${target.cluster}-${target.name}`;
  if (target.protocol !== 'mysql') return [command('psql', `psql ${JSON.stringify(`service=${section}`)}`)];
  const suffix = shellQuote(`--defaults-group-suffix=_${section}`);
  return ['mysql', 'mariadb', 'mysqldump'].map((program) => {
    const what = program === 'mysqldump' ? ` --single-transaction ${shellQuote(target.database || '<database>')}` : '';
    return command(program, `${program} ${suffix}${what}`);
  });
}

function postgresTunnel(target: Target): readonly Line[] {
  const { user, database, port } = target;
  const place = `${HOST}:${port}/${encodeURIComponent(database)}`;
  const uri = `postgresql://${login(user)}${place}?sslmode=disable`;
  const as = user === '' ? '' : `user=${encodeURIComponent(user)}&`;
  return [
    command('psql', `psql ${shellQuote(uri)}`),
    value('JDBC', `jdbc:postgresql://${place}?${as}sslmode=disable`),
    value('URI', uri),
    value(
      'DSN (libpq, psycopg)',
      keywords([
        ['host', HOST],
        ['port', String(port)],
        ['user', user],
        ['dbname', database],
        ['sslmode', 'disable'],
      ]),
    ),
  ];
}

function mysqlTunnel(target: Target): readonly Line[] {
  const { user, database, port } = target;
  const flags = [
    '--protocol=TCP',
    `--host=${HOST}`,
    `--port=${port}`,
    ...(user === '' ? [] : [`--user=${user}`]),
    ...(database === '' ? [] : [`--database=${database}`]),
  ];
  const line = (program: string, clear: string): Line =>
    command(program, [program, ...flags, clear].map(shellQuote).join(' '));
  const place = `${HOST}:${port}/${encodeURIComponent(database)}`;
  const as = user === '' ? '' : `user=${encodeURIComponent(user)}&`;
  return [
    line('mysql', '--ssl-mode=DISABLED'),
    line('mariadb', '--skip-ssl'),
    value('JDBC (MySQL)', `jdbc:mysql://${place}?${as}sslMode=DISABLED`),
    value('JDBC (MariaDB)', `jdbc:mariadb://${place}?${as}sslMode=disable`),
    value('URI', `mysql://${login(user)}${place}`),
    value('DSN (Go)', `${user}${user === '' ? '' : '@'}tcp(${HOST}:${port})/${encodeURIComponent(database)}`),
  ];
}

/** https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE */
function keywords(pairs: readonly (readonly [string, string])[]): string {
  return pairs
    .filter(([, text]) => text !== '')
    .map(([key, text]) => {
      const plain = /^[A-Za-z0-9_.:@-]+$/.test(text);
      return `${key}=${plain ? text : `'${text.replace(/[\\']/g, String.raw`\$&`)}'`}`;
    })
    .join(' ');
}

function routeFlags({ user, database }: Target): readonly string[] {
  return [
    ...(user === '' ? [] : [shellQuote(`--db-user=${user}`)]),
    ...(database === '' ? [] : [shellQuote(`--db-name=${database}`)]),
  ];
}

function login(user: string): string {
  return user === '' ? '' : `${encodeURIComponent(user)}@`;
}

type Address = { readonly host: string; readonly port: number };

/** Of `host:port`, `[::1]:port`, or a host alone. */
function addressOf(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d{1,5}))?$/.exec(text);
  return { host: match?.[1] ?? match?.[2] ?? text, port: Number(match?.[3] ?? 443) };
}

/** How tsh names a proxy's folder. */
function profileName({ host, port }: Address): string {
  const name = host.replaceAll(':', '_');
  return port === 443 ? name : `${name}_${port}`;
}

/** How tsh writes a name as a file's name. */
function safe(name: string): string {
  const encoded = encodeURIComponent(name).replace(
    /[!'()*~]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return encoded.replaceAll('%40', '@').replaceAll('%2B', '+').replace(/^\./, '%2E');
}

function command(label: string, text: string): Line {
  return { label, value: text, command: true };
}

function value(label: string, text: string): Line {
  return { label, value: text, command: false };
}

function renamed(lines: readonly Line[], label: string): readonly Line[] {
  return lines.map((line) => ({ ...line, label }));
}
