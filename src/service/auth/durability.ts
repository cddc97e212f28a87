import { StorageError } from '../../errors.ts';
import type { Store } from '../../state/store.ts';
import type { AuditPort } from './context.ts';

/**
 * Notices when the Auth Service's disks fail: its state, its audit log. What failed counts until the same kind of call works again, or for a minute: whoever is not sent
 * any calls because it is not ready would otherwise never come back.
 */
export class Durability {
  readonly #now: () => number;
  readonly #failed = new Map<string, { readonly code: string; readonly atMs: number }>();

  /** `now`: milliseconds of a monotonic clock. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Why the service can not do its work, for operators; undefined while all is well. */
  get reason(): string | undefined {
    for (const [what, { code, atMs }] of this.#failed)
      if (this.#now() - atMs < FAILURE_COUNTS_MS) return `${what} failed (${code}); see the log`;
    return undefined;
  }

  /** The same store, watched. */
  store(store: Store): Store {
    const reading = <T>(call: Promise<T>): Promise<T> => this.#watch('reading the state', call);
    const writing = <T>(call: Promise<T>): Promise<T> => this.#watch('writing the state', call);
    return {
      read: (key) => reading(store.read(key)),
      list: (prefix) => reading(store.list(prefix)),
      revision: () => reading(store.revision()),
      put: (key, value, options) => writing(store.put(key, value, options)),
      remove: (key, expect) => writing(store.remove(key, expect)),
      watch: (prefixes, options) => store.watch(prefixes, options),
      close: () => store.close(),
    };
  }

  /** The same audit log, watched. */
  audit(audit: AuditPort): AuditPort {
    return {
      ...audit,
      emit: (event) => this.#watch('writing the audit log', audit.emit(event)),
      ingest: (zstd, caller) => this.#watch('writing the audit log', audit.ingest(zstd, caller)),
    };
  }

  async #watch<T>(what: string, call: Promise<T>): Promise<T> {
    try {
      const value = await call;
      this.#failed.delete(what);
      return value;
    } catch (error) {
      if (error instanceof StorageError && !ANSWERS.has(error.code))
        this.#failed.set(what, { code: error.code, atMs: this.#now() });
      throw error;
    }
  }
}

const FAILURE_COUNTS_MS = 60_000;
/** These say something about the call or the moment, not about the disk. */
const ANSWERS: ReadonlySet<string> = new Set([
  'STATE_CONFLICT',
  'STATE_COMPACTED',
  'STATE_CLOSED',
  'AUDIT_LOG_CLOSED',
  'AUDIT_STORE_CLOSED',
]);
