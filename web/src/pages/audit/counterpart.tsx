import { Button, Group, Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { type AuditEvent, parseEvent } from '../../parts/events/event.ts';
import { EventSentence } from '../../parts/events/event-sentence.tsx';
import { log } from '../../parts/events/log-client.ts';
import { counterpartOf, isCounterpart } from './facts.ts';

/** What came of a statement, or which statement a result is of: looked for near it in its session. */
export function CounterpartPart(props: {
  readonly event: AuditEvent;
  readonly onShow: (event: AuditEvent) => void;
}): ReactNode {
  const { event } = props;
  const wanted = counterpartOf(event);
  const query = useQuery({
    queryKey: ['audit', 'counterpart', event.uid],
    enabled: wanted !== undefined,
    staleTime: 5000,
    queryFn: async ({ signal }) => {
      const after = wanted?.kind === 'result';
      const answer = await log.searchAudit(
        {
          sessionId: event.session,
          events: after ? ['db.session.result'] : [],
          from: after ? event.time : '',
          // The bound is exclusive, and the statement may have the same millisecond.
          to: after ? '' : new Date(event.timeMs + 1).toISOString(),
          limit: LOOKED_AT,
          descending: !after,
        },
        { signal },
      );
      const found = answer.events.map(parseEvent).find((other) => wanted !== undefined && isCounterpart(wanted, other));
      return found ?? null;
    },
  });
  if (wanted === undefined) return null;
  if (query.isPending) return <Skeleton height={22} />;
  const found = query.data;
  if (found === null || found === undefined) {
    return (
      <Text size="sm" c="dimmed">
        {wanted.kind === 'result' ? 'No result of it is on record yet.' : 'Its statement was not found near it.'}
      </Text>
    );
  }
  return (
    <Group gap="xs" justify="space-between" wrap="nowrap">
      <Text size="sm" style={{ overflowWrap: 'anywhere' }}>
        <EventSentence event={found} />.
      </Text>
      <Button size="compact-xs" variant="default" onClick={() => props.onShow(found)} flex="none">
        {wanted.kind === 'result' ? 'The result' : 'The statement'}
      </Button>
    </Group>
  );
}

const LOOKED_AT = 200;
