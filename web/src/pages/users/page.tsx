import { Card, Group, NativeSelect, Table, Text } from '@mantine/core';
import { IconUsers } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { useMay } from '../../api/session.ts';
import { EmptyState } from '../../parts/empty-state.tsx';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { AnchorLink } from '../../parts/links.tsx';
import { matches, type Item } from '../../parts/resources/item.ts';
import { ListFrame } from '../../parts/resources/list-frame.tsx';
import { SearchField } from '../../parts/resources/search-field.tsx';
import { useResources } from '../../parts/resources/use-resources.ts';
import { RowsSkeleton } from '../../parts/rows-skeleton.tsx';
import { Time } from '../../parts/time.tsx';
import { AddUser } from './add-user.tsx';
import { UserState } from './user-state.tsx';
import { connectorOf, createdAt, rolesOf } from './user.ts';

/** Rows in view at once; a search narrows. */
const MOST_SHOWN = 300;

/** People, their roles, and where they sign in. */
export function Page(): ReactNode {
  const may = useMay();
  const list = useResources('user');
  const { items, isPending } = list;
  const locks = useResources('lock', { enabled: may('lock', 'list') });
  const [search, setSearch] = useState('');
  const [from, setFrom] = useState('');
  const [adding, setAdding] = useState(false);
  const shown = items.filter((user) => {
    const keeper = connectorOf(user)?.name ?? LOCAL;
    return (from === '' || from === keeper) && matches(search, [user.name, ...rolesOf(user), keeper]);
  });
  const keepers = [...new Set(items.map((user) => connectorOf(user)?.name ?? LOCAL))];
  return (
    <>
      <ListFrame
        title="Users"
        description="People, their roles, and where they sign in"
        noun="users"
        list={list}
        mayAdd={may('user', 'create')}
        add="Add a user"
        onAdd={() => setAdding(true)}
      >
        <>
          <Group gap="sm" align="flex-start">
            <SearchField label="Search the users" placeholder="Name or role" value={search} onChange={setSearch} />
            {keepers.length > 1 && <From keepers={keepers} value={from} onChange={setFrom} />}
          </Group>
          <Card withBorder padding={0}>
            {!isPending && shown.length === 0 ? (
              <EmptyState icon={IconUsers} title={items.length === 0 ? 'There is no user yet' : 'No user matches'} />
            ) : (
              <UserTable users={shown.slice(0, MOST_SHOWN)} locks={locks.items} isPending={isPending} />
            )}
          </Card>
          <Text size="sm" c="dimmed" mt="xs" role="status">
            {isPending
              ? ''
              : shown.length > MOST_SHOWN
                ? `${MOST_SHOWN} of ${shown.length} users; search to narrow.`
                : `${shown.length} ${shown.length === 1 ? 'user' : 'users'}`}
          </Text>
        </>
      </ListFrame>
      <AddUser opened={adding} taken={items.map(({ name }) => name)} onClose={() => setAdding(false)} />
    </>
  );
}

const LOCAL = '(local)';

function From(props: {
  readonly keepers: readonly string[];
  readonly value: string;
  readonly onChange: (from: string) => void;
}): ReactNode {
  return (
    <NativeSelect
      aria-label="Only those who sign in at"
      value={props.value}
      data={[
        { value: '', label: 'Every sign-in' },
        ...props.keepers.map((name) => ({ value: name, label: name === LOCAL ? 'Local' : name })),
      ]}
      onChange={(event) => props.onChange(event.currentTarget.value)}
    />
  );
}

function UserTable(props: {
  readonly users: readonly Item[];
  readonly locks: readonly Item[];
  readonly isPending: boolean;
}): ReactNode {
  return (
    <Table.ScrollContainer minWidth={720}>
      <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>User</Table.Th>
            <Table.Th>Roles</Table.Th>
            <Table.Th>Signs in</Table.Th>
            <Table.Th w={130}>State</Table.Th>
            <Table.Th w={150}>Created</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {props.isPending ? (
            <RowsSkeleton columns={5} />
          ) : (
            props.users.map((user) => <Row key={user.name} user={user} locks={props.locks} />)
          )}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Row({ user, locks }: { readonly user: Item; readonly locks: readonly Item[] }): ReactNode {
  const connector = connectorOf(user);
  return (
    <Table.Tr style={{ overflowWrap: 'anywhere' }}>
      <Table.Td>
        <AnchorLink to="/users/$name" params={{ name: user.name }} fw={600} size="sm">
          <VisibleText text={user.name} />
        </AnchorLink>
      </Table.Td>
      <Table.Td>
        <VisibleText text={rolesOf(user).join(', ')} />
      </Table.Td>
      <Table.Td>
        {connector === undefined ? (
          'here'
        ) : (
          <>
            at <VisibleText text={connector.name} />
          </>
        )}
      </Table.Td>
      <Table.Td>
        <UserState user={user} locks={locks} />
      </Table.Td>
      <Table.Td>
        <Time value={createdAt(user)} />
      </Table.Td>
    </Table.Tr>
  );
}
