import { useQuery } from '@connectrpc/connect-query';
import { Card, Group, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { IconDatabase } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { AuthService, type ReachableDatabase } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import type { Session } from '../../api/session.ts';
import { HealthBadge } from '../../parts/badges.tsx';
import { CopyLine } from '../../parts/copy-line.tsx';
import { EmptyState } from '../../parts/empty-state.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import { AnchorLink } from '../../parts/links.tsx';
import { CardsSkeleton } from '../../parts/skeletons.tsx';
import { connectCommand, describeDatabase, loginCommand, nothingToConnectAs } from './commands.ts';

const SHOWN = 6;

/** For somebody who came for a database: what they can reach, and the command to type next. */
export function YourDatabases({ session }: { readonly session: Session }): ReactNode {
  const list = useQuery(AuthService.method.listDatabases, {});
  const databases = list.data?.databases ?? [];
  const [pin] = session.caPins;
  return (
    <Stack gap="lg">
      <Card withBorder padding="lg">
        <Title order={2} mb={4}>
          First, sign in your terminal
        </Title>
        <Text size="sm" c="dimmed" mb="sm">
          Once a day; your database clients then work as always.
        </Text>
        <CopyLine
          prompt
          label="Command that signs in your terminal"
          value={loginCommand(session.proxyPublicAddr, session)}
        />
        {pin !== undefined && (
          <>
            <Text size="xs" c="dimmed" mt="sm" mb={4}>
              The first time on a computer, where the proxy shows a certificate that browsers do not know:
            </Text>
            <CopyLine
              prompt
              label="The same with the cluster’s pin"
              value={loginCommand(session.proxyPublicAddr, session, pin)}
            />
          </>
        )}
      </Card>
      <Group justify="space-between">
        <Title order={2}>Your databases</Title>
        {databases.length > SHOWN && (
          <AnchorLink to="/databases" size="sm">
            All {databases.length}
          </AnchorLink>
        )}
      </Group>
      {list.isError && (
        <ErrorState error={list.error} what="Your databases could not be loaded" onRetry={() => void list.refetch()} />
      )}
      {list.isSuccess && databases.length === 0 && (
        <EmptyState
          icon={IconDatabase}
          title="No database is open to you yet"
          text={`Ask an administrator for a role. Your roles now: ${session.roles.join(', ') || 'none'}.`}
        />
      )}
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        {list.isPending && <CardsSkeleton count={4} height={130} />}
        {databases.slice(0, SHOWN).map((database) => (
          <DatabaseCard key={describeDatabase(database.json).name} database={database} />
        ))}
      </SimpleGrid>
    </Stack>
  );
}

function DatabaseCard({ database }: { readonly database: ReachableDatabase }): ReactNode {
  const { name, protocol, description } = describeDatabase(database.json);
  const missing = nothingToConnectAs(protocol, database.allowedUsers, database.allowedNames);
  return (
    <Card withBorder padding="md">
      <Stack gap="xs">
        <Group justify="space-between" wrap="nowrap">
          <Text fw={600} truncate>
            {name}
          </Text>
          <HealthBadge health={database.health} />
        </Group>
        <Text size="sm" c="dimmed" truncate>
          {[protocol, description].filter((text) => text !== '').join(' · ')}
        </Text>
        {missing === '' ? (
          <CopyLine
            prompt
            label={`Command that connects to ${name}`}
            value={connectCommand(name, database.allowedUsers, database.allowedNames)}
          />
        ) : (
          <Text size="sm">{missing}</Text>
        )}
      </Stack>
    </Card>
  );
}
