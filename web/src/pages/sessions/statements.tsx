import { useVirtualizer } from '@tanstack/react-virtual';
import { IconAlertTriangle, IconBan, IconCheck, IconLoader2, IconNote, type Icon } from '@tabler/icons-react';
import { useEffect, useId, useRef, type KeyboardEvent, type ReactNode } from 'react';
import { EventSentence } from '../../parts/events/event-sentence.tsx';
import { printMs, rowWords } from '../../parts/events/figures.ts';
import { VisibleText } from '../../parts/events/visible-text.tsx';
import { bytesWords } from '../../parts/time-words.ts';
import type { Shown } from './replay.ts';
import classes from './sessions.module.css';
import { stateOf, type Entry, type EntryState } from './story.ts';

const MOST_CHARACTERS = 2000;

/** The statements in order, with what came of each. One stop for Tab; j and k move, Enter opens. While a replay goes on, what is ahead is not to be seen, and its place is kept. */
export function Statements(props: {
  readonly entries: readonly Entry[];
  readonly shown: readonly Shown[] | undefined;
  /** Kept in view. */
  readonly current: number;
  readonly onSelect: (entry: number) => void;
  readonly onOpen: (entry: number) => void;
}): ReactNode {
  const { entries, current } = props;
  const id = useId();
  const { scroller, virtual } = useRows(entries, current);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = MOVES.get(event.key)?.(current, entries.length);
    if (event.key === 'Enter') props.onOpen(current);
    else if (to !== undefined) props.onSelect(Math.max(0, Math.min(entries.length - 1, to)));
    else return;
    event.preventDefault();
  };
  return (
    <div
      ref={scroller}
      className={classes['entries']}
      role="listbox"
      aria-label="Statements, oldest first"
      aria-activedescendant={current >= 0 ? `${id}-${current}` : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }} role="presentation">
        {virtual.getVirtualItems().map(({ index, start }) => {
          const entry = entries[index];
          if (entry === undefined) return null;
          const shown = props.shown?.[index] ?? 'over';
          return (
            // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the list takes the keys for its rows
            <div
              key={entry.event.uid}
              id={`${id}-${index}`}
              ref={virtual.measureElement}
              data-index={index}
              data-shown={shown}
              className={classes['entry']}
              style={{ transform: `translateY(${start}px)` }}
              role="option"
              aria-selected={index === current}
              aria-hidden={shown === 'ahead'}
              tabIndex={-1}
              onClick={() => (shown === 'ahead' ? undefined : props.onOpen(index))}
            >
              <Line entry={entry} shown={shown} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

function useRows(entries: readonly Entry[], current: number) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => 56,
    getItemKey: (index) => entries[index]?.event.uid ?? index,
    overscan: 8,
  });
  useEffect(() => {
    if (current >= 0) virtual.scrollToIndex(current, { align: 'auto' });
  }, [virtual, current]);
  return { scroller, virtual };
}

const MOVES: ReadonlyMap<string, (current: number, count: number) => number> = new Map([
  ['j', (at: number) => at + 1],
  ['ArrowDown', (at: number) => at + 1],
  ['k', (at: number) => at - 1],
  ['ArrowUp', (at: number) => at - 1],
  ['PageDown', (at: number) => at + 10],
  ['PageUp', (at: number) => at - 10],
  ['Home', () => 0],
  ['End', (_at: number, count: number) => count - 1],
]);

function Line({ entry, shown }: { readonly entry: Entry; readonly shown: Shown }): ReactNode {
  const state = shown === 'running' ? 'waiting' : stateOf(entry);
  const { answer } = entry;
  const { icon: Shape, color, words } = STATES[state];
  return (
    <>
      <span className={classes['offset']}>{`+ ${printMs(entry.offsetMs)}`}</span>
      <Shape
        size={14}
        color={`var(--mantine-color-${color})`}
        role="img"
        aria-label={words}
        style={{ alignSelf: 'start', marginTop: 4 }}
      />
      {entry.sql === undefined ? (
        <span style={{ fontSize: 'var(--mantine-font-size-sm)', overflowWrap: 'anywhere' }}>
          <EventSentence event={entry.event} />
        </span>
      ) : (
        <pre className={classes['sql']}>
          <VisibleText text={entry.sql.slice(0, MOST_CHARACTERS)} layout="block" />
        </pre>
      )}
      <span className={classes['answer']}>{shown === 'running' ? 'running …' : answerWords(entry)}</span>
      {shown !== 'running' && answer !== undefined && !answer.ok && (
        <span className={classes['error']}>
          <VisibleText
            text={[answer.errorCode, answer.error || UNFINISHED.get(answer.outcome) || 'failed']
              .filter(Boolean)
              .join(' ')}
          />
        </span>
      )}
    </>
  );
}

const UNFINISHED: ReadonlyMap<string, string> = new Map([
  ['skipped', 'skipped, as an earlier one failed'],
  ['unanswered', 'not answered before the session ended'],
]);

const STATES: Readonly<Record<EntryState, { readonly icon: Icon; readonly color: string; readonly words: string }>> = {
  done: { icon: IconCheck, color: 'green-text', words: 'done' },
  failed: { icon: IconAlertTriangle, color: 'error', words: 'failed' },
  refused: { icon: IconBan, color: 'error', words: 'refused by Tessera' },
  waiting: { icon: IconLoader2, color: 'yellow-text', words: 'no answer yet' },
  note: { icon: IconNote, color: 'dimmed', words: 'note' },
};

function answerWords(entry: Entry): string {
  const { answer } = entry;
  if (answer === undefined) return stateOf(entry) === 'waiting' ? 'no answer on record' : '';
  return [
    answer.command,
    answer.ok ? rowWords(answer.rows, answer.command) : '',
    answer.durationMs === undefined ? '' : printMs(answer.durationMs),
    answer.bytes === undefined || answer.bytes === 0 ? '' : bytesWords(answer.bytes),
  ]
    .filter((part) => part !== '')
    .join(' · ');
}
