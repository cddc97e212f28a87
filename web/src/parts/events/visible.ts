/** A piece of a text: as it is, or one character that can not be seen or would change how its neighbours are shown. */
export type VisiblePart =
  | { readonly kind: 'plain'; readonly text: string }
  /** `text` stands for the character; `name` is for a tooltip and a screen reader. */
  | { readonly kind: 'mark'; readonly text: string; readonly name: string };

/**
 * Cuts a text from outside into what can be shown as it is and what must be made visible: control characters, bidirectional overrides, zero-width and tag characters, halves of surrogate
 * pairs. Whoever reads a statement then sees what the database saw. `block` keeps line breaks and tabs as they are.
 */
export function visibleParts(text: string, layout: 'line' | 'block' = 'line'): readonly VisiblePart[] {
  const parts: VisiblePart[] = [];
  let from = 0;
  for (const match of text.matchAll(HARMFUL)) {
    const [character] = match;
    if (layout === 'block' && (character === '\n' || character === '\t')) continue;
    if (match.index > from) parts.push({ kind: 'plain', text: text.slice(from, match.index) });
    parts.push(markOf(character, layout));
    from = match.index + character.length;
  }
  if (from < text.length) parts.push({ kind: 'plain', text: text.slice(from) });
  return parts;
}

/** The same as one text, for attributes, titles and lines without markup. */
export function visible(text: string, layout: 'line' | 'block' = 'line'): string {
  return visibleParts(text, layout)
    .map((part) => part.text)
    .join('');
}

/** A JSON document for reading, with indents: what is not to be seen stands as an escape, so it is the same document still. What is no JSON is only made visible. */
export function visibleJson(line: string): string {
  try {
    return JSON.stringify(JSON.parse(line), null, 2).replace(HARMFUL, (character) =>
      character === '\n'
        ? character
        : [...Array(character.length).keys()]
            .map((index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`)
            .join(''),
    );
  } catch {
    return visible(line, 'block');
  }
}

/** Whether there is nothing to make visible. */
export function isHarmless(text: string, layout: 'line' | 'block' = 'line'): boolean {
  return visibleParts(text, layout).every((part) => part.kind === 'plain');
}

function markOf(character: string, layout: 'line' | 'block'): VisiblePart {
  const code = character.codePointAt(0) ?? 0;
  // In one line a break is only a space to the reader of SQL: shown small, not as an escape.
  if (layout === 'line' && (character === '\n' || character === '\t' || character === '\r'))
    return { kind: 'plain', text: ' ' };
  const hex = code.toString(16).toUpperCase().padStart(4, '0');
  return { kind: 'mark', text: `⟨U+${hex}⟩`, name: NAMES.get(code) ?? `character U+${hex}` };
}

/** C0, DEL, C1, soft hyphen, and everything of Unicode that is invisible or turns the direction of writing; unpaired surrogates. */
const HARMFUL =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]|\u034f|\p{Variation_Selector}|\p{Surrogate}/gu;

const NAMES: ReadonlyMap<number, string> = new Map([
  [0x00, 'null character'],
  [0x07, 'bell'],
  [0x08, 'backspace'],
  [0x0d, 'carriage return'],
  [0x1b, 'escape, begins terminal commands'],
  [0x7f, 'delete'],
  [0xad, 'soft hyphen'],
  [0x200b, 'zero-width space'],
  [0x200e, 'left-to-right mark'],
  [0x200f, 'right-to-left mark'],
  [0x202a, 'left-to-right embedding'],
  [0x202b, 'right-to-left embedding'],
  [0x202d, 'left-to-right override: the text is shown in another order'],
  [0x202e, 'right-to-left override: the text is shown in another order'],
  [0x2066, 'left-to-right isolate'],
  [0x2067, 'right-to-left isolate'],
  [0x2069, 'end of isolate'],
  [0xfeff, 'byte order mark, has no width'],
]);
