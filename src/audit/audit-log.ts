import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { LimitError, ProtocolError, StorageError } from '../errors.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Instruments } from '../telemetry/instruments.ts';
import type { Log } from '../telemetry/log.ts';
import type { CountQuery, Counts } from './count.ts';
import { type AuditEvent, auditEvent, IsoClock } from './event.ts';
import { Followers, type FollowLimits } from './follow.ts';
import { decodeBatch, INGEST_DEFAULTS, type IngestCaller, type IngestLimits } from './ingest.ts';
import type { EventFilter, SearchPage, SearchQuery } from './search.ts';
import { Secondary, type SecondaryLimits } from './secondary.ts';
import type { Shipper } from './shipper.ts';
import { readStoredLine, type StoredEvent } from './stored-event.ts';
import { openSearchable, openStore, parseDestinations } from './stores/open-store.ts';
import type { SearchableStore } from './stores/store.ts';
import { UidSource } from './writer.ts';

/**
 * The Auth Service's audit log: takes batches from hosts and its own events, keeps them in all destinations, answers searches. An event is acknowledged when
 * the first destination has it on disk and every other has it at least in its own backlog on disk.
 */
export class AuditLog {
  readonly #config: AuditLogConfig;
  readonly #deps: AuditLogDeps;
  readonly #limits: AuditLogLimits;
  readonly #first: SearchableStore;
  readonly #others: readonly Secondary[];
  readonly #followers: Followers;
  readonly #iso = new IsoClock();
  readonly #uids = new UidSource();
  readonly #lastTold = new Map<string, number>();
  #pendingBytes = 0;
  #accepting = true;

  private constructor(
    config: AuditLogConfig,
    deps: AuditLogDeps,
    first: SearchableStore,
    others: readonly Secondary[],
  ) {
    this.#config = config;
    this.#deps = deps;
    this.#limits = { ...AUDIT_LOG_DEFAULTS, ...config.limits };
    this.#first = first;
    this.#others = others;
    this.#followers = new Followers(this.#limits);
  }

  /** Opens all destinations. Throws ConfigError (an address) or StorageError (a directory). */
  static async open(config: AuditLogConfig, deps: AuditLogDeps): Promise<AuditLog> {
    const limits = { ...AUDIT_LOG_DEFAULTS, ...config.limits };
    const [destination, ...further] = parseDestinations(config.uris);
    const first = openSearchable(destination, deps.log);
    const others: Secondary[] = [];
    try {
      for (const next of further) {
        const key = next.type === 'file' ? `file://${next.directory}` : 'stdout://';
        const id = createHash('sha256').update(key).digest('hex').slice(0, 16);
        const store = openStore(next, { log: deps.log, stdout: deps.stdout ?? process.stdout });
        others.push(Secondary.open(store, join(config.backlogDirectory, id), limits, deps));
      }
      return new AuditLog(config, deps, first, others);
    } catch (error) {
      for (const other of others) await other.close(0);
      await first.close();
      throw error;
    }
  }

  /**
   * Stores a batch of a host durably; `stored` of its events were new, repeats are acknowledged. Throws ProtocolError when the batch can never be taken (the caller's
   * shipper puts it in quarantine; answer invalid-argument), StorageError or LimitError when it may be sent again.
   */
  async ingest(eventsZstd: Uint8Array, caller: IngestCaller): Promise<{ readonly stored: number }> {
    this.#checkOpen();
    const reserved = this.#limits.maxBatchBytes;
    if (this.#pendingBytes + reserved > this.#limits.maxPendingBytes) {
      throw new LimitError(
        'AUDIT_INGEST_BUSY',
        `audit: more than maxPendingBytes ${this.#limits.maxPendingBytes} of batches are being stored; send again later`,
      );
    }
    this.#pendingBytes += reserved;
    try {
      const events = await this.#decode(eventsZstd, caller);
      const fresh = await this.#store(events);
      this.#count('stored', fresh.length);
      this.#count('repeated', events.length - fresh.length);
      return { stored: fresh.length };
    } finally {
      this.#pendingBytes -= reserved;
    }
  }

  /**
   * One of Auth's own events. Resolves when it is stored durably; rejects with StorageError: then refuse what it would have recorded.
   */
  async emit(event: AuditEvent): Promise<void> {
    this.#checkOpen();
    const line = JSON.stringify({
      event: event.event,
      code: event.code,
      time: this.#iso.at(this.#deps.clock.now()),
      uid: this.#uids.next(),
      ei: 0,
      cluster_name: this.#config.clusterName,
      server_id: this.#config.hostId,
      ...event.fields,
    });
    const stored = readStoredLine(line);
    if (stored === undefined)
      throw new ProtocolError(
        'AUDIT_EVENT_INVALID',
        `audit event ${event.event} must not set the fields that are set by the log`,
      );
    await this.#store([stored]);
  }

  /** A page of original lines; see `parseSearch`. */
  search(query: SearchQuery): Promise<SearchPage> {
    return this.#first.search(query);
  }

  /** Exact figures; see `parseCount`. */
  count(query: CountQuery): Promise<Counts> {
    return this.#first.count(query);
  }

  /** New events from now on; see `Followers.follow`. */
  follow(filter: EventFilter, signal: AbortSignal): AsyncIterable<readonly string[]> {
    return this.#followers.follow(filter, signal);
  }

  /** The backlogs of the further destinations, by name: for the metrics. */
  get backlogs(): ReadonlyMap<string, Shipper> {
    return new Map(this.#others.map((other) => [other.name, other.shipper]));
  }

  /** Takes no more, gives the backlogs up to `drainMs` to empty, closes everything. What is left is delivered after the next start. */
  async close(drainMs = 5000): Promise<void> {
    this.#accepting = false;
    this.#followers.close();
    await Promise.all(this.#others.map((other) => other.close(drainMs)));
    await this.#first.close();
  }

  async #decode(eventsZstd: Uint8Array, caller: IngestCaller): Promise<StoredEvent[]> {
    const context = { clusterName: this.#config.clusterName, ...caller, nowMs: this.#deps.clock.now() };
    try {
      return await decodeBatch(eventsZstd, context, this.#limits);
    } catch (error) {
      if (error instanceof ProtocolError) await this.#tellRefused(error, caller);
      throw error;
    }
  }

  /** First the backlogs, then the first store: a crash in between is repaired by the repeat, for the first store does not have it yet. */
  async #store(events: readonly StoredEvent[]): Promise<readonly StoredEvent[]> {
    if (events.length === 0) return [];
    await Promise.all(this.#others.map((other) => other.append(events)));
    const fresh = await this.#first.write(events);
    this.#followers.publish(fresh);
    return fresh;
  }

  /** To the operator's log always, to the auditor's at most once a minute and host. */
  async #tellRefused(error: ProtocolError, caller: IngestCaller): Promise<void> {
    this.#count('rejected', 1);
    this.#deps.log.error(
      { host_id: caller.hostId, role: caller.role, code: error.code, reason: error.message },
      'audit: refused a batch of a host',
    );
    const now = this.#deps.clock.monotonic();
    const last = this.#lastTold.get(caller.hostId);
    if (last !== undefined && now - last < TELL_EVERY_MS) return;
    if (this.#lastTold.size >= MAX_TOLD_HOSTS) this.#lastTold.clear();
    this.#lastTold.set(caller.hostId, now);
    await this.emit(
      auditEvent('TAP00W', { method: 'IngestAudit', caller: caller.hostId, error: error.message, success: false }),
    );
  }

  #checkOpen(): void {
    if (!this.#accepting) throw new StorageError('AUDIT_LOG_CLOSED', 'audit log is closing; send again later');
  }

  #count(result: string, count: number): void {
    const family = this.#deps.instruments?.auditIngested;
    if (family !== undefined && count > 0) family.of({ result }).value += count;
  }
}

export type AuditLogConfig = {
  readonly clusterName: string;
  /** Of this Auth Service: `server_id` of its own events. */
  readonly hostId: string;
  /** `audit_events_uri`; the default of the configuration is `file://<data_dir>/log`. */
  readonly uris: readonly string[];
  /** For what further destinations have not taken yet: `<data_dir>/audit-backlog`. */
  readonly backlogDirectory: string;
  readonly limits?: Partial<AuditLogLimits>;
};
export type AuditLogDeps = {
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  readonly instruments?: Instruments;
  /** For `stdout://`. Default: the process's. */
  readonly stdout?: Writable;
};
export type AuditLogLimits = IngestLimits &
  FollowLimits &
  SecondaryLimits & {
    /** Batches being stored, each counted as `maxBatchBytes`. Default 64 MiB. */
    readonly maxPendingBytes: number;
  };

/** The defaults of `AuditLogLimits`. */
export const AUDIT_LOG_DEFAULTS: AuditLogLimits = {
  ...INGEST_DEFAULTS,
  maxFollowers: 100,
  maxFollowBytes: 8 * 1024 ** 2,
  maxPendingBytes: 64 * 1024 ** 2,
  maxBacklogBytes: 1024 ** 3,
};

const TELL_EVERY_MS = 60_000;
const MAX_TOLD_HOSTS = 1000;
