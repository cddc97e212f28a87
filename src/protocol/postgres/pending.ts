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

/** First in, first out, without moving the rest at each step. */
export class PendingQueue {
  #items: (Pending | undefined)[] = [];
  #first = 0;
  /** Of texts and values held by the entries. */
  memoryBytes = 0;
  /** Entries with a statement. */
  statements = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  get head(): Pending | undefined {
    return this.#items[this.#first];
  }

  get last(): Pending | undefined {
    return this.length === 0 ? undefined : this.#items[this.#items.length - 1];
  }

  push(entry: Pending): void {
    this.#items.push(entry);
    this.memoryBytes += entry.memoryBytes;
    if (entry.statement !== undefined) this.statements += 1;
  }

  shift(): Pending | undefined {
    const entry = this.#items[this.#first];
    if (entry === undefined) return undefined;
    this.#items[this.#first] = undefined;
    this.#first += 1;
    if (this.#first === this.#items.length) {
      if (this.#items.length > 1024) this.#items = [];
      else this.#items.length = 0;
      this.#first = 0;
    } else if (this.#first >= 1024 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    this.#discount(entry);
    return entry;
  }

  #discount(entry: Pending): void {
    this.memoryBytes -= entry.memoryBytes;
    if (entry.statement !== undefined) this.statements -= 1;
  }

  /** A Sync that may have been ignored took a ReadyForQuery: if it was, then the next Sync here is the one that was answered. */
  passDoubt(): void {
    for (let at = this.#first; at < this.#items.length; at += 1) {
      const entry = this.#items[at];
      if (entry?.kind !== 'sync') continue;
      entry.maybeIgnored = true;
      return;
    }
  }

  /** COPY data is read from now on: the Syncs right behind the head were sent already, and may be read as part of it. */
  doubtSyncs(): void {
    for (let at = this.#first + 1; at < this.#items.length; at += 1) {
      const entry = this.#items[at];
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
    for (let at = this.#first + 1; at < this.#items.length; at += 1) {
      const entry = this.#items[at];
      if (entry === undefined) continue;
      if (entry.kind === 'copy-end') ended = true;
      else if (ended) entry.maybeIgnored = false;
      else if (entry.maybeIgnored) doubt = true;
    }
    return doubt;
  }

  /** Entries behind the head, up to and with the first that `isLast`; those that `drop` are removed. */
  prune(isLast: (entry: Pending) => boolean, drop: (entry: Pending) => boolean): void {
    const kept: (Pending | undefined)[] = [];
    let at = this.#first + 1;
    for (; at < this.#items.length; at += 1) {
      const entry = this.#items[at];
      if (entry === undefined) continue;
      if (drop(entry)) this.#discount(entry);
      else kept.push(entry);
      if (isLast(entry)) {
        at += 1;
        break;
      }
    }
    this.#items = [this.#items[this.#first], ...kept, ...this.#items.slice(at)];
    this.#first = 0;
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
