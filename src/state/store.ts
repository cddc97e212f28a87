/**
 * The Auth Service's durable records: a small key-value interface with compare-and-swap, expiry and an ordered watch. Implementations (sqlite/, later postgres/)
 * pass one conformance test (store.conformance.ts). Keys are `/kind/name` paths, values are JSON documents.
 */
export interface Store {
  /** undefined: absent or expired. */
  read(key: string): Promise<Item | undefined>;
  /** Every live item whose key begins with `prefix`, in key order. */
  list(prefix: string): Promise<readonly Item[]>;
  /**
   * Writes atomically. `expect`: 'absent' (must not exist), a revision (must be exactly that), or 'any'. Throws StorageError with code `STATE_CONFLICT` when the
   * expectation fails. Returns the new item.
   */
  put(key: string, value: Json, options: PutOptions): Promise<Item>;
  /** Removes; false when it was not there. With `expect` a revision, throws STATE_CONFLICT when it is another. */
  remove(key: string, expect?: number): Promise<boolean>;
  /**
   * Changes in order of revision, from just after `afterRevision` (or from now, the moment of the call). An expiry is delivered as a removal. A value that was
   * overwritten or removed before it was read may be skipped, so a slow watcher costs no memory: it still sees every key's newest state, in order. Throws StorageError with
   * code `STATE_COMPACTED` when the store no longer remembers that far: read everything again. Ends when the signal aborts or the store closes.
   */
  watch(
    prefixes: readonly string[],
    options: { readonly afterRevision?: number; readonly signal: AbortSignal },
  ): AsyncIterable<Change>;
  /** The newest revision: what a full picture that is read now is at least as new as. */
  revision(): Promise<number>;
  close(): Promise<void>;
}

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type Item = {
  readonly key: string;
  readonly value: Json;
  readonly revision: number;
  readonly expiresMs?: number;
};
export type PutOptions = { readonly expect: 'any' | 'absent' | number; readonly expiresMs?: number };
export type Change =
  | { readonly type: 'put'; readonly item: Item; readonly revision: number }
  | { readonly type: 'remove'; readonly key: string; readonly revision: number };
