/** What becomes of a text line by line, before it is saved. */
export type LineChange = { readonly kind: 'same' | 'added' | 'removed'; readonly text: string };

/** Cells of the table that finds what stayed; longer texts are shown as replaced as a whole. */
const MOST_CELLS = 4_000_000;

/** From `before` to `after`: the least lines removed and added, in order, removed before added. */
export function lineChanges(before: string, after: string): readonly LineChange[] {
  const a = linesOf(before);
  const b = linesOf(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head += 1;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail])
    tail += 1;
  return [
    ...a.slice(0, head).map(same),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(same),
  ];
}

/** The changes with `context` unchanged lines around them; `skipped` says how many lines are left out before a part. */
export function changedParts(
  changes: readonly LineChange[],
  context = 3,
): readonly { readonly skipped: number; readonly lines: readonly LineChange[] }[] {
  const near = changes.map((_change, index) =>
    changes.slice(Math.max(0, index - context), index + context + 1).some(({ kind }) => kind !== 'same'),
  );
  const parts: { skipped: number; lines: LineChange[] }[] = [];
  let skipped = 0;
  for (const [index, change] of changes.entries()) {
    if (near[index] !== true) {
      skipped += 1;
      continue;
    }
    const last = parts.at(-1);
    if (last === undefined || skipped > 0) parts.push({ skipped, lines: [change] });
    else last.lines.push(change);
    skipped = 0;
  }
  return parts;
}

// Longest common subsequence.
function middle(a: readonly string[], b: readonly string[]): readonly LineChange[] {
  if (a.length * b.length > MOST_CELLS) return [...a.map(removed), ...b.map(added)];
  const width = b.length + 1;
  const length = new Uint32Array((a.length + 1) * width);
  const at = (row: number, column: number): number => length[row * width + column] ?? 0;
  for (let row = a.length - 1; row >= 0; row -= 1)
    for (let column = b.length - 1; column >= 0; column -= 1)
      length[row * width + column] =
        a[row] === b[column] ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1));
  const changes: LineChange[] = [];
  let [row, column] = [0, 0];
  while (row < a.length || column < b.length) {
    const [left, right] = [a[row], b[column]];
    if (left !== undefined && left === right) {
      changes.push(same(left));
      row += 1;
      column += 1;
    } else if (left !== undefined && (right === undefined || at(row + 1, column) >= at(row, column + 1))) {
      changes.push(removed(left));
      row += 1;
    } else if (right !== undefined) {
      changes.push(added(right));
      column += 1;
    }
  }
  return changes;
}

function linesOf(text: string): readonly string[] {
  const whole = text.replace(/\n$/, '');
  return whole === '' ? [] : whole.split('\n');
}

function same(text: string): LineChange {
  return { kind: 'same', text };
}
function added(text: string): LineChange {
  return { kind: 'added', text };
}
function removed(text: string): LineChange {
  return { kind: 'removed', text };
}
