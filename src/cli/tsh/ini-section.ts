/**
 * Sections of an INI file edited in place: everything that is not the section in question stays byte for byte (order, comments, blank lines, line
 * ends, a missing last line end). Knows no format of its own: what a header and a comment look like is the dialect's.
 */
export type IniDialect = {
  /** The name of the section that a line begins, as its reader compares names; undefined for other lines. */
  readonly header: (line: string) => string | undefined;
  /** Blank lines and comments, without line end. */
  readonly isBlank: (line: string) => boolean;
  /** Lines that stand in a section but belong to the file (`!include`); kept when the section goes. */
  readonly isDirective?: (line: string) => boolean;
};

/** The text with section `name` made of exactly `lines`: replaced where it stands (later duplicates are removed), else appended. */
export function setSection(dialect: IniDialect, text: string, name: string, lines: readonly string[]): string {
  const end = lineEnd(text);
  const section = [`[${name}]`, ...lines].map((line) => line + end).join('');
  const own = dialect.header(`[${name}]`);
  const parts = splitSections(dialect, text);
  const first = parts.findIndex((part) => part.name === own);
  if (first === -1) {
    const gap = text === '' ? '' : text.endsWith('\n') ? (/\n\r?\n$/.test(text) ? '' : end) : end + end;
    return text + gap + section;
  }
  return parts
    .map((part, index) => {
      if (part.name !== own) return part.text;
      const kept = foreignLines(dialect, part.text);
      // A kept line without an end stood last in the file.
      return index === first ? section + kept : kept;
    })
    .join('');
}

/** The text without section `name`; the comments and blank lines that follow its last setting stay (they belong to what comes next). */
export function removeSection(dialect: IniDialect, text: string, name: string): string {
  const own = dialect.header(`[${name}]`);
  const parts = splitSections(dialect, text);
  if (!parts.some((part) => part.name === own)) return text;
  return parts.map((part) => (part.name === own ? foreignLines(dialect, part.text) : part.text)).join('');
}

/** The names of all sections in order. */
export function sectionNames(dialect: IniDialect, text: string): string[] {
  return splitSections(dialect, text).flatMap((part) => (part.name === undefined ? [] : [part.name]));
}

type Part = { readonly name: string | undefined; readonly text: string };

function splitSections(dialect: IniDialect, text: string): Part[] {
  const parts: { name: string | undefined; text: string }[] = [{ name: undefined, text: '' }];
  for (const line of linesOf(text)) {
    const header = dialect.header(withoutEnd(line));
    if (header !== undefined) parts.push({ name: header, text: '' });
    const last = parts.at(-1);
    if (last !== undefined) last.text += line;
  }
  return parts;
}

/** Directives, then everything from the first blank line or comment after the last setting on. */
function foreignLines(dialect: IniDialect, section: string): string {
  const lines = linesOf(section);
  const isForeign = (line: string): boolean =>
    dialect.isBlank(withoutEnd(line)) || dialect.isDirective?.(withoutEnd(line)) === true;
  let keep = lines.length;
  while (keep > 1 && isForeign(lines[keep - 1] ?? '')) keep -= 1;
  const directives = lines.slice(1, keep).filter((line) => dialect.isDirective?.(withoutEnd(line)) === true);
  return [...directives, ...lines.slice(keep)].join('');
}

function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function withoutEnd(line: string): string {
  return line.replace(/\r?\n$/, '');
}

function lineEnd(text: string): string {
  return /\r\n/.test(text.slice(0, text.indexOf('\n') + 1)) ? '\r\n' : '\n';
}
