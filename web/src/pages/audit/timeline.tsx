import { Button, Loader, Skeleton } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useId, useRef, type KeyboardEvent, type ReactNode } from 'react';
import { type AuditEvent, statementOf } from '../../parts/events/event.ts';
import { EventSentence } from '../../parts/events/event-sentence.tsx';
import { EventTone } from '../../parts/events/event-tone.tsx';
import { printTime } from '../../parts/events/figures.ts';
import { visible } from '../../parts/events/visible.ts';
import { countWords } from '../../parts/time-words.ts';
import classes from './audit.module.css';
import { MOST_EVENTS, type Found } from './log.ts';

const ROW = 38;
const ROW_SMALL = 58;
const MOST_STATEMENT = 300;

export type TimelineProps = {
  readonly events: readonly AuditEvent[];
  readonly found: Found;
  readonly selected: string;
  readonly onSelect: (uid: string) => void;
  readonly onOpen: (event: AuditEvent) => void;
  /** The reader left the newest events, or came back to them. */
  readonly onAway?: (away: boolean) => void;
  /** Goes on before the oldest event that is shown. */
  readonly onOlder: () => void;
  /** Stays on top while the list scrolls. */
  readonly children?: ReactNode;
};

/**
 * Events newest first, of which only those in view exist on the page. One stop for Tab; the selected row moves by j and k, arrows, Page Up and Down, Home and End; Enter opens it.
 */
export function Timeline(props: TimelineProps): ReactNode {
  const { events, found } = props;
  const id = useId();
  const { scroller, virtual, height } = useRows(events.length, found);
  const at = events.findIndex(({ uid }) => uid === props.selected);
  const move = (event: KeyboardEvent): void => {
    const to = target(
      event.key,
      at,
      events.length,
      Math.floor((scroller.current?.clientHeight ?? height) / height) - 1,
    );
    const next = to === undefined ? undefined : events[to];
    if (event.key === 'Enter' && events[at] !== undefined) props.onOpen(events[at]);
    else if (to !== undefined && next !== undefined) {
      props.onSelect(next.uid);
      virtual.scrollToIndex(to);
    } else return;
    event.preventDefault();
  };
  return (
    <div
      ref={scroller}
      className={classes['list']}
      role="listbox"
      aria-label="Events, newest first"
      aria-busy={found.isPending || found.isOld}
      aria-activedescendant={at === -1 ? undefined : `${id}-${at}`}
      tabIndex={0}
      style={{ opacity: found.isOld ? 0.55 : 1 }}
      onKeyDown={(event) => (event.ctrlKey || event.metaKey || event.altKey ? undefined : move(event))}
      onScroll={(event) => props.onAway?.(event.currentTarget.scrollTop > height)}
    >
      {props.children}
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }} role="presentation">
        {virtual.getVirtualItems().map(({ index, start }) => {
          const event = events[index];
          const place = { height, transform: `translateY(${start}px)` };
          return event === undefined ? (
            <Foot key="foot" place={place} found={found} shown={events.length} onOlder={props.onOlder} />
          ) : (
            <Row
              key={event.uid}
              id={`${id}-${index}`}
              event={event}
              place={place}
              isSelected={event.uid === props.selected}
              onOpen={props.onOpen}
            />
          );
        })}
      </div>
    </div>
  );
}

/** The rows in view, and the next page when their end comes near. */
function useRows(count: number, found: Found) {
  const scroller = useRef<HTMLDivElement>(null);
  const small = useMediaQuery('(max-width: 48em)', false, { getInitialValueInEffect: false });
  const height = small ? ROW_SMALL : ROW;
  const virtual = useVirtualizer({
    count: count + 1,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: 12,
  });
  useEffect(() => virtual.measure(), [virtual, height]);
  const end = virtual.getVirtualItems().at(-1)?.index ?? 0;
  const { hasMore, isLoadingMore, error, loadMore } = found;
  useEffect(() => {
    if (end >= count - AHEAD && hasMore && !isLoadingMore && error === null) loadMore();
  });
  return { scroller, virtual, height };
}

/** How many rows before the end the next page is asked for. */
const AHEAD = 40;

function target(key: string, at: number, count: number, page: number): number | undefined {
  const clamp = (to: number): number => Math.max(0, Math.min(count - 1, to));
  switch (key) {
    case 'j':
    case 'ArrowDown':
      return clamp(at + 1);
    case 'k':
    case 'ArrowUp':
      return clamp(at - 1);
    case 'PageDown':
      return clamp(at + page);
    case 'PageUp':
      return clamp(at - page);
    case 'Home':
      return 0;
    case 'End':
      return clamp(count - 1);
    default:
      return undefined;
  }
}

type Place = { readonly height: number; readonly transform: string };

function Row(props: {
  readonly id: string;
  readonly event: AuditEvent;
  readonly place: Place;
  readonly isSelected: boolean;
  readonly onOpen: (event: AuditEvent) => void;
}): ReactNode {
  const { event } = props;
  const statement = statementOf(event);
  return (
    // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the list takes the keys for its rows
    <div
      id={props.id}
      className={classes['row']}
      style={props.place}
      role="option"
      aria-selected={props.isSelected}
      tabIndex={-1}
      onClick={() => props.onOpen(event)}
    >
      <span className={classes['time']}>
        {printTime(event.timeMs, 'milliseconds')}
        <span className={classes['about']}>{aboutOf(event)}</span>
      </span>
      <span className={classes['tone']} style={{ display: 'flex' }}>
        <EventTone event={event} />
      </span>
      <span className={classes['what']}>
        <span className={classes['sentence']}>
          <EventSentence event={event} />
        </span>
        {statement !== undefined && statement !== '' && (
          <code className={classes['statement']}>{visible(statement.slice(0, MOST_STATEMENT))}</code>
        )}
      </span>
    </div>
  );
}

/** Who and where, for a small screen that has no room for the sentence beside a statement. */
function aboutOf(event: AuditEvent): string {
  return [event.user, event.database]
    .filter((text) => text !== '')
    .map((text) => ` · ${visible(text)}`)
    .join('');
}

function Foot(props: {
  readonly place: Place;
  readonly found: Found;
  readonly shown: number;
  readonly onOlder: () => void;
}): ReactNode {
  const { found } = props;
  return (
    <div className={classes['foot']} style={props.place} role="presentation">
      {found.error !== null && props.shown > 0 ? (
        <>
          More could not be loaded.
          <Button size="compact-sm" variant="default" onClick={found.retry}>
            Try again
          </Button>
        </>
      ) : found.isFull ? (
        <>
          {countWords(MOST_EVENTS)} events are shown; there are older ones.
          <Button size="compact-sm" variant="default" onClick={props.onOlder}>
            Go on from here
          </Button>
        </>
      ) : found.hasMore || found.isLoadingMore ? (
        <Loader size="xs" aria-label="Loading more" />
      ) : (
        props.shown > 0 && 'These are all.'
      )}
    </div>
  );
}

/** Rows of the list's own size while the first page is on the way. */
export function TimelineSkeleton(): ReactNode {
  return (
    <div className={classes['list']} aria-hidden>
      {Array.from({ length: 16 }, (_row, index) => (
        <div key={index} style={{ height: ROW, padding: '11px 12px' }}>
          <Skeleton height={14} width={`${55 + ((index * 23) % 40)}%`} />
        </div>
      ))}
    </div>
  );
}
