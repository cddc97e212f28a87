import { Lexer, TOKEN, type Reading, type Token } from './lexer.ts';
import type { StatementKill } from './statement.ts';
import { utf8Text } from './text.ts';

/**
 * One walk over a text in one reading: what its statements are, by their first tokens. Over-reports rather than misses: what the server would call a syntax error
 * may be told as a USE.
 */
export class StatementWalk {
  /** Each once, by where it stands last in the text. */
  readonly uses = new Set<string>();
  readonly leadingWords: string[] = [];
  statementCount = 0;
  loadsLocal = false;
  /** A statement may run SQL that is not in the text. */
  runsUnseen = false;
  /** A statement does more than read and write data. */
  changesState = false;
  /** The first one by number. */
  kill: Omit<StatementKill, 'only'> | undefined;
  /** Its statement begins with KILL. */
  killLeads = false;
  /** Outside quotes and comments at the end. */
  readonly closed: boolean;
  readonly semicolonInComment: boolean;
  readonly #bytes: Buffer;
  readonly #lexer: Lexer;
  readonly #ansiQuotes: boolean;
  readonly #maxLeadingWords: number;

  constructor(
    bytes: Buffer,
    reading: Reading,
    options: { readonly ansiQuotes: boolean; readonly maxLeadingWords: number },
  ) {
    this.#bytes = bytes;
    this.#lexer = new Lexer(bytes, reading);
    this.#ansiQuotes = options.ansiQuotes;
    this.#maxLeadingWords = options.maxLeadingWords;
    let token = this.#next();
    while (token !== TOKEN.end) {
      if (token !== TOKEN.semicolon) token = this.#statement(token);
      if (token === TOKEN.semicolon) token = this.#next();
    }
    this.closed = !this.#lexer.open;
    this.semicolonInComment = this.#lexer.semicolonInComment;
  }

  #next(): Token {
    return this.#lexer.next();
  }

  /** Reads a statement from its first token on; gives the semicolon or the end. */
  #statement(first: Token): Token {
    this.statementCount += 1;
    let token = first;
    while (token !== TOKEN.word && !isEnd(token)) token = this.#next();
    if (isEnd(token)) return token;
    const word = this.#word();
    if (this.leadingWords.length < this.#maxLeadingWords) this.leadingWords.push(word);
    if (!DATA.has(word)) this.changesState = true;
    if (!DATA.has(word) && !PLAIN.has(word)) this.runsUnseen = true;
    // Nothing else begins a statement that is looked for.
    if (first !== TOKEN.word) return this.#skip(token);
    const leads = this.kill === undefined && this.#lexer.is('KILL');
    token = this.#body();
    if (leads && this.kill !== undefined) this.killLeads = true;
    return this.#skip(token);
  }

  /** From the statement's first word on. Gives the token at which nothing more is to be known. */
  #body(): Token {
    const lexer = this.#lexer;
    if (lexer.is('USE')) return this.#use();
    if (lexer.is('KILL')) return this.#killed();
    if (lexer.is('LOAD')) return this.#load();
    if (lexer.is('SET')) return this.#set();
    if (lexer.is('BEGIN')) return this.#begin();
    return TOKEN.word;
  }

  #use(): Token {
    const token = this.#next();
    const name = this.#name(token);
    if (name === undefined) return token;
    for (const one of [...this.#cutName(token), name]) {
      this.uses.delete(one);
      this.uses.add(one);
    }
    return token;
  }

  /** MySQL cuts a name where it is no longer UTF-8 of three bytes a character: both names are told. */
  #cutName(token: Token): readonly string[] {
    const { start, end } = this.#lexer;
    const quoted = token === TOKEN.word || token === TOKEN.integer ? 0 : 1;
    const bytes = this.#bytes.subarray(start + quoted, end - quoted);
    const text = bytes.toString('utf8');
    const cut = text.search(/[\u{10000}-\u{10ffff}\ufffd]/u);
    return cut <= 0 ? [] : [text.slice(0, cut).replaceAll('``', '`')];
  }

  /** BEGIN [WORK], or a compound statement. */
  #begin(): Token {
    let token = this.#next();
    if (token === TOKEN.word && this.#lexer.is('WORK')) token = this.#next();
    if (!isEnd(token)) this.runsUnseen = true;
    return token;
  }

  /** KILL [HARD | SOFT] [CONNECTION | QUERY] number, and nothing behind it. KILL QUERY ID takes a query's number, not a connection's. */
  #killed(): Token {
    const lexer = this.#lexer;
    let token = this.#next();
    if (token === TOKEN.word && (lexer.is('HARD') || lexer.is('SOFT'))) token = this.#next();
    let what: StatementKill['what'] = 'connection';
    if (token === TOKEN.word && (lexer.is('CONNECTION') || lexer.is('QUERY'))) {
      if (lexer.is('QUERY')) what = 'query';
      token = this.#next();
    }
    if (token !== TOKEN.integer) return token;
    const { start: shownStart, end: shownEnd } = lexer;
    const id = Number(this.#bytes.toString('latin1', shownStart, shownEnd));
    token = this.#next();
    if (isEnd(token) && Number.isSafeInteger(id)) this.kill ??= { shownStart, shownEnd, id, what };
    return token;
  }

  /** LOAD {DATA | XML} [LOW_PRIORITY | CONCURRENT] [FROM] LOCAL */
  #load(): Token {
    const lexer = this.#lexer;
    let token = this.#next();
    if (token !== TOKEN.word || !(lexer.is('DATA') || lexer.is('XML'))) return token;
    token = this.#next();
    if (token === TOKEN.word && (lexer.is('LOW_PRIORITY') || lexer.is('CONCURRENT'))) token = this.#next();
    if (token === TOKEN.word && lexer.is('FROM')) token = this.#next();
    if (token === TOKEN.word && lexer.is('LOCAL')) this.loadsLocal = true;
    return token;
  }

  /** MariaDB: SET STATEMENT variable = value, ... FOR statement. FOR may be in an expression too, then no such word follows it. */
  #set(): Token {
    let token = this.#next();
    if (token !== TOKEN.word || !this.#lexer.is('STATEMENT')) return token;
    this.runsUnseen = true;
    while (!isEnd(token)) {
      const afterFor = token === TOKEN.word && this.#lexer.is('FOR');
      token = this.#next();
      if (!afterFor || token !== TOKEN.word || this.#lexer.is('SET')) continue;
      token = this.#body();
    }
    return token;
  }

  #skip(from: Token): Token {
    let token = from;
    while (!isEnd(token)) token = this.#next();
    return token;
  }

  #word(): string {
    const { start, end } = this.#lexer;
    return this.#bytes.toString('latin1', start, Math.min(end, start + maxWordBytes)).toUpperCase();
  }

  /** The last token as a name. A number is none, but costs nothing to report. */
  #name(token: Token): string | undefined {
    const { start, end } = this.#lexer;
    switch (token) {
      case TOKEN.word:
      case TOKEN.integer:
        return nameText(this.#bytes.subarray(start, end));
      case TOKEN.backquoted:
        return this.#unquoted('`');
      case TOKEN.bracketed:
        return this.#unquoted(']');
      case TOKEN.doubleQuoted:
        return this.#ansiQuotes ? this.#unquoted('"') : undefined;
      default:
        return undefined;
    }
  }

  #unquoted(quote: string): string {
    const { start, end } = this.#lexer;
    return nameText(this.#bytes.subarray(start + 1, end - 1)).replaceAll(quote + quote, quote);
  }
}

function isEnd(token: Token): boolean {
  return token === TOKEN.end || token === TOKEN.semicolon;
}

/** A name is told in the client's character set: as UTF-8, or one character a byte when it is not that. */
function nameText(bytes: Buffer): string {
  return utf8Text(bytes) ?? bytes.toString('latin1');
}

/** First words of statements that read or write data and change nothing of the session. */
const DATA: ReadonlySet<string> = new Set(
  'SELECT INSERT REPLACE UPDATE DELETE SHOW WITH VALUES TABLE EXPLAIN DESC DESCRIBE LOAD HELP'.split(' '),
);
/** And of others that run no SQL which is not in them. Functions and triggers that they call can not change the default database. */
const PLAIN: ReadonlySet<string> = new Set(
  (
    'ALTER ANALYZE BEGIN CHECK CHECKSUM COMMIT CREATE DEALLOCATE DO DROP FLUSH GRANT HANDLER KILL LOCK OPTIMIZE PREPARE ' +
    'RELEASE RENAME REPAIR REVOKE ROLLBACK SAVEPOINT SET SIGNAL START TRUNCATE UNLOCK USE XA'
  ).split(' '),
);

/** No keyword is as long. */
const maxWordBytes = 32;
