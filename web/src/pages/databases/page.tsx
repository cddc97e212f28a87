import { Badge, Button, Card, Group, SimpleGrid, Stack, Text } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { useQuery } from '@connectrpc/connect-query';
import { IconDatabase, IconFilterOff, IconPlus } from '@tabler/icons-react';
import { useLocation, useNavigate } from '@tanstack/react-router';
import { lazy, Suspense, useMemo, useRef, useState, type ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useMay } from '../../api/session.ts';
import { EmptyState } from '../../parts/empty-state.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { ButtonLink } from '../../parts/links.tsx';
import { PageHeader } from '../../parts/page-header.tsx';
import { CardsSkeleton } from '../../parts/skeletons.tsx';
import { DatabaseCard } from './database-card.tsx';
import { databasesOf, selectDatabases, serversOf, type Database, type ListFilters, type Server } from './database.ts';
import { ListBar } from './list-bar.tsx';
import { listFiltersOf, listSearchOf, withLabel } from './list-filters.ts';
import { useLook, type Look } from './remembered.ts';

const ConnectDrawer = lazy(async () => ({ default: (await import('./connect-drawer.tsx')).ConnectDrawer }));
const DatabaseTable = lazy(async () => ({ default: (await import('./database-table.tsx')).DatabaseTable }));

/** Databases in view at once; a search narrows. */
const MOST_SHOWN = 300;
const HEALTH_EVERY_MS = 15_000;

/** What the person can reach, and how. */
export function Page(): ReactNode {
  const { databases, servers, isPending, error, retry } = useDatabases();
  const { search } = useLocation();
  const navigate = useNavigate();
  const filters = useMemo(() => listFiltersOf(search), [search]);
  const [look, setLook] = useLook();
  const connect = typeof search['connect'] === 'string' ? search['connect'] : '';
  const input = useRef<HTMLInputElement>(null);
  useHotkeys([['/', () => input.current?.focus()]]);
  const setFilters = (next: ListFilters): void =>
    void navigate({ to: '/databases', search: listSearchOf(next), replace: true });
  const setConnect = (name: string): void =>
    void navigate({
      to: '/databases',
      search: { ...listSearchOf(filters), ...(name === '' ? {} : { connect: name }) },
    });
  const mayEnrol = useMay()('token', 'create');
  return (
    <>
      <PageHeader
        title="Databases"
        description="What you can reach, as whom, and how"
        actions={
          mayEnrol && (
            <ButtonLink to="/databases/enrol" leftSection={<IconPlus size={16} aria-hidden />}>
              Add a database
            </ButtonLink>
          )
        }
      />
      {error !== null && databases.length === 0 ? (
        <ErrorState error={error} what="The databases could not be loaded" onRetry={retry} />
      ) : !isPending && databases.length === 0 ? (
        <None mayEnrol={mayEnrol} />
      ) : (
        <Stack gap="md">
          <ListBar
            inputRef={input}
            databases={databases}
            filters={filters}
            onChange={setFilters}
            look={look}
            onLook={setLook}
          />
          <List
            {...{ databases, servers, isPending, filters, look }}
            onLabel={(label) => setFilters(withLabel(filters, label))}
            onConnect={(database) => setConnect(database.name)}
            onClear={() => setFilters({ search: '', labels: [], protocol: '' })}
          />
        </Stack>
      )}
      <Connecting database={databases.find(({ name }) => name === connect)} onClose={() => setConnect('')} />
    </>
  );
}

function useDatabases() {
  const listed = useQuery(AuthService.method.listDatabases, {}, { refetchInterval: HEALTH_EVERY_MS });
  const maySee = useMay()('db_server', 'list');
  const serving = useQuery(
    AuthService.method.listResources,
    { kind: 'db_server' },
    { enabled: maySee, refetchInterval: HEALTH_EVERY_MS },
  );
  const databases = useMemo(() => databasesOf(listed.data?.databases ?? []), [listed.data]);
  const servers = useMemo(() => serversOf((serving.data?.resources ?? []).map(({ json }) => json)), [serving.data]);
  return { databases, servers, isPending: listed.isPending, error: listed.error, retry: () => void listed.refetch() };
}

function List(props: {
  readonly databases: readonly Database[];
  readonly servers: readonly Server[];
  readonly isPending: boolean;
  readonly filters: ListFilters;
  readonly look: Look;
  readonly onLabel: (label: string) => void;
  readonly onConnect: (database: Database) => void;
  readonly onClear: () => void;
}): ReactNode {
  const selected = selectDatabases(props.databases, props.filters);
  const shown = selected.slice(0, MOST_SHOWN);
  const { servers, onLabel, onConnect } = props;
  if (!props.isPending && selected.length === 0) {
    return (
      <Card withBorder>
        <EmptyState icon={IconFilterOff} title="No database matches">
          <Button variant="default" onClick={props.onClear}>
            Clear the filters
          </Button>
        </EmptyState>
      </Card>
    );
  }
  const cards = (
    <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }} spacing="md">
      {props.isPending && <CardsSkeleton count={6} height={190} />}
      {shown.map((database) => (
        <DatabaseCard key={database.name} {...{ database, servers, onLabel, onConnect }} />
      ))}
    </SimpleGrid>
  );
  return (
    <>
      <Text className="visually-hidden" role="status">
        {props.isPending ? 'Loading' : `${selected.length} ${selected.length === 1 ? 'database' : 'databases'}`}
      </Text>
      {props.look === 'table' && !props.isPending ? (
        <Suspense fallback={cards}>
          <DatabaseTable databases={shown} {...{ servers, onLabel, onConnect }} />
        </Suspense>
      ) : (
        cards
      )}
      {selected.length > shown.length && (
        <Group gap="xs">
          <Badge variant="light" color="gray" tt="none">
            {selected.length - shown.length} more
          </Badge>
          <Text size="sm" c="dimmed">
            Search to narrow.
          </Text>
        </Group>
      )}
    </>
  );
}

/** Stays mounted while it closes, so that it can move out. */
function Connecting({
  database,
  onClose,
}: {
  readonly database: Database | undefined;
  readonly onClose: () => void;
}): ReactNode {
  const [last, setLast] = useState(database);
  if (database !== undefined && database !== last) setLast(database);
  if (last === undefined) return null;
  return (
    <Suspense>
      <ConnectDrawer key={last.name} database={last} opened={database !== undefined} onClose={onClose} />
    </Suspense>
  );
}

function None({ mayEnrol }: { readonly mayEnrol: boolean }): ReactNode {
  return (
    <Card withBorder>
      <EmptyState
        icon={IconDatabase}
        title="No database is open to you"
        text={
          mayEnrol
            ? 'None is there yet, or your roles allow none: a role allows databases by their labels.'
            : 'Ask an administrator for a role that allows one.'
        }
      >
        {mayEnrol && <ButtonLink to="/databases/enrol">Add a database</ButtonLink>}
      </EmptyState>
    </Card>
  );
}
