import {
  CHARACTER,
  characterClass,
  endsDashes,
  isBit,
  isDigit,
  isHexDigit,
  isHostByte,
  isNameByte,
  isSign,
  noBreakSpace,
  pairWidth,
} from './characters.ts';
import { bodyOffset, commentKind, headOf, type CommentRules } from './executable-comment.ts';

/** One of the ways in which a server may read a text: what it runs, its version and its sql_mode decide. */
export type Reading = CommentRules & {
  /** A backslash hides what follows, in '...' and in "...". The latter is an identifier in ANSI_QUOTES and then has no such escapes. */
  readonly escapes: boolean;
  readonly escapesInDouble: boolean;
  /** Two-byte characters whose second byte may be ASCII, as GBK (also Big5, GB18030) or Shift-JIS has them. */
  readonly pairs: 'none' | 'gbk' | 'sjis';
  /** [...] is an identifier (MariaDB's sql_mode MSSQL). */
  readonly brackets: boolean;
  /** A semicolon ends the statement, and with it the executable comment that it stands in; not so within a stored program's body. */
  readonly statementEndsComment: boolean;
};

/** What {@link Lexer.next} found. */
export const TOKEN = {
  end: 0,
  /** An unquoted identifier or keyword. */
  word: 1,
  /** Decimal digits only. */
  integer: 2,
  /** `...` */
  backquoted: 3,
  /** '...' */
  string: 4,
  /** "..." */
  doubleQuoted: 5,
  /** [...] */
  bracketed: 6,
  semicolon: 7,
  /** Any other number, variable or character. */
  other: 8,
} as const;

/** A value of {@link TOKEN}. */
export type Token = (typeof TOKEN)[keyof typeof TOKEN];

/**
 * The tokens of an SQL text in one {@link Reading}, as sql_lex.cc of MySQL and MariaDB cut it, for the question what is code and what is quoted or commented out.
 * One pass, no recursion, nothing allocated for a token. Never throws; what the server would call a syntax error is cut somehow, as nothing after it runs.
 *
 * Rules that are easily missed: `--` begins a comment only before white space, a control character or the end; comments do not nest, but one level inside an
 * executable comment that is skipped; an executable comment ends at the next end mark wherever that stands in its code; a number such as `1.5e-` swallows the
 * sign, so that `1.5e-- ` is no comment; in `@host.5e` and `a.5e` the tail is a name, not a number.
 */
export class Lexer {
  /** The last token's place in the text, its quotes included. */
  start = 0;
  end = 0;
  /** The text ended inside a quote or a comment. */
  open = false;
  /** A semicolon was met inside an executable comment: `statementEndsComment` may matter. */
  semicolonInComment = false;
  readonly #bytes: Buffer;
  readonly #reading: Reading;
  #at = 0;
  /** Inside an executable comment whose content is code. */
  #inComment = false;
  /** The next `.` joins names, so what follows it directly is a name even when it looks like a number. */
  #joins = false;
  #afterJoin = false;

  constructor(bytes: Buffer, reading: Reading) {
    this.#bytes = bytes;
    this.#reading = reading;
  }

  next(): Token {
    const bytes = this.#bytes;
    for (;;) {
      this.#skipSpace();
      this.start = this.#at;
      if (this.#at >= bytes.length) return this.#finish();
      const joins = this.#joins;
      const afterJoin = this.#afterJoin;
      this.#joins = false;
      this.#afterJoin = false;
      const token = this.#token(bytes[this.#at] ?? 0, joins, afterJoin);
      if (token === undefined) continue;
      this.end = this.#at;
      return token;
    }
  }

  /** The last token is this word; `word` is upper case letters and underscores. */
  is(word: string): boolean {
    if (this.end - this.start !== word.length) return false;
    for (let index = 0; index < word.length; index += 1)
      if (((this.#bytes[this.start + index] ?? 0) & 0xdf) !== word.charCodeAt(index)) return false;
    return true;
  }

  #finish(): Token {
    if (this.#inComment) this.open = true;
    this.end = this.#at;
    return TOKEN.end;
  }

  /** Undefined: it was a comment, or nothing that makes a token. */
  #token(byte: number, joins: boolean, afterJoin: boolean): Token | undefined {
    const kind = characterClass(byte);
    if (kind === CHARACTER.letter || (kind === CHARACTER.digit && afterJoin)) return this.#word(this.#at);
    if (kind === CHARACTER.digit) return this.#number();
    if (kind === CHARACTER.plain) return this.#single();
    return this.#special(byte, joins);
  }

  #special(byte: number, joins: boolean): Token | undefined {
    switch (byte) {
      case 0x27:
        return this.#quoted(byte, this.#reading.escapes, TOKEN.string);
      case 0x22:
        return this.#quoted(byte, this.#reading.escapesInDouble, TOKEN.doubleQuoted);
      case 0x60:
        return this.#quoted(byte, false, TOKEN.backquoted);
      case 0x5b:
        return this.#reading.brackets ? this.#quoted(0x5d, false, TOKEN.bracketed) : this.#single();
      case 0x3b:
        return this.#semicolon();
      case 0x2e:
        return this.#dot(joins);
      case 0x40:
        return this.#variable();
      default:
        return this.#perhapsComment(byte);
    }
  }

  #perhapsComment(byte: number): Token | undefined {
    const next = this.#bytes[this.#at + 1];
    if (byte === 0x23) return this.#lineComment();
    if (byte === 0x2d)
      return next === 0x2d && endsDashes(this.#bytes[this.#at + 2]) ? this.#lineComment() : this.#single();
    if (byte === 0x2f) return next === 0x2a ? this.#longComment() : this.#single();
    if (!this.#inComment || next !== 0x2f) return this.#single();
    this.#inComment = false;
    this.#at += 2;
    return undefined;
  }

  #single(): Token {
    this.#at += 1;
    return TOKEN.other;
  }

  #semicolon(): Token {
    if (this.#inComment) {
      this.semicolonInComment = true;
      if (this.#reading.statementEndsComment) this.#inComment = false;
    }
    this.#at += 1;
    return TOKEN.semicolon;
  }

  #skipSpace(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    while (at < bytes.length && characterClass(bytes[at]) === CHARACTER.space) at += 1;
    this.#at = at;
  }

  /** From `from` on, letters and digits are of the word that begins at `start`. */
  #word(from: number): Token {
    const bytes = this.#bytes;
    const { length } = bytes;
    let at = from;
    while (at < length) {
      const byte = bytes[at] ?? 0;
      const kind = characterClass(byte);
      if (kind === CHARACTER.letter) at += this.#width(at);
      else if (kind === CHARACTER.digit || (byte === noBreakSpace && (bytes[at - 1] ?? 0) >= 0x80 && at > this.start))
        at += 1;
      else break;
    }
    this.#at = at;
    this.#joins = bytes[at] === 0x2e && isNameByte(bytes[at + 1]);
    return TOKEN.word;
  }

  /** MY_LEX_NUMBER_IDENT: a number, or a name that begins with digits. */
  #number(): Token | undefined {
    const bytes = this.#bytes;
    const at = this.#at;
    const second = bytes[at + 1];
    if (bytes[at] === 0x30 && (second === 0x78 || second === 0x62)) {
      const end = second === 0x78 ? this.#while(at + 2, isHexDigit) : this.#while(at + 2, isBit);
      if (end - at < 3 || isNameByte(bytes[end])) return this.#word(end);
      this.#at = end;
      return TOKEN.other;
    }
    const end = this.#while(at + 1, isDigit);
    const byte = bytes[end];
    if (byte === 0x2e && (this.#reading.flavour === 'mysql' || bytes[end + 1] !== 0x2e)) return this.#real(end + 1);
    if (!isNameByte(byte)) {
      this.#at = end;
      return TOKEN.integer;
    }
    if (byte !== 0x65 && byte !== 0x45) return this.#word(end);
    const digits = isSign(bytes[end + 1]) ? end + 2 : end + 1;
    if (!isDigit(bytes[digits])) return this.#word(end + 1);
    this.#at = this.#while(digits, isDigit);
    return TOKEN.other;
  }

  /** MY_LEX_REAL: what follows the point. An exponent without digits makes the server forget the number, sign and all. */
  #real(from: number): Token | undefined {
    const bytes = this.#bytes;
    this.#at = this.#while(from, isDigit);
    const byte = bytes[this.#at];
    if (byte !== 0x65 && byte !== 0x45) return TOKEN.other;
    const digits = isSign(bytes[this.#at + 1]) ? this.#at + 2 : this.#at + 1;
    this.#at = this.#while(digits, isDigit);
    return this.#at === digits ? undefined : TOKEN.other;
  }

  #dot(joins: boolean): Token | undefined {
    const next = this.#bytes[this.#at + 1];
    if (!joins && isDigit(next)) return this.#real(this.#at + 1);
    this.#at += !joins && next === 0x2e && this.#reading.flavour === 'mariadb' ? 2 : 1;
    this.#afterJoin = joins && isNameByte(next);
    return TOKEN.other;
  }

  /** `@` before a quote, `@@name`, or `@` and what is read as a host name. */
  #variable(): Token {
    const bytes = this.#bytes;
    const next = bytes[this.#at + 1];
    if (next === 0x40) {
      this.#at = this.#while(this.#at + 2, isNameByte);
      this.#joins = bytes[this.#at] === 0x2e;
    } else {
      this.#at = this.#while(this.#at + 1, isHostByte);
    }
    return TOKEN.other;
  }

  #quoted(quote: number, escapes: boolean, token: Token): Token {
    const bytes = this.#bytes;
    const { length } = bytes;
    const plain = this.#reading.pairs === 'none';
    let at = this.#at + 1;
    while (at < length) {
      const byte = bytes[at];
      if (byte === quote) {
        if (bytes[at + 1] !== quote) {
          this.#at = at + 1;
          return token;
        }
        at += 2;
      } else if (byte === 0x5c && escapes) at += 2;
      else at += plain ? 1 : this.#width(at);
    }
    this.open = true;
    this.#at = length;
    return token;
  }

  #lineComment(): undefined {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    this.#at = end < 0 ? this.#bytes.length : end;
    return undefined;
  }

  #longComment(): undefined {
    const head = headOf(this.#bytes, this.#at);
    const kind = commentKind(head, this.#reading);
    const body = this.#at + bodyOffset(head, this.#reading);
    if (kind === 'code') {
      this.#inComment = true;
      this.#at = body;
    } else this.#skipComment(body, kind === 'nesting');
    return undefined;
  }

  /** To behind the end mark; `nests`: comments inside, one level of them, have end marks of their own. */
  #skipComment(from: number, nests: boolean): void {
    const bytes = this.#bytes;
    let at = from;
    for (;;) {
      const end = bytes.indexOf(END_MARK, at);
      const inner = nests && end >= 0 ? bytes.subarray(at, end + 1).indexOf(BEGIN_MARK) : -1;
      if (inner < 0) return this.#closeComment(end);
      const innerEnd = bytes.indexOf(END_MARK, at + inner + 2);
      if (innerEnd < 0) return this.#closeComment(innerEnd);
      at = innerEnd + 2;
    }
  }

  #closeComment(end: number): void {
    if (end < 0) this.open = true;
    this.#at = end < 0 ? this.#bytes.length : end + 2;
  }

  #while(from: number, test: (byte: number | undefined) => boolean): number {
    let at = from;
    while (test(this.#bytes[at])) at += 1;
    return at;
  }

  /** Bytes of the character at `at`. */
  #width(at: number): number {
    const { pairs } = this.#reading;
    const byte = this.#bytes[at] ?? 0;
    return pairs === 'none' || byte < 0x80 ? 1 : pairWidth(pairs, byte, this.#bytes[at + 1]);
  }
}

const END_MARK = Buffer.from('*/');
const BEGIN_MARK = Buffer.from('/*');
