import { Command, CommanderError, Option } from 'commander';
import type { Format } from './format.ts';
import { FORMATS } from './format.ts';
import type { Io } from './io.ts';
import { reportFailure } from './failure.ts';

/** What a command returns: the exit code, nothing for 0. */
export type Outcome = number | void;

/** The root of a command tree: help and errors go where `io` says, a wrong command line never ends the process itself. */
export function rootCommand(io: Io, name: string, description: string): Command {
  return new ToolCommand(name)
    .description(description)
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => io.stdout.columns ?? 100,
      getErrHelpWidth: () => io.stderr.columns ?? 100,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ showGlobalOptions: true })
    .helpCommand(false)
    .addHelpText('after', '\nRun a command with --help for its flags and an example.');
}

/** Adds what every command's help ends with: how it is used in practice. */
export function examples(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText('after', `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`);
}

/** `--format=text|json|yaml`. */
export function formatOption(preset: Format = 'text'): Option {
  return new Option('-f, --format <format>', 'how to print').choices(FORMATS).default(preset);
}

/** Collects a flag that may be repeated and may hold a comma-separated list. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), ...splitList(value)];
}

/** The parts of a comma-separated list, without spaces around and without empty ones. */
export function splitList(value: string): string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** Commander compares `--fromat=json` as a whole with the flags it knows and finds none near; the value may also be what nobody wants to see again. */
class ToolCommand extends Command {
  override createCommand(name?: string): Command {
    return new ToolCommand(name);
  }

  /** Called by commander, which does not tell so in its types. */
  unknownOption(flag: string): void {
    const tell: unknown = Reflect.get(Command.prototype, 'unknownOption');
    if (typeof tell === 'function') Reflect.apply(tell, this, [flag.replace(/=.*$/s, '')]);
  }
}

/** Runs the command line and gives the exit code: 0, 1 (failed), 2 (usage), or the one of the command. */
export async function runCommandLine(
  io: Io,
  program: Command,
  argv: readonly string[],
  outcome: { code: number },
): Promise<number> {
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return outcome.code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return reportFailure(io, program.name(), error);
  }
}
