import type { Command } from 'commander';
import { examples, formatOption } from '../command.ts';
import type { Format } from '../format.ts';
import type { Context } from './program.ts';
import type { SessionListOptions } from './sessions.ts';

/** Adds `tessera sessions ls` and `terminate`. */
export function addSessionCommands(program: Command, { io, globals, act }: Context): void {
  const sessions = examples(
    program.command('sessions').description('sessions with databases that go on now').helpCommand(false),
    'tessera sessions ls',
  );
  examples(
    sessions
      .command('ls')
      .description('list them: who, where, what they run; your own, and those that your roles let you see')
      .option('--user <name>', 'of this person')
      .option('--db <name>', 'with this database')
      .addOption(formatOption())
      .action(async (options: SessionListOptions) =>
        act((await import('./sessions.ts')).listSessions(io, globals(), options)),
      ),
    'tessera sessions ls',
    'tessera sessions ls --db=orders --format=json',
  );
  examples(
    sessions
      .command('terminate')
      .description('end one at once; its client is told why in its own protocol')
      .argument('<session>', 'its id')
      .option('--message <text>', 'what the person is told')
      .addOption(formatOption())
      .action(async (id: string, options: { message?: string; format: Format }) =>
        act((await import('./sessions.ts')).terminateSession(io, globals(), { id, ...options })),
      ),
    'tessera sessions terminate 0b5cbf2e-0a35-4a68-9d33-1d1a2ad4a0f6 --message="runs since noon"',
  );
}
