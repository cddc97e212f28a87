import { useEffect, useMemo } from 'react';
import { NO_FILTERS, requestOf } from '../audit/filters.ts';
import { useFollow, useSearch, type Found } from '../audit/log.ts';
import { storyOf, type Story } from './story.ts';

export type SessionData = {
  readonly story: Story | undefined;
  readonly found: Found;
  /** It may go on: no end is on record. What happens now is added as it happens. */
  readonly isOpen: boolean;
  /** Not everything fitted into the page. */
  readonly isCut: boolean;
  readonly isLoading: boolean;
};

/** Everything of one session, oldest first, page after page; while it goes on also what is new. */
export function useSessionData(session: string): SessionData {
  const request = useMemo(() => requestOf({ ...NO_FILTERS, range: 'all', session }, 0), [session]);
  const found = useSearch(request, { descending: false });
  const { hasMore, isLoadingMore, error, loadMore } = found;
  useEffect(() => {
    if (hasMore && !isLoadingMore && error === null) loadMore();
  });
  const before = useMemo(() => (found.isPending || found.isOld ? undefined : storyOf(found.events)), [found]);
  const isOpen = before !== undefined && before.endedMs === undefined && !before.refused;
  const following = useFollow(isOpen ? request : undefined);
  const { shown, dropped } = following.tail;
  const story = useMemo(
    () => (shown.length === 0 ? before : storyOf([...found.events, ...shown])),
    [before, found.events, shown],
  );
  return {
    story,
    found,
    isOpen: isOpen && story?.endedMs === undefined,
    isCut: found.isFull || dropped > 0,
    isLoading: found.isPending || found.isOld || hasMore,
  };
}
