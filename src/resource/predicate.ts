/**
 * The small expression language of roles, as text to tree: `||`, `&&`, `==`, `!=`, `!`, calls, strings and dotted paths whose
 * parts may be written `labels["k"]`. What names mean is said in expression.ts (label expressions, templates) and by the evaluators.
 *
 *     or      = and { "||" and }
 *     and     = compare { "&&" compare }
 *     compare = unary [ ("==" | "!=") unary ]
 *     unary   = "!" unary | "(" or ")" | string | name [ "(" [ or { "," or } ] ")" ]
 *     name    = word { "." word | "[" string "]" }
 */
export type Node =
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'path'; readonly parts: readonly string[] }
  | { readonly type: 'call'; readonly name: string; readonly args: readonly Node[] }
  | { readonly type: 'not'; readonly of: Node }
  | { readonly type: 'and' | 'or' | 'equal' | 'unequal'; readonly left: Node; readonly right: Node };

export const maxPredicateLength = 8192;
export const maxPredicateNodes = 512;
export const maxPredicateDepth = 32;

/** The tree, or what is wrong and where (column from 1). Never throws. */
export function parsePredicate(text: string): { readonly node: Node } | { readonly problem: string } {
  if (text.length > maxPredicateLength)
    return { problem: `expression of ${text.length} characters exceeds maxPredicateLength ${maxPredicateLength}` };
  try {
    const parser = new Parser(tokenize(text), text.length);
    const node = parser.or(0);
    parser.end();
    return { node };
  } catch (error: unknown) {
    if (error instanceof Fault) return { problem: error.message };
    throw error;
  }
}

type Token = { readonly type: 'word' | 'string' | 'mark' | 'end'; readonly text: string; readonly at: number };

class Fault extends Error {
  constructor(what: string, at: number) {
    super(`${what} at character ${at + 1}`);
  }
}

const tokenPattern =
  /\s*(?:(?<word>[A-Za-z_][A-Za-z0-9_]*)|(?<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)|(?<mark>&&|\|\||==|!=|[!()[\].,]))/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  tokenPattern.lastIndex = 0;
  while (tokenPattern.lastIndex < end) {
    const from = tokenPattern.lastIndex;
    const groups = tokenPattern.exec(text)?.groups;
    if (groups === undefined) {
      const at = from + (text.slice(from).length - text.slice(from).trimStart().length);
      throw new Fault(`unexpected ${JSON.stringify(text[at] ?? '')}`, at);
    }
    const { word, string, mark } = groups;
    const raw = word ?? string ?? mark ?? '';
    const at = tokenPattern.lastIndex - raw.length;
    if (string === undefined) tokens.push({ type: word === undefined ? 'mark' : 'word', text: raw, at });
    else tokens.push({ type: 'string', text: unquote(string, at), at });
  }
  return tokens;
}

/** Backquoted strings are raw. In the others `\n`, `\t`, `\\` and quotes are escapes, and any other backslash is refused, as in Go. */
function unquote(raw: string, at: number): string {
  const inner = raw.slice(1, -1);
  if (raw.startsWith('`')) return inner;
  return inner.replace(/\\(.)/g, (_, char: string) => {
    if (char === 'n') return '\n';
    if (char === 't') return '\t';
    if (char === '\\' || char === '"' || char === "'") return char;
    throw new Fault(`unknown escape \\${char} (write \\\\${char}, or use backquotes)`, at);
  });
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #length: number;
  #next = 0;
  #nodes = 0;

  constructor(tokens: readonly Token[], length: number) {
    this.#tokens = tokens;
    this.#length = length;
  }

  or(depth: number): Node {
    let left = this.#and(depth);
    while (this.#take('||')) left = this.#made({ type: 'or', left, right: this.#and(depth) });
    return left;
  }

  end(): void {
    const token = this.#peek();
    if (token.type !== 'end') throw new Fault(`unexpected ${JSON.stringify(token.text)}`, token.at);
  }

  #and(depth: number): Node {
    let left = this.#compare(depth);
    while (this.#take('&&')) left = this.#made({ type: 'and', left, right: this.#compare(depth) });
    return left;
  }

  #compare(depth: number): Node {
    const left = this.#unary(depth);
    if (this.#take('==')) return this.#made({ type: 'equal', left, right: this.#unary(depth) });
    if (this.#take('!=')) return this.#made({ type: 'unequal', left, right: this.#unary(depth) });
    return left;
  }

  #unary(depth: number): Node {
    const token = this.#peek();
    if (depth > maxPredicateDepth)
      throw new Fault(`nested deeper than maxPredicateDepth ${maxPredicateDepth}`, token.at);
    if (this.#take('!')) return this.#made({ type: 'not', of: this.#unary(depth + 1) });
    if (this.#take('(')) {
      const inner = this.or(depth + 1);
      this.#expect(')');
      return inner;
    }
    this.#next += 1;
    if (token.type === 'string') return this.#made({ type: 'string', value: token.text });
    if (token.type === 'word') return this.#name(token, depth);
    throw new Fault(token.type === 'end' ? 'unexpected end' : `unexpected ${JSON.stringify(token.text)}`, token.at);
  }

  #name(first: Token, depth: number): Node {
    const parts = [first.text];
    let indexed = false;
    for (;;) {
      if (this.#take('.')) {
        parts.push(this.#expectType('word').text);
      } else if (this.#take('[')) {
        parts.push(this.#expectType('string').text);
        this.#expect(']');
        indexed = true;
      } else break;
    }
    if (indexed || !this.#take('(')) return this.#made({ type: 'path', parts });
    const args: Node[] = [];
    if (!this.#take(')')) {
      do args.push(this.or(depth + 1));
      while (this.#take(','));
      this.#expect(')');
    }
    return this.#made({ type: 'call', name: parts.join('.'), args });
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { type: 'end', text: '', at: this.#length };
  }

  #take(mark: string): boolean {
    const token = this.#peek();
    if (token.type !== 'mark' || token.text !== mark) return false;
    this.#next += 1;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#take(mark)) throw new Fault(`expected ${JSON.stringify(mark)}`, this.#peek().at);
  }

  #expectType(type: 'word' | 'string'): Token {
    const token = this.#peek();
    if (token.type !== type) throw new Fault(`expected a ${type === 'word' ? 'name' : 'quoted string'}`, token.at);
    this.#next += 1;
    return token;
  }

  #made(node: Node): Node {
    this.#nodes += 1;
    if (this.#nodes > maxPredicateNodes)
      throw new Fault(`more than maxPredicateNodes ${maxPredicateNodes} parts`, this.#peek().at);
    return node;
  }
}
