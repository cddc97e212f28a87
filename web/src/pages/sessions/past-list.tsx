import { Badge, Button, Card, Group, Stack, Switch, Table, Text, TextInput } from '@mantine/core';
import { useDebouncedCallback, useHotkeys } from '@mantine/hooks';
import { IconHistory } from '@tabler/icons-react';
import { Link, useLocation, useNavigate } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState, type ReactNode, type Ref } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { printMs, printTime } from '../../parts/events/figures.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { RowsSkeleton } from '../../parts/rows-skeleton.tsx';
import { bytesWords, countWords } from '../../parts/time-words.ts';
import { type AuditFilters, filtersOf, requestOf, searchOf } from '../audit/filters.ts';
import { useSearch, type Found } from '../audit/log.ts';
import { RangePicker } from '../audit/range-picker.tsx';
import { PAST_CODES, pastSessions, type PastSession } from './past.ts';

/** Sessions that are over, and those that were refused, newest end first; filters live in the address. */
export function PastList(): ReactNode {
  const { search } = useLocation();
  const navigate = useNavigate();
  const filters = useMemo(() => filtersOf({ range: '7d', ...search }), [search]);
  const [nowMs] = useState(() => Date.now());
  const request = useMemo(() => {
    const asked = requestOf({ ...filters, refused: false, events: [] }, nowMs);
    return asked === undefined ? undefined : { ...asked, events: filters.refused ? ['TDB00W'] : [...PAST_CODES] };
  }, [filters, nowMs]);
  const found = useSearch(request);
  const sessions = useMemo(() => pastSessions(found.events), [found.events]);
  const setFilters = (next: AuditFilters, how?: 'typing'): void => {
    const { range, ...rest } = searchOf(next);
    const kept = next.range === '' || next.range === '7d' ? rest : { ...rest, range: next.range };
    void navigate({
      to: '/sessions',
      search: { tab: 'past', ...kept },
      replace: how === 'typing' && range === undefined,
    });
  };
  return (
    <Stack gap="md">
      <Filters filters={filters} onChange={setFilters} />
      {found.error !== null && sessions.length === 0 ? (
        <ErrorState error={found.error} what="Past sessions could not be read" onRetry={found.retry} />
      ) : !found.isPending && sessions.length === 0 ? (
        <Card withBorder>
          <EmptyState
            icon={IconHistory}
            title="No session ended in this time"
            text="Choose a longer time, or fewer filters."
          />
        </Card>
      ) : (
        <Sessions sessions={sessions} found={found} />
      )}
    </Stack>
  );
}

function Filters(props: {
  readonly filters: AuditFilters;
  readonly onChange: (filters: AuditFilters, how?: 'typing') => void;
}): ReactNode {
  const { filters, onChange } = props;
  const user = useRef<HTMLInputElement>(null);
  useHotkeys([['/', () => user.current?.focus()]]);
  return (
    <Group gap="sm" align="flex-end" role="search" aria-label="Filters">
      <Typed
        inputRef={user}
        label="User"
        value={filters.user}
        onChange={(text) => onChange({ ...filters, user: text }, 'typing')}
      />
      <Typed
        label="Database"
        value={filters.database}
        onChange={(text) => onChange({ ...filters, database: text }, 'typing')}
      />
      <RangePicker filters={filters} onChange={onChange} />
      <Switch
        label="Only refused"
        checked={filters.refused}
        onChange={(event) => onChange({ ...filters, refused: event.currentTarget.checked })}
        pb={8}
      />
    </Group>
  );
}

function Typed(props: {
  readonly label: string;
  readonly value: string;
  readonly onChange: (text: string) => void;
  readonly inputRef?: Ref<HTMLInputElement>;
}): ReactNode {
  const [typed, setTyped] = useState(props.value);
  const later = useDebouncedCallback(props.onChange, 500);
  useEffect(() => setTyped(props.value), [props.value]);
  return (
    <TextInput
      {...(props.inputRef === undefined ? {} : { ref: props.inputRef })}
      label={props.label}
      placeholder="Any"
      value={typed}
      maxLength={1000}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        later(event.currentTarget.value.trim());
      }}
    />
  );
}

function Sessions({
  sessions,
  found,
}: {
  readonly sessions: readonly PastSession[];
  readonly found: Found;
}): ReactNode {
  return (
    <Card withBorder padding={0} style={{ opacity: found.isOld ? 0.55 : 1 }}>
      <Table.ScrollContainer
        minWidth={820}
        scrollAreaProps={{ viewportProps: { tabIndex: 0, role: 'group', 'aria-label': 'Past sessions' } }}
      >
        <Table highlightOnHover verticalSpacing="xs" horizontalSpacing="sm" aria-busy={found.isPending || found.isOld}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Began</Table.Th>
              <Table.Th>User</Table.Th>
              <Table.Th>Database</Table.Th>
              <Table.Th ta="right">Lasted</Table.Th>
              <Table.Th ta="right">Statements</Table.Th>
              <Table.Th ta="right">Bytes</Table.Th>
              <Table.Th>End</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {found.isPending ? (
              <RowsSkeleton rows={10} columns={7} />
            ) : (
              sessions.map((session) => <Row key={session.event.uid} session={session} />)
            )}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {(found.hasMore || found.error !== null) && (
        <Group justify="center" p="sm">
          <Button
            variant="default"
            loading={found.isLoadingMore}
            onClick={found.error === null ? found.loadMore : found.retry}
          >
            {found.error === null ? 'Show older ones' : 'More could not be loaded: try again'}
          </Button>
        </Group>
      )}
    </Card>
  );
}

function Row({ session }: { readonly session: PastSession }): ReactNode {
  const began = printTime(session.startedMs);
  return (
    <Table.Tr>
      <Table.Td style={{ whiteSpace: 'nowrap', fontVariantNumeric: 'tabular-nums' }}>
        {session.session === '' ? (
          began
        ) : (
          <Link to="/sessions/$sid" params={{ sid: session.session }} style={{ color: 'var(--mantine-color-anchor)' }}>
            {began}
          </Link>
        )}
      </Table.Td>
      <Table.Td style={{ overflowWrap: 'anywhere' }}>
        <VisibleText text={session.user} />
      </Table.Td>
      <Table.Td>
        <VisibleText text={session.database} />
        <Text size="xs" c="dimmed">
          <VisibleText text={[session.databaseUser, session.databaseName].filter((text) => text !== '').join(', ')} />
        </Text>
      </Table.Td>
      <Table.Td ta="right">{session.durationMs === undefined ? '–' : printMs(session.durationMs)}</Table.Td>
      <Table.Td ta="right">{session.statements === undefined ? '–' : countWords(session.statements)}</Table.Td>
      <Table.Td ta="right" style={{ whiteSpace: 'nowrap' }}>
        {session.bytes === undefined ? '–' : bytesWords(session.bytes)}
      </Table.Td>
      <Table.Td>
        <Badge variant="light" color={COLORS[session.how]} tt="none">
          {WORDS[session.how]}
        </Badge>
        {session.reason !== '' && (
          <Text size="xs" c="dimmed" lineClamp={2}>
            <VisibleText text={session.reason} />
          </Text>
        )}
      </Table.Td>
    </Table.Tr>
  );
}

const COLORS = { ended: 'gray', cut: 'yellow', refused: 'red' } as const;
const WORDS = { ended: 'ended', cut: 'ended by Tessera', refused: 'refused' } as const;
