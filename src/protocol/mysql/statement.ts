import type { Reading } from './lexer.ts';
import { readingsOf } from './readings.ts';
import { StatementWalk } from './statement-walk.ts';
import { toBuffer } from './text.ts';

/** How a text is to be read. */
export type StatementOptions = {
  /** SERVER_STATUS_NO_BACKSLASH_ESCAPES was set in the last answer: a backslash in a string is only a backslash. */
  readonly noBackslashEscapes: boolean;
  /** sql_mode has ANSI_QUOTES. Absent: not known, so both readings are looked at. */
  readonly ansiQuotes?: boolean;
  readonly flavour: 'mysql' | 'mariadb';
  /** As MYSQL_VERSION_ID: 80036, 90704, 110809. Decides which executable comments are code. Absent: every possible one is looked at. */
  readonly version?: number;
  /** The client's character set has two-byte characters whose second byte may be ASCII: GBK, GB18030, Big5, Shift-JIS, CP932. Absent: not known, both are looked at. */
  readonly trailingBytes?: boolean;
};

/** What a text asks for that the conversation must know before the database does. */
export type StatementFacts = {
  /** The target of every USE in it, unquoted, each once; the last is that of the text's last USE. */
  readonly uses: readonly string[];
  /** The first KILL of one connection by its number, when every reading of the text agrees on it. */
  readonly kill?: StatementKill;
  /** LOAD DATA LOCAL or LOAD XML LOCAL is in it. */
  readonly loadsLocal: boolean;
  /** It may run SQL that is not in it (CALL, EXECUTE, compound statements, ...), or may be read in ways that were not looked at. */
  readonly runsUnseen: boolean;
  /** It may change `session_track_schema`: the name stands in it, in a spelling that servers take for it, and not only in statements that read or write data. */
  readonly changesTracking: boolean;
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

/**
 * Finds what matters before a text may run: USE, KILL and LOAD ... LOCAL as statements of their own, by their tokens (sql_yacc.yy: `use`, `kill`, `load_stmt`;
 * MariaDB's SET STATEMENT ... FOR statement is looked behind). Never throws. Linear in the text times its readings, of which there are at most `maxReadings`.
 *
 * How a server reads a text depends on things that are not in it: its version (executable comments), sql_mode (ANSI_QUOTES, NO_BACKSLASH_ESCAPES, MSSQL), the
 * client's character set. What is not known is looked at both ways: `uses` and `loadsLocal` are those of any reading, `kill` is what all agree on, the rest is of
 * the reading in which executable comments are code.
 *
 * What it can not see, and session tracking shows only afterwards: a USE in the text given to PREPARE or EXECUTE IMMEDIATE (they are not looked into: it may be
 * an expression), a database named with a table (`other.t`), stored programs. When `sql` is only the beginning of a text, a USE or KILL at its very end may be cut short.
 *
 * Measured on one core: an ordinary statement takes 1 to 3 microseconds; 1 MiB of quotes, comment marks or executable comments 5 to 80 ms, in all its readings.
 */
export function examineStatement(sql: Uint8Array, options: StatementOptions): StatementFacts {
  const bytes = toBuffer(sql);
  const { readings, all } = readingsOf(bytes, options);
  const settings = { ansiQuotes: options.ansiQuotes !== false, maxLeadingWords };
  let first: StatementWalk | undefined;
  let kill: StatementKill | undefined;
  let loadsLocal = false;
  let runsUnseen = false;
  let changesState = false;
  const elsewhere = new Set<string>();
  const look = (reading: Reading): StatementWalk => {
    const walk = new StatementWalk(bytes, reading, settings);
    loadsLocal ||= walk.loadsLocal;
    runsUnseen ||= walk.runsUnseen;
    changesState ||= walk.changesState;
    const found = killOf(walk);
    if (first === undefined) kill = found;
    else if (!sameKill(kill, found)) kill = undefined;
    if (first !== undefined) for (const name of walk.uses) elsewhere.add(name);
    first ??= walk;
    return walk;
  };
  for (const reading of readings)
    if (look(reading).semicolonInComment) look({ ...reading, statementEndsComment: false });
  const { uses = NO_NAMES, statementCount = 0, leadingWords = [], closed = true } = first ?? {};
  return {
    uses: inOrder(elsewhere, uses),
    ...(kill === undefined ? {} : { kill }),
    loadsLocal,
    runsUnseen: runsUnseen || !all,
    changesTracking: (changesState || !all) && TRACKING.test(bytes.toString('latin1')),
    statementCount,
    leadingWords,
    complete: closed && all,
  };
}

/** Each name once: first those of other readings only, then those of the first reading by where they stand last. */
function inOrder(elsewhere: ReadonlySet<string>, uses: ReadonlySet<string>): readonly string[] {
  const names = new Set(elsewhere);
  for (const name of uses) {
    names.delete(name);
    names.add(name);
  }
  return [...names];
}

function killOf({ kill, killLeads, statementCount }: StatementWalk): StatementKill | undefined {
  return kill === undefined ? undefined : { ...kill, only: killLeads && statementCount === 1 };
}

function sameKill(one: StatementKill | undefined, other: StatementKill | undefined): boolean {
  return (
    one?.shownStart === other?.shownStart &&
    one?.shownEnd === other?.shownEnd &&
    one?.what === other?.what &&
    one?.only === other?.only
  );
}

/**
 * `session_track_schema` as servers look it up. MySQL does so in utf8mb3_general_ci, where an accented letter is the plain one, and in the client's character set any other
 * byte may be such a letter: so runs of the name's letters and of what is neither ASCII letter, digit nor white space.
 */
const TRACKING =
  // eslint-disable-next-line no-control-regex -- white space alone would take 0xa0 for one
  /[^\0-\x20\d_abcdfghjklmpqrtuvwxyz]{7,28}_[^\0-\x20\d_bdefghijlmnopqsuvwxyz]{5,20}_[^\0-\x20\d_bdfgijklnopqrtuvwxyz]{6,24}/i;

const NO_NAMES: ReadonlySet<string> = new Set();
