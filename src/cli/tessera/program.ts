import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { collect, examples, formatOption, rootCommand, runCommandLine } from '../command.ts';
import type { Outcome } from '../command.ts';
import { parseTime, parseTtlSeconds } from '../duration.ts';
import type { Format } from '../format.ts';
import type { Io } from '../io.ts';
import type { Globals } from './admin.ts';
import type { SearchOptions } from './audit-search.ts';
import type { SignOptions } from './auth-sign.ts';
import type { LockOptions } from './lock.ts';
import { addPeopleCommands } from './people-program.ts';
import { addResourceCommands } from './resource-program.ts';
import { addServiceCommands } from './service-program.ts';
import type { SsoTestOptions } from './sso-test.ts';
import { addSessionCommands } from './session-program.ts';

/** What a group of commands needs to add itself. */
export type Context = {
  readonly io: Io;
  /** The flags of every command, read when it runs. */
  readonly globals: () => Globals;
  readonly act: (work: Promise<Outcome> | Outcome) => Promise<void>;
};

/** Runs one `tessera` command line and gives the exit code. */
export async function runTessera(io: Io, argv: readonly string[]): Promise<number> {
  const outcome = { code: 0 };
  return runCommandLine(io, tesseraProgram(io, outcome), argv, outcome);
}

/** The command tree of `tessera`. It loads nothing but flags and help; each command brings its own code when it runs. */
export function tesseraProgram(io: Io, outcome: { code: number }): Command {
  const program = rootCommand(io, 'tessera', 'Run and administer a Tessera cluster.')
    .option('-c, --config <file>', 'configuration (default: TESSERA_CONFIG, else /etc/tessera.yaml)')
    .option('-i, --identity <folder>', 'administrator identity: admin.crt, admin.key, cas.pem, address')
    .option('--proxy <host:port>', 'go through this proxy as the person signed in there with tsh');
  program.addHelpText(
    'after',
    '\nExamples:\n  $ tessera start -c tessera.yaml\n  $ tessera users add alice --roles=access --db-users=reader\n  $ tessera audit search --user=alice --from=1h',
  );
  const context: Context = {
    io,
    globals: () => program.opts<Globals>(),
    act: async (work) => {
      outcome.code = (await work) ?? 0;
    },
  };
  addServiceCommands(program, context);
  addPeopleCommands(program, context);
  addResourceCommands(program, context);
  addSessionCommands(program, context);
  addLock(program, context);
  addAuth(program, context);
  addAudit(program, context);
  addSso(program, context);
  const db = examples(
    program.command('db').description('databases of the cluster').helpCommand(false),
    'tessera db ls',
  );
  examples(
    db
      .command('ls')
      .description('list every database, who serves it, and its health')
      .addOption(formatOption())
      .option('--search <text>', 'only those with this text')
      .action(async (options: { format: Format; search?: string }) =>
        context.act((await import('./db-ls.ts')).listServed(io, context.globals(), options)),
      ),
    'tessera db ls',
    'tessera db ls --format=json',
  );
  return program;
}

function addSso(program: Command, { io, globals, act }: Context): void {
  const sso = examples(
    program.command('sso').description('single sign-on').helpCommand(false),
    'tessera sso test connector.yaml',
  );
  examples(
    sso
      .command('test')
      .description('try a sign-in at a provider: each step and rule is shown, nobody is signed in')
      .argument('<connector>', 'YAML file, - for stdin, or a connector of the cluster as kind/name')
      .addOption(formatOption())
      .addOption(
        new Option('--browser <way>', 'auto: open the browser when there is one; none: only print the link')
          .choices(['auto', 'none'])
          .default('auto'),
      )
      .action(async (connector: string, options: SsoTestOptions) =>
        act((await import('./sso-test.ts')).testSso(io, globals(), connector, options)),
      ),
    'tessera sso test connector.yaml',
    'tessera sso test oidc/corp --browser=none --format=json',
  );
}

function addLock(program: Command, { io, globals, act }: Context): void {
  examples(
    program
      .command('lock')
      .description('end live sessions and refuse new ones')
      .option('--user <name>', 'of this user')
      .option('--role <name>', 'of everybody with this role')
      .option('--db-service <name>', 'to this database')
      .option('--server-id <uuid>', 'through this service')
      .option('--certificate <fingerprint>', 'with this certificate (SHA-256)')
      .option('--session-id <uuid>', 'this session')
      .option('--message <text>', 'what the person is told')
      .addOption(new Option('--ttl <duration>', 'for so long').argParser(parseTtlSeconds))
      .addOption(
        new Option('--expires <time>', 'until then (RFC 3339)').argParser((text: string) =>
          parseTime(text, io.nowMs()),
        ),
      )
      .action(async (options: LockOptions) => act((await import('./lock.ts')).lock(io, globals(), options))),
    'tessera lock --user=alice --message="laptop lost" --ttl=24h',
    'tessera lock --db-service=orders --expires=2026-12-31T00:00:00Z',
  );
}

function addAuth(program: Command, { io, globals, act }: Context): void {
  const auth = examples(
    program.command('auth').description('certificates and authorities').helpCommand(false),
    'tessera auth sign --format=db --host=orders.internal --out=server',
  );
  examples(
    auth
      .command('sign')
      .description('make key and certificate of a database server')
      .addOption(new Option('--format <format>', 'for what').choices(['db']).default('db'))
      .addOption(
        new Option('--host <names>', 'names and addresses by which Database Services reach it')
          .argParser(collect)
          .makeOptionMandatory(),
      )
      .requiredOption('-o, --out <path>', 'path of the files without ending: .crt .key .cas')
      .addOption(
        new Option('--ttl <duration>', 'how long it is valid')
          .argParser(parseTtlSeconds)
          .default(2190 * 3600, '2190h, three months'),
      )
      .option('--overwrite', 'replace files that exist')
      .action(async (options: SignOptions) => act((await import('./auth-sign.ts')).sign(io, globals(), options))),
    'tessera auth sign --format=db --host=localhost,orders.internal --out=server --ttl=2190h',
  );
  examples(
    auth
      .command('export')
      .description("print an authority's certificates")
      .addOption(
        new Option('--type <type>', 'which authority')
          .choices(['user', 'host', 'db', 'db-client'])
          .makeOptionMandatory(),
      )
      .option('--fingerprint', 'their SHA-256 fingerprints instead')
      .action(async (options: { type: string; fingerprint?: boolean }) =>
        act((await import('./auth-export.ts')).exportAuthority(io, globals(), options)),
      ),
    'tessera auth export --type=db-client > db-client.cas',
    'tessera auth export --type=host --fingerprint',
  );
}

function addAudit(program: Command, { io, globals, act }: Context): void {
  const audit = examples(
    program.command('audit').description('the audit log').helpCommand(false),
    'tessera audit search --user=alice --from=1h',
  );
  const time = (text: string): string => parseTime(text, io.nowMs());
  examples(
    audit
      .command('search')
      .description('find events; the newest, in the order in which they happened')
      .addOption(
        new Option('--from <time>', 'since then: 2026-01-31T08:00:00Z, 2026-01-31, or how long ago: 1h, 2d').argParser(
          time,
        ),
      )
      .addOption(new Option('--to <time>', 'until then').argParser(time))
      .option('--user <name>', 'of this person')
      .option('--db <name>', 'on this database')
      .option('--session <id>', 'of this session (sid)')
      .addOption(new Option('--event <types>', 'of these types, for example db.session.query').argParser(collect))
      .option('--text <words>', 'with this word or phrase in the statement or any field')
      .addOption(new Option('--limit <count>', 'at most so many').argParser(parseLimit).default(100))
      .addOption(formatOption())
      .option('--follow', 'go on with new events until Ctrl-C (json: one a line)')
      .action(async (options: SearchOptions) =>
        act((await import('./audit-search.ts')).searchAudit(io, globals(), options)),
      ),
    'tessera audit search --user=alice --from=1h',
    'tessera audit search --db=orders --text="delete from" --from=2d --format=json',
    'tessera audit search --follow --event=db.session.query',
  );
}

function parseLimit(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 1_000_000)
    throw new InvalidArgumentError('Expected a whole number from 1 to 1000000.');
  return count;
}
