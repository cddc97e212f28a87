import { keepPreviousData } from '@tanstack/react-query';
import { useQuery } from '@connectrpc/connect-query';
import { Card, Group, Progress, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { AuthService } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { AnchorLink } from '../../parts/links.tsx';
import { TextSkeleton } from '../../parts/skeletons.tsx';
import { countWords } from '../../parts/time-words.ts';
import type { Span } from './figures.ts';

const TOP = 6;

/** Where most happened. */
export function TopDatabases({ span }: { readonly span: Span }): ReactNode {
  const count = useQuery(
    AuthService.method.countAudit,
    { filter: span, groupBy: 'database', top: TOP + 1 },
    { placeholderData: keepPreviousData },
  );
  // Events that are about no database count under the empty name.
  const groups = (count.data?.groups ?? []).filter((group) => group.value !== '').slice(0, TOP);
  const most = Number(groups[0]?.count ?? 1);
  return (
    <Card withBorder padding="md">
      <Title order={2} mb="sm">
        Busiest databases
      </Title>
      {count.isPending && <TextSkeleton lines={6} />}
      {count.isError && (
        <ErrorState
          error={count.error}
          what="The databases could not be counted"
          onRetry={() => void count.refetch()}
        />
      )}
      {count.data !== undefined && groups.length === 0 && (
        <Text size="sm" c="dimmed">
          Nobody used a database in the last 24 hours.
        </Text>
      )}
      <Stack gap="sm">
        {groups.map((group) => (
          <div key={group.value}>
            <Group justify="space-between" gap="sm" wrap="nowrap" mb={4}>
              <AnchorLink to="/audit" search={{ database: group.value }} size="sm" truncate>
                {group.value}
              </AnchorLink>
              <Text size="sm" c="dimmed" style={{ whiteSpace: 'nowrap' }}>
                {countWords(group.count)} events
                {group.refused > 0n ? `, ${countWords(group.refused)} refused` : ''}
              </Text>
            </Group>
            <Progress
              value={(Number(group.count) / most) * 100}
              size="sm"
              aria-label={`${group.value}: share of the busiest`}
            />
          </div>
        ))}
      </Stack>
    </Card>
  );
}
