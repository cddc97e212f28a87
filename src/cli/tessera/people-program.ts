import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { collect, examples, formatOption } from '../command.ts';
import { parseTtlSeconds } from '../duration.ts';
import type { Format } from '../format.ts';
import type { Context } from './program.ts';
import type { AddTokenOptions } from './tokens.ts';
import type { AddUserOptions, UpdateUserOptions } from './users.ts';

/** Adds `tessera users ...` and `tessera tokens ...`. */
export function addPeopleCommands(program: Command, context: Context): void {
  addUsers(program, context);
  addTokens(program, context);
}

function addUsers(program: Command, { io, globals, act }: Context): void {
  const users = examples(
    program.command('users').description('local users').helpCommand(false),
    'tessera users add alice --roles=access --db-users=reader',
  );
  examples(
    users
      .command('add')
      .description('create a user and print the invitation link')
      .argument('<name>', 'user name')
      .addOption(new Option('--roles <roles>', 'roles, comma-separated').argParser(collect).makeOptionMandatory())
      .addOption(
        new Option('--db-users <names>', "database users for roles with {{internal.db_users}}; '*' for any").argParser(
          collect,
        ),
      )
      .addOption(
        new Option('--db-names <names>', "database names for roles with {{internal.db_names}}; '*' for any").argParser(
          collect,
        ),
      )
      .addOption(
        new Option('--ttl <duration>', 'how long the link is good, at most 48h')
          .argParser(parseTtlSeconds)
          .default(3600, '1h'),
      )
      .action(async (name: string, options: AddUserOptions) =>
        act((await import('./users.ts')).addUser(io, globals(), name, options)),
      ),
    "tessera users add alice --roles=access --db-users=reader --db-names='*'",
    'tessera users add bob --roles=access,auditor --db-users=reader,writer --db-names=shop --ttl=24h',
  );
  examples(
    users
      .command('ls')
      .description('list the users')
      .addOption(formatOption())
      .action(async (options: { format: Format }) =>
        act((await import('./users.ts')).listUsers(io, globals(), options)),
      ),
    'tessera users ls',
  );
  addUserChanges(users, { io, globals, act });
}

function addUserChanges(users: Command, { io, globals, act }: Pick<Context, 'io' | 'globals' | 'act'>): void {
  examples(
    users
      .command('update')
      .description('replace roles, database users or database names')
      .argument('<name>', 'user name')
      .addOption(new Option('--set-roles <roles>', 'all roles from now on').argParser(collect))
      .option('--set-db-users <names>', 'all database users from now on; empty for none')
      .option('--set-db-names <names>', 'all database names from now on; empty for none')
      .action(async (name: string, options: UpdateUserOptions) =>
        act((await import('./users.ts')).updateUser(io, globals(), name, options)),
      ),
    'tessera users update alice --set-db-users=reader,writer',
  );
  examples(
    users
      .command('reset')
      .description('take password and second factors away and print the link that sets new ones')
      .argument('<name>', 'user name')
      .addOption(
        new Option('--ttl <duration>', 'how long the link is good, at most 24h')
          .argParser(parseTtlSeconds)
          .default(8 * 3600, '8h'),
      )
      .action(async (name: string, options: { ttl: number }) =>
        act((await import('./users.ts')).resetUser(io, globals(), name, options)),
      ),
    'tessera users reset alice',
  );
  examples(
    users
      .command('rm')
      .description('remove users')
      .argument('<names...>', 'user names')
      .action(async (names: string[]) => act((await import('./users.ts')).removeUsers(io, globals(), names))),
    'tessera users rm alice',
  );
}

function addTokens(program: Command, { io, globals, act }: Context): void {
  const tokens = examples(
    program.command('tokens').description('tokens with which services join').helpCommand(false),
    'tessera tokens add --type=db',
  );
  examples(
    tokens
      .command('add')
      .description('make a join token and print the configuration that uses it')
      .addOption(new Option('--type <types>', 'db, proxy: what may join').argParser(collect).makeOptionMandatory())
      .addOption(new Option('--ttl <duration>', 'how long it is good').argParser(parseTtlSeconds).default(3600, '1h'))
      .addOption(
        new Option('--uses <count>', 'how often it may be used; 0: until it expires').argParser(parseUses).default(0),
      )
      .addOption(formatOption())
      .action(async (options: AddTokenOptions) => act((await import('./tokens.ts')).addToken(io, globals(), options))),
    'tessera tokens add --type=db',
    'tessera tokens add --type=proxy --ttl=15m --uses=1',
  );
  examples(
    tokens
      .command('ls')
      .description('list the join tokens')
      .addOption(formatOption())
      .action(async (options: { format: Format }) =>
        act((await import('./tokens.ts')).listTokens(io, globals(), options)),
      ),
    'tessera tokens ls',
  );
  examples(
    tokens
      .command('rm')
      .description('remove join tokens; services that joined stay')
      .argument('<tokens...>', 'the tokens')
      .action(async (names: string[]) => act((await import('./tokens.ts')).removeTokens(io, globals(), names))),
    'tessera tokens rm 0123456789abcdef',
  );
}

function parseUses(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 0 || count > 1_000_000)
    throw new InvalidArgumentError('Expected a whole number, 0 for no limit.');
  return count;
}
