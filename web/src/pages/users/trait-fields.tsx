import { Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import type { TraitRow } from '../../parts/resources/trait-rows.ts';
import { TraitsForm } from '../../parts/resources/traits-form.tsx';
import { useCluster } from '../../parts/resources/use-cluster.ts';

/** Traits that the preset roles ask for. */
export const USUAL_TRAITS: readonly string[] = ['db_users', 'db_names'];

/** Traits with what is usual offered. */
export function TraitFields(props: {
  readonly traits: readonly TraitRow[];
  readonly onChange: (traits: readonly TraitRow[]) => void;
  readonly disabled?: boolean;
}): ReactNode {
  const cluster = useCluster();
  return (
    <Stack gap={4}>
      <Text size="sm" fw={500}>
        Traits
      </Text>
      <Text size="xs" c="dimmed">
        Roles ask for them: db_users are the database users and db_names the databases of a role that says so; * is any.
      </Text>
      <TraitsForm
        rows={props.traits}
        disabled={props.disabled ?? false}
        fixed={USUAL_TRAITS}
        onChange={props.onChange}
        suggestions={(name) =>
          name === 'db_users' ? cluster.databaseUsers : name === 'db_names' ? cluster.databaseNames : []
        }
      />
    </Stack>
  );
}
