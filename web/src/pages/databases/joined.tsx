import { Alert, Card, Group, Loader, Stack, Text, Title } from '@mantine/core';
import { useQuery } from '@connectrpc/connect-query';
import { IconCircleCheck } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { useMay } from '../../api/session.ts';
import { HealthBadge } from '../../parts/badges.tsx';
import { ButtonLink } from '../../parts/links.tsx';
import { bestHealth, databasesOf, healthMessage, serversOf, type Database, type Server } from './database.ts';

const POLL_MS = 2000;

type Standing = {
  readonly servers: readonly Server[];
  readonly database: Database | undefined;
  readonly health: string;
};

/** Waits for the agent and says, step by step, what has come true: it has joined, it reaches the database, this person may use it. */
export function Joined({ name }: { readonly name: string }): ReactNode {
  const { servers, database, health } = useStanding(name);
  if (servers.length === 0 && database === undefined) {
    return (
      <Card withBorder padding="md" role="status">
        <Group gap="sm">
          <Loader size="sm" aria-hidden />
          <Text>Waiting for the agent. It appears here within seconds after it started.</Text>
        </Group>
      </Card>
    );
  }
  return (
    <Card withBorder padding="md" role="status">
      <Stack gap="sm">
        <Group gap="sm">
          <IconCircleCheck size={22} color="var(--mantine-color-green-text)" aria-hidden />
          <Title order={2} size="h3">
            It has joined
          </Title>
          <HealthBadge health={health} />
        </Group>
        <Serving name={name} servers={servers} health={health} />
        {database === undefined ? (
          <Text size="sm">
            Your own roles do not allow it: a role does when its db_labels match the labels. Others may reach it
            already.
          </Text>
        ) : (
          <Group>
            <ButtonLink to="/databases" search={{ connect: name }}>
              Connect
            </ButtonLink>
          </Group>
        )}
      </Stack>
    </Card>
  );
}

/** Asked every two seconds. Whoever may not list what agents serve sees the database when their roles allow it. */
function useStanding(name: string): Standing {
  const may = useMay();
  const serving = useQuery(
    AuthService.method.listResources,
    { kind: 'db_server' },
    { refetchInterval: POLL_MS, enabled: may('db_server', 'list'), staleTime: 0 },
  );
  const listed = useQuery(AuthService.method.listDatabases, {}, { refetchInterval: POLL_MS, staleTime: 0 });
  const documents = (serving.data?.resources ?? []).map(({ json }) => json);
  const servers = serversOf(documents).filter((server) => server.database === name);
  const database = databasesOf(listed.data?.databases ?? []).find((other) => other.name === name);
  return { servers, database, health: bestHealth(servers) ?? database?.health ?? 'unknown' };
}

function Serving({
  name,
  servers,
  health,
}: Pick<Standing, 'servers' | 'health'> & { readonly name: string }): ReactNode {
  const [first] = servers;
  const version = first === undefined || first.version === '' ? '' : `, version ${first.version}`;
  return (
    <>
      <Text size="sm">
        {first?.hostName ?? 'An agent'} serves {name}
        {version}. {health === 'unknown' && 'Its health is being checked.'}
      </Text>
      {health === 'unhealthy' && (
        <Alert color="yellow" variant="light" title="The agent does not get into the database yet">
          {healthMessage(servers) || 'The agent’s log says why.'} Check the address and the preparation; it tries again
          by itself.
        </Alert>
      )}
    </>
  );
}
