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

/**
 * JSON with two spaces, or YAML without a final line end. What a terminal could take for a command, or show in another order than it stands, is written as an escape of the format itself: somebody else wrote these values (SQL,
 * names), and whoever parses them gets them as they are.
 */
export async function printMachine(format: 'json' | 'yaml', value: unknown): Promise<string> {
  if (format === 'json') return terminalSafe(JSON.stringify(value, undefined, 2));
  const { Document, visit } = await import('yaml');
  const document = new Document(value);
  visit(document, {
    Scalar(_key, node) {
      // Between double quotes alone an escape is one.
      if (typeof node.value === 'string' && node.value.search(HARMFUL) !== -1) node.type = 'QUOTE_DOUBLE';
    },
  });
  return terminalSafe(document.toString({ lineWidth: 0 })).trimEnd();
}

/** A JSON text, or a YAML text whose harmful values are quoted, with escapes of its own: both write what is below a blank so by themselves, and leave the rest of it as it is. */
export function terminalSafe(text: string): string {
  return text.replaceAll(HARMFUL, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** DEL, C1 (8-bit control sequences), line and paragraph separators, bidirectional embeddings, overrides and isolates: what `visible` writes out (io.ts). */
const HARMFUL = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;
