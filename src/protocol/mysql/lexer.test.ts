import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Lexer, TOKEN, type Reading } from './lexer.ts';

const base: Reading = {
  flavour: 'mysql',
  version: 80_036,
  sixDigits: false,
  escapes: true,
  escapesInDouble: true,
  pairs: 'none',
  brackets: false,
  statementEndsComment: true,
};

/** The tokens' texts, one character a byte. */
function tokens(sql: string, reading: Reading): { readonly texts: string[]; readonly open: boolean } {
  const bytes = Buffer.from(sql, 'latin1');
  const lexer = new Lexer(bytes, reading);
  const texts: string[] = [];
  while (lexer.next() !== TOKEN.end) texts.push(bytes.toString('latin1', lexer.start, lexer.end));
  return { texts, open: lexer.open };
}

/**
 * The twin: the same rules as one regular expression each, tried in turn on what is left of a string. Slow, and made without a look at the lexer's states.
 */
function twinTokens(sql: string, reading: Reading): { readonly texts: string[]; readonly open: boolean } {
  const texts: string[] = [];
  let rest = sql;
  let inside = false;
  let open = false;
  let join = false;
  const name = '[\\w$\\x80-\\x9f\\xa1-\\xff](?:[\\w$\\x80-\\x9f\\xa1-\\xff]|(?<=[\\x80-\\xff])\\xa0)*';
  const take = (pattern: string): string | undefined => new RegExp(`^(?:${pattern})`).exec(rest)?.[0];
  const quoted = (quote: string, escapes: boolean): string => {
    const inner = escapes ? `(?:[^${quote}\\\\]|\\\\[^]|${quote}${quote})*` : `(?:[^${quote}]|${quote}${quote})*`;
    const whole = take(`${quote}${inner}${quote}(?!${quote})`);
    if (whole === undefined) open = true;
    return whole ?? rest;
  };
  const skipped = (): string | undefined => {
    const head = /^\/\*(M?)!(\d{5})(\d?)/.exec(rest);
    const executable = reading.flavour === 'mariadb' ? /^\/\*M?!/.exec(rest) : /^\/\*!/.exec(rest);
    if (executable === null) return take('/\\*[^]*?\\*/') ?? unclosed();
    const six = reading.flavour === 'mariadb' || reading.sixDigits;
    const version = head === null ? 0 : Number((head[2] ?? '') + (six ? (head[3] ?? '') : ''));
    const foreign = reading.flavour === 'mariadb' && head?.[1] === '' && version >= 50_700 && version < 100_000;
    if (version > reading.version || foreign)
      return take('/\\*M?!(?:/\\*[^]*?\\*/|(?!/\\*)(?!\\*/)[^])*\\*/') ?? unclosed();
    inside = true;
    return executable[0] + (head === null ? '' : String(head[2]) + (six ? String(head[3]) : ''));
  };
  const unclosed = (): string => {
    open = true;
    return rest;
  };
  const number = (): string | undefined => {
    const point = reading.flavour === 'mariadb' ? '\\.(?!\\.)' : '\\.';
    const end = '(?![\\w$\\x80-\\x9f\\xa1-\\xff])';
    return (
      take(`0x[\\da-fA-F]+${end}|0b[01]+${end}`) ??
      (/^0[xb]/.test(rest) ? undefined : take(`(?:\\d+${point}|\\.(?=\\d))\\d*(?:[eE][-+]?\\d+|(?![\\deE]))`)) ??
      take(`\\d+[eE][-+]?\\d+`) ??
      take(`\\d+${end}`)
    );
  };
  const lostNumber = (): string | undefined =>
    /^0[xb]/.test(rest) && !/^0[xb][\da-fA-F]*\./.test(rest)
      ? undefined
      : take(
          `(?:\\d+${reading.flavour === 'mariadb' ? '\\.(?!\\.)' : '\\.'}|\\.(?=\\d))\\d*[eE](?:[-+](?!\\d)|(?![-+\\d]))`,
        );
  while (rest !== '') {
    const space = take('[ \\t-\\r\\xa0]+|#[^\\n]*|--(?=[\\x00-\\x20\\x7f\\xa0]|$)[^\\n]*');
    const comment = space ?? (rest.startsWith('/*') ? skipped() : inside ? take('\\*/') : undefined);
    if (comment !== undefined) {
      if (comment === '*/') inside = false;
      rest = rest.slice(comment.length);
      continue;
    }
    const joined = join;
    join = false;
    const dotted = joined && rest.startsWith('.') ? '.' : undefined;
    const afterJoin = joined && !rest.startsWith('.') ? take(name) : undefined;
    const lost = dotted ?? afterJoin ?? (/^0[xb]/.test(rest) ? undefined : lostNumber());
    if (dotted === undefined && afterJoin === undefined && lost !== undefined) {
      rest = rest.slice(lost.length);
      continue;
    }
    const text =
      dotted ??
      afterJoin ??
      (rest.startsWith("'") ? quoted("'", reading.escapes) : undefined) ??
      (rest.startsWith('"') ? quoted('"', reading.escapesInDouble) : undefined) ??
      (rest.startsWith('`') ? quoted('`', false) : undefined) ??
      number() ??
      take(name) ??
      take('@@[\\w$\\x80-\\x9f\\xa1-\\xff]*') ??
      take('@[\\w$.]*') ??
      (reading.flavour === 'mariadb' ? take('\\.\\.') : undefined) ??
      rest.slice(0, 1);
    texts.push(text);
    if (text === ';' && reading.statementEndsComment) inside = false;
    rest = rest.slice(text.length);
    const wasName = afterJoin !== undefined || (new RegExp(`^(?:${name})$`).test(text) && !isNumber(text));
    if (dotted !== undefined) join = new RegExp(`^(?:${name})`).test(rest);
    else if (wasName) join = new RegExp(`^\\.${name}`).test(rest);
    else if (text.startsWith('@@')) join = rest.startsWith('.');
  }
  return { texts, open: open || inside };
}

function isNumber(text: string): boolean {
  return /^(?:0x[\da-fA-F]+|0b[01]+|\d+|\d+[eE]\d+)$/.test(text);
}

const PIECES = [
  "'",
  '"',
  '`',
  "''",
  '\\',
  ';',
  ' ',
  '\n',
  '\t',
  '\0',
  '#',
  '--',
  '-- ',
  '-',
  '/',
  '*',
  '/*',
  '*/',
  '/*!',
  '/*M!',
  '/*!50000',
  '/*!50701',
  '/*!80036',
  '/*!80037',
  '/*!99999 ',
  '/*!100100',
  '/*M!100100',
  '/*M!999999',
  '/*+ ',
  'use',
  'a',
  'B_1',
  '5',
  '0',
  '0x',
  '0b',
  'x',
  'e',
  'E',
  '1e',
  '1.5e',
  '.',
  '..',
  '@',
  '@@',
  '[',
  ']',
  '+',
  '\xa0',
  '\xe9',
  '(',
];

test('mysql lexer: cuts as a slow twin does', () => {
  const reading = fc.record({
    flavour: fc.constantFrom('mysql' as const, 'mariadb' as const),
    version: fc.constantFrom(50_500, 80_036, 101_100, 1_000_000),
    sixDigits: fc.boolean(),
    escapes: fc.boolean(),
    escapesInDouble: fc.boolean(),
    statementEndsComment: fc.boolean(),
  });
  const text = fc.array(fc.constantFrom(...PIECES), { maxLength: 14 }).map((pieces) => pieces.join(''));
  fc.assert(
    fc.property(text, reading, (sql, chosen) => {
      const all: Reading = { ...base, ...chosen };
      assert.deepEqual(tokens(sql, all), twinTokens(sql, all));
    }),
    { numRuns: 5000 },
  );
});
