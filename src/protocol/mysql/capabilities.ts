import type { CommandName } from './records.ts';

/**
 * The CLIENT_* flags of a handshake. Combine with `|` and then `>>> 0`: bit 31 exists.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html
 */
export const CLIENT = {
  /** CLIENT_LONG_PASSWORD of old. A MariaDB server leaves it unset to say that it has extended capabilities, where it is called CLIENT_MYSQL. */
  LONG_PASSWORD: 1,
  FOUND_ROWS: 1 << 1,
  LONG_FLAG: 1 << 2,
  CONNECT_WITH_DB: 1 << 3,
  NO_SCHEMA: 1 << 4,
  COMPRESS: 1 << 5,
  ODBC: 1 << 6,
  LOCAL_FILES: 1 << 7,
  IGNORE_SPACE: 1 << 8,
  PROTOCOL_41: 1 << 9,
  INTERACTIVE: 1 << 10,
  SSL: 1 << 11,
  IGNORE_SIGPIPE: 1 << 12,
  TRANSACTIONS: 1 << 13,
  RESERVED: 1 << 14,
  /** CLIENT_RESERVED2 in new headers: the scramble has two parts, and the answer a length byte. */
  SECURE_CONNECTION: 1 << 15,
  MULTI_STATEMENTS: 1 << 16,
  MULTI_RESULTS: 1 << 17,
  PS_MULTI_RESULTS: 1 << 18,
  PLUGIN_AUTH: 1 << 19,
  CONNECT_ATTRS: 1 << 20,
  PLUGIN_AUTH_LENENC_CLIENT_DATA: 1 << 21,
  CAN_HANDLE_EXPIRED_PASSWORDS: 1 << 22,
  SESSION_TRACK: 1 << 23,
  DEPRECATE_EOF: 1 << 24,
  OPTIONAL_RESULTSET_METADATA: 1 << 25,
  ZSTD_COMPRESSION_ALGORITHM: 1 << 26,
  QUERY_ATTRIBUTES: 1 << 27,
  MULTI_FACTOR_AUTHENTICATION: 1 << 28,
  CAPABILITY_EXTENSION: 1 << 29,
  SSL_VERIFY_SERVER_CERT: 1 << 30,
  REMEMBER_OPTIONS: (1 << 31) >>> 0,
} as const;

/** MariaDB's extended capabilities: the upper 32 bits, in bytes that MySQL keeps reserved. https://mariadb.com/kb/en/connection/#capabilities */
export const MARIADB_CLIENT = {
  PROGRESS: 1,
  COM_MULTI: 1 << 1,
  STMT_BULK_OPERATIONS: 1 << 2,
  EXTENDED_METADATA: 1 << 3,
  CACHE_METADATA: 1 << 4,
  BULK_UNIT_RESULTS: 1 << 5,
} as const;

/** The status flags in OK and EOF packets. https://dev.mysql.com/doc/dev/mysql-server/latest/mysql__com_8h.html (SERVER_STATUS_flags_enum) */
export const SERVER_STATUS = {
  IN_TRANS: 1,
  AUTOCOMMIT: 1 << 1,
  MORE_RESULTS_EXISTS: 1 << 3,
  QUERY_NO_GOOD_INDEX_USED: 1 << 4,
  QUERY_NO_INDEX_USED: 1 << 5,
  CURSOR_EXISTS: 1 << 6,
  LAST_ROW_SENT: 1 << 7,
  DB_DROPPED: 1 << 8,
  NO_BACKSLASH_ESCAPES: 1 << 9,
  METADATA_CHANGED: 1 << 10,
  QUERY_WAS_SLOW: 1 << 11,
  PS_OUT_PARAMS: 1 << 12,
  IN_TRANS_READONLY: 1 << 13,
  SESSION_STATE_CHANGED: 1 << 14,
  /** MariaDB only. */
  ANSI_QUOTES: 1 << 15,
} as const;

/** The first byte of a command. https://dev.mysql.com/doc/dev/mysql-server/latest/my__command_8h.html; 0xfa and 0xfe are MariaDB's. */
export const COM = {
  COM_QUIT: 0x01,
  COM_INIT_DB: 0x02,
  COM_QUERY: 0x03,
  COM_FIELD_LIST: 0x04,
  COM_CREATE_DB: 0x05,
  COM_DROP_DB: 0x06,
  COM_REFRESH: 0x07,
  COM_SHUTDOWN: 0x08,
  COM_STATISTICS: 0x09,
  COM_PROCESS_INFO: 0x0a,
  COM_PROCESS_KILL: 0x0c,
  COM_DEBUG: 0x0d,
  COM_PING: 0x0e,
  COM_CHANGE_USER: 0x11,
  COM_BINLOG_DUMP: 0x12,
  COM_TABLE_DUMP: 0x13,
  COM_CONNECT_OUT: 0x14,
  COM_REGISTER_SLAVE: 0x15,
  COM_STMT_PREPARE: 0x16,
  COM_STMT_EXECUTE: 0x17,
  COM_STMT_SEND_LONG_DATA: 0x18,
  COM_STMT_CLOSE: 0x19,
  COM_STMT_RESET: 0x1a,
  COM_SET_OPTION: 0x1b,
  COM_STMT_FETCH: 0x1c,
  COM_DAEMON: 0x1d,
  COM_BINLOG_DUMP_GTID: 0x1e,
  COM_RESET_CONNECTION: 0x1f,
  COM_CLONE: 0x20,
  COM_SUBSCRIBE_GROUP_REPLICATION_STREAM: 0x21,
  COM_STMT_BULK_EXECUTE: 0xfa,
  COM_MULTI: 0xfe,
} as const satisfies Record<Exclude<CommandName, 'COM_UNKNOWN'>, number>;

/** The name of a command's first byte; `COM_UNKNOWN` for any byte that has none here. */
export function commandName(byte: number): CommandName {
  return names.get(byte) ?? 'COM_UNKNOWN';
}

/** Is any bit of `flag` set in `flags`? */
export function has(flags: number, flag: number): boolean {
  return (flags & flag) !== 0;
}

const names: ReadonlyMap<number, CommandName> = new Map(
  (Object.keys(COM) as (keyof typeof COM)[]).map((name) => [COM[name], name]),
);
