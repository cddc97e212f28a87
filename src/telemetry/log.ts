import { pino } from 'pino';
import { redact } from './redact.ts';
import { formatLine } from './log-line.ts';

/**
 * What the program tells its operator: lines on stderr, JSON or text. Not the audit log. Fields come first, then a sentence: lower case,
 * no full stop. Put an Error into the field `err`. Fields whose name says that they hold a secret, a statement or bind values are replaced
 * by `[redacted]` at any depth (src/telemetry/redact.ts): that is a net, not a licence.
 */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** The same log with these fields on every line, e.g. `{ service: 'proxy' }`, `{ sid }`. */
  child(fields: LogFields): Log;
}

export type LogFields = Readonly<Record<string, unknown>>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export type LogOptions = {
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Default `json`. `text` is for a person at a terminal. */
  readonly format?: 'json' | 'text';
  /** Where lines go, each ending in a newline. Default: stderr, never blocking; beyond 16 MiB unread, lines are dropped. */
  readonly write?: (line: string) => void;
};

/** The log of a process. Lines written before an orderly exit are flushed. */
export function createLog(options: LogOptions = {}): Log {
  const write = options.write ?? standardError();
  const text = options.format === 'text';
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'message',
      // redact() has made plain objects of errors.
      serializers: { err: (value: unknown) => value },
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: text ? (line: string) => write(formatLine(line)) : write },
  );
  return new PinoLog(logger);
}

/** A log that says nothing: for tests and for callers that were given none. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};

class PinoLog implements Log {
  readonly #logger: pino.Logger;

  constructor(logger: pino.Logger) {
    this.#logger = logger;
  }

  debug(fields: LogFields, message: string): void {
    if (this.#logger.isLevelEnabled('debug')) this.#logger.debug(redact(fields), message);
  }
  info(fields: LogFields, message: string): void {
    if (this.#logger.isLevelEnabled('info')) this.#logger.info(redact(fields), message);
  }
  warn(fields: LogFields, message: string): void {
    if (this.#logger.isLevelEnabled('warn')) this.#logger.warn(redact(fields), message);
  }
  error(fields: LogFields, message: string): void {
    if (this.#logger.isLevelEnabled('error')) this.#logger.error(redact(fields), message);
  }
  child(fields: LogFields): Log {
    return new PinoLog(this.#logger.child(redact(fields)));
  }
}

function standardError(): (line: string) => void {
  const destination = pino.destination({ fd: 2, sync: false, maxLength: MAX_PENDING_BYTES });
  return (line) => void destination.write(line);
}

/** A reader of our stderr that stopped reading must cost neither memory nor the event loop. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024;
