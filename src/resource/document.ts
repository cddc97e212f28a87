import {
  Composer,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  Parser,
  visit,
  type Document,
  type Node,
} from 'yaml';
import { ConfigError } from '../errors.ts';

/**
 * YAML as people hand it in: bounded in size, nesting and aliases, duplicate keys refused, and every value's place known. The
 * base of resource files and of `tessera.yaml`.
 */
export type YamlDocument = {
  /** Plain data: objects, arrays, strings, numbers, booleans, null. */
  readonly value: unknown;
  /** `path:line:column` of the value at `keys`, or of the nearest parent that is written down. `key: true`: of the key itself. */
  place(keys: readonly PropertyKey[], of?: 'key' | 'value'): string;
};

export type YamlLimits = {
  /** In bytes of UTF-8. */
  readonly maxBytes: number;
  /** Named in the message when `maxBytes` is exceeded. */
  readonly maxBytesName: string;
};

/** Lists and maps inside each other. */
const maxDepth = 64;
/** How many nodes aliases may stand for: a bomb multiplies. */
const maxAliasCount = 100;
/** Problems of syntax that are told. */
const maxProblems = 100;
/** Documents of one file. */
const maxDocuments = 1000;

/** Every document of the text. Throws ConfigError with every problem of syntax as `path:line:column: what`. Empty documents are left out. */
export function parseYaml(text: string, path: string, limits: YamlLimits): YamlDocument[] {
  const size = Buffer.byteLength(text);
  if (size > limits.maxBytes)
    throw new ConfigError([`${path}:1:1: file of ${size} bytes exceeds ${limits.maxBytesName} ${limits.maxBytes}`]);
  const lines = new LineCounter();
  const tooDeep = findTooDeep(text);
  if (tooDeep !== undefined)
    throw new ConfigError([`${path}:${lineOf(text, tooDeep)}: lists and maps nested deeper than ${maxDepth}`]);
  const parser = new Parser(lines.addNewLine);
  const composer = new Composer({
    // Looked for in findBadKey: the library compares each key with each other one, and 20,000 of them take ten seconds.
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter: lines,
    merge: true,
    version: '1.2',
  });
  const documents = [...composer.compose(parser.parse(text))];
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${Math.max(line, 1)}:${Math.max(col, 1)}`;
  };
  if (documents.length > maxDocuments)
    throw new ConfigError([`${path}:1:1: ${documents.length} documents exceed ${maxDocuments} a file`]);
  const problems = documents
    .flatMap(({ errors, warnings }) => [...errors, ...warnings])
    .slice(0, maxProblems)
    .map(({ pos, code, message }) => `${place(pos[0])}: ${sayYaml(code, message)}`);
  if (problems.length > 0) throw new ConfigError(problems);
  return documents.flatMap((document) => readDocument(document, place) ?? []);
}

/** Why plain data can not be used safely, or undefined: a `__proto__` key, or nesting too deep. For JSON that did not come through `parseYaml`. */
export function hostileShape(value: unknown, depth = 0): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > maxDepth) return `lists and maps nested deeper than ${maxDepth}`;
  if (Object.hasOwn(value, '__proto__')) return 'the key __proto__ is not allowed';
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    const problem = hostileShape(inner, depth + 1);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function readDocument(document: Document.Parsed, place: (offset: number) => string): YamlDocument | undefined {
  if (document.contents === null) return undefined;
  const badKey = findBadKey(document);
  if (badKey !== undefined) throw new ConfigError([`${place(badKey.offset)}: ${badKey.problem}`]);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount });
  } catch (error: unknown) {
    throw new ConfigError([
      `${place(document.range[0])}: ${error instanceof ReferenceError ? `aliases stand for too much (limit ${maxAliasCount}) or for nothing` : 'not readable as plain data'}`,
    ]);
  }
  if (value === null || value === undefined) return undefined;
  const hostile = hostileShape(value);
  if (hostile !== undefined) throw new ConfigError([`${place(document.range[0])}: ${hostile}`]);
  return { value, place: (keys, of = 'value') => place(offsetOf(document, keys, of)) };
}

/** A key that is a list, a map or an alias, or stands twice in its map. */
function findBadKey(document: Document.Parsed): { readonly offset: number; readonly problem: string } | undefined {
  let found: { readonly offset: number; readonly problem: string } | undefined;
  visit(document, {
    Map: (_, { items }) => {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        const problem = keyProblem(key, seen);
        if (problem === undefined) continue;
        found = { offset: (isNode(key) ? key.range?.[0] : undefined) ?? 0, problem };
        return visit.BREAK;
      }
      return undefined;
    },
  });
  return found;
}

function keyProblem(key: unknown, seen: Set<unknown>): string | undefined {
  if (key === null) return undefined;
  if (!isScalar(key)) return 'a key must be plain text';
  // `1` and `"1"` are one key of the object that comes out.
  const name = String(key.value);
  if (name !== '<<' && seen.has(name)) return 'duplicate key';
  seen.add(name);
  return undefined;
}

/** Walks down as far as the document goes; an alias leads to where its value was written. */
function offsetOf(document: Document.Parsed, keys: readonly PropertyKey[], of: 'key' | 'value'): number {
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [index, key] of keys.entries()) {
    if (isAlias(node)) node = node.resolve(document) ?? null;
    const step = stepDown(node, key);
    if (step === undefined) break;
    node = step.value;
    const wantsKey = of === 'key' && index === keys.length - 1;
    offset = (wantsKey ? step.keyOffset : (writtenOffset(node) ?? step.keyOffset)) ?? offset;
  }
  return offset;
}

function stepDown(
  node: Node | null,
  key: PropertyKey,
): { readonly value: Node | null; readonly keyOffset: number | undefined } | undefined {
  if (isMap(node)) {
    const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
    if (pair === undefined) return undefined;
    return {
      value: isNode(pair.value) ? pair.value : null,
      keyOffset: isNode(pair.key) ? pair.key.range?.[0] : undefined,
    };
  }
  const item: unknown = isSeq(node) ? node.items[Number(key)] : undefined;
  return isNode(item) ? { value: item, keyOffset: item.range?.[0] } : undefined;
}

/** Undefined for a value that is not written down (`key:` with nothing after it). */
function writtenOffset(node: Node | null): number | undefined {
  return isScalar(node) && node.source === '' ? undefined : node?.range?.[0];
}

/**
 * Counts nesting within a line in the token stream, before the (recursive) composer sees it; nesting by indentation costs a line and its
 * own width for each level, so the size limit bounds it. Answers the offset where it is too deep.
 */
function findTooDeep(text: string): number | undefined {
  let flow = 0;
  let inLine = 0;
  let offset = 0;
  for (const token of new Lexer().lex(text)) {
    if (token === '[' || token === '{') flow += 1;
    else if (token === ']' || token === '}') flow = Math.max(0, flow - 1);
    else if (flow === 0 && (token === '-' || token === '?')) inLine += 1;
    else if (token.includes('\n')) inLine = 0;
    if (flow > maxDepth || inLine > maxDepth) return offset;
    offset += token === '\u0002' || token === '\u0018' || token === '\u001f' ? 0 : token.length;
  }
  return undefined;
}

function lineOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
}

/** The library's messages may quote the text; ours do not. */
function sayYaml(code: string, message: string): string {
  if (code === 'TAB_AS_INDENT') return 'tabs can not indent: use spaces';
  if (code === 'TAG_RESOLVE_FAILED') return 'unknown tag';
  if (message.includes('call stack')) return `lists and maps nested deeper than ${maxDepth}`;
  const first = message.split('\n')[0] ?? '';
  return `not valid YAML: ${first.replaceAll(/"[^"]*"|'[^']*'/g, '...').slice(0, 120)}`;
}
