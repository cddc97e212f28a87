/**
 * The error classes of the whole program, by blame. A refusal is a value (`Denial`), not an error; "need more bytes" is a
 * return value. Messages: lower case, no full stop, subject, expected, got, the limit's name; never a secret, SQL text or raw bytes.
 */

type Options = { readonly cause?: unknown; readonly publicMessage?: string };

/** What all of ours share: a stable `code` for machines, and the only text that may cross the wire to a peer. */
export class TesseraError extends Error {
  /** Stable, upper snake case, e.g. `PG_BIND_TOO_SHORT`. */
  readonly code: string;
  /** May be shown to a peer. The message itself may name inner addresses and stays in the log. */
  readonly publicMessage: string;

  constructor(code: string, message: string, options: Options = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.publicMessage = options.publicMessage ?? message;
  }
}

/** A peer broke its protocol's rules. */
export class ProtocolError extends TesseraError {}
/** A peer asked for something legal that Tessera does not do. */
export class UnsupportedError extends TesseraError {}
/** Input from a person (configuration, resource file, flag) is wrong; `problems` lists every one. */
export class ConfigError extends TesseraError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super('CONFIG_INVALID', problems.join('\n'));
    this.problems = problems;
  }
}
/** A person or service could not prove who it is, or may not do what it asked. */
export class LoginError extends TesseraError {}
/** Something we depend on (a database, Auth, a proxy) is away or said no. */
export class UpstreamError extends TesseraError {
  readonly retryable: boolean;

  constructor(code: string, message: string, options: Options & { readonly retryable?: boolean } = {}) {
    super(code, message, options);
    this.retryable = options.retryable ?? false;
  }
}
/** A disk or store failed, or a record is not what it was expected to be (compare-and-swap lost). */
export class StorageError extends TesseraError {}
/** A named, configurable limit was reached; the message names it. */
export class LimitError extends TesseraError {}
/** Ours. Please report. */
export class BugError extends TesseraError {
  constructor(message: string, options: Options = {}) {
    super('BUG', message, options);
  }
}
