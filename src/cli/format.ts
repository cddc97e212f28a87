import type { Io } from './io.ts';
import { say } from './io.ts';

/** How a list is printed. */
export type Format = 'text' | 'json' | 'yaml';
export const FORMATS: readonly Format[] = ['text', 'json', 'yaml'];

/** Prints `value` for machines, or what `text` makes for people. */
export async function print(io: Io, format: Format, value: unknown, text: () => string): Promise<void> {
  if (format === 'text') say(io, text());
  else say(io, await printMachine(format, value));
}

/** JSON with two spaces, or YAML without a final line end. */
export async function printMachine(format: 'json' | 'yaml', value: unknown): Promise<string> {
  if (format === 'json') return JSON.stringify(value, undefined, 2);
  const { stringify } = await import('yaml');
  return stringify(value, { lineWidth: 0 }).trimEnd();
}
