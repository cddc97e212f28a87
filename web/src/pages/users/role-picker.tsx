import { MultiSelect } from '@mantine/core';
import type { ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { useResources } from '../../parts/resources/use-resources.ts';

/** Roles by name; those of the user that do not exist any more stay to be seen. */
export function RolePicker(props: {
  readonly value: readonly string[];
  readonly onChange: (roles: readonly string[]) => void;
  readonly error?: string | undefined;
  readonly disabled?: boolean;
}): ReactNode {
  const roles = useResources('role', { enabled: useMay()('role', 'list') });
  const names = [...new Set([...roles.items.map(({ name }) => name), ...props.value])];
  return (
    <MultiSelect
      label="Roles"
      placeholder={props.value.length === 0 ? 'Choose' : ''}
      data={names}
      value={[...props.value]}
      searchable
      clearable={false}
      disabled={props.disabled ?? false}
      error={props.error}
      nothingFoundMessage="No role of that name"
      onChange={props.onChange}
    />
  );
}
