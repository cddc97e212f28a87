/** Shows commands as a person would type them, and what they answer. */
import { styleText } from 'node:util';
import { runCommand, type Output, type RunOptions } from '../../test/kit/command.ts';

let failed = 0;

/** How many steps went wrong so far. */
export function failures(): number {
  return failed;
}

export function heading(text: string): void {
  process.stdout.write(`\n${styleText(['bold', 'cyan'], text)}\n`);
}

export function remark(text: string): void {
  process.stdout.write(`${styleText('dim', text)}\n`);
}

export function prompt(who: string, command: string): void {
  process.stdout.write(`\n${styleText('green', `${who}$`)} ${styleText('bold', command)}\n`);
}

export function answer(text: string): void {
  if (text.trim() !== '') process.stdout.write(`${text.trimEnd()}\n`);
}

export type Step = RunOptions & {
  readonly program: string;
  readonly args: readonly string[];
  /** The answer must look like this, whatever the exit code; else the exit code must be 0. */
  readonly expect?: RegExp;
};

/** Runs what `command` says, shows it, and counts a failure when it is not as expected. */
export async function show(who: string, command: string, step: Step): Promise<Output> {
  prompt(who, command);
  const output = await runCommand(step.program, step.args, step);
  answer(output.stdout);
  answer(output.stderr);
  const fine = step.expect === undefined ? output.code === 0 : step.expect.test(output.stdout + output.stderr);
  if (!fine) {
    failed++;
    process.stdout.write(`${styleText('red', `this step failed (exit code ${output.code})`)}\n`);
  }
  return output;
}
