import { keepPreviousData } from '@tanstack/react-query';
import { useQuery } from '@connectrpc/connect-query';
import { Box, Card, Group, Skeleton, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { AuthService, type CountBucket } from '../../../../gen/tessera/auth/v1/auth_pb.ts';
import { ErrorState } from '../../parts/error-state.tsx';
import { countWords } from '../../parts/time-words.ts';
import type { Span } from './figures.ts';

const HOURS = 24;
const HEIGHT = 150;

/** Events hour by hour, what was refused in another colour. Drawn here: the charts' library is for pages that are about charts. */
export function Activity({ span }: { readonly span: Span }): ReactNode {
  const count = useQuery(
    AuthService.method.countAudit,
    { filter: span, buckets: HOURS },
    { placeholderData: keepPreviousData },
  );
  return (
    <Card withBorder padding="md">
      <Group justify="space-between" mb="sm">
        <Title order={2}>Last 24 hours</Title>
        <Text size="sm" c="dimmed">
          {count.data === undefined ? '' : `${countWords(count.data.total)} events`}
        </Text>
      </Group>
      {count.isPending && <Skeleton height={HEIGHT + 22} />}
      {count.isError && (
        <ErrorState error={count.error} what="The activity could not be loaded" onRetry={() => void count.refetch()} />
      )}
      {count.data !== undefined && <Bars buckets={count.data.buckets} />}
    </Card>
  );
}

function Bars({ buckets }: { readonly buckets: readonly CountBucket[] }): ReactNode {
  const most = Math.max(1, ...buckets.map((bucket) => Number(bucket.count)));
  const width = 100 / Math.max(1, buckets.length);
  const refused = buckets.reduce((sum, bucket) => sum + Number(bucket.refused), 0);
  const total = buckets.reduce((sum, bucket) => sum + Number(bucket.count), 0);
  return (
    <Box>
      <svg
        role="img"
        aria-label={`${countWords(total)} events in the last 24 hours, ${countWords(refused)} of them refused or failed; the busiest hour had ${countWords(most)}`}
        width="100%"
        height={HEIGHT}
        viewBox={`0 0 100 ${HEIGHT}`}
        preserveAspectRatio="none"
      >
        {buckets.map((bucket, index) => {
          const full = (Number(bucket.count) / most) * HEIGHT;
          const bad = (Number(bucket.refused) / most) * HEIGHT;
          const x = index * width + width * 0.14;
          return (
            <g key={bucket.from}>
              <title>{`${hourOf(bucket.from)}: ${countWords(bucket.count)} events, ${countWords(bucket.refused)} refused`}</title>
              <rect x={x} y={0} width={width * 0.72} height={HEIGHT} fill="transparent" />
              <rect
                x={x}
                y={HEIGHT - full}
                width={width * 0.72}
                height={full - bad}
                fill="var(--mantine-color-tessera-5)"
              />
              <rect x={x} y={HEIGHT - bad} width={width * 0.72} height={bad} fill="var(--mantine-color-red-6)" />
            </g>
          );
        })}
      </svg>
      <Group justify="space-between" mt={4}>
        <Text size="xs" c="dimmed">
          {hourOf(buckets[0]?.from ?? '')}
        </Text>
        <Text size="xs" c="dimmed">
          {refused === 0 ? 'nothing was refused' : `red: ${countWords(refused)} refused or failed`}
        </Text>
        <Text size="xs" c="dimmed">
          now
        </Text>
      </Group>
    </Box>
  );
}

function hourOf(time: string): string {
  const timeMs = Date.parse(time);
  return Number.isNaN(timeMs)
    ? ''
    : new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' }).format(timeMs);
}
