/**
 * What a conversation tells its observer: the typed records behind the audit events of a PostgreSQL session. All are plain data that
 * share no memory with the wire. Texts and values are as the client sent them, bounded; a cut one carries its whole length and a SHA-256.
 */

/** Called synchronously out of `Conversation.fromClient` and `fromDatabase`. A throw refuses: the chunk must then not be forwarded. */
export interface ConversationObserver {
  /** The client defined a prepared statement (Parse). It is not executed by that. */
  parse?(definition: Definition): void;
  /** The client bound values to a statement (Bind). Not executed by that; the values come again with the Execute's {@link Statement}. */
  bind?(portal: Portal): void;
  /** The client closed a statement or portal by name. */
  close?(target: 'statement' | 'portal', name: string): void;
  /** A statement that the database will run once the chunk is forwarded: Query, Execute or FunctionCall. Journal it now. */
  statement(statement: Statement): void;
  /** A statement's one answer. Every `statement` gets exactly one, `unanswered` at the latest from `Conversation.finish`. */
  result(result: StatementResult): void;
  /** The database reported an error that no running statement owns: in Parse, Bind, Describe, at commit in Sync, or on its own (shutdown). */
  error?(error: ServerError, during: 'parse' | 'bind' | 'describe' | 'close' | 'sync' | 'idle'): void;
  /** A run-time parameter's value was reported, e.g. `session_authorization`, `is_superuser`. */
  parameterStatus?(name: string, value: string): void;
  /** The transaction status of a ReadyForQuery; called only when it changed. */
  transaction?(status: TransactionStatus): void;
  /** The client said goodbye (Terminate). */
  terminate?(): void;
}

/** ReadyForQuery's indicator: idle, in a transaction block, in a failed transaction block. */
export type TransactionStatus = 'I' | 'T' | 'E';

/** SQL as sent. */
export type StatementText = {
  /** The text, or its beginning when `sha256` is there. */
  readonly text: string;
  /** Present when the bytes are not UTF-8: `text` then holds one character a byte. */
  readonly encoding?: 'latin1';
  /** Length of the message body that carried it, in bytes. */
  readonly bodyBytes: number;
  /** Present when the text was cut at `maxStatementBytes`: lower-case hex SHA-256 of the whole message body. */
  readonly sha256?: string;
};

/** A prepared statement that the client defined with Parse. One object per Parse; an observer may key caches on it (`WeakMap`) or use `cache`. */
export type Definition = {
  /** Empty for the unnamed statement. */
  readonly name: string;
  readonly text: StatementText;
  /** Parameter types: as given in Parse, or as the database described them; 0 is unknown. */
  readonly parameterTypes: readonly number[];
  /** What the database said so far: `pending` until ParseComplete. `rejected` covers failed and skipped ones. */
  readonly state: 'pending' | 'accepted' | 'rejected';
  /** The observer's own, e.g. the text as JSON, escaped once. The conversation never looks at it. */
  cache: unknown;
};

/** Bind values for audit. */
export type BoundValues = {
  readonly values: readonly AuditedValue[];
  /** How many values the client sent; more than `values.length` when the message was cut at `maxBindBytes`. */
  readonly count: number;
  /** Present when the message was cut: SHA-256 of the whole Bind body, and its length. */
  readonly sha256?: string;
  readonly bodyBytes?: number;
};

/** Null, the value as text (binary of an unknown type as `\x` and hex), or a cut one. JSON-serialisable. */
export type AuditedValue = string | null | CutValue;

/** A value above the budget: the first `value`, the length in bytes and the SHA-256 of the whole. */
export type CutValue = { readonly value: string; readonly bytes: number; readonly sha256: string };

/** What Bind made. */
export type Portal = {
  /** Empty for the unnamed portal. */
  readonly name: string;
  readonly statementName: string;
  /** Absent when the name is unknown here (prepared at SQL level, or above `maxPreparedStatements`). */
  readonly definition: Definition | undefined;
  readonly values: BoundValues;
};

/** One thing the database is asked to run. */
export type Statement = {
  /** 1, 2, 3... within the session. */
  readonly id: number;
  readonly kind: 'query' | 'execute' | 'function';
  /** SQL text. Absent for functions and for an Execute whose text is not known here (`unknown`). */
  readonly text: StatementText | undefined;
  /** The prepared statement behind an Execute. */
  readonly definition: Definition | undefined;
  readonly statementName: string;
  readonly portalName: string;
  readonly values: BoundValues | undefined;
  /** Execute of a name that this session did not Parse or Bind: a SQL-level PREPARE or DECLARE CURSOR, or above a limit. */
  readonly unknown: 'statement' | 'portal' | undefined;
  /**
   * True when the text is what the client last said under that name but the database may hold another: the Parse is unanswered behind an
   * unanswered Sync, SQL-level PREPARE / DEALLOCATE ran since, its name is not ASCII (what its bytes mean depends on client_encoding), or answers could not be
   * matched before. `otherTexts` are the candidates known.
   */
  readonly uncertain: boolean;
  readonly otherTexts: readonly StatementText[];
  /** A further Execute of the same portal (rows fetched in portions). */
  readonly continued: boolean;
  /** FunctionCall: the function's OID. */
  readonly functionOid: number | undefined;
  /** By the conversation's clock, in milliseconds. */
  readonly startedAtMs: number;
};

/** How a statement ended. */
export type StatementResult = {
  readonly statement: Statement;
  /**
   * completed; suspended (row limit of Execute reached); empty (no SQL in it); failed (`error`); skipped: never run, because something before it
   * in the pipeline failed (`error` is that); unanswered: the session ended first, or which answer is its own can not be told.
   */
  readonly outcome: 'completed' | 'suspended' | 'empty' | 'failed' | 'skipped' | 'unanswered';
  /** Rows sent to the client, counted from DataRow. */
  readonly rows: number;
  /** Of the (last) command tag: rows affected, copied or selected. Absent when the tag has no number. */
  readonly affected: number | undefined;
  /** Of the (last) command; empty when there was none. */
  readonly tag: string;
  /** How many commands of a simple Query completed. */
  readonly commandCount: number;
  /** Each command of a simple Query with more than one; the first `maxCommandsPerQuery`. */
  readonly commands: readonly CommandResult[];
  readonly error: ServerError | undefined;
  /** Bytes of the answer on the wire, headers included. */
  readonly bytes: number;
  /** Bytes of CopyData bodies, to or from the client. */
  readonly copyBytes: number;
  /** The statement was recorded as `uncertain`, or turned out so since: SQL before it in the pipeline changed names, or answers can not be matched. */
  readonly uncertain: boolean;
  /** The recorded text's Parse turned out rejected, and yet the database answered: it ran one of `otherTexts` or a SQL-level PREPARE. */
  readonly textRejected: boolean;
  /** From the statement to the first byte of its answer, and to the end of it, by the conversation's clock. */
  readonly firstByteMs: number;
  readonly totalMs: number;
  /** Known for simple Query and FunctionCall, which end with ReadyForQuery. */
  readonly transaction: TransactionStatus | undefined;
};

export type CommandResult = { readonly tag: string; readonly rows: number; readonly affected: number | undefined };

/** The fields of an ErrorResponse that are audited. Bounded (`maxErrorFieldBytes`); may quote the client's data. */
export type ServerError = {
  /** Non-localised when the database sends that (PostgreSQL 9.6 and later). */
  readonly severity: string;
  /** SQLSTATE, five characters. */
  readonly code: string;
  readonly message: string;
  readonly detail?: string;
  readonly hint?: string;
};

/** The conversation's limits, all named in errors. */
export type ConversationLimits = {
  /** Of a Query or Parse body kept. */
  readonly maxStatementBytes: number;
  /** Of a Bind or FunctionCall body looked into. */
  readonly maxBindBytes: number;
  /** Of the values of one Bind kept for audit, together. */
  readonly maxValuesBytes: number;
  /** Named statements and portals remembered, each. Above it none is forgotten: new ones are journalled but their later Execute says `unknown`. */
  readonly maxPreparedStatements: number;
  /** Memory of remembered texts and values together; above it as above. */
  readonly maxRememberedBytes: number;
  /** Messages sent and unanswered at which {@link Conversation.saturated} turns true. Not below 4096: the database may hold back that many answers until a Sync. */
  readonly maxPipelined: number;
};

/** Sound for production. */
export const DEFAULT_CONVERSATION_LIMITS: ConversationLimits = {
  maxStatementBytes: 64 * 1024,
  maxBindBytes: 64 * 1024,
  maxValuesBytes: 16 * 1024,
  maxPreparedStatements: 10_000,
  maxRememberedBytes: 32 * 1024 * 1024,
  maxPipelined: 8192,
};

/** Of one audited ErrorResponse field. */
export const maxErrorFieldBytes = 8 * 1024;
/** Of one simple Query listed one by one. */
export const maxCommandsPerQuery = 64;
