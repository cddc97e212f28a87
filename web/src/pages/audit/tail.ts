import type { AuditEvent } from '../../parts/events/event.ts';

/** What a live view holds: newest first, never more than its limits, whatever arrives. */
export type Tail = {
  /** Shown now. */
  readonly shown: readonly AuditEvent[];
  /** Came while paused; shown when it goes on. */
  readonly waiting: readonly AuditEvent[];
  readonly paused: boolean;
  /** Events that fell off the end or came while too much was waiting: still in the log. */
  readonly dropped: number;
};

export const EMPTY_TAIL: Tail = { shown: [], waiting: [], paused: false, dropped: 0 };

export type TailAction =
  | { readonly type: 'events'; readonly events: readonly AuditEvent[] }
  | { readonly type: 'pause' }
  | { readonly type: 'resume' }
  | { readonly type: 'clear' };

/** How many events a live view shows, and how many it keeps while it is paused. */
export const MOST_SHOWN = 1000;
export const MOST_WAITING = 2000;

/** The next state. `events` come oldest first, as they happened. */
export function tailReducer(tail: Tail, action: TailAction): Tail {
  switch (action.type) {
    case 'events':
      return tail.paused ? hold(tail, action.events) : show(tail, action.events);
    case 'pause':
      return { ...tail, paused: true };
    case 'resume':
      return show({ ...tail, paused: false, waiting: [] }, tail.waiting);
    case 'clear':
      return EMPTY_TAIL;
  }
}

function show(tail: Tail, events: readonly AuditEvent[]): Tail {
  const known = new Set(tail.shown.map(({ uid }) => uid));
  const fresh = events.filter(({ uid }) => !known.has(uid));
  if (fresh.length === 0) return tail;
  const all = [...fresh.toReversed(), ...tail.shown];
  return { ...tail, shown: all.slice(0, MOST_SHOWN), dropped: tail.dropped + Math.max(0, all.length - MOST_SHOWN) };
}

function hold(tail: Tail, events: readonly AuditEvent[]): Tail {
  const all = [...tail.waiting, ...events];
  const over = Math.max(0, all.length - MOST_WAITING);
  return { ...tail, waiting: all.slice(over), dropped: tail.dropped + over };
}

/** Pages of a search, newest first, behind the live events: each event once. */
export function joined(tail: readonly AuditEvent[], loaded: readonly AuditEvent[]): readonly AuditEvent[] {
  if (tail.length === 0) return loaded;
  const known = new Set(tail.map(({ uid }) => uid));
  return [...tail, ...loaded.filter(({ uid }) => !known.has(uid))];
}
