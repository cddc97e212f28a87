import { Fifo } from '../fifo.ts';
import type { Execution, PreparedMemory } from './prepared.ts';
import type { Request, ServerError } from './records.ts';

/**
 * What an answer consists of.
 *
 * - `none`: nothing. Such a command is never pending
 * - `ok`: one OK, EOF or ERR
 * - `result`: OKs and result sets; `execute`: likewise, where a cursor may be opened
 * - `prepare`: the reply of COM_STMT_PREPARE
 * - `fields`: column definitions up to an EOF
 * - `rows`: rows up to an EOF
 * - `text`: one packet of bare text
 */
export type Grammar = 'none' | 'ok' | 'result' | 'execute' | 'prepare' | 'fields' | 'rows' | 'text';

/** One command whose answer is outstanding. */
export type Pending = {
  readonly grammar: Grammar;
  /** Undefined: nothing is told of it (PING, and what is ours). */
  readonly request: Request | undefined;
  /** Of the first packet of its answer. */
  readonly firstSequence: number;
  /** An answer of our own: the command never went to the database. */
  readonly local: Buffer | undefined;
  /** A command of our own: its answer never goes to the client. */
  readonly own: boolean;
  /** Of one of our own, and of COM_INIT_DB: it succeeds only when the database told its default database. */
  readonly mustTell: boolean;
  readonly prepare: PreparedMemory | undefined;
  readonly execution: Execution | undefined;
  /** The database may ask for a file. */
  readonly loadsLocal: boolean;
  /** The default database when it succeeds and the database does not tell. */
  readonly useTarget: string | undefined;
  readonly memoryBytes: number;
  /** What came of it so far. */
  firstByteAtMs: number;
  rows: number;
  /** Of the answer on the wire. */
  bytes: number;
  resultCount: number;
  affected: number | undefined;
  lastInsertId: bigint | undefined;
  warnings: number;
  info: string;
  error: ServerError | undefined;
  cursor: boolean;
  /** The database told its default database. */
  schemaSeen: boolean;
  /** The default database is one that may not be used, for this reason. */
  deniedDatabase: ServerError | undefined;
  infile: { readonly fileName: string; bytes: number } | undefined;
};

/** What an entry is made of; everything not named is empty. */
export type PendingStart = {
  readonly grammar: Grammar;
  readonly request?: Request | undefined;
  readonly firstSequence: number;
  readonly local?: Buffer;
  readonly own?: boolean;
  readonly mustTell?: boolean;
  readonly prepare?: PreparedMemory | undefined;
  readonly execution?: Execution | undefined;
  readonly loadsLocal?: boolean | undefined;
  readonly useTarget?: string | undefined;
  readonly memoryBytes?: number | undefined;
};

/** A fresh entry. One shape for all, so the queue stays fast. */
export function pendingEntry(start: PendingStart): Pending {
  return {
    grammar: start.grammar,
    request: start.request,
    firstSequence: start.firstSequence,
    local: start.local,
    own: start.own ?? false,
    mustTell: start.mustTell ?? false,
    prepare: start.prepare,
    execution: start.execution,
    loadsLocal: start.loadsLocal ?? false,
    useTarget: start.useTarget,
    memoryBytes: start.memoryBytes ?? 0,
    firstByteAtMs: -1,
    rows: 0,
    bytes: 0,
    resultCount: 0,
    affected: undefined,
    lastInsertId: undefined,
    warnings: 0,
    info: '',
    error: undefined,
    cursor: false,
    schemaSeen: false,
    deniedDatabase: undefined,
    infile: undefined,
  };
}

/** The commands whose answers are outstanding, in their order. */
export class PendingQueue extends Fifo<Pending> {
  /** Of texts, values and answers held by the entries. */
  memoryBytes = 0;
  /** Entries with a request. */
  requests = 0;
  /** Entries that may change the default database as their text shows. */
  uses = 0;

  override push(entry: Pending): void {
    super.push(entry);
    this.memoryBytes += entry.memoryBytes;
    if (entry.request !== undefined) this.requests += 1;
    if (entry.useTarget !== undefined) this.uses += 1;
  }

  override shift(): Pending | undefined {
    const entry = super.shift();
    if (entry === undefined) return undefined;
    this.memoryBytes -= entry.memoryBytes;
    if (entry.request !== undefined) this.requests -= 1;
    if (entry.useTarget !== undefined) this.uses -= 1;
    return entry;
  }
}
