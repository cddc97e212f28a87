import { homedir } from 'node:os';
import type { Readable, Writable } from 'node:stream';

/** The outside world of a command: everything it reads from and writes to, passed in so that a test can be the terminal. */
export type Io = {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** Results, and nothing else. */
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  /** Prompts, progress, warnings, errors. */
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The person's home folder. */
  readonly home: string;
  /** Milliseconds since 1970. */
  nowMs(): number;
};

/** The real terminal of this process. Whoever stops reading its results (`| head`) ends it, as a SIGPIPE would. */
export function processIo(): Io {
  process.stdout.on('error', (error) => process.exit(isBrokenPipe(error) ? BROKEN_PIPE_EXIT : 1));
  process.stderr.on('error', (error) => {
    if (!isBrokenPipe(error)) throw error;
  });
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    home: homedir(),
    nowMs: () => Date.now(),
  };
}

/** One line (or several) of result. Resolves nothing and waits for nothing: the process flushes on exit. */
export function say(io: Io, text: string): void {
  io.stdout.write(`${text}\n`);
}

/** One line for the person that is no result. */
export function tell(io: Io, text: string): void {
  io.stderr.write(`${text}\n`);
}

/** How wide a table on stdout may be; undefined when it goes to a file or a pipe, where nothing is cut. */
export function outputWidth(io: Io): number | undefined {
  return io.stdout.isTTY === true ? (io.stdout.columns ?? 80) : undefined;
}

/**
 * Text of others (labels, descriptions, statements) made safe for a terminal: control characters, escape sequences and
 * direction overrides are written out (`\x1b`) instead of obeyed.
 */
export function visible(text: string): string {
  return text.replace(HARMFUL, (character) => {
    const code = character.codePointAt(0) ?? 0;
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}

function isBrokenPipe(error: Error): boolean {
  return 'code' in error && error.code === 'EPIPE';
}

/** 128 + SIGPIPE, as a shell tells it. */
const BROKEN_PIPE_EXIT = 141;
/** C0, DEL, C1, line and paragraph separators, bidirectional embeddings, overrides and isolates. */
const HARMFUL = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;
