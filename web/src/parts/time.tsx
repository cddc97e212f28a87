import { Text } from '@mantine/core';
import { useEffect, useState, type ReactNode } from 'react';
import { relativeWords } from './time-words.ts';

const TICK_MS = 15_000;
const absolute = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

/** A moment (RFC 3339): relative and kept current, exact on hover and for machines. An empty or unreadable one is `fallback`. */
export function Time(props: {
  readonly value: string;
  readonly fallback?: string;
  readonly exact?: boolean;
}): ReactNode {
  const nowMs = useNow();
  const timeMs = Date.parse(props.value);
  if (Number.isNaN(timeMs)) return <>{props.fallback ?? '–'}</>;
  const exact = absolute.format(timeMs);
  const words = relativeWords(timeMs, nowMs);
  return (
    <Text
      component="time"
      dateTime={props.value}
      title={props.exact === true ? words : exact}
      inherit
      style={{ whiteSpace: 'nowrap' }}
    >
      {props.exact === true ? exact : words}
    </Text>
  );
}

// One clock for all moments on a page: they change together, and nothing runs when none is shown.
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setTimeout> | undefined;

/** The present in milliseconds, renewed every 15 s: the same for all that use it. */
export function useNow(): number {
  const [nowMs, setNow] = useState(() => Date.now());
  useEffect(() => {
    const listener = (): void => setNow(Date.now());
    listeners.add(listener);
    schedule();
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0) return;
      clearTimeout(timer);
      timer = undefined;
    };
  }, []);
  return nowMs;
}

function schedule(): void {
  timer ??= setTimeout(() => {
    timer = undefined;
    for (const listener of listeners) listener();
    if (listeners.size > 0) schedule();
  }, TICK_MS);
}
