import type { Io } from './io.ts';
import { Cancelled, failure } from './failure.ts';

/**
 * Questions to the person. On a terminal they are asked on stderr; else each answer is the next line of stdin, so that
 * `printf '%s\n' "$password" "$code" | tsh login` works and nothing secret needs to be in a flag or the environment.
 * Dispose when the last question was asked.
 */
export interface Prompter extends Disposable {
  /** Not echoed, not even as stars. Never empty. */
  secret(question: string): Promise<string>;
  text(question: string): Promise<string>;
  /** False when the person says no. Only on a terminal: throws otherwise, with `instead` as what to do. */
  confirm(question: string, instead: string): Promise<boolean>;
  /** Whether somebody sits there who can correct a mistake. */
  readonly interactive: boolean;
}

export function openPrompter(io: Io): Prompter {
  return io.stdin.isTTY === true && io.stderr.isTTY === true ? terminalPrompter(io) : linePrompter(io);
}

function terminalPrompter(io: Io): Prompter {
  const streams = { input: io.stdin, output: io.stderr, withGuide: false };
  return {
    interactive: true,
    async secret(question) {
      const { password } = await import('@clack/prompts');
      const answer = await password({ ...streams, message: question, mask: '', validate: required });
      if (typeof answer === 'symbol') throw new Cancelled();
      return answer;
    },
    async text(question) {
      const { text } = await import('@clack/prompts');
      const answer = await text({ ...streams, message: question, validate: required });
      if (typeof answer === 'symbol') throw new Cancelled();
      return answer;
    },
    async confirm(question) {
      const { confirm } = await import('@clack/prompts');
      const answer = await confirm({ ...streams, message: question, initialValue: false });
      if (typeof answer === 'symbol') throw new Cancelled();
      return answer;
    },
    [Symbol.dispose]() {},
  };
}

function required(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? 'an answer is needed' : undefined;
}

function linePrompter(io: Io): Prompter {
  let lines: AsyncIterator<string> | undefined;
  let close: (() => void) | undefined;
  const next = async (question: string): Promise<string> => {
    if (lines === undefined) {
      const { createInterface } = await import('node:readline');
      const reader = createInterface({ input: io.stdin, crlfDelay: Infinity });
      lines = reader[Symbol.asyncIterator]();
      close = () => reader.close();
    }
    const line = await lines.next();
    if (line.done === true || line.value === '') {
      throw failure(
        'INPUT_ENDED',
        `no answer to "${question}": stdin is not a terminal and has no further line`,
        'give each answer on a line of its own, or run the command in a terminal',
      );
    }
    return line.value;
  };
  return {
    interactive: false,
    secret: next,
    text: next,
    confirm: (question, instead) =>
      Promise.reject(failure('CONFIRMATION_NEEDED', `"${question}" can only be answered in a terminal`, instead)),
    [Symbol.dispose]() {
      close?.();
    },
  };
}
