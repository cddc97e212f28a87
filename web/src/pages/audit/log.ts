import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useReducer, useState } from 'react';
import { type AuditEvent, parseEvent } from '../../parts/events/event.ts';
import { keepReading, type StreamState } from '../../parts/events/keep-reading.ts';
import { log } from '../../parts/events/log-client.ts';
import { type Bar, barsOf } from './chart.ts';
import type { AuditRequest } from './filters.ts';
import { EMPTY_TAIL, MOST_SHOWN, type Tail, type TailAction, tailReducer } from './tail.ts';

/** The audit log as pages read it. */

/** Events of one page of a search. */
const PAGE = 200;
/** What the browser keeps of one search; who scrolls that far narrows the range instead. */
export const MOST_EVENTS = 20_000;
/** Bars of the chart. */
const BARS = 72;
const KEPT_MS = 60_000;

export type Found = {
  readonly events: readonly AuditEvent[];
  readonly isPending: boolean;
  /** These are still the events of the search before. */
  readonly isOld: boolean;
  readonly error: unknown;
  readonly hasMore: boolean;
  /** More is there, and this page holds no more. */
  readonly isFull: boolean;
  readonly isLoadingMore: boolean;
  readonly loadMore: () => void;
  readonly retry: () => void;
};

/** A search, newest first, page by page. `undefined` finds nothing. */
export function useSearch(request: AuditRequest | undefined, options: { readonly descending?: boolean } = {}): Found {
  const descending = options.descending ?? true;
  const query = useInfiniteQuery({
    queryKey: ['audit', 'search', request, descending],
    queryFn: async ({ pageParam, signal }) => {
      if (request === undefined) return { events: [], nextCursor: '' };
      const answer = await log.searchAudit({ ...request, limit: PAGE, cursor: pageParam, descending }, { signal });
      return { events: answer.events.map(parseEvent), nextCursor: answer.nextCursor };
    },
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }, pages) =>
      nextCursor === '' || count(pages) >= MOST_EVENTS ? undefined : nextCursor,
    placeholderData: keepPreviousData,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: KEPT_MS,
    refetchOnWindowFocus: false,
    refetchOnReconnect: false,
  });
  const { data } = query;
  const events = useMemo(() => data?.pages.flatMap((page) => page.events) ?? [], [data]);
  const isFull = !query.hasNextPage && (data?.pages.at(-1)?.nextCursor ?? '') !== '';
  return {
    events,
    isPending: query.isPending,
    isOld: query.isPlaceholderData,
    error: query.error,
    hasMore: query.hasNextPage && !query.isPlaceholderData,
    isFull,
    isLoadingMore: query.isFetchingNextPage,
    loadMore: () => void query.fetchNextPage({ cancelRefetch: false }),
    retry: () => void (data === undefined ? query.refetch() : query.fetchNextPage()),
  };
}

export type Activity = {
  readonly bars: readonly Bar[];
  readonly total: number;
  readonly isPending: boolean;
  readonly error: unknown;
};

/** How much there was over the span; the one before stays until the next is there. The span must be bounded on both sides. */
export function useActivity(request: AuditRequest | undefined): Activity {
  const isBounded = request !== undefined && request.from !== '' && request.to !== '';
  const query = useQuery({
    queryKey: ['audit', 'count', request],
    queryFn: async ({ signal }) => {
      const answer = await log.countAudit({ filter: request ?? {}, buckets: BARS }, { signal });
      return { bars: barsOf(answer.buckets, Date.parse(request?.to ?? '')), total: Number(answer.total) };
    },
    enabled: isBounded,
    placeholderData: keepPreviousData,
    staleTime: KEPT_MS,
    gcTime: KEPT_MS,
    refetchOnWindowFocus: false,
  });
  return {
    bars: query.data?.bars ?? [],
    total: query.data?.total ?? 0,
    isPending: query.isPending,
    error: query.error,
  };
}

/** When the oldest event that matches happened: where "all time" begins. */
export function useOldest(request: AuditRequest | undefined): number | undefined {
  const query = useQuery({
    queryKey: ['audit', 'oldest', request],
    queryFn: async ({ signal }) => {
      const answer = await log.searchAudit({ ...request, limit: 1, descending: false }, { signal });
      return answer.events[0] === undefined ? null : parseEvent(answer.events[0]).timeMs;
    },
    enabled: request !== undefined,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: KEPT_MS,
  });
  return query.data ?? undefined;
}

export type Following = {
  readonly tail: Tail;
  readonly act: (action: TailAction) => void;
  /** `lost`: it begins again by itself. */
  readonly state: 'off' | StreamState;
  readonly error: unknown;
};

/** New events as they happen, while `request` is there. Begins again when the stream is lost; a request that the server refuses is not repeated. */
export function useFollow(request: AuditRequest | undefined): Following {
  const [tail, act] = useReducer(tailReducer, EMPTY_TAIL);
  const [state, setState] = useState<Following['state']>('off');
  const [error, setError] = useState<unknown>(null);
  const key = request === undefined ? '' : JSON.stringify(request);
  useEffect(() => {
    act({ type: 'clear' });
    setError(null);
    if (key === '') return setState('off');
    const ended = new AbortController();
    const seen: AuditEvent[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    // At most ten times a second, so that a busy cluster does not hold up the page.
    const hand = (): void => {
      timer = undefined;
      act({ type: 'events', events: seen.splice(0) });
    };
    const push = (lines: readonly string[]): void => {
      seen.push(...lines.map(parseEvent));
      if (lines.length > 0) timer ??= setTimeout(hand, HAND_OVER_MS);
    };
    const filter = JSON.parse(key) as AuditRequest;
    let lostMs: number | undefined;
    // What was stored while the stream was away; the view tells by uid what it has already.
    const catchUp = async (fromMs: number): Promise<void> => {
      const from = new Date(Math.max(fromMs - LATE_MS, Date.parse(filter.from ?? '') || 0)).toISOString();
      const missed = await log.searchAudit(
        { ...filter, from, limit: MOST_SHOWN, descending: true },
        { signal: ended.signal },
      );
      push(missed.events.toReversed());
    };
    void keepReading((signal, onHeader) => log.followAudit({ filter }, { signal, onHeader }), ended.signal, {
      onState: (now, refused) => {
        setState(now);
        setError(refused ?? null);
        if (now === 'lost') lostMs ??= Date.now();
        if (now !== 'live' || lostMs === undefined) return;
        const fromMs = lostMs;
        lostMs = undefined;
        // The next loss looks this far back again.
        catchUp(fromMs).catch(() => (lostMs ??= fromMs));
      },
      onMessage: ({ events }) => push(events),
    });
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [key]);
  return { tail, act, state, error };
}

const HAND_OVER_MS = 100;
/** Before a stream is found lost, and events that reach the log late. */
const LATE_MS = 60_000;

function count(pages: readonly { readonly events: readonly unknown[] }[]): number {
  return pages.reduce((sum, { events }) => sum + events.length, 0);
}
