import { useLocation, useNavigate } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import type { AuditEvent } from '../../parts/events/event.ts';
import { type AuditFilters, endsNow, filtersOf, requestOf, searchOf } from './filters.ts';
import { useActivity, useFollow, useOldest, useSearch } from './log.ts';
import { joined } from './tail.ts';

export type View = ReturnType<typeof useView>;

/** The page's state: the address says the filters and which event is open, everything else follows from it. */
export function useView() {
  const { search } = useLocation();
  const navigate = useNavigate();
  const filters = useMemo(() => filtersOf(search), [search]);
  const [nowMs, setNow] = useState(() => Date.now());
  const [live, setLive] = useState(false);
  const request = useMemo(() => requestOf(filters, nowMs), [filters, nowMs]);
  const found = useSearch(request);
  const whyNotLive = endsNow(filters, nowMs) ? '' : 'The time that is shown is over';
  const isLive = live && whyNotLive === '';
  // The stream has no beginning, so that a moment that moves on does not begin it anew.
  const following = useFollow(
    useMemo(
      () => (isLive ? requestOf({ ...filters, range: 'all', from: '', to: '' }, 0) : undefined),
      [isLive, filters],
    ),
  );
  const refresh = (): void => setNow(Date.now());
  // What happened before the stream was there, or while it was lost.
  useEffect(() => {
    if (following.state === 'live') setNow(Date.now());
  }, [following.state]);
  const events = useMemo(() => joined(following.tail.shown, found.events), [following.tail.shown, found.events]);
  const activity = useActivity(useBounded(filters, request, nowMs, isLive));
  const setFilters = (next: AuditFilters, how?: 'typing'): void => {
    setNow(Date.now());
    void navigate({ to: '/audit', search: searchOf(next), replace: how === 'typing' });
  };
  return {
    filters,
    setFilters,
    request,
    found,
    following,
    events,
    activity,
    refresh,
    whyNotLive,
    setLive,
    live: isLive,
    ...useOpened(events, typeof search['open'] === 'string' ? search['open'] : ''),
  };
}

/** Which row is selected, and which event is open. A link may name one. */
function useOpened(events: readonly AuditEvent[], linked: string) {
  const [selected, select] = useState('');
  const [opened, setOpened] = useState<AuditEvent>();
  const [wasOpened, setWasOpened] = useState(false);
  const [followed, setFollowed] = useState('');
  const open = (event: AuditEvent): void => {
    select(event.uid);
    setOpened(event);
    setWasOpened(true);
  };
  const target = linked === '' || linked === followed ? undefined : events.find(({ uid }) => uid === linked);
  useEffect(() => {
    if (target === undefined) return;
    setFollowed(target.uid);
    open(target);
  }, [target]);
  const step = (by: 1 | -1): void => {
    const next = events[events.findIndex(({ uid }) => uid === (opened?.uid ?? selected)) + by];
    if (next !== undefined) open(next);
  };
  return { selected, select, opened, wasOpened, open, step, close: () => setOpened(undefined) };
}

/** The span of the chart: a side without a bound begins with the oldest event and ends now. In a live view "now" moves every few seconds. */
function useBounded(filters: AuditFilters, request: ReturnType<typeof requestOf>, nowMs: number, live: boolean) {
  const [tickMs, setTick] = useState(nowMs);
  useEffect(() => {
    setTick(nowMs);
    if (!live) return undefined;
    let timer = setTimeout(function tick() {
      setTick(Date.now());
      timer = setTimeout(tick, CHART_EVERY_MS);
    }, CHART_EVERY_MS);
    return () => clearTimeout(timer);
  }, [nowMs, live]);
  const oldest = useOldest(request?.from === '' ? request : undefined);
  return useMemo(() => {
    const moving = requestOf(filters, tickMs);
    if (moving === undefined) return undefined;
    const from =
      moving.from === '' && oldest !== undefined
        ? new Date(Math.floor(oldest / 1000) * 1000).toISOString()
        : moving.from;
    return { ...moving, from, to: moving.to === '' ? new Date(tickMs + 1).toISOString() : moving.to };
  }, [filters, tickMs, oldest]);
}

const CHART_EVERY_MS = 10_000;
