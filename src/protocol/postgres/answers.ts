import { affectedByTag, namesTouchedByTag } from './command-tag.ts';
import { decodeServerError } from './error-fields.ts';
import type { Pending } from './pending.ts';
import { maxCommandsPerQuery, type ServerError, type TransactionStatus } from './records.ts';
import type { MessageScanner, MessageSink } from './scanner.ts';
import type { SessionState } from './session-state.ts';

/**
 * The database's direction of a conversation: matches each answer to the oldest unanswered message (protocols: a queue, not pairs). Tolerant of
 * answers that nothing waits for: they are passed on and counted in `unmatched`, and the next ReadyForQuery brings both sides together again.
 */
export class Answers implements MessageSink {
  /** Answers that fitted nothing. Stays zero with PostgreSQL. */
  unmatched = 0;

  readonly #state: SessionState;
  readonly #mapPid: ((pid: number) => number) | undefined;
  #rowsMark = 0;
  #bytesMark = 0;
  #copiesMark = 0;
  #clientCopiesMark = 0;

  constructor(state: SessionState, mapPid: ((pid: number) => number) | undefined) {
    this.#state = state;
    this.#mapPid = mapPid;
  }

  /** The two walkers, whose counters tell rows and bytes; set once. */
  scanner: MessageScanner | undefined;
  clientScanner: MessageScanner | undefined;

  head(_type: number, bytes: Buffer, start: number): void {
    if (this.#mapPid !== undefined) bytes.writeInt32BE(this.#mapPid(bytes.readInt32BE(start)), start);
  }

  message(type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case 0x32: // BindComplete
        return this.#step('bind');
      case 0x43: // CommandComplete
        return this.#commandComplete(bytes, start, end);
      case 0x5a: // ReadyForQuery
        return this.#readyForQuery(bytes[start]);
      case 0x31: // ParseComplete
        return this.#step('parse');
      case 0x33: // CloseComplete
        return this.#step('close');
      case 0x54: // RowDescription
      case 0x6e: // NoData
        return this.#describe(type);
      case 0x74: // ParameterDescription
        return this.#parameterDescription(bytes, start, end);
      case 0x45: // ErrorResponse
        return this.#error(decodeServerError(bytes, start, end));
      default:
        return this.#rarer(type, bytes, start, end);
    }
  }

  /** Rows are counted without being reported, so the first of them is noticed when the chunk ends. */
  chunkEnd(): void {
    const head = this.#state.queue.head;
    if (head !== undefined && head.firstByteAtMs < 0 && (this.scanner?.rows ?? 0) > this.#rowsMark)
      head.firstByteAtMs = this.#state.nowMs;
  }

  /** The session is over: what waits gets its `unanswered`. */
  finish(): void {
    const { queue } = this.#state;
    for (let entry = queue.head; entry !== undefined; entry = queue.head) this.#drop(entry, 'unanswered', entry.error);
  }

  #rarer(type: number, bytes: Buffer, start: number, end: number): void {
    switch (type) {
      case 0x49: // EmptyQueryResponse
        return this.#empty();
      case 0x73: // PortalSuspended
        return this.#suspended();
      case 0x47: // CopyInResponse
        return this.#copy('in');
      case 0x48: // CopyOutResponse
        return this.#copy('out');
      case 0x57: // CopyBothResponse
        return this.#copy('both');
      case 0x56: // FunctionCallResponse
        return this.#functionResponse();
      case 0x53: // ParameterStatus
        return this.#parameterStatus(bytes, start, end);
      default:
        return;
    }
  }

  /** The message that must be answered next, and its first byte is here. */
  #expect(...kinds: readonly Pending['kind'][]): Pending | undefined {
    const { queue, nowMs } = this.#state;
    for (;;) {
      const head = queue.head;
      if (head !== undefined && kinds.includes(head.kind)) {
        if (head.firstByteAtMs < 0) head.firstByteAtMs = nowMs;
        return head;
      }
      // A CopyDone behind an ended COPY, or a Sync that the database read as part of one.
      if (head !== undefined && (head.kind === 'copy-end' || (head.kind === 'sync' && head.maybeIgnored)))
        queue.shift();
      else {
        this.#unmatch();
        return undefined;
      }
    }
  }

  /** An answer fits nothing, or what it should have answered was not answered. */
  #unmatch(): void {
    this.unmatched += 1;
    this.#state.doubt = true;
  }

  #step(kind: 'parse' | 'bind' | 'close'): void {
    const entry = this.#expect(kind);
    if (entry === undefined) return;
    this.#state.accept(entry);
    this.#pop();
  }

  #describe(type: number): void {
    const entry = this.#expect('describe', 'query', 'execute');
    if (entry?.kind === 'describe') this.#pop();
    else if (type === 0x6e && entry !== undefined) this.#unmatch();
  }

  /** Int16 n | Int32 type * n: tells what Parse left open. */
  #parameterDescription(bytes: Buffer, start: number, end: number): void {
    const entry = this.#expect('describe');
    const definition = entry?.statementLink?.value?.definition;
    if (definition === undefined || end - start < 2) return;
    const count = bytes.readUInt16BE(start);
    if (end - start !== 2 + count * 4 || count === 0) return;
    const types: number[] = [];
    for (let at = start + 2; at < end; at += 4) types.push(bytes.readUInt32BE(at));
    definition.parameterTypes = types;
  }

  #commandComplete(bytes: Buffer, start: number, end: number): void {
    const entry = this.#expect('execute', 'query');
    if (entry === undefined) return;
    const tag = bytes.toString('latin1', start, Math.max(start, end - 1));
    this.#countRows(entry);
    entry.commandCount += 1;
    entry.affected = affectedByTag(tag);
    entry.tag = tag;
    this.#endCopy(entry, undefined);
    if (entry.kind === 'execute') {
      this.#state.report(entry, 'completed', undefined, this.#takeBytes(), undefined);
      this.#state.queue.shift();
    }
    // Not before its own report: it changed what names mean for those behind it.
    this.#noteNames(tag, entry);
  }

  #empty(): void {
    const entry = this.#expect('execute', 'query');
    if (entry === undefined) return;
    entry.empty = true;
    if (entry.kind === 'query') return;
    this.#state.report(entry, 'empty', undefined, this.#takeBytes(), undefined);
    this.#state.queue.shift();
  }

  #suspended(): void {
    const entry = this.#expect('execute');
    if (entry === undefined) return;
    this.#countRows(entry);
    this.#state.report(entry, 'suspended', undefined, this.#takeBytes(), undefined);
    this.#state.queue.shift();
  }

  #copy(direction: 'in' | 'out' | 'both'): void {
    const entry = this.#expect('execute', 'query');
    if (entry === undefined) return;
    entry.copy = direction;
    // The database ignores Sync while it reads COPY data: those already sent will get no answer, unless it fails before it reads them.
    if (direction === 'in') this.#state.queue.doubtSyncs();
  }

  #functionResponse(): void {
    const entry = this.#expect('function');
    if (entry !== undefined) entry.commandCount = 1;
  }

  #parameterStatus(bytes: Buffer, start: number, end: number): void {
    const zero = bytes.indexOf(0, start);
    if (zero < 0 || zero >= end) return;
    const stop = bytes.indexOf(0, zero + 1);
    const last = stop < 0 || stop > end ? end : stop;
    this.#state.observer.parameterStatus?.(bytes.toString('utf8', start, zero), bytes.toString('utf8', zero + 1, last));
  }

  #error(error: ServerError): void {
    const state = this.#state;
    const entry = this.#failing();
    if (entry === undefined) {
      state.observer.error?.(error, 'idle');
      return;
    }
    if (entry.firstByteAtMs < 0) entry.firstByteAtMs = state.nowMs;
    if (entry.kind === 'query' || entry.kind === 'function') {
      entry.error ??= error;
      this.#countRows(entry);
      this.#endCopy(entry, error);
      return;
    }
    if (entry.kind === 'sync') {
      state.observer.error?.(error, 'sync');
      return;
    }
    if (entry.kind === 'execute') {
      this.#countRows(entry);
      this.#endCopy(entry, error);
      state.report(entry, 'failed', error, this.#takeBytes(), undefined);
    } else {
      state.reject(entry, true);
      if (entry.kind !== 'copy-end') state.observer.error?.(error, entry.kind);
      this.#takeBytes();
    }
    state.queue.shift();
    this.#skipToSync(error);
  }

  /** The oldest message that can fail. A Sync that may have been ignored can not be told from one that was not: the next Z tells. */
  #failing(): Pending | undefined {
    const { queue } = this.#state;
    while (queue.head?.kind === 'copy-end') queue.shift();
    return queue.head;
  }

  /** After an error in the extended protocol the database reads and drops everything up to the next Sync. */
  #skipToSync(error: ServerError): void {
    const { queue } = this.#state;
    for (let entry = queue.head; entry !== undefined; entry = queue.head) {
      if (entry.kind === 'sync') return;
      this.#drop(entry, this.#state.doubt ? 'unanswered' : 'skipped', error);
    }
    if (!this.#state.doubt) this.#state.skipping = error;
  }

  #readyForQuery(indicator: number | undefined): void {
    const state = this.#state;
    const status: TransactionStatus = indicator === 0x54 ? 'T' : indicator === 0x45 ? 'E' : 'I';
    const changed = status !== state.transactionStatus;
    state.transactionStatus = status;
    const group = this.#readyEntry(status);
    // Portals do not outlive their transaction.
    if (status === 'I' && state.portals.size > 0) state.portals.clearThrough(group);
    if (changed) state.observer.transaction?.(status);
  }

  /** Ends the Sync, Query or FunctionCall that this ReadyForQuery answers; returns its group. */
  #readyEntry(status: TransactionStatus): number {
    const state = this.#state;
    const { queue } = state;
    for (let entry = queue.head; entry !== undefined; entry = queue.head) {
      if (entry.kind === 'sync') {
        this.#pop();
        if (entry.maybeIgnored) queue.passDoubt();
        return entry.group;
      }
      if (entry.kind === 'query' || entry.kind === 'function') {
        this.#countRows(entry);
        state.accept(entry);
        const outcome =
          entry.error !== undefined ? 'failed' : entry.empty && entry.commandCount === 0 ? 'empty' : 'completed';
        state.report(entry, outcome, entry.error, this.#takeBytes(), status);
        queue.shift();
        return entry.group;
      }
      if (entry.kind !== 'copy-end') this.#unmatch();
      this.#drop(entry, 'unanswered', undefined);
    }
    this.#takeBytes();
    return state.group - 1;
  }

  /** Ends an entry that gets no answer. */
  #drop(entry: Pending, outcome: 'skipped' | 'unanswered', error: ServerError | undefined): void {
    const state = this.#state;
    state.queue.shift();
    state.reject(entry, false);
    state.report(entry, outcome, error, 0, undefined);
  }

  #pop(): void {
    this.#takeBytes();
    this.#state.queue.shift();
  }

  #countRows(entry: Pending): void {
    const now = this.scanner?.rows ?? 0;
    const rows = now - this.#rowsMark;
    this.#rowsMark = now;
    entry.rows += rows;
    if (entry.kind === 'query') this.#lastRows = rows;
  }

  #lastRows = 0;

  #takeBytes(): number {
    const now = this.scanner?.messageEnd ?? 0;
    const bytes = now - this.#bytesMark;
    this.#bytesMark = now;
    return bytes;
  }

  #endCopy(entry: Pending, error: ServerError | undefined): void {
    if (entry.kind === 'query' && error === undefined) this.#listCommand(entry);
    if (entry.copy === 'none') return;
    const wasReading = entry.copy !== 'out';
    entry.copy = 'none';
    const fromDatabase = this.scanner?.copyBytes ?? 0;
    const fromClient = this.clientScanner?.copyBytes ?? 0;
    entry.copyBytes += fromDatabase - this.#copiesMark + fromClient - this.#clientCopiesMark;
    this.#copiesMark = fromDatabase;
    this.#clientCopiesMark = fromClient;
    if (!wasReading) return;
    const { queue } = this.#state;
    const inDoubt = queue.settleSyncs();
    if (error === undefined) queue.prune(isCopyEnd, isSyncOrCopyEnd);
    // A failed COPY may have read them, or have failed before: a trigger can raise any error, with any code.
    else if (inDoubt) this.#state.doubt = true;
    if (error !== undefined && error.code === PROTOCOL_VIOLATION && entry.kind === 'query') this.#loseOne(error);
  }

  /**
   * A message other than CopyData, CopyDone, CopyFail, Flush, Sync in the middle of COPY fails the COPY and is itself lost; unless a trigger raised that code
   * before the database read it.
   */
  #loseOne(error: ServerError): void {
    let lost: Pending | undefined;
    const isLost = (entry: Pending): boolean => {
      if (lost !== undefined || entry.kind === 'sync' || entry.kind === 'copy-end') return entry === lost;
      lost = entry;
      return true;
    };
    this.#state.queue.prune((entry) => entry === lost || entry.kind === 'copy-end', isLost);
    if (lost === undefined) return;
    this.#state.doubt = true;
    this.#state.reject(lost, false);
    this.#state.report(lost, 'unanswered', error, 0, undefined);
  }

  #listCommand(entry: Pending): void {
    const command = { tag: entry.tag, rows: this.#lastRows, affected: entry.affected };
    entry.commands ??= [];
    if (entry.commands.length < maxCommandsPerQuery) entry.commands.push(command);
  }

  /** Tags tell when SQL itself changed what names mean. */
  #noteNames(tag: string, entry: Pending): void {
    const first = tag.charCodeAt(0);
    // Only tags that begin with C, D, P or R can: C(LOSE, COMMIT), D(EALLOCATE, DECLARE, DISCARD), P(REPARE), R(OLLBACK).
    if (first !== 0x43 && first !== 0x44 && first !== 0x50 && first !== 0x52) return;
    const state = this.#state;
    const touched = namesTouchedByTag(tag);
    if (touched === 'all') state.statements.clearAccepted();
    if (touched !== undefined) state.statementGeneration += 1;
    if (PORTAL_TAGS.has(tag)) state.portalGeneration += 1;
    if (tag === 'DISCARD ALL') state.portals.clearThrough(entry.group - 1);
  }
}

const PROTOCOL_VIOLATION = '08P01';
const PORTAL_TAGS: ReadonlySet<string> = new Set([
  'CLOSE CURSOR',
  'CLOSE CURSOR ALL',
  'DECLARE CURSOR',
  'COMMIT',
  'ROLLBACK',
  'DISCARD ALL',
]);
const isCopyEnd = (entry: Pending): boolean => entry.kind === 'copy-end';
const isSyncOrCopyEnd = (entry: Pending): boolean => entry.kind === 'sync' || entry.kind === 'copy-end';
