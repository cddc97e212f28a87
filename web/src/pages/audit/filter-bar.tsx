import { ActionIcon, Button, Group, Indicator, MultiSelect, Popover, Stack, Switch, TextInput } from '@mantine/core';
import { useDebouncedCallback, useMediaQuery } from '@mantine/hooks';
import { IconFilter, IconSearch, IconX } from '@tabler/icons-react';
import { useEffect, useState, type ReactNode, type Ref } from 'react';
import { KIND_GROUPS } from '../../parts/events/kinds.ts';
import { type AuditFilters, filterCount, filtersOf } from './filters.ts';
import { RangePicker } from './range-picker.tsx';

type Props = {
  readonly filters: AuditFilters;
  /** `typing`: replaces the address instead of adding to the history. */
  readonly onChange: (filters: AuditFilters, how?: 'typing') => void;
  readonly searchRef: Ref<HTMLInputElement>;
};

/** What narrows the log. On a small screen all but text and time wait behind a button. */
export function FilterBar({ filters, onChange, searchRef }: Props): ReactNode {
  const small = useMediaQuery('(max-width: 62em)', false, { getInitialValueInEffect: false });
  const count = filterCount({ ...filters, text: '' });
  const rest = <Rest filters={filters} onChange={onChange} stacked={small} />;
  return (
    <Group gap="sm" align="flex-end" role="search" aria-label="Filters">
      <TypedInput
        inputRef={searchRef}
        label="Words"
        placeholder="Words of a statement or any other text"
        value={filters.text}
        onChange={(text) => onChange({ ...filters, text }, 'typing')}
        icon
        grow
      />
      <RangePicker filters={filters} onChange={onChange} />
      {small ? (
        <Popover position="bottom-end" width={320} trapFocus>
          <Indicator label={count} size={16} disabled={count === 0}>
            <Popover.Target>
              <ActionIcon variant="default" size={36} aria-label={`More filters, ${count} set`}>
                <IconFilter size={18} />
              </ActionIcon>
            </Popover.Target>
          </Indicator>
          <Popover.Dropdown>{rest}</Popover.Dropdown>
        </Popover>
      ) : (
        rest
      )}
      {count + (filters.text === '' ? 0 : 1) > 0 && (
        <Button
          variant="subtle"
          leftSection={<IconX size={14} aria-hidden />}
          onClick={() => onChange({ ...filtersOf({}), range: filters.range, from: filters.from, to: filters.to })}
        >
          Clear
        </Button>
      )}
    </Group>
  );
}

function Rest(props: Pick<Props, 'filters' | 'onChange'> & { readonly stacked: boolean }): ReactNode {
  const { filters, onChange } = props;
  const fields = (
    <>
      <MultiSelect
        label="Events"
        placeholder={filters.events.length === 0 ? 'All' : undefined}
        data={KINDS}
        value={[...filters.events]}
        onChange={(events) => onChange({ ...filters, events })}
        searchable
        clearable
        hidePickedOptions
        maxDropdownHeight={320}
        nothingFoundMessage="No event is called so"
        {...(props.stacked ? {} : { w: 180 })}
      />
      <TypedInput
        label="User"
        placeholder="Anybody"
        value={filters.user}
        onChange={(user) => onChange({ ...filters, user }, 'typing')}
      />
      <TypedInput
        label="Database"
        placeholder="Any"
        value={filters.database}
        onChange={(database) => onChange({ ...filters, database }, 'typing')}
      />
      {(filters.session !== '' || props.stacked) && (
        <TypedInput
          label="Session"
          placeholder="Any"
          value={filters.session}
          onChange={(session) => onChange({ ...filters, session }, 'typing')}
        />
      )}
      <Switch
        label="Refused or failed"
        checked={filters.refused}
        onChange={(event) => onChange({ ...filters, refused: event.currentTarget.checked })}
        pb={props.stacked ? 0 : 8}
      />
    </>
  );
  return props.stacked ? <Stack gap="sm">{fields}</Stack> : fields;
}

const KINDS = KIND_GROUPS.map(({ name, kinds }) => ({
  group: name,
  items: kinds.map(({ event, label }) => ({ value: event, label })),
}));

/** A text that counts half a second after the last key, or at Enter. */
function TypedInput(props: {
  readonly label: string;
  readonly placeholder: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly inputRef?: Ref<HTMLInputElement>;
  readonly icon?: boolean;
  readonly grow?: boolean;
}): ReactNode {
  const [typed, setTyped] = useState(props.value);
  const later = useDebouncedCallback(props.onChange, { delay: 500, flushOnUnmount: false });
  useEffect(() => setTyped(props.value), [props.value]);
  const now = (value: string): void => {
    later.cancel();
    setTyped(value);
    if (value.trim() !== props.value) props.onChange(value.trim());
  };
  return (
    <TextInput
      ref={props.inputRef}
      label={props.label}
      placeholder={props.placeholder}
      value={typed}
      maxLength={1000}
      flex={props.grow === true ? '1 1 10rem' : '0 1 7.5rem'}
      {...(props.grow === true ? { miw: 150 } : {})}
      leftSection={props.icon === true ? <IconSearch size={16} aria-hidden /> : undefined}
      rightSection={
        typed === '' ? undefined : (
          <ActionIcon
            variant="transparent"
            color="gray"
            size="sm"
            aria-label={`Clear ${props.label}`}
            onClick={() => now('')}
          >
            <IconX size={14} />
          </ActionIcon>
        )
      }
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        later(event.currentTarget.value.trim());
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter') now(typed);
      }}
    />
  );
}
