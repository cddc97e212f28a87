import { Fifo } from '../fifo.ts';
import type { NameLink } from './names.ts';
import type { CommandResult, Definition, Portal, ServerError, Statement, StatementText } from './records.ts';

/** A prepared statement as remembered. */
export type StatementMemory = {
  readonly definition: { -readonly [K in keyof Definition]: Definition[K] };
  /** SQL-level changes of names seen when it was made. */
  readonly generation: number;
  readonly memoryBytes: number;
};

/** A portal as remembered. */
export type PortalMemory = {
  readonly portal: Portal;
  /** Which statement stands behind it can not be told. Turns true when SQL changed names between the Bind and its answer. */
  uncertain: boolean;
  readonly otherTexts: readonly StatementText[];
  readonly generation: number;
  /** SQL-level changes of statement names seen when it was bound. */
  readonly statementGeneration: number;
  readonly memoryBytes: number;
  executed: boolean;
};

/** One message whose answer is outstanding. */
export type Pending = {
  readonly kind: 'parse' | 'bind' | 'describe' | 'close' | 'execute' | 'sync' | 'query' | 'function' | 'copy-end';
  readonly group: number;
  readonly statement: Statement | undefined;
  /** Prepared statement made, closed or described by it. */
  readonly statementLink: NameLink<StatementMemory> | undefined;
  readonly portalLink: NameLink<PortalMemory> | undefined;
  /** What an Execute runs, and the SQL-level changes of portal names seen when it was sent. */
  portal: PortalMemory | undefined;
  portalGeneration: number;
  readonly memoryBytes: number;
  /** Sync: sent while the database may have been reading COPY data, and may have ignored it. */
  maybeIgnored: boolean;
  /** What came of it so far. */
  firstByteAtMs: number;
  rows: number;
  commandCount: number;
  commands: CommandResult[] | undefined;
  tag: string;
  affected: number | undefined;
  error: ServerError | undefined;
  empty: boolean;
  copy: 'none' | 'in' | 'out' | 'both';
  copyBytes: number;
};

/** The messages whose answers are outstanding, in their order. */
export class PendingQueue extends Fifo<Pending> {
  /** Of texts and values held by the entries. */
  memoryBytes = 0;
  /** Entries with a statement. */
  statements = 0;

  override push(entry: Pending): void {
    super.push(entry);
    this.memoryBytes += entry.memoryBytes;
    if (entry.statement !== undefined) this.statements += 1;
  }

  override shift(): Pending | undefined {
    const entry = super.shift();
    if (entry !== undefined) this.#discount(entry);
    return entry;
  }

  #discount(entry: Pending): void {
    this.memoryBytes -= entry.memoryBytes;
    if (entry.statement !== undefined) this.statements -= 1;
  }

  /** A Sync that may have been ignored took a ReadyForQuery: if it was, then the next Sync here is the one that was answered. */
  passDoubt(): void {
    for (let at = 0; at < this.length; at += 1) {
      const entry = this.at(at);
      if (entry?.kind !== 'sync') continue;
      entry.maybeIgnored = true;
      return;
    }
  }

  /** COPY data is read from now on: the Syncs right behind the head were sent already, and may be read as part of it. */
  doubtSyncs(): void {
    for (let at = 1; at < this.length; at += 1) {
      const entry = this.at(at);
      if (entry?.kind !== 'sync') return;
      entry.maybeIgnored = true;
    }
  }

  /**
   * COPY from the client is over: what stands behind its end was surely not read as part of it. True when Syncs before its end (all of them when it has none)
   * may have been.
   */
  settleSyncs(): boolean {
    let doubt = false;
    let ended = false;
    for (let at = 1; at < this.length; at += 1) {
      const entry = this.at(at);
      if (entry === undefined) continue;
      if (entry.kind === 'copy-end') ended = true;
      else if (ended) entry.maybeIgnored = false;
      else if (entry.maybeIgnored) doubt = true;
    }
    return doubt;
  }

  /** Entries behind the head, up to and with the first that `isLast`; those that `drop` are removed. */
  prune(isLast: (entry: Pending) => boolean, drop: (entry: Pending) => boolean): void {
    const kept: Pending[] = [];
    let over = false;
    for (let at = 0; at < this.length; at += 1) {
      const entry = this.at(at);
      if (entry === undefined) continue;
      const looked = at > 0 && !over;
      if (looked && drop(entry)) this.#discount(entry);
      else kept.push(entry);
      if (looked && isLast(entry)) over = true;
    }
    this.replace(kept);
  }
}

/** A fresh entry; everything not named is empty. One shape for all, so the queue stays fast. */
export function pendingEntry(
  kind: Pending['kind'],
  group: number,
  statement: Statement | undefined,
  statementLink: NameLink<StatementMemory> | undefined,
  portalLink: NameLink<PortalMemory> | undefined,
  memoryBytes: number,
): Pending {
  return {
    kind,
    group,
    statement,
    statementLink,
    portalLink,
    portal: undefined,
    portalGeneration: 0,
    memoryBytes,
    maybeIgnored: false,
    firstByteAtMs: -1,
    rows: 0,
    commandCount: 0,
    commands: undefined,
    tag: '',
    affected: undefined,
    error: undefined,
    empty: false,
    copy: 'none',
    copyBytes: 0,
  };
}
