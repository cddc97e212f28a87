/** How a text is to be read. */
export type StatementOptions = {
  /** SERVER_STATUS_NO_BACKSLASH_ESCAPES was set in the last answer: a backslash in a string is only a backslash. */
  readonly noBackslashEscapes: boolean;
  /** sql_mode has ANSI_QUOTES. Absent: not known, so both readings are looked at. */
  readonly ansiQuotes?: boolean;
  readonly flavour: 'mysql' | 'mariadb';
  /** As MYSQL_VERSION_ID: 80036, 90704, 110809. Decides which executable comments are code. Absent: every possible one is looked at. */
  readonly version?: number;
};

/** What a text asks for that the conversation must know before the database does. */
export type StatementFacts = {
  /** The target of every USE in it, unquoted, each once. */
  readonly uses: readonly string[];
  /** The first KILL of one connection by its number, when every reading of the text agrees on it. */
  readonly kill?: StatementKill;
  /** LOAD DATA LOCAL or LOAD XML LOCAL is in it. */
  readonly loadsLocal: boolean;
  /** How many statements that are not empty; the first word of each, upper case, of the first {@link maxLeadingWords}. */
  readonly statementCount: number;
  readonly leadingWords: readonly string[];
  /** The text ended outside quotes and comments, and every reading of it was looked at. */
  readonly complete: boolean;
};

/** KILL [HARD | SOFT] [CONNECTION | QUERY] number. */
export type StatementKill = {
  /** Byte offsets of the number. */
  readonly shownStart: number;
  readonly shownEnd: number;
  readonly id: number;
  readonly what: 'query' | 'connection';
  /** The whole text is this one KILL. */
  readonly only: boolean;
};

/** Of a text's statements told one by one. */
export const maxLeadingWords = 64;
