import { visible } from './io.ts';

/** A column. One that may `shrink` loses its end (`…`) before others do when the table is wider than the terminal; none gets narrower than `least` (default 8). */
export type Column = { readonly title: string; readonly shrink?: boolean; readonly least?: number };

/**
 * A table with a dashed underline, as wide as its content or as `width` allows. Control characters of cells are written out.
 * Columns that are empty in every row are dropped unless it is the first. `width` undefined: nothing is cut.
 */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[], width?: number): string {
  const kept = columns.flatMap((column, index) => {
    const used = index === 0 || rows.length === 0 || rows.some((row) => (row[index] ?? '') !== '');
    return used ? [{ column, index }] : [];
  });
  const cells = rows.map((row) => kept.map(({ index }) => visible(row[index] ?? '')));
  const widths = kept.map(({ column }, at) =>
    Math.max(displayWidth(column.title), ...cells.map((row) => displayWidth(row[at] ?? ''))),
  );
  if (width !== undefined) {
    fit(
      widths,
      kept.map(({ column }) => column),
      width,
    );
  }
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => pad(truncate(cell, widths[at] ?? 0), widths[at] ?? 0))
      .join(' ')
      .trimEnd();
  return [
    line(kept.map(({ column }) => column.title)),
    widths.map((count) => '-'.repeat(count)).join(' '),
    ...cells.map(line),
  ].join('\n');
}

/** `name:  value` lines with the values in one column. */
export function renderPairs(pairs: readonly (readonly [string, string])[], indent = ''): string {
  const widest = Math.max(0, ...pairs.map(([name]) => displayWidth(name)));
  return pairs.map(([name, value]) => `${indent}${pad(`${name}:`, widest + 2)}${visible(value)}`.trimEnd()).join('\n');
}

/** At most `width` columns of the terminal, the last one `…` when something was left out. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const { segment } of segmenter().segment(text)) {
    const next = displayWidth(segment);
    if (used + next > width - 1) break;
    kept += segment;
    used += next;
  }
  return width <= 0 ? '' : `${kept}…`;
}

/** Columns that the text takes in a terminal: wide characters and emoji two, combining marks none. */
export function displayWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter().segment(text)) width += ZERO.test(segment) ? 0 : WIDE.test(segment) ? 2 : 1;
  return width;
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)));
}

/** Takes from the widest of the shrinking columns first, then from the widest of all, at last without regard to `least`. */
function fit(widths: number[], columns: readonly Column[], total: number): void {
  let over = widths.reduce((sum, width) => sum + width + 1, -1) - total;
  const rounds = [
    (column: Column) => (column.shrink === true ? (column.least ?? MIN_CELL) : undefined),
    (column: Column) => column.least ?? MIN_CELL,
    () => MIN_CELL,
  ];
  for (const leastOf of rounds) {
    while (over > 0) {
      let widest = -1;
      for (const [at, width] of widths.entries()) {
        const least = leastOf(columns[at] ?? { title: '' });
        if (least !== undefined && width > least && width > (widths[widest] ?? 0)) widest = at;
      }
      const current = widths[widest];
      if (current === undefined) break;
      widths[widest] = current - 1;
      over -= 1;
    }
  }
}

let segments: Intl.Segmenter | undefined;
function segmenter(): Intl.Segmenter {
  return (segments ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' }));
}

const MIN_CELL = 8;
const ASCII = /^[\x20-\x7e]*$/;
const ZERO = /^[\p{M}\p{Cf}]+$/u;
const WIDE =
  /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1b000}-\u{1b2ff}\u{20000}-\u{3fffd}]/u;
