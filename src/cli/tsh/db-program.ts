import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { collect, examples, formatOption } from '../command.ts';
import type { Format } from '../format.ts';
import type { Io } from '../io.ts';
import type { DbConnectOptions } from './db-connect.ts';
import type { DbExecOptions } from './db-exec.ts';
import type { DbLsOptions } from './db-ls.ts';
import type { RouteOptions } from './db-login.ts';
import type { Act } from './program.ts';
import { MFA_MODES } from './mfa-modes.ts';
import type { Chosen } from './session.ts';

/** Adds `tsh db ...`. */
export function addDatabaseCommands(program: Command, io: Io, act: Act): void {
  const db = examples(
    program
      .command('db')
      .description('list databases and connect to them')
      .helpCommand(false)
      .enablePositionalOptions(),
    'tsh db ls',
    'tsh db connect orders',
  );
  addList(db, io, act);
  addLogins(db, io, act);
  addSettings(db, io, act);
  addConnect(db, io, act);
  addExec(db, io, act);
}

function addList(db: Command, io: Io, act: Act): void {
  examples(
    proxyOption(
      db
        .command('ls')
        .description('list the databases that you may reach')
        .argument('[labels]', 'only those with these labels: k=v,k2=v2'),
    )
      .addOption(formatOption())
      .option('-v, --verbose', 'also protocol, type, URI, health and allowed database names; nothing is cut')
      .option('--search <words>', 'only those with all of these words (comma-separated) in name, description or labels')
      .action(async (labels: string | undefined, options: DbLsOptions) =>
        act((await import('./db-ls.ts')).dbLs(io, labels, options)),
      ),
    'tsh db ls',
    'tsh db ls env=prod --format=json',
  );
}

function addLogins(db: Command, io: Io, act: Act): void {
  examples(
    routeOptions(
      db
        .command('login')
        .description("get a certificate for one database and write its client's configuration")
        .argument('[database]', 'its name, or the beginning of it'),
    ).action(async (name: string | undefined, options: RouteOptions) =>
      act((await import('./db-login.ts')).dbLogin(io, name, options)),
    ),
    'tsh db login orders',
    'tsh db login orders --db-user=reader --db-name=shop',
  );
  examples(
    proxyOption(
      db
        .command('logout')
        .description('remove the certificate of one database, or of all')
        .argument('[database]', 'its name; all when left out'),
    ).action(async (name: string | undefined, options: Chosen) =>
      act((await import('./db-logout.ts')).dbLogout(io, name, options)),
    ),
    'tsh db logout orders',
    'tsh db logout',
  );
}

function addSettings(db: Command, io: Io, act: Act): void {
  examples(
    proxyOption(
      db
        .command('env')
        .description('print the environment for native clients')
        .argument('[database]', 'one that you are logged in to'),
    )
      .addOption(formatOption())
      .action(async (name: string | undefined, options: Chosen & { format: Format }) =>
        act((await import('./db-env.ts')).dbEnv(io, name, options)),
      ),
    'eval "$(tsh db env orders)"; psql',
    'eval "$(tsh db env shop)"; mysql',
  );
  examples(
    proxyOption(
      db
        .command('config')
        .description('print what any client needs: host, port, files')
        .argument('[database]', 'one that you are logged in to'),
    )
      .addOption(
        new Option('-f, --format <format>', 'how to print; cmd is one command line of psql or mysql')
          .choices(['text', 'cmd', 'json', 'yaml'])
          .default('text'),
      )
      .action(async (name: string | undefined, options: Chosen & { format: Format | 'cmd' }) =>
        act((await import('./db-env.ts')).dbConfig(io, name, options)),
      ),
    'tsh db config orders',
    'tsh db config orders --format=cmd',
  );
}

function addConnect(db: Command, io: Io, act: Act): void {
  examples(
    routeOptions(
      db
        .command('connect')
        .description('run psql, mariadb or mysql on a database, logging in to it when needed')
        .argument('[database]', 'its name, or the beginning of it'),
    )
      .argument('[client-arguments...]', 'after --: passed to the client')
      .option('--tunnel', 'through a tunnel inside of tsh, although the proxy has a listener for the client')
      .action(async (name: string | undefined, args: string[], options: DbConnectOptions) =>
        act((await import('./db-connect.ts')).dbConnect(io, name, args, options)),
      ),
    'tsh db connect orders',
    'tsh db connect orders --db-user=reader --db-name=shop',
    "tsh db connect orders -- -c 'select 1'",
  );
}

function addExec(db: Command, io: Io, act: Act): void {
  examples(
    routeOptions(
      db.command('exec').description('run one SQL text on several databases').argument('<sql>', 'the statement'),
    )
      .addOption(new Option('--dbs <names>', 'these databases, comma-separated').argParser(collect))
      .addOption(new Option('--parallel <count>', 'how many at a time, 1 to 10').argParser(parseParallel).default(1))
      .option('--output-dir <folder>', 'one file per database and summary.json, instead of printing')
      .option('--no-confirm', 'do not ask before running on a selection')
      .action(async (sql: string, options: DbExecOptions) =>
        act((await import('./db-exec.ts')).dbExec(io, sql, options)),
      ),
    "tsh db exec 'select version()' --dbs=orders,ledger",
    "tsh db exec 'select count(*) from users' --labels=env=dev --parallel=5 --output-dir=out --no-confirm",
  );
}

function proxyOption(command: Command): Command {
  return command
    .option('--proxy <host:port>', 'through this proxy (default: the one signed in to last)')
    .option('--user <name>', 'refuse unless signed in as this user');
}

/** Flags that say which database, as whom, through which proxy. */
export function routeOptions(command: Command): Command {
  const withRoute = proxyOption(command)
    .option('-u, --db-user <name>', 'database user; inferred when your roles allow only one')
    .option('-n, --db-name <name>', 'database name; inferred when your roles allow only one; --db-name= forgets it')
    .option('--labels <k=v,...>', 'choose by labels')
    .addOption(
      new Option('--mfa-mode <mode>', 'how a second factor is shown, where the database needs one').choices(MFA_MODES),
    );
  return withRoute.option('--search <words>', 'choose by words in name, description or labels');
}

function parseParallel(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 10)
    throw new InvalidArgumentError('Expected a whole number from 1 to 10.');
  return count;
}
