import { Button, Group, Input, Popover, Stack, Text, TextInput } from '@mantine/core';
import { IconCalendar, IconChevronDown } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { printTime } from '../../parts/events/figures.ts';
import { type AuditFilters, RANGES } from './filters.ts';

type Props = { readonly filters: AuditFilters; readonly onChange: (filters: AuditFilters) => void };

/** The time that is shown: a span that ends now, or one from a time to another on the reader's clock. */
export function RangePicker({ filters, onChange }: Props): ReactNode {
  const [opened, setOpened] = useState(false);
  const words = rangeWords(filters);
  const choose = (next: AuditFilters): void => {
    setOpened(false);
    onChange(next);
  };
  return (
    <Input.Wrapper label="Time" labelElement="div">
      <Popover opened={opened} onChange={setOpened} position="bottom-start" trapFocus returnFocus shadow="md">
        <Popover.Target>
          <Button
            variant="default"
            fw={400}
            display="block"
            leftSection={<IconCalendar size={16} aria-hidden />}
            rightSection={<IconChevronDown size={14} aria-hidden />}
            onClick={() => setOpened(!opened)}
            aria-label={`Time: ${words}`}
          >
            {words}
          </Button>
        </Popover.Target>
        <Popover.Dropdown>
          <Group align="flex-start" gap="lg" wrap="nowrap">
            <Stack gap={2}>
              {RANGES.map(({ key, label }) => (
                <Button
                  key={key}
                  size="compact-sm"
                  justify="flex-start"
                  variant={filters.range === key ? 'light' : 'subtle'}
                  color={filters.range === key ? 'tessera' : 'gray'}
                  aria-pressed={filters.range === key}
                  onClick={() => choose({ ...filters, range: key, from: '', to: '' })}
                >
                  {label}
                </Button>
              ))}
            </Stack>
            <Span key={`${filters.from} ${filters.to}`} filters={filters} onChange={choose} />
          </Group>
        </Popover.Dropdown>
      </Popover>
    </Input.Wrapper>
  );
}

/** `Last 24 hours`, `2026-03-01 10:00:00 – 11:00:00`, `Until ...`. */
export function rangeWords(filters: AuditFilters): string {
  if (filters.range !== '') return RANGES.find(({ key }) => key === filters.range)?.label ?? '';
  const [from, to] = [filters.from, filters.to].map((text) => (text === '' ? '' : printTime(Date.parse(text))));
  if (from === '' || from === undefined) return `Until ${to ?? ''}`;
  if (to === '' || to === undefined) return `Since ${from}`;
  return `${from} – ${to.slice(0, 10) === from.slice(0, 10) ? to.slice(11) : to}`;
}

function Span({ filters, onChange }: Props): ReactNode {
  const [from, setFrom] = useState(localText(filters.from));
  const [to, setTo] = useState(localText(filters.to));
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)];
  const wrong = from !== '' && to !== '' && fromMs >= toMs;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!wrong && (from !== '' || to !== ''))
          onChange({ ...filters, range: '', from: isoText(fromMs), to: isoText(toMs) });
      }}
    >
      <Stack gap="xs">
        <TextInput
          type="datetime-local"
          step={1}
          label="From"
          value={from}
          onChange={(event) => setFrom(event.currentTarget.value)}
        />
        <TextInput
          type="datetime-local"
          step={1}
          label="To"
          value={to}
          error={wrong ? 'Must be after the first' : undefined}
          onChange={(event) => setTo(event.currentTarget.value)}
        />
        <Text size="xs" c="dimmed">
          On your clock. An empty field is no bound.
        </Text>
        <Button type="submit" size="xs" disabled={wrong || (from === '' && to === '')}>
          Show
        </Button>
      </Stack>
    </form>
  );
}

/** As an input of type datetime-local has it. */
function localText(iso: string): string {
  return iso === '' ? '' : printTime(Date.parse(iso)).replace(' ', 'T');
}

function isoText(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : '';
}
