import { Badge, Group, Stack, Table, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { listAt } from '../../parts/events/event.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { AnchorLink } from '../../parts/links.tsx';
import type { Item } from '../../parts/resources/item.ts';
import { RowsSkeleton } from '../../parts/rows-skeleton.tsx';
import { roleWords } from './role-words.ts';

/** A role each row. `users` counts who holds it; absent: the person may not see users. */
export function RoleTable(props: {
  readonly roles: readonly Item[];
  readonly users: readonly Item[] | undefined;
  readonly isPending: boolean;
}): ReactNode {
  const { users } = props;
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table verticalSpacing="sm" horizontalSpacing="md" highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={240}>Role</Table.Th>
            <Table.Th>What it allows</Table.Th>
            {users !== undefined && <Table.Th w={110}>Held by</Table.Th>}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {props.isPending ? (
            <RowsSkeleton columns={users === undefined ? 2 : 3} />
          ) : (
            props.roles.map((role) => <Row key={role.name} role={role} users={users} />)
          )}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function Row({ role, users }: { readonly role: Item; readonly users: readonly Item[] | undefined }): ReactNode {
  const holders = users?.filter((user) => listAt(user.spec, 'roles').includes(role.name)) ?? [];
  return (
    <Table.Tr style={{ verticalAlign: 'top' }}>
      <Table.Td style={{ overflowWrap: 'anywhere' }}>
        <Group gap={8}>
          <AnchorLink to="/roles/$name" params={{ name: role.name }} fw={600} size="sm">
            <VisibleText text={role.name} />
          </AnchorLink>
          {role.labels['tessera.dev/preset'] === 'yes' && (
            <Badge variant="default" size="sm" tt="none" fw={500} title="Made with the cluster">
              preset
            </Badge>
          )}
        </Group>
        <Text size="xs" c="dimmed">
          <VisibleText text={role.description} />
        </Text>
      </Table.Td>
      <Table.Td style={{ overflowWrap: 'anywhere' }}>
        <Words spec={role.spec} />
      </Table.Td>
      {users !== undefined && (
        <Table.Td
          title={holders
            .map(({ name }) => name)
            .slice(0, 20)
            .join(', ')}
        >
          {holders.length === 0 ? (
            <Text size="sm" c="dimmed">
              nobody
            </Text>
          ) : (
            <Text size="sm">{holders.length === 1 ? '1 user' : `${holders.length} users`}</Text>
          )}
        </Table.Td>
      )}
    </Table.Tr>
  );
}

function Words({ spec }: { readonly spec: unknown }): ReactNode {
  const { allows, denies, limits } = roleWords(spec);
  if (allows.length + denies.length === 0)
    return (
      <Text size="sm" c="dimmed">
        Allows nothing by itself
      </Text>
    );
  return (
    <Stack gap={2}>
      {allows.map((text) => (
        <Text key={text} size="sm">
          <VisibleText text={text} />
        </Text>
      ))}
      {denies.map((text) => (
        <Text key={text} size="sm" c="var(--mantine-color-error)">
          <VisibleText text={text} />
        </Text>
      ))}
      {limits.length > 0 && (
        <Text size="xs" c="dimmed">
          <VisibleText text={limits.join(' · ')} />
        </Text>
      )}
    </Stack>
  );
}
