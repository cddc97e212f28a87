import { ActionIcon, Button, Group, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { traitNameProblem, type TraitRow } from './trait-rows.ts';

type Props = {
  readonly rows: readonly TraitRow[];
  readonly fixed?: readonly string[];
  readonly disabled?: boolean;
  readonly onChange: (rows: readonly TraitRow[]) => void;
  /** Values to offer, by trait. */
  readonly suggestions?: (name: string) => readonly string[];
};

/** Traits as rows of a name and its values. Rows of `fixed` names have no field for it. */
export function TraitsForm(props: Props): ReactNode {
  const { rows, onChange } = props;
  return (
    <Stack gap="xs">
      {rows.map((row) => (
        <Row key={row.id} {...props} row={row} />
      ))}
      <Group display={props.disabled === true ? 'none' : undefined}>
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

function Row({
  row,
  rows,
  onChange,
  fixed = [],
  disabled = false,
  suggestions,
}: Props & { readonly row: TraitRow }): ReactNode {
  const change = (more: Partial<TraitRow>): void =>
    onChange(rows.map((other) => (other.id === row.id ? { ...other, ...more } : other)));
  const isFixed = fixed.includes(row.name);
  return (
    <Group gap="xs" align="flex-start" wrap="nowrap">
      {isFixed ? (
        <Text size="sm" w={130} pt={8} style={{ overflowWrap: 'anywhere', flex: 'none' }}>
          {row.name}
        </Text>
      ) : (
        <TextInput
          aria-label="Name of the trait"
          placeholder="team"
          disabled={disabled}
          w={130}
          style={{ flex: 'none' }}
          value={row.name}
          maxLength={256}
          error={traitNameProblem(row, rows)}
          onChange={(event) => change({ name: event.currentTarget.value.trim() })}
        />
      )}
      <TagsInput
        aria-label={`Values of ${row.name === '' ? 'the new trait' : row.name}`}
        placeholder={row.values.length === 0 ? 'A value, then Enter' : ''}
        flex={1}
        miw={0}
        disabled={disabled}
        value={[...row.values]}
        data={[...(suggestions?.(row.name) ?? [])]}
        acceptValueOnBlur
        onChange={(values) => change({ values })}
      />
      {!isFixed && !disabled && (
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
  );
}
