import { Skeleton, Table } from '@mantine/core';
import type { ReactNode } from 'react';

/** A table's body of `rows` lines and `columns` columns, for inside a Table. A file of its own: Table is heavy, and pages before sign-in have none. */
export function RowsSkeleton({ rows = 6, columns }: { readonly rows?: number; readonly columns: number }): ReactNode {
  return Array.from({ length: rows }, (_row, row) => (
    <Table.Tr key={row} aria-hidden>
      {Array.from({ length: columns }, (_column, column) => (
        <Table.Td key={column}>
          <Skeleton height={16} width={column === 0 ? '70%' : `${40 + ((row * 17 + column * 29) % 40)}%`} my={3} />
        </Table.Td>
      ))}
    </Table.Tr>
  ));
}
