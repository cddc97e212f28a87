/** A problem as the server tells it: line and column from 1, 0 for the text as a whole. */
export type Problem = { readonly line: number; readonly column: number; readonly message: string };

/** Where a problem is underlined: from its place to the end of the word there, and never nothing, so that it can be seen. */
export function problemRange(text: string, problem: Problem): { readonly from: number; readonly to: number } {
  const lines = text.split('\n');
  const row = Math.min(Math.max(problem.line, 1), lines.length) - 1;
  const line = lines[row] ?? '';
  const start = lines.slice(0, row).reduce((sum, before) => sum + before.length + 1, 0);
  if (problem.line === 0) return { from: 0, to: Math.min((lines[0] ?? '').length, text.length) };
  const column = Math.min(Math.max(problem.column, 1) - 1, line.length);
  const word = /^[^\s,[\]{}:#]+/.exec(line.slice(column))?.[0].length ?? 0;
  const from = start + column;
  if (word > 0) return { from, to: from + word };
  // At the end of a line there is nothing to underline after the place: the line's text is.
  return column >= line.trimEnd().length
    ? { from: start + (line.length - line.trimStart().length), to: start + line.length }
    : { from, to: from + 1 };
}

/** The problem in a line for people: "Line 4: ...". */
export function problemWords(problem: Problem): string {
  return problem.line === 0 ? problem.message : `Line ${problem.line}: ${problem.message}`;
}
