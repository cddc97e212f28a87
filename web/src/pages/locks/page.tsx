import { Badge, Button, Card, Checkbox, Group, Table, Text } from '@mantine/core';
import { useQuery } from '@connectrpc/connect-query';
import { IconLock } from '@tabler/icons-react';
import { useMemo, useState, type ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useMay } from '../../api/session.ts';
import { EmptyState } from '../../parts/empty-state.tsx';
import { parseEvent, textAt } from '../../parts/events/event.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { DeleteDialog } from '../../parts/resources/delete-dialog.tsx';
import type { Item } from '../../parts/resources/item.ts';
import { ListFrame } from '../../parts/resources/list-frame.tsx';
import { useResources } from '../../parts/resources/use-resources.ts';
import { RowsSkeleton } from '../../parts/rows-skeleton.tsx';
import { Time, useNow } from '../../parts/time.tsx';
import { holds, isOfSession, isTermination, lockEnds, lockMessage, targetsOf } from './lock.ts';
import { NewLockDialog } from './new-lock-dialog.tsx';

/** Stop a person, role or machine now. */
export function Page(): ReactNode {
  const may = useMay();
  const list = useResources('lock');
  const { items, isPending } = list;
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Item>();
  const [all, setAll] = useState(false);
  const terminations = items.filter(isTermination).length;
  const shown = all ? items : items.filter((lock) => !isTermination(lock));
  return (
    <>
      <ListFrame
        title="Locks"
        description="A lock ends sessions within a second and refuses new ones, until it ends or is removed"
        noun="locks"
        list={list}
        mayAdd={may('lock', 'create')}
        add="New lock"
        onAdd={() => setAdding(true)}
      >
        {terminations > 0 && (
          <Checkbox
            mb="sm"
            label={`Show also what ended single sessions (${terminations})`}
            checked={all}
            onChange={(event) => setAll(event.currentTarget.checked)}
          />
        )}
        <Card withBorder padding={0}>
          {!isPending && shown.length === 0 ? (
            <EmptyState
              icon={IconLock}
              title="Nothing is locked"
              text="A lock is for when a laptop is lost, a person leaves, or a database must be left alone."
            />
          ) : (
            <LockTable locks={shown} isPending={isPending} onRemove={may('lock', 'delete') ? setRemoving : undefined} />
          )}
        </Card>
      </ListFrame>
      <NewLockDialog opened={adding} onClose={() => setAdding(false)} />
      <DeleteDialog
        item={removing}
        title="Remove this lock?"
        text={
          removing !== undefined && (
            <>
              <TargetWords lock={removing} />{' '}
              {isOfSession(removing) ? 'stays ended: a session does not come back.' : 'may be used again at once.'}
            </>
          )
        }
        action="Remove"
        done="The lock is removed."
        onClose={() => setRemoving(undefined)}
      />
    </>
  );
}

function LockTable(props: {
  readonly locks: readonly Item[];
  readonly isPending: boolean;
  readonly onRemove: ((lock: Item) => void) | undefined;
}): ReactNode {
  const authors = useAuthors();
  return (
    <Table.ScrollContainer minWidth={760}>
      <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Locked</Table.Th>
            <Table.Th>Message</Table.Th>
            <Table.Th w={170}>Ends</Table.Th>
            {authors !== undefined && <Table.Th w={170}>Put on by</Table.Th>}
            {props.onRemove !== undefined && <Table.Th w={110} aria-label="Remove" />}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {props.isPending ? (
            <RowsSkeleton rows={3} columns={4} />
          ) : (
            props.locks.map((lock) => (
              <Row
                key={lock.name}
                lock={lock}
                author={authors?.get(lock.name)}
                showAuthor={authors !== undefined}
                onRemove={props.onRemove}
              />
            ))
          )}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

type Author = { readonly user: string; readonly time: string };

function Row(props: {
  readonly lock: Item;
  readonly author: Author | undefined;
  readonly showAuthor: boolean;
  readonly onRemove: ((lock: Item) => void) | undefined;
}): ReactNode {
  const { lock, author, onRemove } = props;
  const isOver = !holds(lock, useNow());
  return (
    <Table.Tr style={{ overflowWrap: 'anywhere' }}>
      <Table.Td>
        <TargetWords lock={lock} />
      </Table.Td>
      <Table.Td>
        <VisibleText text={lockMessage(lock)} />
      </Table.Td>
      <Table.Td>
        {isOver ? (
          <Badge variant="default" tt="none">
            over
          </Badge>
        ) : (
          <Time value={lockEnds(lock)} fallback="when removed" />
        )}
      </Table.Td>
      {props.showAuthor && (
        <Table.Td>
          {author === undefined ? (
            '–'
          ) : (
            <>
              <VisibleText text={author.user} />
              <Text size="xs" c="dimmed" component="div">
                <Time value={author.time} />
              </Text>
            </>
          )}
        </Table.Td>
      )}
      {onRemove !== undefined && (
        <Table.Td ta="right">
          <Button
            size="compact-sm"
            variant="default"
            aria-label={`Remove the lock of ${targetsOf(lock)
              .map(({ value }) => value)
              .join(', ')}`}
            onClick={() => onRemove(lock)}
          >
            Remove
          </Button>
        </Table.Td>
      )}
    </Table.Tr>
  );
}

function TargetWords({ lock }: { readonly lock: Item }): ReactNode {
  return (
    <Group gap={6} display="inline-flex">
      {targetsOf(lock).map(({ kind, label, value }) => (
        <span key={kind}>
          {label.toLowerCase()}{' '}
          <b>
            <VisibleText text={value} />
          </b>
        </span>
      ))}
    </Group>
  );
}

const MOST_EVENTS = 200;

/** Who put locks on, as the audit log says; undefined for those who may not read it. */
function useAuthors(): ReadonlyMap<string, Author> | undefined {
  const may = useMay();
  const mayRead = may('event', 'list') && may('event', 'read');
  const { data } = useQuery(
    AuthService.method.searchAudit,
    { events: ['lock.created'], limit: MOST_EVENTS, descending: true },
    { enabled: mayRead },
  );
  return useMemo(() => {
    if (!mayRead) return undefined;
    const authors = new Map<string, Author>();
    for (const event of (data?.events ?? []).map(parseEvent)) {
      const name = textAt(event.fields, 'name');
      if (!authors.has(name)) authors.set(name, { user: event.user || 'the Auth machine', time: event.time });
    }
    return authors;
  }, [data, mayRead]);
}
