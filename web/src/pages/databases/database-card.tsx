import { Box, Button, Card, Group, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import { HealthBadge, LabelBadges } from '../../parts/badges.tsx';
import { choiceWords, healthMessage, protocolWords, type Database, type Server } from './database.ts';

export type ItemProps = {
  readonly database: Database;
  /** Of all databases; empty when the person may not see them. */
  readonly servers: readonly Server[];
  readonly onLabel: (label: string) => void;
  readonly onConnect: (database: Database) => void;
};

/** One database: what it is, how it is, as whom one gets in, and the way there. */
export function DatabaseCard({ database, servers, onLabel, onConnect }: ItemProps): ReactNode {
  const own = servers.filter((server) => server.database === database.name);
  const message = database.health === 'unhealthy' ? healthMessage(own) : '';
  return (
    <Card withBorder padding="md" component="article" aria-label={database.name}>
      <Stack gap="sm" h="100%">
        <Group justify="space-between" wrap="nowrap" align="flex-start" gap="sm">
          <Box miw={0}>
            <Text fw={600} fz="lg" style={{ overflowWrap: 'anywhere' }}>
              {database.name}
            </Text>
            <Text size="sm" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
              {protocolWords(database.protocol)}, {database.uri}
            </Text>
          </Box>
          <HealthBadge health={database.health} {...(message === '' ? {} : { title: message })} />
        </Group>
        {database.description !== '' && (
          <Text size="sm" lineClamp={2}>
            {database.description}
          </Text>
        )}
        {message !== '' && (
          <Text size="sm" c="var(--mantine-color-error)" lineClamp={3} style={{ overflowWrap: 'anywhere' }}>
            {message}
          </Text>
        )}
        <LabelBadges labels={database.labels} onPick={onLabel} />
        <Group justify="space-between" align="flex-end" mt="auto" wrap="nowrap" gap="sm">
          <Box component="dl" m={0} fz="sm" miw={0}>
            <Allowed label="users" words={choiceWords(database.users)} />
            <Allowed label="databases" words={choiceWords(database.names)} />
          </Box>
          <Button
            variant="light"
            onClick={() => onConnect(database)}
            flex="none"
            aria-label={`Connect to ${database.name}`}
          >
            Connect
          </Button>
        </Group>
      </Stack>
    </Card>
  );
}

function Allowed({ label, words }: { readonly label: string; readonly words: string }): ReactNode {
  return (
    <Group gap={6} wrap="nowrap" align="baseline">
      <Text component="dt" size="xs" c="dimmed" w={66} flex="none">
        {label}
      </Text>
      <Text component="dd" m={0} size="sm" truncate title={words}>
        {words}
      </Text>
    </Group>
  );
}
