/** A trait in a form; `id` tells rows apart while names are typed. */
export type TraitRow = { readonly id: number; readonly name: string; readonly values: readonly string[] };

export function traitRows(
  traits: readonly (readonly [name: string, values: readonly string[]])[],
): readonly TraitRow[] {
  return traits.map(([name, values], index) => ({ id: index + 1, name, values }));
}

/** Rows for every one of `names`, in front of the others. */
export function withRows(rows: readonly TraitRow[], names: readonly string[]): readonly TraitRow[] {
  const next = Math.max(0, ...rows.map(({ id }) => id)) + 1;
  const missing = names.filter((name) => !rows.some((row) => row.name === name));
  return [...missing.map((name, index) => ({ id: next + index, name, values: [] })), ...rows];
}

/** As the server takes them; rows without a name or without a value are left out. */
export function traitsObject(rows: readonly TraitRow[]): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    rows.filter(({ name, values }) => name !== '' && values.length > 0).map(({ name, values }) => [name, [...values]]),
  );
}

/** What is wrong with a row's name, for beside its field. */
export function traitNameProblem(row: TraitRow, rows: readonly TraitRow[]): string | undefined {
  if (row.name === '') return row.values.length > 0 ? 'Give it a name' : undefined;
  if (/[\u0000-\u001f\u007f]/.test(row.name)) return 'No control characters';
  return rows.some((other) => other.id !== row.id && other.name === row.name) ? 'Stands there twice' : undefined;
}

/** Whether every name may be saved. */
export function traitsFit(rows: readonly TraitRow[]): boolean {
  return rows.every((row) => traitNameProblem(row, rows) === undefined);
}
