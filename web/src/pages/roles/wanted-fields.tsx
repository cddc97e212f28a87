import { Group, TextInput } from '@mantine/core';
import type { ReactNode } from 'react';

type Wanted = { readonly databaseUser: string; readonly databaseName: string };

/** One connection to ask about; both empty: what is open at all. */
export function WantedFields({
  wanted,
  onChange,
}: {
  readonly wanted: Wanted;
  readonly onChange: (wanted: Wanted) => void;
}): ReactNode {
  return (
    <Group gap="sm" grow>
      <TextInput
        label="As database user"
        placeholder="any"
        value={wanted.databaseUser}
        maxLength={256}
        onChange={(event) => onChange({ ...wanted, databaseUser: event.currentTarget.value })}
      />
      <TextInput
        label="To database name"
        placeholder="any"
        value={wanted.databaseName}
        maxLength={256}
        onChange={(event) => onChange({ ...wanted, databaseName: event.currentTarget.value })}
      />
    </Group>
  );
}
