import { ActionIcon, Button, Group, NativeSelect, Text, TextInput } from '@mantine/core';
import { IconLayoutGrid, IconSearch, IconTable, IconX } from '@tabler/icons-react';
import { useEffect, useState, type ReactNode, type Ref } from 'react';
import { labelsIn, protocolWords, selectDatabases, type Database, type ListFilters } from './database.ts';
import { withLabel } from './list-filters.ts';
import type { Look } from './remembered.ts';

type Props = {
  readonly inputRef: Ref<HTMLInputElement>;
  readonly databases: readonly Database[];
  readonly filters: ListFilters;
  readonly onChange: (filters: ListFilters) => void;
  readonly look: Look;
  readonly onLook: (look: Look) => void;
};

/** Search, labels, protocol, and how the list looks. */
export function ListBar(props: Props): ReactNode {
  const { filters, onChange } = props;
  const protocols = [...new Set(props.databases.map(({ protocol }) => protocol))].toSorted((a, b) =>
    a.localeCompare(b),
  );
  const labels = labelsIn(selectDatabases(props.databases, filters)).filter((label) => !filters.labels.includes(label));
  return (
    <Group gap="sm" role="search" aria-label="Filters">
      <Search
        inputRef={props.inputRef}
        value={filters.search}
        onChange={(search) => onChange({ ...filters, search })}
      />
      {labels.length > 0 && (
        <NativeSelect
          aria-label="Only with the label"
          value=""
          data={[{ value: '', label: 'Label' }, ...labels.slice(0, MOST_LABELS)]}
          onChange={(event) => onChange(withLabel(filters, event.currentTarget.value))}
          maw={180}
        />
      )}
      {protocols.length > 1 && (
        <NativeSelect
          aria-label="Only of the protocol"
          value={filters.protocol}
          data={[
            { value: '', label: 'Every protocol' },
            ...protocols.map((protocol) => ({ value: protocol, label: protocolWords(protocol) })),
          ]}
          onChange={(event) => onChange({ ...filters, protocol: event.currentTarget.value })}
        />
      )}
      <Chosen filters={filters} onChange={onChange} />
      <Looks look={props.look} onLook={props.onLook} />
    </Group>
  );
}

function Chosen({ filters, onChange }: Pick<Props, 'filters' | 'onChange'>): ReactNode {
  return filters.labels.map((label) => (
    <Button
      key={label}
      variant="light"
      size="compact-sm"
      rightSection={<IconX size={12} aria-hidden />}
      aria-label={`No longer only ${label}`}
      onClick={() => onChange(withLabel(filters, label))}
    >
      <Text inherit truncate maw={220}>
        {label}
      </Text>
    </Button>
  ));
}

function Looks(props: Pick<Props, 'look' | 'onLook'>): ReactNode {
  return (
    <Group gap={4} ml="auto" role="group" aria-label="Show as">
      {(['cards', 'table'] as const).map((look) => (
        <ActionIcon
          key={look}
          variant={props.look === look ? 'light' : 'default'}
          size={36}
          aria-label={look === 'cards' ? 'Cards' : 'Table'}
          aria-pressed={props.look === look}
          onClick={() => props.onLook(look)}
        >
          {look === 'cards' ? <IconLayoutGrid size={18} stroke={1.6} /> : <IconTable size={18} stroke={1.6} />}
        </ActionIcon>
      ))}
    </Group>
  );
}

const MOST_LABELS = 500;

function Search(props: {
  readonly inputRef: Ref<HTMLInputElement>;
  readonly value: string;
  readonly onChange: (search: string) => void;
}): ReactNode {
  // Typed at once, in the address a moment later: the router takes a turn to answer.
  const [typed, setTyped] = useState(props.value);
  useEffect(() => setTyped(props.value), [props.value]);
  return (
    <TextInput
      ref={props.inputRef}
      aria-label="Search the databases"
      placeholder="Name, label, address"
      leftSection={<IconSearch size={16} aria-hidden />}
      value={typed}
      maxLength={200}
      flex="0 1 20rem"
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        props.onChange(event.currentTarget.value);
      }}
    />
  );
}
