import { randomFillSync } from 'node:crypto';
import { BugError, LimitError } from '../errors.ts';
import type { Clock } from '../telemetry/clock.ts';
import type { Instruments } from '../telemetry/instruments.ts';
import { type AuditEvent, IsoClock, type SessionConstants } from './event.ts';
import type { Journal } from './journal.ts';
import type { Recorder } from './recorder.ts';

/** What a service writes its audit events with: into the journal, from where the shipper brings them to Auth. */
export class AuditWriter {
  readonly #journal: Journal;
  readonly #deps: WriterDeps;
  readonly #limits: WriterLimits;
  readonly #constants: string;
  readonly #iso = new IsoClock();
  #uids = new UidSource();
  #emitted = 0;

  constructor(journal: Journal, host: HostConstants, deps: WriterDeps, limits: Partial<WriterLimits> = {}) {
    this.#journal = journal;
    this.#deps = deps;
    this.#limits = { ...WRITER_DEFAULTS, ...limits };
    this.#constants = body(host);
  }

  /** One session's pen. `constants` are serialised here, once; `sid` must be unique. */
  openSession(constants: SessionConstants): Recorder {
    return new SessionRecorder(this.#journal, constants, this.#deps, this.#limits);
  }

  /**
   * An event outside a session, journalled at once. `full`: it is not written, the journal is beyond even its reserve: refuse what it would have recorded. Throws
   * StorageError as `Recorder.commit`.
   */
  emit(event: AuditEvent): 'written' | 'full' {
    if (this.#emitted >= UIDS_PER_PREFIX) {
      this.#uids = new UidSource();
      this.#emitted = 0;
    }
    this.#emitted += 1;
    const time = this.#iso.at(this.#deps.clock.now());
    const head = `${opening(event.event, event.code)}${time}","uid":"${this.#uids.next()}","ei":0`;
    const line = `${head}${this.#constants}${body(event.fields)}}\n`;
    checkSize(event.event, line, this.#limits.maxEventBytes);
    const outcome = this.#journal.append(line, true);
    if (outcome === 'written') count(this.#deps.instruments, 1, line.length);
    return outcome;
  }
}

export type HostConstants = {
  readonly cluster_name: string;
  readonly server_id: string;
  readonly server_version?: string;
};
export type WriterDeps = { readonly clock: Clock; readonly instruments?: Instruments };
export type WriterLimits = {
  /** One event as a line; must not be above what Auth takes (`maxEventBytes` of its ingest). Default 1 MiB. */
  readonly maxEventBytes: number;
  /** A session's events not yet committed. Default 8 MiB. */
  readonly maxBufferedBytes: number;
  /** `full_wait`: how long a statement waits for room before its session ends. Default 30 s. */
  readonly fullWaitMs: number;
};

/** The defaults of `WriterLimits`. */
export const WRITER_DEFAULTS: WriterLimits = {
  maxEventBytes: 1024 ** 2,
  maxBufferedBytes: 8 * 1024 ** 2,
  fullWaitMs: 30_000,
};

class SessionRecorder implements Recorder {
  readonly sessionId: string;
  readonly #journal: Journal;
  readonly #deps: WriterDeps;
  readonly #limits: WriterLimits;
  #constants: SessionConstants;
  #serialized: string;
  readonly #uids = new UidSource();
  readonly #iso = new IsoClock();
  readonly #openings = new Map<string, string>();
  #nextIndex = 0;
  /** Not yet committed, in order. */
  #pending: string[] = [];
  /** Those of them that tell the end of what has begun. */
  #pendingEnds: string[] = [];
  #pendingLength = 0;
  #fullSinceMs: number | undefined;

  constructor(journal: Journal, constants: SessionConstants, deps: WriterDeps, limits: WriterLimits) {
    this.sessionId = constants.sid;
    this.#journal = journal;
    this.#constants = constants;
    this.#serialized = body(constants);
    this.#deps = deps;
    this.#limits = limits;
  }

  write(event: string, code: string, fields: Readonly<Record<string, unknown>>): number {
    for (const name of Object.keys(fields)) {
      if (RESERVED_NAMES.has(name)) throw new BugError(`audit: field ${name} of ${event} is set by the recorder`);
      if (Object.hasOwn(this.#constants, name))
        return this.#add(event, code, body({ ...this.#constants, ...fields }), '');
    }
    return this.#add(event, code, this.#serialized, body(fields));
  }

  writeSerialized(event: string, code: string, fieldsJson: string): number {
    return this.#add(event, code, this.#serialized, fieldsJson === '' ? '' : `,${fieldsJson}`);
  }

  useDatabase(name: string): void {
    if (name === this.#constants.db_name) return;
    this.#constants = { ...this.#constants, db_name: name };
    this.#serialized = body(this.#constants);
  }

  commit(): 'written' | 'full' {
    const events = this.#pending.length;
    if (events === 0) return 'written';
    const lines = events === 1 ? (this.#pending[0] ?? '') : this.#pending.join('');
    if (this.#journal.append(lines, this.#pendingEnds.length === events) === 'full') {
      if (this.#fullSinceMs === undefined) {
        this.#fullSinceMs = this.#deps.clock.monotonic();
        if (this.#deps.instruments !== undefined) this.#deps.instruments.auditJournalFull.value += 1;
      }
      return 'full';
    }
    count(this.#deps.instruments, events, lines.length);
    this.#fullSinceMs = undefined;
    this.#keep([]);
    return 'written';
  }

  onSpace(callback: (outcome: 'space' | 'gave-up') => void): void {
    const since = this.#fullSinceMs ?? this.#deps.clock.monotonic();
    this.#journal.onSpace(since + this.#limits.fullWaitMs, (outcome) => {
      if (outcome === 'gave-up') this.#giveUp();
      callback(outcome);
    });
  }

  synced(): Promise<void> | undefined {
    return this.#journal.options.sync === 'always' ? this.#journal.synced() : undefined;
  }

  #add(event: string, code: string, constants: string, fields: string): number {
    const index = this.#nextIndex;
    let head = this.#openings.get(code);
    if (head === undefined) this.#openings.set(code, (head = opening(event, code)));
    const time = this.#iso.at(this.#deps.clock.now());
    const line = `${head}${time}","uid":"${this.#uids.next()}","ei":${index}${constants}${fields}}\n`;
    checkSize(event, line, this.#limits.maxEventBytes);
    if (this.#pendingLength + line.length > this.#limits.maxBufferedBytes) {
      throw new LimitError(
        'AUDIT_BUFFER_FULL',
        `audit: session has more than maxBufferedBytes ${this.#limits.maxBufferedBytes} of uncommitted events`,
      );
    }
    this.#nextIndex = index + 1;
    this.#pending.push(line);
    this.#pendingLength += line.length;
    if (ENDS.has(code)) this.#pendingEnds.push(line);
    return index;
  }

  /** Statements that waited are not written: they were not forwarded either. Results of earlier ones stay, and may use the reserve. */
  #giveUp(): void {
    this.#keep(this.#pendingEnds);
    this.#fullSinceMs = undefined;
  }

  #keep(ends: string[]): void {
    this.#pending = ends;
    this.#pendingEnds = [...ends];
    this.#pendingLength = ends.reduce((sum, line) => sum + line.length, 0);
  }
}

/** UUIDs of version 8 (RFC 9562: ours to fill): 74 random bits for the source, then a 48-bit counter. In order, so an index of them grows at its end. */
export class UidSource {
  readonly #prefix: string;
  #counter = 0;

  constructor() {
    const hex = randomFillSync(Buffer.alloc(10)).toString('hex');
    const variant = ((Number.parseInt(hex.slice(15, 16), 16) & 0x3) | 0x8).toString(16);
    this.#prefix = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(12, 15)}-${variant}${hex.slice(16, 19)}-`;
  }

  next(): string {
    this.#counter += 1;
    return this.#prefix + this.#counter.toString(16).padStart(12, '0');
  }
}

/** `,"a":1,"b":2`, or nothing for an empty object. */
function body(fields: object): string {
  const json = JSON.stringify(fields);
  return json === '{}' ? '' : `,${json.slice(1, -1)}`;
}

function opening(event: string, code: string): string {
  return `{"event":${JSON.stringify(event)},"code":${JSON.stringify(code)},"time":"`;
}

function checkSize(event: string, line: string, limit: number): void {
  if (line.length * 3 <= limit) return;
  const bytes = Buffer.byteLength(line);
  if (bytes <= limit) return;
  throw new LimitError(
    'AUDIT_EVENT_TOO_LARGE',
    `audit: ${event} of ${bytes} bytes exceeds maxEventBytes ${limit}; lower the limits on audited statements and values`,
  );
}

function count(instruments: Instruments | undefined, events: number, bytes: number): void {
  if (instruments === undefined) return;
  instruments.auditEvents.value += events;
  instruments.auditBytes.value += bytes;
  instruments.auditCommits.value += 1;
}

const RESERVED_NAMES: ReadonlySet<string> = new Set(['event', 'code', 'time', 'uid', 'ei']);
/** What may use the journal's reserve: ends of what has begun and refusals. None of them lets a statement through. */
const ENDS: ReadonlySet<string> = new Set([
  'TDB00W',
  'TDB01I',
  'TDB02W',
  'TDB06I',
  'TDB10I',
  'TDB10W',
  'T1006W',
  'T3006I',
]);
const UIDS_PER_PREFIX = 2 ** 32;
