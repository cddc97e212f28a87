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
  let column = own.tokens[0]?.column ?? own.rest.column;
  let first: Token['kind'] = own.tokens[0]?.kind ?? 'key';
  for (const text of above) {
    if (/^(?:---|\.\.\.)/.test(text)) break;
    if (text.trim() === '' || /^\s*#/.test(text)) continue;
    for (const token of (readLine(text)?.tokens ?? []).toReversed()) {
      // A list may stand at the column of its key.
      const isAbove = token.column < column || (token.column === column && first === 'dash' && token.kind === 'key');
      if (!isAbove) continue;
      path.unshift(token.name);
      ({ column } = token);
      first = token.kind;
    }
    if (column === 0 && first === 'key') break;
  }
  return { path };
}

function siblingsIn(lines: readonly string[], column: number): readonly string[] {
  const keys: string[] = [];
  for (const line of lines) {
    if (line.trim() === '' || /^\s*#/.test(line)) continue;
    if (/^(?:---|\.\.\.)/.test(line)) break;
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

/** Inside `[` and `{` of one line. */
function flowPlace(text: string, path: readonly string[], start: number): CursorPlace | undefined {
  const frames: Frame[] = [];
  let from = 0;
  let key: string | undefined;
  let quote = '';
  const where = (): readonly string[] => {
    const frame = frames.at(-1);
    if (frame === undefined) return path;
    return frame.open === '[' ? [...frame.path, '[]'] : key === undefined ? frame.path : [...frame.path, key];
  };
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (quote !== '') {
      if (character === quote) quote = '';
      continue;
    }
    if (character === '"' || character === "'") quote = character;
    else if (character === '[' || character === '{') {
      frames.push({ open: character, path: where(), keys: [] });
      key = undefined;
      from = index + 1;
    } else if (character === ']' || character === '}') {
      frames.pop();
      key = undefined;
      from = index + 1;
    } else if (character === ',') {
      key = undefined;
      from = index + 1;
    } else if (character === ':' && /^(?:\s|$)/.test(text.slice(index + 1)) && frames.at(-1)?.open === '{') {
      key = text
        .slice(from, index)
        .trim()
        .replace(/^["']|["']$/g, '');
      frames.at(-1)?.keys.push(key);
      from = index + 1;
    }
  }
  const frame = frames.at(-1);
  if (frame === undefined || quote !== '') return undefined;
  const begin = from + (/^\s*/.exec(text.slice(from))?.[0].length ?? 0);
  return {
    path: where(),
    mode: frame.open === '[' ? 'entry' : key === undefined ? 'key' : 'value',
    from: start + begin,
    siblings: key === undefined ? frame.keys : [],
    flow: true,
    column: 0,
  };
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
