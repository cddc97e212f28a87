import { useQuery } from '@connectrpc/connect-query';
import { Badge, Card, Table, Text, Title } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheck } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { AuthService, type ServiceStatus } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { RowsSkeleton } from '../../parts/rows-skeleton.tsx';
import { bytesWords, durationWords } from '../../parts/time-words.ts';
import { Time, useNow } from '../../parts/time.tsx';
import { isThere } from './figures.ts';

const EVERY_MS = 20_000;

/** Agents and proxies: who is there, since when not, what they serve, and what audit they still hold. */
export function Machines({ version }: { readonly version: string }): ReactNode {
  const status = useQuery(AuthService.method.status, {}, { refetchInterval: EVERY_MS });
  const services = status.data?.services ?? [];
  return (
    <Card withBorder padding="md">
      <Title order={2} mb="xs">
        Agents and proxies
      </Title>
      {status.isError && status.data === undefined ? (
        <ErrorState
          error={status.error}
          what="Agents and proxies could not be loaded"
          onRetry={() => void status.refetch()}
        />
      ) : (
        <Table.ScrollContainer minWidth={640} type="native" tabIndex={0} role="region" aria-label="Agents and proxies">
          <Table verticalSpacing="xs">
            <Table.Thead>
              <Table.Tr>
                <Table.Th>Machine</Table.Th>
                <Table.Th>Role</Table.Th>
                <Table.Th>Version</Table.Th>
                <Table.Th>Health</Table.Th>
                <Table.Th>Serves</Table.Th>
                <Table.Th>Audit on the way</Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {status.isPending && <RowsSkeleton rows={3} columns={6} />}
              {services.map((service) => (
                <Row key={service.hostId} service={service} />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {status.isSuccess && services.length === 0 && (
        <Text size="sm" c="dimmed">
          No agent and no proxy has told of itself yet.
        </Text>
      )}
      <Text size="xs" c="dimmed" mt="xs">
        The Auth Service runs Tessera {version}.
      </Text>
    </Card>
  );
}

function Row({ service }: { readonly service: ServiceStatus }): ReactNode {
  const there = isThere(service.lastHeartbeat, useNow());
  return (
    <Table.Tr>
      <Table.Td>
        <Text size="sm" fw={500}>
          {service.hostName || service.hostId}
        </Text>
      </Table.Td>
      <Table.Td>{service.role === 'database' ? 'agent' : service.role}</Table.Td>
      <Table.Td>{service.version || '–'}</Table.Td>
      <Table.Td>
        {there ? (
          <Badge variant="light" color="green" tt="none" leftSection={<IconCircleCheck size={12} aria-hidden />}>
            there
          </Badge>
        ) : (
          <>
            <Badge variant="light" color="red" tt="none" leftSection={<IconAlertTriangle size={12} aria-hidden />}>
              away
            </Badge>{' '}
            <Text span size="xs" c="dimmed">
              heard <Time value={service.lastHeartbeat} />
            </Text>
          </>
        )}
      </Table.Td>
      <Table.Td>{servesWords(service)}</Table.Td>
      <Table.Td>
        {service.auditBacklogBytes === 0n
          ? 'none'
          : `${bytesWords(service.auditBacklogBytes)}, ${durationWords(Number(service.auditLagMilliseconds))} behind`}
      </Table.Td>
    </Table.Tr>
  );
}

function servesWords(service: ServiceStatus): string {
  if (service.role === 'proxy')
    return [service.publicAddr, service.mysqlPublicAddr].filter((text) => text !== '').join(', ') || '–';
  const [first = 'nothing', ...more] = service.databases;
  return more.length === 0 ? first : `${first} and ${more.length} more`;
}
