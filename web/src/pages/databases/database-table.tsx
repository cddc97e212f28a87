import { Button, Card, Table, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { HealthBadge, LabelBadges } from '../../parts/badges.tsx';
import { choiceWords, healthMessage, protocolWords, type Database } from './database.ts';
import type { ItemProps } from './database-card.tsx';

/** The same as the cards, a row each. */
export function DatabaseTable(
  props: Omit<ItemProps, 'database'> & { readonly databases: readonly Database[] },
): ReactNode {
  return (
    <Card withBorder padding={0}>
      <Table.ScrollContainer
        minWidth={860}
        scrollAreaProps={{ viewportProps: { tabIndex: 0, role: 'group', 'aria-label': 'Databases' } }}
      >
        <Table highlightOnHover verticalSpacing="xs" horizontalSpacing="sm">
          <Table.Thead>
            <Table.Tr>
              <Table.Th>Name</Table.Th>
              <Table.Th>Protocol</Table.Th>
              <Table.Th miw={120}>Health</Table.Th>
              <Table.Th>Labels</Table.Th>
              <Table.Th>Users</Table.Th>
              <Table.Th>Databases</Table.Th>
              <Table.Th>
                <span className="visually-hidden">Connect</span>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {props.databases.map((database) => (
              <Row key={database.name} {...props} database={database} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Card>
  );
}

function Row({ database, servers, onLabel, onConnect }: ItemProps): ReactNode {
  const message = healthMessage(servers.filter((server) => server.database === database.name));
  return (
    <Table.Tr>
      <Table.Td style={{ overflowWrap: 'anywhere' }}>
        <Text fw={600} size="sm">
          {database.name}
        </Text>
        <Text size="xs" c="dimmed">
          {database.description === '' ? database.uri : database.description}
        </Text>
      </Table.Td>
      <Table.Td style={{ whiteSpace: 'nowrap' }}>{protocolWords(database.protocol)}</Table.Td>
      <Table.Td>
        <HealthBadge health={database.health} {...(message === '' ? {} : { title: message })} />
      </Table.Td>
      <Table.Td>
        <LabelBadges labels={database.labels} most={4} onPick={onLabel} />
      </Table.Td>
      <Table.Td>{choiceWords(database.users)}</Table.Td>
      <Table.Td>{choiceWords(database.names)}</Table.Td>
      <Table.Td ta="right">
        <Button
          size="compact-sm"
          variant="light"
          onClick={() => onConnect(database)}
          aria-label={`Connect to ${database.name}`}
        >
          Connect
        </Button>
      </Table.Td>
    </Table.Tr>
  );
}
