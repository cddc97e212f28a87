import { ActionIcon, Button, Group, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { traitNameProblem, type TraitRow } from './trait-rows.ts';

/** Traits as rows of a name and its values. Rows of `fixed` names have no field for it. */
export function TraitsForm(props: {
  readonly rows: readonly TraitRow[];
  readonly fixed?: readonly string[];
  readonly onChange: (rows: readonly TraitRow[]) => void;
  /** Names to offer for values, by trait. */
  readonly suggestions?: (name: string) => readonly string[];
}): ReactNode {
  const { rows, onChange, fixed = [] } = props;
  const change = (id: number, more: Partial<TraitRow>): void =>
    onChange(rows.map((row) => (row.id === id ? { ...row, ...more } : row)));
  return (
    <Stack gap="xs">
      {rows.map((row) => (
        <Group key={row.id} gap="xs" align="flex-start" wrap="nowrap">
          {fixed.includes(row.name) ? (
            <Text size="sm" fw={500} w={130} pt={8} style={{ overflowWrap: 'anywhere' }}>
              {row.name}
            </Text>
          ) : (
            <TextInput
              aria-label="Name of the trait"
              placeholder="team"
              w={130}
              value={row.name}
              maxLength={256}
              error={traitNameProblem(row, rows)}
              onChange={(event) => change(row.id, { name: event.currentTarget.value.trim() })}
            />
          )}
          <TagsInput
            aria-label={`Values of ${row.name === '' ? 'the new trait' : row.name}`}
            placeholder={row.values.length === 0 ? 'A value, then Enter' : ''}
            flex={1}
            miw={0}
            value={[...row.values]}
            data={[...(props.suggestions?.(row.name) ?? [])]}
            acceptValueOnBlur
            onChange={(values) => change(row.id, { values })}
          />
          {!fixed.includes(row.name) && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size={36}
              aria-label={`Remove the trait ${row.name}`}
              onClick={() => onChange(rows.filter(({ id }) => id !== row.id))}
            >
              <IconTrash size={16} />
            </ActionIcon>
          )}
        </Group>
      ))}
      <Group>
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconPlus size={14} aria-hidden />}
          onClick={() =>
            onChange([...rows, { id: Math.max(0, ...rows.map(({ id }) => id)) + 1, name: '', values: [] }])
          }
        >
          Another trait
        </Button>
      </Group>
    </Stack>
  );
}
