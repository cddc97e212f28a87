import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LimitError, StorageError } from '../../errors.ts';
import { checkExpiry, checkKey, checkPrefix, serialize } from '../key.ts';
import type { Change, Item, Json, PutOptions, Store } from '../store.ts';
import { openDatabase, toStorageError } from './database.ts';
import { Watcher } from './watcher.ts';

/** Calls back once after `delayMs`, until it is cancelled. The default keeps no process alive. */
export type Scheduler = (delayMs: number, callback: () => void) => { cancel(): void };

export type SqliteStoreOptions = {
  /** The file; made with mode 0600 in folders of mode 0700. */
  readonly path: string;
  /** Milliseconds since 1970; decides what has expired. */
  readonly now: () => number;
  readonly schedule?: Scheduler;
  /** maxStateLogRows: changes that a watcher may be behind before it must read everything again; default 100,000. */
  readonly maxLogRows?: number;
  /** maxStateWatchers at once; default 10,000. */
  readonly maxWatchers?: number;
  /** How long a write waits for another process's; default 5,000. */
  readonly busyTimeoutMs?: number;
  /** How often watchers look for what other processes wrote; default 250. */
  readonly pollMs?: number;
  /** For a second process that only looks: no writes, and expiries are left to the writer. Default false. */
  readonly readOnly?: boolean;
};

/** Opens the store on one machine's disk. The caller closes it. Throws StorageError as `openDatabase` does. */
export function openSqliteStore(options: SqliteStoreOptions): Store {
  return new SqliteStore(options);
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #sql: Statements;
  readonly #now: () => number;
  readonly #schedule: Scheduler;
  readonly #maxLogRows: number;
  readonly #maxWatchers: number;
  readonly #pollMs: number;
  readonly #readOnly: boolean;
  readonly #watchers = new Set<Watcher>();
  #expiryTimer: { cancel(): void } | undefined;
  #pollTimer: { cancel(): void } | undefined;
  /** PRAGMA data_version: changes when another connection has written. */
  #dataVersion: unknown;
  #closed = false;

  constructor(options: SqliteStoreOptions) {
    this.#readOnly = options.readOnly ?? false;
    this.#database = openDatabase(options.path, {
      busyTimeoutMs: options.busyTimeoutMs ?? 5_000,
      readOnly: this.#readOnly,
    });
    this.#sql = prepare(this.#database);
    this.#now = options.now;
    this.#schedule = options.schedule ?? scheduleUnref;
    this.#maxLogRows = options.maxLogRows ?? 100_000;
    this.#maxWatchers = options.maxWatchers ?? 10_000;
    this.#pollMs = options.pollMs ?? 250;
    this.#dataVersion = this.#sql.dataVersion.get()?.['data_version'];
    this.#armExpiry();
  }

  async read(key: string): Promise<Item | undefined> {
    checkKey(key);
    return this.#guard('read', () => this.#live(key));
  }

  async list(prefix: string): Promise<readonly Item[]> {
    checkPrefix(prefix);
    return this.#guard('list', () => this.#sql.list.all(prefix, `${prefix}${LAST}`, this.#now()).map(toItem));
  }

  async put(key: string, value: Json, options: PutOptions): Promise<Item> {
    checkKey(key);
    checkExpiry(options.expiresMs);
    const text = serialize(value);
    const { expiresMs } = options;
    const revision = this.#write('write', () => {
      this.#expireKey(key);
      expectRevision(key, this.#live(key)?.revision, options.expect);
      const next = this.#log(key, 'put');
      this.#sql.put.run(key, text, next, expiresMs ?? null);
      return next;
    });
    return { key, value: JSON.parse(text) as Json, revision, ...(expiresMs !== undefined && { expiresMs }) };
  }

  async remove(key: string, expect?: number): Promise<boolean> {
    checkKey(key);
    return this.#write('remove', () => {
      this.#expireKey(key);
      const live = this.#live(key);
      if (expect !== undefined && live !== undefined) expectRevision(key, live.revision, expect);
      if (live === undefined) return false;
      this.#sql.remove.run(key);
      this.#log(key, 'remove');
      return true;
    });
  }

  watch(
    prefixes: readonly string[],
    options: { readonly afterRevision?: number; readonly signal: AbortSignal },
  ): AsyncIterable<Change> {
    for (const prefix of prefixes) checkPrefix(prefix);
    // Taken now and not at the first step, so that nothing written in between is missed.
    const after = this.#guard('watch', () => options.afterRevision ?? this.#meta('revision'));
    const open = (): Watcher => {
      if (this.#watchers.size >= this.#maxWatchers) {
        throw new LimitError(
          'STATE_TOO_MANY_WATCHERS',
          `${this.#watchers.size} watchers reach maxStateWatchers ${this.#maxWatchers}`,
        );
      }
      const watcher = new Watcher({
        after,
        signal: options.signal,
        read: (revision) => this.#changes(prefixes, revision),
        closed: () => this.#closed,
        ended: (ended) => this.#watchers.delete(ended),
      });
      if (!options.signal.aborted) this.#watchers.add(watcher);
      this.#armPoll();
      return watcher;
    };
    return { [Symbol.asyncIterator]: open };
  }

  async revision(): Promise<number> {
    return this.#guard('read', () => this.#meta('revision'));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#expiryTimer?.cancel();
    this.#pollTimer?.cancel();
    this.#wake();
    this.#database.close();
  }

  /** One batch of changes after `after`, and how far it reaches. Throws STATE_COMPACTED. */
  #changes(prefixes: readonly string[], after: number): Batch {
    return this.#guard('watch', () => {
      // One snapshot: another process may compact between the question and the reading.
      this.#database.exec('BEGIN');
      try {
        // A revision of the future comes from another life of this file, before a backup was restored.
        if (after < this.#meta('compacted') || after > this.#meta('revision')) {
          throw new StorageError(
            'STATE_COMPACTED',
            `state watch: revision ${after} is no longer remembered, read everything again`,
          );
        }
        return this.#readBatch(prefixes, after);
      } finally {
        this.#database.exec('COMMIT');
      }
    });
  }

  #readBatch(prefixes: readonly string[], after: number): Batch {
    const changes: Change[] = [];
    let upTo = after;
    let size = 0;
    for (const row of this.#sql.changes.iterate(after, WATCH_BATCH)) {
      upTo = Number(row['log_revision']);
      if (!prefixes.some((prefix) => String(row['key']).startsWith(prefix))) continue;
      changes.push(...toChange(row));
      size += String(row['value'] ?? '').length;
      if (size >= WATCH_BATCH_CHARACTERS) break;
    }
    return { changes, upTo };
  }

  #live(key: string): Item | undefined {
    const row = this.#sql.read.get(key, this.#now());
    return row === undefined ? undefined : toItem(row);
  }

  #meta(name: 'revision' | 'compacted'): number {
    return Number(this.#sql.meta.get(name)?.['value']);
  }

  /** Appends to the log and gives the new revision; inside a transaction. */
  #log(key: string, type: Change['type']): number {
    const revision = this.#meta('revision') + 1;
    this.#sql.setMeta.run(revision, 'revision');
    this.#sql.log.run(revision, key, type === 'remove' ? 1 : 0);
    // A tenth more than promised may stand, so that not every write compacts.
    const compacted = this.#meta('compacted');
    if (revision - compacted > this.#maxLogRows + Math.ceil(this.#maxLogRows / 10)) {
      this.#sql.compact.run(revision - this.#maxLogRows);
      this.#sql.setMeta.run(revision - this.#maxLogRows, 'compacted');
    }
    return revision;
  }

  /** An item whose time is over but which the timer has not reached: its removal comes before the write that follows. */
  #expireKey(key: string): void {
    if (this.#sql.expireKey.run(key, this.#now()).changes !== 0) this.#log(key, 'remove');
  }

  #write<T>(what: string, work: () => T): T {
    const result = this.#guard(what, () => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        const value = work();
        this.#database.exec('COMMIT');
        return value;
      } catch (error) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw error;
      }
    });
    this.#armExpiry();
    this.#wake();
    return result;
  }

  #guard<T>(what: string, work: () => T): T {
    if (this.#closed) throw new StorageError('STATE_CLOSED', 'the state store is closed');
    try {
      return work();
    } catch (error) {
      throw toStorageError(error, `state ${what}`);
    }
  }

  #wake(): void {
    for (const watcher of this.#watchers) watcher.wake();
  }

  /** One timer for the item that expires first. */
  #armExpiry(): void {
    this.#expiryTimer?.cancel();
    this.#expiryTimer = undefined;
    if (this.#closed || this.#readOnly) return;
    const next = this.#sql.nextExpiry.get()?.['next'];
    if (typeof next !== 'number') return;
    const delayMs = Math.min(Math.max(next - this.#now(), 0), MAX_DELAY_MS);
    this.#expiryTimer = this.#schedule(delayMs, () => this.#expire());
  }

  #expire(): void {
    try {
      this.#write('expiry', () => {
        for (const row of this.#sql.expired.all(this.#now(), EXPIRY_BATCH)) {
          const key = String(row['key']);
          this.#sql.remove.run(key);
          this.#log(key, 'remove');
        }
      });
    } catch {
      // Reads hide what has expired all the same; a busy or full disk is tried again, and the next write tells its caller.
      if (!this.#closed) this.#expiryTimer = this.#schedule(EXPIRY_RETRY_MS, () => this.#expire());
    }
  }

  #armPoll(): void {
    if (this.#pollTimer !== undefined || this.#closed || this.#watchers.size === 0) return;
    this.#pollTimer = this.#schedule(this.#pollMs, () => {
      this.#pollTimer = undefined;
      if (this.#closed) return;
      const version = this.#sql.dataVersion.get()?.['data_version'];
      if (version !== this.#dataVersion) {
        this.#dataVersion = version;
        this.#wake();
        this.#armExpiry();
      }
      this.#armPoll();
    });
  }
}

function expectRevision(key: string, found: number | undefined, expect: PutOptions['expect']): void {
  if (expect === 'any' || (expect === 'absent' ? found === undefined : found === expect)) return;
  const wanted = expect === 'absent' ? 'that it does not exist' : `revision ${expect}`;
  throw new StorageError(
    'STATE_CONFLICT',
    `state ${key}: expected ${wanted}, got ${found === undefined ? 'nothing' : `revision ${found}`}: read it again`,
  );
}

type Row = Record<string, unknown>;
type Batch = { readonly changes: readonly Change[]; readonly upTo: number };

function toItem(row: Row): Item {
  const {
    key,
    value,
    revision,
    expires_ms: expiresMs,
  } = row as {
    readonly key: string;
    readonly value: string;
    readonly revision: number;
    readonly expires_ms: number | null;
  };
  return { key, value: JSON.parse(value) as Json, revision, ...(expiresMs !== null && { expiresMs }) };
}

/** A put whose value is no longer there gives nothing: a later row of the log says what became of it. */
function toChange(row: Row): Change[] {
  const revision = Number(row['log_revision']);
  if (row['removed'] === 1) return [{ type: 'remove', key: String(row['key']), revision }];
  return row['revision'] === revision ? [{ type: 'put', item: toItem(row), revision }] : [];
}

type Statements = ReturnType<typeof prepare>;

function prepare(database: DatabaseSync): { readonly [name in keyof typeof SQL]: StatementSync } {
  const entries = Object.entries(SQL).map(([name, text]) => [name, database.prepare(text)] as const);
  return Object.fromEntries(entries) as { readonly [name in keyof typeof SQL]: StatementSync };
}

function scheduleUnref(delayMs: number, callback: () => void): { cancel(): void } {
  const timer = setTimeout(callback, delayMs);
  timer.unref();
  return { cancel: () => clearTimeout(timer) };
}

/** Greater than every character that a key may have. */
const LAST = '\u{10ffff}';
const WATCH_BATCH = 256;
/** A watcher holds about this much at most, and one value more. */
const WATCH_BATCH_CHARACTERS = 1024 * 1024;
const EXPIRY_BATCH = 500;
const EXPIRY_RETRY_MS = 1_000;
/** setTimeout's limit is 2^31 - 1 ms; the timer is armed again when it fires early. */
const MAX_DELAY_MS = 0x7fffffff;
const SQL = {
  read: 'SELECT key, value, revision, expires_ms FROM items WHERE key = ? AND (expires_ms IS NULL OR expires_ms > ?)',
  list: 'SELECT key, value, revision, expires_ms FROM items WHERE key >= ? AND key < ? AND (expires_ms IS NULL OR expires_ms > ?) ORDER BY key',
  put: 'INSERT OR REPLACE INTO items (key, value, revision, expires_ms) VALUES (?, ?, ?, ?)',
  remove: 'DELETE FROM items WHERE key = ?',
  expireKey: 'DELETE FROM items WHERE key = ? AND expires_ms <= ?',
  expired: 'SELECT key FROM items WHERE expires_ms <= ? ORDER BY expires_ms, key LIMIT ?',
  nextExpiry: 'SELECT min(expires_ms) AS next FROM items WHERE expires_ms IS NOT NULL',
  meta: 'SELECT value FROM meta WHERE name = ?',
  setMeta: 'UPDATE meta SET value = ? WHERE name = ?',
  log: 'INSERT INTO log (revision, key, removed) VALUES (?, ?, ?)',
  compact: 'DELETE FROM log WHERE revision <= ?',
  changes:
    'SELECT log.revision AS log_revision, log.key AS key, log.removed AS removed, items.value AS value, items.revision AS revision, items.expires_ms AS expires_ms ' +
    'FROM log LEFT JOIN items ON items.key = log.key WHERE log.revision > ? ORDER BY log.revision LIMIT ?',
  dataVersion: 'PRAGMA data_version',
} as const;
