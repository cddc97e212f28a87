import { Button, Card } from '@mantine/core';
import { IconFilterOff, IconListSearch } from '@tabler/icons-react';
import { useRef, type ReactNode } from 'react';
import { EmptyState } from '../../parts/empty-state.tsx';
import { ErrorState } from '../../parts/error-state.tsx';
import classes from './audit.module.css';
import { filterCount, filtersOf, withSpan } from './filters.ts';
import { News } from './live-switch.tsx';
import { Timeline, TimelineSkeleton } from './timeline.tsx';
import type { View } from './view.ts';

/** The list, or why there is none. */
export function Events({ view }: { readonly view: View }): ReactNode {
  const { found, following, events, filters, setFilters } = view;
  const area = useRef<HTMLDivElement>(null);
  const isEmpty = events.length === 0;
  if (found.error !== null && isEmpty)
    return <ErrorState error={found.error} what="The audit log could not be read" onRetry={found.retry} />;
  if (found.isPending) return <TimelineSkeleton />;
  if (isEmpty) return <Nothing view={view} />;
  const toTop = (): void => {
    following.act({ type: 'resume' });
    area.current?.querySelector('[role=listbox]')?.scrollTo({ top: 0 });
  };
  return (
    <div ref={area} style={{ display: 'contents' }}>
      {following.state === 'refused' && <ErrorState error={following.error} what="The live view ended" />}
      <Timeline
        events={events}
        found={found}
        selected={view.selected}
        onSelect={view.select}
        onOpen={view.open}
        onAway={(away) =>
          view.live && away !== following.tail.paused ? following.act({ type: away ? 'pause' : 'resume' }) : undefined
        }
        onOlder={() => {
          const oldest = found.events.at(-1);
          if (oldest !== undefined) setFilters({ ...withSpan(filters, 0, oldest.timeMs), from: '' });
        }}
      >
        {view.live && (
          <div className={classes['news']}>
            <News following={following} onShow={toTop} />
          </div>
        )}
      </Timeline>
    </div>
  );
}

function Nothing({ view }: { readonly view: View }): ReactNode {
  const { filters, setFilters } = view;
  const filtered = filterCount(filters) > 0;
  const span = { range: filters.range, from: filters.from, to: filters.to };
  return (
    <Card withBorder style={{ flex: 1 }}>
      <EmptyState
        icon={filtered ? IconFilterOff : IconListSearch}
        title={filtered ? 'No event matches' : 'Nothing happened in this time'}
        text={
          view.live
            ? 'New events appear here as they happen.'
            : filtered
              ? 'Words match whole words of a text. Fewer filters or a longer time find more.'
              : 'Choose a longer time to see more.'
        }
      >
        {filtered && (
          <Button variant="default" onClick={() => setFilters({ ...filtersOf({}), ...span })}>
            Clear the filters
          </Button>
        )}
        {filters.range !== 'all' && (
          <Button variant="default" onClick={() => setFilters({ ...filters, range: 'all', from: '', to: '' })}>
            Look at all time
          </Button>
        )}
      </EmptyState>
    </Card>
  );
}
