import { fault } from './fault.ts';
import type { SamlLimits } from './limits.ts';

/**
 * One pass over a document's text before the parser may see it. Refused: a DOCTYPE (entities, external files, expansion bombs), processing instructions, CDATA, comments (in
 * answers), anything that the lenient parser would repair, names that are not ASCII, an id that is there twice, too much or too deep. Time is linear in the text.
 */

/** The text to parse: without byte order mark and XML declaration, line ends as `\n` (XML 1.0 section 2.11). */
export function scanXml(
  source: string,
  limits: Pick<SamlLimits, 'maxDepth' | 'maxNodes'>,
  options: { readonly comments: boolean },
): string {
  const text = source.replace(/^\ufeff/, '').replaceAll(/\r\n?/g, '\n');
  const declaration = DECLARATION.exec(text)?.[0] ?? '';
  const body = text.slice(declaration.length).trim();
  if (FORBIDDEN_CHARACTER.test(body)) throw malformed('the XML holds a character that XML does not have');
  new Scan(body, limits, options.comments).run();
  checkReferences(body);
  return body;
}

class Scan {
  readonly #text: string;
  readonly #limits: Pick<SamlLimits, 'maxDepth' | 'maxNodes'>;
  readonly #comments: boolean;
  readonly #open: string[] = [];
  readonly #ids = new Set<string>();
  #nodes = 0;
  #roots = 0;

  constructor(text: string, limits: Pick<SamlLimits, 'maxDepth' | 'maxNodes'>, comments: boolean) {
    this.#text = text;
    this.#limits = limits;
    this.#comments = comments;
  }

  run(): void {
    let at = 0;
    for (;;) {
      const next = this.#text.indexOf('<', at);
      const between = this.#text.slice(at, next === -1 ? this.#text.length : next);
      if (this.#open.length === 0 && between.trim() !== '')
        throw malformed('there is text outside of the root element');
      if (next === -1) break;
      at = this.#markup(next);
    }
    if (this.#open.length > 0 || this.#roots !== 1) throw malformed('expected one root element that is closed');
  }

  /** Where to go on. */
  #markup(at: number): number {
    const second = this.#text[at + 1];
    if (second === '!') return this.#comment(at);
    if (second === '?') throw fault('SAML_XML_INSTRUCTION', 'a processing instruction is not allowed');
    const pattern = second === '/' ? CLOSING_TAG : OPENING_TAG;
    pattern.lastIndex = at;
    const match = pattern.exec(this.#text);
    if (match === null) throw malformed('a tag is not as XML has it');
    const name = match[1] ?? '';
    if (second === '/') {
      if (this.#open.pop() !== name) throw malformed('a closing tag does not fit');
    } else this.#opened(name, match[2] ?? '', match[3] === '/');
    return pattern.lastIndex;
  }

  #opened(name: string, attributes: string, empty: boolean): void {
    this.#count();
    if (this.#open.length === 0) this.#roots += 1;
    if (this.#open.length >= this.#limits.maxDepth)
      throw fault('SAML_XML_TOO_DEEP', `elements are nested deeper than maxDepth ${this.#limits.maxDepth}`);
    const seen = new Set<string>();
    for (const match of attributes.matchAll(ATTRIBUTE)) {
      this.#count();
      const attribute = match[1] ?? '';
      if (seen.has(attribute)) throw malformed('an element has an attribute twice');
      seen.add(attribute);
      if (/^xmlns:xml(?:ns)?$/.test(attribute)) throw malformed('a reserved prefix is declared');
      if (/^(?:[^:]+:)?id$/i.test(attribute)) this.#identified((match[2] ?? '').slice(1, -1));
    }
    if (!empty) this.#open.push(name);
  }

  /** Whatever attribute a reader takes for the id: no value stands twice. */
  #identified(id: string): void {
    if (!/^[A-Za-z_][\w.-]{0,255}$/.test(id))
      throw fault('SAML_XML_ID', 'an id is not as XML has it, or longer than 256 characters');
    if (this.#ids.has(id)) throw fault('SAML_XML_ID', 'two elements have the same id');
    this.#ids.add(id);
  }

  #comment(at: number): number {
    if (/^<!doctype/i.test(this.#text.slice(at, at + 9))) throw fault('SAML_XML_DOCTYPE', 'a DOCTYPE is not allowed');
    if (!this.#text.startsWith('<!--', at))
      throw fault('SAML_XML_DECLARATION', 'CDATA and declarations are not allowed');
    if (!this.#comments) throw fault('SAML_XML_COMMENT', 'a comment is not allowed: nobody signs it');
    const end = this.#text.indexOf('--', at + 4);
    if (end === -1 || this.#text[end + 2] !== '>') throw malformed('a comment is not closed');
    return end + 3;
  }

  #count(): void {
    this.#nodes += 1;
    if (this.#nodes > this.#limits.maxNodes)
      throw fault('SAML_XML_TOO_LARGE', `more tags and attributes than maxNodes ${this.#limits.maxNodes}`);
  }
}

/** Only the five names that need no DOCTYPE, and numbers of characters that XML has. */
function checkReferences(text: string): void {
  for (const match of text.matchAll(/&([^;&<]{0,10};?)/g)) {
    const name = match[1] ?? '';
    if (/^(?:lt|gt|amp|quot|apos);$/.test(name)) continue;
    const number = /^#(?:x([\da-fA-F]{1,6})|(\d{1,7}));$/.exec(name);
    const code =
      number === null ? -1 : Number.parseInt(number[1] ?? number[2] ?? '', number[1] === undefined ? 10 : 16);
    if (!isCharacter(code)) throw fault('SAML_XML_ENTITY', 'an entity is not allowed');
  }
}

/** XML 1.0 section 2.2. */
function isCharacter(code: number): boolean {
  return (
    code === 0x9 ||
    code === 0xa ||
    code === 0xd ||
    (code >= 0x20 && code <= 0xd7ff) ||
    (code >= 0xe000 && code <= 0xfffd) ||
    (code >= 0x1_0000 && code <= 0x10_ffff)
  );
}

function malformed(text: string): Error {
  return fault('SAML_XML_MALFORMED', text);
}

const DECLARATION =
  /^<\?xml\s+version\s*=\s*(?:"1\.0"|'1\.0')(?:\s+encoding\s*=\s*(?:"utf-8"|'utf-8'))?(?:\s+standalone\s*=\s*(?:"(?:yes|no)"|'(?:yes|no)'))?\s*\?>/i;
const NAME = '[A-Za-z_][\\w.-]*(?::[A-Za-z_][\\w.-]*)?';
const VALUE = `(?:"[^"<]*"|'[^'<]*')`;
const OPENING_TAG = new RegExp(`<(${NAME})((?:\\s+${NAME}\\s*=\\s*${VALUE})*)\\s*(/?)>`, 'y');
const CLOSING_TAG = new RegExp(`</(${NAME})\\s*>`, 'y');
const ATTRIBUTE = new RegExp(`(${NAME})\\s*=\\s*(${VALUE})`, 'g');
// A lone surrogate too: it has no UTF-8.
const FORBIDDEN_CHARACTER =
  /[\0-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
