import {
  bodyOffset,
  commentKind,
  headOf,
  plainHead,
  versionOf,
  type CommentHead,
  type CommentRules,
} from './executable-comment.ts';
import type { Reading } from './lexer.ts';
import type { StatementOptions } from './statement.ts';

/** The ways in which the database may read a text. */
export type Readings = {
  /** The first is the one in which every executable comment is code, in the connection's own flavour and sql_mode. At most {@link maxReadings}. */
  readonly readings: readonly Reading[];
  /** There are no more. */
  readonly all: boolean;
};

/**
 * Every reading of `sql` that differs in what it may hide, given what is known. Nearly every text has one: only executable comments, backslashes in "..." and
 * the like make more. Linear in the text.
 */
export function readingsOf(sql: Buffer, options: StatementOptions): Readings {
  const { rules, all } = commentReadings(sql, options);
  const escapes = escapeReadings(sql, options);
  const pairs = pairReadings(sql, options);
  const brackets = options.flavour === 'mariadb' && sql.includes(0x5b) ? [false, true] : [false];
  const readings: Reading[] = [];
  for (const rule of rules)
    for (const escape of escapes)
      for (const pair of pairs)
        for (const bracket of brackets)
          readings.push({ ...rule, ...escape, pairs: pair, brackets: bracket, statementEndsComment: true });
  const allowed = Math.min(maxReadings, Math.max(minReadings, Math.floor(maxWalkedBytes / (sql.length + 1))));
  return { readings: readings.slice(0, allowed), all: all && readings.length <= allowed };
}

/** Above it a text is not looked at in every reading, and says so. Long texts have fewer: {@link maxWalkedBytes}. */
export const maxReadings = 32;

/** Each reading is a walk over the text; together they walk this many bytes at most, about 0.1 s, but {@link minReadings} in any case. */
const maxWalkedBytes = 2 * 1024 * 1024;
const minReadings = 4;

type Escapes = Pick<Reading, 'escapes' | 'escapesInDouble'>;

/**
 * ANSI_QUOTES is not in the server's status, and a text of more than one statement may change sql_mode on its way.
 */
function escapeReadings(sql: Buffer, options: StatementOptions): readonly Escapes[] {
  const known = !options.noBackslashEscapes;
  const given = { escapes: known, escapesInDouble: known && options.ansiQuotes !== true };
  if (!sql.includes(0x5c)) return [given];
  const may = sql.includes(0x3b) && /sql_mode/i.test(sql.toString('latin1')) ? [known, !known] : [known];
  const found: Escapes[] = [];
  for (const escapes of may) {
    found.push({ escapes, escapesInDouble: escapes && options.ansiQuotes !== true });
    const otherwise = may.length > 1 || options.ansiQuotes === undefined;
    if (escapes && otherwise && sql.includes(0x22))
      found.push({ escapes, escapesInDouble: options.ansiQuotes === true });
  }
  return found;
}

/** A client may change its character set at any time (SET NAMES), so what may be half of a character is looked at both ways. */
function pairReadings(sql: Buffer, options: StatementOptions): readonly Reading['pairs'][] {
  if (options.trailingBytes === true) return ['gbk', 'sjis'];
  return options.trailingBytes === undefined && mayHidePairs(sql) ? ['none', 'gbk', 'sjis'] : ['none'];
}

/** Does a byte above ASCII stand before one that means something in SQL and may be the second half of a character? */
function mayHidePairs(sql: Buffer): boolean {
  for (const half of PAIR_HALVES) {
    for (let at = sql.indexOf(half, 1); at > 0; at = sql.indexOf(half, at + 1))
      if ((sql[at - 1] ?? 0) > 0x80) return true;
  }
  return false;
}

/** `@ [ \\ ] ` and the backquote. */
const PAIR_HALVES = [0x40, 0x5b, 0x5c, 0x5d, 0x60];

/** Those rules of executable comments that read the comments in `sql` differently. */
function commentReadings(sql: Buffer, options: StatementOptions): { rules: readonly CommentRules[]; all: boolean } {
  const heads = headsIn(sql);
  const first: CommentRules = { flavour: options.flavour, version: anyVersion, sixDigits: true };
  if (heads.size === 0) return { rules: [first], all: true };
  const rules: CommentRules[] = [];
  const seen = new Set<string>();
  for (const candidate of candidates([...heads], first, options)) {
    let signature = '';
    for (const head of heads) signature += `${commentKind(head, candidate)}${bodyOffset(head, candidate)} `;
    if (seen.has(signature)) continue;
    seen.add(signature);
    rules.push(candidate);
  }
  return { rules, all: heads.size < maxHeads };
}

/**
 * A server may hide its flavour and version, so both flavours are looked at; the version said is believed for the flavour said.
 */
function* candidates(
  heads: readonly CommentHead[],
  first: CommentRules,
  options: StatementOptions,
): Generator<CommentRules> {
  yield first;
  for (const flavour of ['mysql', 'mariadb'] as const)
    for (const sixDigits of [true, false]) {
      const known = flavour === options.flavour ? options.version : undefined;
      if (known !== undefined) {
        yield { flavour, version: known, sixDigits };
        continue;
      }
      yield { flavour, version: anyVersion, sixDigits };
      // Just below each version that stands there; all servers are newer than the oldest.
      for (const head of heads) {
        const version = versionOf(head, { flavour, sixDigits }) - 1;
        if (version >= oldestVersion) yield { flavour, version, sixDigits };
      }
      yield { flavour, version: oldestVersion, sixDigits };
    }
}

/** The different executable comments of a text, wherever they stand. */
function headsIn(sql: Buffer): ReadonlySet<CommentHead> {
  const heads = new Set<CommentHead>();
  for (const mark of EXECUTABLE_MARKS) {
    let at = sql.indexOf(mark);
    while (at >= 0 && heads.size < maxHeads) {
      const head = headOf(sql, at);
      if (head !== plainHead) heads.add(head);
      at = sql.indexOf(mark, at + mark.length);
    }
  }
  return heads;
}

const EXECUTABLE_MARKS = [Buffer.from('/*!'), Buffer.from('/*M!')];
const maxHeads = 16;
const anyVersion = Number.MAX_SAFE_INTEGER;
/** MySQL and MariaDB 5.5: nobody runs an older one behind this. */
const oldestVersion = 50_500;
