import type { CountQuery, Counts } from '../count.ts';
import type { SearchPage, SearchQuery } from '../search.ts';
import type { StoredEvent } from '../stored-event.ts';

/** A place where events are kept for good. */
export interface EventStore {
  /** For messages and metrics; no secrets. */
  readonly name: string;
  /**
   * Stores the events that it does not have yet (by `uid`), in order; resolves when they are durable, with those that were new. A store that can not know repeats
   * says all were new. Rejects with StorageError, then none or some are stored and the same call may be repeated.
   */
  write(events: readonly StoredEvent[]): Promise<readonly StoredEvent[]>;
  /** Lets what is under way end, then closes. */
  close(): Promise<void>;
}

/** A store that can be the first of `audit_events_uri`: the one that is read. */
export interface SearchableStore extends EventStore {
  /** A page of original lines in order of time. Rejects with StorageError; never blocks the event loop for long. */
  search(query: SearchQuery): Promise<SearchPage>;
  /** Exact figures. Rejects with StorageError, or LimitError where they would take too much; never blocks the event loop for long. */
  count(query: CountQuery): Promise<Counts>;
}
