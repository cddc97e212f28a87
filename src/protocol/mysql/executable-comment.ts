import { isDigit } from './characters.ts';

/** What decides about the content of a comment that may be code. */
export type CommentRules = {
  readonly flavour: 'mysql' | 'mariadb';
  /** The server's version as a number: executable comments up to it are code. */
  readonly version: number;
  /** MySQL since 8.1: a version may have six digits. MariaDB always reads six. */
  readonly sixDigits: boolean;
};

/** The content is `code`, from `bodyStart` on; or it is a comment, skipped from there on: `plain` to the next end mark, `nesting` with one level of comments inside. */
export type CommentKind = 'code' | 'plain' | 'nesting';

/**
 * A comment's beginning: how it is read depends on the mark behind its first two characters and the digits behind that. One small integer, so that texts full of
 * comments cost nothing: {@link headOf} reads it, {@link commentKind} and {@link bodyOffset} judge it, and two comments with equal heads are read alike.
 */
export type CommentHead = number;

/** No executable comment. */
export const plainHead: CommentHead = 0;

/**
 * Reads the head of the comment at `at`, where its first two characters are.
 *
 * `/*!` and MariaDB's `/*M!` begin executable comments; five or six digits that follow directly are the lowest version that runs the content.
 */
export function headOf(bytes: Uint8Array, at: number): CommentHead {
  const maria = bytes[at + 2] === 0x4d;
  const mark = at + (maria ? 3 : 2);
  if (bytes[mark] !== 0x21) return plainHead;
  let digits = 0;
  let number = 0;
  while (digits < 6 && isDigit(bytes[mark + 1 + digits])) {
    number = number * 10 + (bytes[mark + 1 + digits] ?? 0) - 0x30;
    digits += 1;
  }
  // Fewer than five digits are code like any other.
  const versioned = digits < 5 ? 0 : digits;
  return ((versioned === 0 ? 0 : number) * 8 + versioned) * 4 + (maria ? 2 : 1);
}

/** How a server with these rules reads a comment with this head. */
export function commentKind(head: CommentHead, rules: CommentRules): CommentKind {
  const maria = isMariadbMark(head);
  if (head === plainHead || (maria && rules.flavour === 'mysql')) return 'plain';
  if (digitsOf(head) === 0) return 'code';
  const version = versionOf(head, rules);
  if (version > rules.version) return 'nesting';
  // MariaDB leaves out what is meant for MySQL 5.7 and later.
  const foreign = rules.flavour === 'mariadb' && !maria && version >= 50_700 && version <= 99_999;
  return foreign ? 'nesting' : 'code';
}

/** Where the content begins, counted from the comment's beginning; a skipped content includes the digits. */
export function bodyOffset(head: CommentHead, rules: CommentRules): number {
  const kind = commentKind(head, rules);
  if (kind === 'plain') return 2;
  const mark = isMariadbMark(head) ? 4 : 3;
  return kind === 'code' ? mark + usedDigits(head, rules) : mark;
}

/** The version that a server with these rules reads; 0: none. */
export function versionOf(head: CommentHead, rules: Pick<CommentRules, 'flavour' | 'sixDigits'>): number {
  const number = Math.floor(head / 32);
  return usedDigits(head, rules) === 5 && digitsOf(head) === 6 ? Math.floor(number / 10) : number;
}

function usedDigits(head: CommentHead, rules: Pick<CommentRules, 'flavour' | 'sixDigits'>): number {
  const six = rules.flavour === 'mariadb' || rules.sixDigits;
  return digitsOf(head) === 6 && !six ? 5 : digitsOf(head);
}

function digitsOf(head: CommentHead): number {
  return Math.floor(head / 4) % 8;
}

function isMariadbMark(head: CommentHead): boolean {
  return head % 4 === 2;
}
