import type { Command } from 'commander';
import { Option } from 'commander';
import type { Outcome } from '../command.ts';
import { collect, examples, formatOption, rootCommand, runCommandLine } from '../command.ts';
import { parseTtlSeconds } from '../duration.ts';
import type { Format } from '../format.ts';
import type { Io } from '../io.ts';
import { BROWSER_MODES } from './browser-modes.ts';
import { addDatabaseCommands } from './db-program.ts';
import { addMfaCommands } from './mfa-program.ts';
import { addProxyCommands } from './proxy-program.ts';
import type { InviteOptions } from './invite.ts';
import type { LoginOptions } from './login.ts';

/** Runs one `tsh` command line and gives the exit code. */
export async function runTsh(io: Io, argv: readonly string[]): Promise<number> {
  const outcome = { code: 0 };
  return runCommandLine(io, tshProgram(io, outcome), argv, outcome);
}

/** Sets the exit code from what a command gives. */
export type Act = (work: Promise<Outcome> | Outcome) => Promise<void>;

/** The command tree of `tsh`. It loads nothing but flags and help; each command brings its own code when it runs. */
export function tshProgram(io: Io, outcome: { code: number }): Command {
  const act: Act = async (work) => {
    outcome.code = (await work) ?? 0;
  };
  const program = rootCommand(
    io,
    'tsh',
    'Sign in once, then reach the databases that your roles allow.',
  ).enablePositionalOptions();
  program.addHelpText(
    'after',
    `\nExamples:\n  $ tsh login --proxy=access.example.com\n  $ tsh db ls\n  $ tsh db connect orders\n
Environment:
  TESSERA_PROXY, TESSERA_USER  instead of --proxy and --user
  TESSERA_HOME                 instead of ~/.tsh
  BROWSER                      which browser opens; "none": links and codes are printed
  TESSERA_DEBUG                set: details of a failure on stderr
  NO_COLOR                     honoured (tsh uses colours for questions only)`,
  );
  addLogin(program, io, act);
  addSession(program, io, act);
  addDatabaseCommands(program, io, act);
  addProxyCommands(program, io, act);
  addMfaCommands(program, io, act);
  examples(
    program
      .command('version')
      .description('print the version')
      .addOption(formatOption())
      .action(async (options: { format: Format }) =>
        act((await import('../version-command.ts')).version(io, 'tsh', options)),
      ),
    'tsh version',
  );
  return program;
}

function addSession(program: Command, io: Io, act: Act): void {
  examples(
    program
      .command('logout')
      .description('remove the keys and certificates of one proxy, or of all')
      .option('--proxy <host:port>', 'of this proxy (default: the current one)')
      .option('--all', 'of every proxy')
      .action(async (options: { proxy?: string; all?: boolean }) =>
        act((await import('./logout.ts')).logout(io, options)),
      ),
    'tsh logout',
    'tsh logout --all',
  );
  examples(
    program
      .command('status')
      .description('who is signed in where, and until when')
      .addOption(formatOption())
      .action(async (options: { format: Format }) => act((await import('./status.ts')).status(io, options))),
    'tsh status',
    'tsh status --format=json',
  );
  examples(
    trustOptions(
      program
        .command('invite')
        .description('accept an invitation or a reset: set password and one-time code')
        .argument('<link>', 'https://<proxy>/web/invite/<token>'),
    ).action(async (link: string, options: InviteOptions) =>
      act((await import('./invite.ts')).invite(io, link, options)),
    ),
    "tsh invite 'https://access.example.com/web/invite/0123456789abcdef' --ca-pin=sha256:...",
  );
}

function addLogin(program: Command, io: Io, act: Act): void {
  const command = trustOptions(
    program
      .command('login')
      .description('sign in as your cluster does it; a session that is still good is shown instead')
      .option('--proxy <host:port>', "the proxy's public address (port 443 when none is said)")
      .option('--user <name>', 'your name there')
      .addOption(
        new Option(
          '--ttl <duration>',
          'how long the session may last, for example 8h (a number alone: minutes)',
        ).argParser(parseTtlSeconds),
      )
      .option('--auth <name>', 'a connector (your company\'s sign-in), or "local" (default: as the cluster prefers)')
      .addOption(
        new Option(
          '--browser <how>',
          'sign in in the browser; "none" prints the link for a browser on this machine',
        ).choices(BROWSER_MODES),
      )
      .option('--device', 'show a code to type in a browser on any machine (default over SSH)')
      .option('--force', 'sign in again although the session is still good'),
  ).action(async (options: LoginOptions) => act((await import('./login.ts')).login(io, options)));
  examples(
    command,
    'tsh login --proxy=access.example.com',
    'tsh login --proxy=access.example.com --auth=okta --browser=none',
    'tsh login --proxy=access.example.com:3080 --user=alice --ca-pin=sha256:...   # first time, private CA',
    `printf '%s\\n' "$password" "$code" | tsh login --proxy=access.example.com --user=alice`,
  );
}

function trustOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--ca-pin <pin>', 'sha256:... of the cluster (`tessera status` prints it); repeatable').argParser(
        collect,
      ),
    )
    .option('--insecure', "believe the proxy's certificate unseen, this once");
}
