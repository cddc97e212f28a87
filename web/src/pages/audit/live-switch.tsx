import { Badge, Button, Group, Tooltip } from '@mantine/core';
import { IconPlayerPause, IconPlayerPlay } from '@tabler/icons-react';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { countWords } from '../../parts/time-words.ts';
import type { Following } from './log.ts';

/** Switches the live view on and off, pauses it, and says how it is. What arrives is announced in figures, at most every ten seconds. */
export function LiveSwitch(props: {
  readonly on: boolean;
  /** Why it can not be switched on; empty when it can. */
  readonly why: string;
  readonly following: Following;
  readonly onChange: (on: boolean) => void;
}): ReactNode {
  const { on, following } = props;
  const { tail, act, state } = following;
  return (
    <Group gap="xs" wrap="nowrap">
      {on && (
        <Badge variant="light" color={tail.paused ? 'yellow' : COLORS[state]} tt="none" title={WORDS[state]}>
          {tail.paused ? 'paused' : state}
        </Badge>
      )}
      {on && (
        <Button
          variant="default"
          leftSection={
            tail.paused ? <IconPlayerPlay size={16} aria-hidden /> : <IconPlayerPause size={16} aria-hidden />
          }
          onClick={() => act({ type: tail.paused ? 'resume' : 'pause' })}
        >
          {tail.paused ? 'Go on' : 'Pause'}
        </Button>
      )}
      <Tooltip label={props.why} disabled={props.why === ''}>
        <Button
          variant={on ? 'filled' : 'default'}
          aria-pressed={on}
          {...(props.why === '' ? {} : { 'data-disabled': true, 'aria-disabled': true })}
          onClick={() => (props.why === '' ? props.onChange(!on) : undefined)}
        >
          Live
        </Button>
      </Tooltip>
      <Announcer count={tail.shown.length + tail.waiting.length + tail.dropped} on={on} />
    </Group>
  );
}

/** What came while the list did not move. */
export function News({ following, onShow }: { readonly following: Following; readonly onShow: () => void }): ReactNode {
  const { waiting, dropped } = following.tail;
  if (waiting.length === 0) return null;
  return (
    <Button size="compact-sm" radius="xl" onClick={onShow}>
      {dropped > 0 ? 'more than ' : ''}
      {countWords(waiting.length)} new
    </Button>
  );
}

const COLORS = { off: 'gray', connecting: 'gray', live: 'green', lost: 'yellow', refused: 'red' } as const;
const WORDS = {
  off: '',
  connecting: 'Connecting',
  live: 'New events appear as they happen',
  lost: 'The connection was lost; it begins again by itself',
  refused: 'The server refused to go on',
} as const;

function Announcer({ count, on }: { readonly count: number; readonly on: boolean }): ReactNode {
  const told = useRef(0);
  const latest = useRef(count);
  const [words, setWords] = useState('');
  latest.current = count;
  useEffect(() => {
    if (!on) return undefined;
    told.current = 0;
    let timer: ReturnType<typeof setTimeout>;
    const tell = (): void => {
      const fresh = latest.current - told.current;
      told.current = latest.current;
      if (fresh > 0) setWords(`${countWords(fresh)} new ${fresh === 1 ? 'event' : 'events'}`);
      timer = setTimeout(tell, EVERY_MS);
    };
    timer = setTimeout(tell, EVERY_MS);
    return () => clearTimeout(timer);
  }, [on]);
  return (
    <span className="visually-hidden" aria-live="polite">
      {on ? words : ''}
    </span>
  );
}

const EVERY_MS = 10_000;
