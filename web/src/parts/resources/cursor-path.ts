/**
 * Where in a YAML text somebody types: by indentation alone, so that it works while the text is not yet valid. Block style, and flow style within one line; nothing is said inside
 * comments, quoted texts and block scalars.
 */
export type CursorPlace = {
  /** Keys from the top; `[]` for an entry of a list. */
  readonly path: readonly string[];
  /** A key is typed, or the value at `path`. An entry of a list that may become either is `entry`. */
  readonly mode: 'key' | 'value' | 'entry';
  /** Offset where what is typed begins. */
  readonly from: number;
  /** Keys beside this one. */
  readonly siblings: readonly string[];
  /** Inside `{}` or `[]`. */
  readonly flow: boolean;
  /** Column of the key, for what is written below it. */
  readonly column: number;
};

export function cursorPlace(text: string, position: number): CursorPlace | undefined {
  const lines = text.slice(0, position).split('\n');
  const typed = lines.pop() ?? '';
  const above = lines.toReversed();
  const line = readLine(typed);
  if (line === undefined || isBlockText(above, indentOf(typed))) return undefined;
  const start = position - typed.length;
  const below = text.slice(position).split('\n').slice(1);
  const outer = ancestors(above, line);
  if (line.rest.column > 0 && line.key !== undefined) return valuePlace(line, [...outer.path, line.key], start, typed);
  if (/^[[{]/.test(line.rest.text)) return valuePlace(line, outer.path, start, typed);
  if (!/^[\w.$/@*-]*$/.test(line.rest.text)) return undefined;
  const last = line.tokens.at(-1);
  const column = line.rest.column;
  const siblings = [...siblingsIn(last?.kind === 'dash' ? [] : above, column), ...siblingsIn(below, column)];
  return {
    path: outer.path,
    mode: last?.kind === 'dash' ? 'entry' : 'key',
    from: start + column,
    siblings,
    flow: false,
    column,
  };
}

type Token = { readonly kind: 'dash' | 'key'; readonly column: number; readonly name: string };
type Line = {
  /** Dashes, then perhaps a key. */
  readonly tokens: readonly Token[];
  readonly key: string | undefined;
  /** What stands after them. */
  readonly rest: { readonly column: number; readonly text: string };
};

const KEY = /^(?:"([^"\\]*)"|'([^']*)'|([^\s"'#[\]{},&*!|>%@`-][^\s#:]*|-[^\s#:]+|\*))\s*:(?=\s|$)\s*/;

/** Undefined inside a comment. */
function readLine(line: string): Line | undefined {
  if (/(?:^|\s)#/.test(withoutQuoted(line)) || /^(?:---|\.\.\.|%)/.test(line)) return undefined;
  let column = indentOf(line);
  const tokens: Token[] = [];
  for (;;) {
    const dash = /^-(\s+|$)/.exec(line.slice(column));
    if (dash === null) break;
    tokens.push({ kind: 'dash', column, name: '[]' });
    column += dash[0].length;
  }
  const key = KEY.exec(line.slice(column));
  if (key === null) return { tokens, key: undefined, rest: { column, text: line.slice(column) } };
  const name = key[1] ?? key[2] ?? key[3] ?? '';
  const after = column + key[0].length;
  return {
    tokens: [...tokens, { kind: 'key', column, name }],
    key: name,
    rest: { column: after, text: line.slice(after) },
  };
}

/** The path of the line's own dashes and of the lines above that it stands below. */
function ancestors(above: readonly string[], own: Line): { readonly path: readonly string[] } {
  const path = own.tokens.flatMap(({ kind, name }) => (kind === 'dash' ? [name] : []));
  let lowest: Pick<Token, 'kind' | 'column'> = own.tokens[0] ?? { kind: 'key', column: own.rest.column };
  for (const text of above) {
    if (isMark(text) || (lowest.column === 0 && lowest.kind === 'key')) break;
    if (isEmpty(text)) continue;
    for (const token of (readLine(text)?.tokens ?? []).toReversed()) {
      if (!standsAbove(token, lowest)) continue;
      path.unshift(token.name);
      lowest = token;
    }
  }
  return { path };
}

// A list may stand at the column of its key.
function standsAbove(token: Token, lowest: Pick<Token, 'kind' | 'column'>): boolean {
  return (
    token.column < lowest.column || (token.column === lowest.column && lowest.kind === 'dash' && token.kind === 'key')
  );
}

function isMark(line: string): boolean {
  return /^(?:---|\.\.\.)/.test(line);
}

function isEmpty(line: string): boolean {
  return /^\s*(?:#|$)/.test(line);
}

function siblingsIn(lines: readonly string[], column: number): readonly string[] {
  const keys: string[] = [];
  for (const line of lines) {
    if (isEmpty(line)) continue;
    if (isMark(line)) break;
    const tokens = readLine(line)?.tokens ?? [];
    const key = tokens.find((token) => token.kind === 'key' && token.column === column);
    if (key !== undefined) keys.push(key.name);
    // Another entry of the list, or what is around: both end these siblings.
    if (tokens.some((token) => token.column < column)) break;
    if (tokens.length === 0 && indentOf(line) < column) break;
  }
  return keys;
}

function valuePlace(line: Line, path: readonly string[], start: number, typed: string): CursorPlace | undefined {
  const { column, text } = line.rest;
  if (/^[|>&!]/.test(text)) return undefined;
  if (!/^[[{]/.test(text)) {
    const quoted = /^["']/.test(text);
    return quoted
      ? undefined
      : { path, mode: 'value', from: start + column, siblings: [], flow: false, column: indentOf(typed) };
  }
  return flowPlace(text, path, start + column);
}

type Frame = { readonly open: '[' | '{'; readonly path: readonly string[]; readonly keys: string[] };
type Flow = { readonly frames: Frame[]; key: string | undefined; from: number; quote: string };

/** Inside `[` and `{` of one line. */
function flowPlace(text: string, path: readonly string[], start: number): CursorPlace | undefined {
  const flow: Flow = { frames: [], key: undefined, from: 0, quote: '' };
  for (let index = 0; index < text.length; index += 1) readFlow(flow, text, index, path);
  const frame = flow.frames.at(-1);
  if (frame === undefined || flow.quote !== '') return undefined;
  const blanks = /^\s*/.exec(text.slice(flow.from))?.[0].length ?? 0;
  return {
    path: pathIn(flow, path),
    mode: frame.open === '[' ? 'entry' : flow.key === undefined ? 'key' : 'value',
    from: start + flow.from + blanks,
    siblings: flow.key === undefined ? frame.keys : [],
    flow: true,
    column: 0,
  };
}

function readFlow(flow: Flow, text: string, index: number, path: readonly string[]): void {
  const character = text.charAt(index);
  if (flow.quote !== '') {
    if (character === flow.quote) flow.quote = '';
    return;
  }
  const frame = flow.frames.at(-1);
  switch (character) {
    case '"':
    case "'":
      flow.quote = character;
      return;
    case '[':
    case '{':
      flow.frames.push({ open: character, path: pathIn(flow, path), keys: [] });
      break;
    case ']':
    case '}':
      flow.frames.pop();
      break;
    case ',':
      break;
    case ':':
      if (frame?.open !== '{' || !/^(?:\s|$)/.test(text.slice(index + 1))) return;
      beginValue(flow, frame, text.slice(flow.from, index));
      flow.from = index + 1;
      return;
    default:
      return;
  }
  flow.key = undefined;
  flow.from = index + 1;
}

function beginValue(flow: Flow, frame: Frame, written: string): void {
  flow.key = written.trim().replace(/^["']|["']$/g, '');
  frame.keys.push(flow.key);
}

function pathIn({ frames, key }: Flow, outer: readonly string[]): readonly string[] {
  const frame = frames.at(-1);
  if (frame === undefined) return outer;
  if (frame.open === '[') return [...frame.path, '[]'];
  return key === undefined ? frame.path : [...frame.path, key];
}

/** Whether the line belongs to a text that was begun with `|` or `>` above. */
function isBlockText(above: readonly string[], indent: number): boolean {
  let least = indent;
  for (const line of above) {
    if (line.trim() === '') continue;
    const own = indentOf(line);
    if (own < least) {
      if (/[|>][+-]?\d?\s*$/.test(line)) return true;
      least = own;
    }
    if (own === 0) return false;
  }
  return false;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function withoutQuoted(line: string): string {
  return line.replace(/"(?:[^"\\]|\\.)*"|'[^']*'/g, (text) => '_'.repeat(text.length));
}
