/**
 * What a conversation tells its observer: the typed records behind the audit events of a MySQL or MariaDB session. All are plain data that share no memory with
 * the wire. Texts and values are as the client sent them, bounded; a cut one carries its whole length and a SHA-256.
 */

/** Called synchronously out of `Conversation.fromClient` and `fromDatabase`. A throw refuses: the chunk must then not be forwarded. */
export interface ConversationObserver {
  /** Something the database will be asked once the chunk is forwarded. Journal it now. PING and QUIT are not told. */
  request(request: Request): void;
  /** A request's one answer. Every `request` gets exactly one, `unanswered` at the latest from `Conversation.finish`. */
  result(result: Result): void;
  /** A request that never reached the database: it was answered here with `error`. It gets no `request` and no `result`. */
  refused(request: Request, error: ServerError): void;
  /** The database said that its default database is another one now (session tracking), or a request told so. */
  databaseChanged?(name: string): void;
  /** The client said goodbye (COM_QUIT). */
  quit?(): void;
}

/** What was asked, by command. Names are those of the protocol. */
export type Request = {
  /** 1, 2, 3... within the session. */
  readonly id: number;
  readonly command: CommandName;
  /** By the conversation's clock, in milliseconds. */
  readonly startedAtMs: number;
  /** COM_QUERY and COM_STMT_PREPARE: the SQL. COM_STMT_EXECUTE, BULK_EXECUTE, FETCH, SEND_LONG_DATA, CLOSE, RESET: of the prepared statement when it is known. */
  readonly text?: StatementText;
  /** The prepared statement behind it; the observer may keep a cache in it. */
  readonly prepared?: Prepared;
  /** As the client named it; 0xFFFFFFFF is MariaDB's "the last one prepared". */
  readonly statementId?: number;
  /** True when the id names no statement that this session is known to have (above a limit, or the PREPARE failed). */
  readonly unknownStatement?: boolean;
  /** COM_STMT_EXECUTE: its parameters. */
  readonly values?: BoundValues;
  /** COM_QUERY and COM_STMT_EXECUTE: query attributes, by name. */
  readonly attributes?: BoundValues;
  /** COM_INIT_DB, CREATE_DB, DROP_DB. */
  readonly databaseName?: string;
  /**
   * COM_PROCESS_KILL, and COM_QUERY that is a KILL of one of the person's own sessions: the id as the client said it, and as the database got it. Without `realId` the database got
   * nothing: it was answered here, and asked of the other agents.
   */
  readonly kill?: { readonly shownId: number; readonly realId?: number };
  /** COM_STMT_SEND_LONG_DATA: which parameter and how many bytes (not kept). */
  readonly longData?: { readonly parameter: number; readonly bytes: number };
  /** COM_STMT_FETCH. */
  readonly rowsAsked?: number;
  /** COM_REFRESH, COM_SET_OPTION: the number behind the command. COM_PROCESS_KILL that is not one of ours: the id. COM_FIELD_LIST: the table. COM_UNKNOWN: its byte, as `0x55`. */
  readonly argument?: string;
};

/** The commands that have names here; any other byte is `COM_UNKNOWN`. */
export type CommandName =
  | 'COM_QUIT'
  | 'COM_INIT_DB'
  | 'COM_QUERY'
  | 'COM_FIELD_LIST'
  | 'COM_CREATE_DB'
  | 'COM_DROP_DB'
  | 'COM_REFRESH'
  | 'COM_SHUTDOWN'
  | 'COM_STATISTICS'
  | 'COM_PROCESS_INFO'
  | 'COM_PROCESS_KILL'
  | 'COM_DEBUG'
  | 'COM_PING'
  | 'COM_CHANGE_USER'
  | 'COM_BINLOG_DUMP'
  | 'COM_TABLE_DUMP'
  | 'COM_CONNECT_OUT'
  | 'COM_REGISTER_SLAVE'
  | 'COM_STMT_PREPARE'
  | 'COM_STMT_EXECUTE'
  | 'COM_STMT_SEND_LONG_DATA'
  | 'COM_STMT_CLOSE'
  | 'COM_STMT_RESET'
  | 'COM_SET_OPTION'
  | 'COM_STMT_FETCH'
  | 'COM_DAEMON'
  | 'COM_BINLOG_DUMP_GTID'
  | 'COM_RESET_CONNECTION'
  | 'COM_CLONE'
  | 'COM_SUBSCRIBE_GROUP_REPLICATION_STREAM'
  | 'COM_STMT_BULK_EXECUTE'
  | 'COM_MULTI'
  | 'COM_UNKNOWN';

/** SQL as sent. */
export type StatementText = {
  /** The text, or its beginning when `sha256` is there. */
  readonly text: string;
  /** Present when the bytes are not UTF-8: `text` then holds one character a byte. */
  readonly encoding?: 'latin1';
  /** Length of the SQL in bytes. */
  readonly bytes: number;
  /** Present when the text was cut at `maxStatementBytes`: lower-case hex SHA-256 of the whole SQL. */
  readonly sha256?: string;
};

/** A prepared statement. One object per COM_STMT_PREPARE. */
export type Prepared = {
  readonly text: StatementText;
  /** `pending` until the database answered. */
  readonly state: 'pending' | 'accepted' | 'rejected';
  /** The database's id, once accepted. */
  readonly id: number | undefined;
  readonly parameterCount: number | undefined;
  /** Of a rejected one: the statement that MariaDB's last id may have meant instead. */
  readonly instead?: Prepared | undefined;
  /** The observer's own, e.g. the text as JSON, escaped once. */
  cache: unknown;
};

/** Values for audit, in order; `name` where the protocol has names. */
export type BoundValues = {
  readonly values: readonly { readonly name?: string; readonly value: AuditedValue }[];
  /** How many there are; more than `values.length` when they were cut. */
  readonly count: number;
  /** Present when not all is in `values`: SHA-256 of the whole command's payload, and its length. */
  readonly sha256?: string;
  readonly bytes?: number;
};

/** Null, the value as text (binary that is not text as `\x` and hex; sent by COM_STMT_SEND_LONG_DATA: a description), or a cut one. JSON-serialisable. */
export type AuditedValue = string | null | CutValue;

/** A value above the budget: its beginning, the length in bytes and the SHA-256 of the whole. */
export type CutValue = { readonly value: string; readonly bytes: number; readonly sha256: string };

/** How a request ended. */
export type Result = {
  readonly request: Request;
  /** completed; failed (`error`); `no-answer`: the protocol has none for it (SEND_LONG_DATA, CLOSE); unanswered: the session ended first. */
  readonly outcome: 'completed' | 'failed' | 'no-answer' | 'unanswered';
  /**
   * Something ran under MariaDB's last id, and not the text of the request, whose PREPARE the database had refused by then: the statement prepared before it (its text when
   * that is known).
   */
  readonly ranInstead?: StatementText | 'unknown';
  /** Rows sent to the client, over all result sets. */
  readonly rows: number;
  /** Result sets and OKs; above 1 for multi-statements and procedures. */
  readonly resultCount: number;
  /** Of all OKs together; absent when none said it. */
  readonly affected: number | undefined;
  readonly lastInsertId: bigint | undefined;
  /** Of the last OK or EOF. */
  readonly warnings: number;
  /** The info text of the last OK, without session tracking; bounded. */
  readonly info: string;
  readonly error: ServerError | undefined;
  /** Bytes of the answer on the wire, headers included. */
  readonly bytes: number;
  /** Of LOAD DATA LOCAL: bytes that the client sent; the file name that the database asked for; refused: the client sent nothing (or an empty file, which looks the same). */
  readonly localInfile?: { readonly fileName: string; readonly bytes: number; readonly refused: boolean };
  /** Server-side cursor opened: rows come by COM_STMT_FETCH. */
  readonly cursor: boolean;
  /** From the request to the first byte of its answer, and to the end of it, by the conversation's clock. */
  readonly firstByteMs: number;
  readonly totalMs: number;
};

/** An ERR packet's content, bounded. */
export type ServerError = { readonly code: number; readonly sqlState: string; readonly message: string };

/** The conversation's limits, all named in errors. */
export type ConversationLimits = {
  /** Of an SQL text kept. */
  readonly maxStatementBytes: number;
  /** Of the values of one execution kept for audit, together. */
  readonly maxValuesBytes: number;
  /** A command up to this size is kept back until it is complete and judged; a longer one is judged by its beginning and streams. Default 256 KiB. */
  readonly maxHeldBytes: number;
  /** Prepared statements remembered. Above it later ones are journalled but their executions say `unknownStatement`. */
  readonly maxPreparedStatements: number;
  /** Memory of remembered texts together; above it as above. */
  readonly maxRememberedBytes: number;
  /** Requests sent and unanswered at which `saturated` turns true. */
  readonly maxPipelined: number;
};

/** Sound for production. */
export const DEFAULT_CONVERSATION_LIMITS: ConversationLimits = {
  maxStatementBytes: 64 * 1024,
  maxValuesBytes: 16 * 1024,
  maxHeldBytes: 256 * 1024,
  maxPreparedStatements: 10_000,
  maxRememberedBytes: 32 * 1024 * 1024,
  maxPipelined: 1024,
};

/** What a conversation asks while it reads. Each is answered at once. */
export type ConversationPolicy = {
  /** May the session use this database by default? The error to answer with when not. */
  readonly mayUse: (databaseName: string) => ServerError | undefined;
  /**
   * The database's connection id for one that was shown to this person; undefined: not one of ours. For a number of ours that no live session of the person's has here: `elsewhere`
   * when `killElsewhere` may be called for it now, else `unknown`.
   */
  readonly realConnectionId: (shown: number) => number | 'elsewhere' | 'unknown' | undefined;
  /** A KILL that is to be asked of the other agents as soon as it is committed; the client is told that it is done. */
  readonly killElsewhere: (shown: number, what: 'query' | 'connection') => void;
  /** The role lets the client send files (LOAD DATA LOCAL). */
  readonly localInfile: boolean;
};

/** The capability flags of one leg, as agreed in its handshake. */
export type LegCapabilities = {
  /** CLIENT_* bits. */
  readonly flags: number;
  /** MARIADB_CLIENT_* bits; 0 with MySQL. */
  readonly extended: number;
};

/** What a conversation is made with. */
export type ConversationOptions = {
  readonly limits: ConversationLimits;
  /** Milliseconds, monotonic, with fractions. */
  readonly now: () => number;
  /** Equal on both legs but for CLIENT_SESSION_TRACK, which the database's leg always has when the server can. */
  readonly client: LegCapabilities;
  readonly database: LegCapabilities;
  readonly flavour: 'mysql' | 'mariadb';
  /** The default database after sign-in; empty: none. */
  readonly databaseName: string;
  /** SERVER_STATUS bits of the sign-in's OK: say how texts are read before the first answer. Absent: none is set. */
  readonly status?: number;
  readonly policy: ConversationPolicy;
};
