import { BugError, LimitError } from '../../errors.ts';
import { CLIENT, COM, has, SERVER_STATUS } from './capabilities.ts';
import { encodeErr } from './err.ts';
import { encodeOk, plainOk } from './ok.ts';
import { encodePacket } from './packet.ts';
import { type Pending, PendingQueue, pendingEntry, type PendingStart } from './pending.ts';
import { LAST_STATEMENT_ID, PreparedStatements } from './prepared.ts';
import type { ConversationObserver, ConversationOptions, Request, Result, ServerError } from './records.ts';

/** What both directions of one conversation share. Inner to src/protocol/mysql; use `Conversation`. */
export class SessionState {
  readonly observer: ConversationObserver;
  readonly options: ConversationOptions;
  readonly queue = new PendingQueue();
  readonly prepared: PreparedStatements;
  /** The default database; empty: none. */
  databaseName: string;
  /** SERVER_STATUS bits of the last answer that told them. */
  status: number;
  mustEnd: ServerError | undefined;
  /** The session is in a database it may not use and on its way back: nothing is taken from the client. */
  restoring = false;
  /** Something ran that may have changed the default database unseen. */
  unseen = false;
  /** By the clock, when the chunk being walked came. */
  nowMs = 0;
  #lastId = 0;
  #due: Buffer[] = [];
  #ownRequest: Buffer | undefined;

  constructor(observer: ConversationObserver, options: ConversationOptions) {
    const { limits, client, database } = options;
    for (const { flags } of [client, database]) {
      if (!has(flags, CLIENT.PROTOCOL_41) || has(flags, UNREADABLE))
        throw new BugError(`mysql: a conversation can not be read with the capabilities 0x${flags.toString(16)}`);
    }
    this.observer = observer;
    this.options = options;
    this.prepared = new PreparedStatements(limits.maxPreparedStatements, limits.maxRememberedBytes);
    this.databaseName = options.databaseName;
    this.status = options.status ?? 0;
  }

  /** For the next request's `id`. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  get saturated(): boolean {
    const { maxPipelined, maxRememberedBytes } = this.options.limits;
    return this.restoring || this.queue.length >= maxPipelined || this.queue.memoryBytes >= maxRememberedBytes;
  }

  /** A command goes to the database and will be answered. */
  enqueue(start: PendingStart): void {
    const { maxPipelined } = this.options.limits;
    if (this.queue.length >= maxPipelined + pipelineOvershoot)
      throw new LimitError(
        'MYSQL_PIPELINE_TOO_LONG',
        `mysql: more than maxPipelined ${maxPipelined} commands are unanswered, wait for answers`,
      );
    this.queue.push(pendingEntry(start));
  }

  /** A command was refused here: the client hears of it when everything before it is answered. */
  answer(sequence: number, error: ServerError): void {
    this.#answer(sequence, encodeErr(error, { sqlState: true }));
  }

  /** A command was done here: likewise, with an OK. */
  answerDone(sequence: number, request: Request): void {
    const { flags } = this.options.client;
    this.#answer(sequence, encodeOk(plainOk(this.status & LASTING), flags));
    this.report(pendingEntry({ grammar: 'ok', request, firstSequence: sequence }), 'completed');
  }

  #answer(sequence: number, payload: Buffer): void {
    const local = encodePacket(sequence, payload);
    if (this.queue.length === 0) this.#due.push(local);
    else this.enqueue({ grammar: 'ok', firstSequence: sequence, local, memoryBytes: local.length });
  }

  /** Answers of our own at the queue's head, which are due; taken off it. */
  takeLocals(): Buffer | undefined {
    let bytes: Buffer | undefined;
    let more: Buffer[] | undefined;
    for (let head = this.queue.head; head?.local !== undefined; head = this.queue.head) {
      this.queue.shift();
      if (bytes === undefined) bytes = head.local;
      else (more ??= [bytes]).push(head.local);
    }
    return more === undefined ? bytes : Buffer.concat(more);
  }

  takeDueAnswers(): Buffer | undefined {
    if (this.#due.length === 0) return undefined;
    const bytes = this.#due.length === 1 ? this.#due[0] : Buffer.concat(this.#due);
    this.#due = [];
    return bytes;
  }

  takeOwnRequest(): Buffer | undefined {
    const bytes = this.#ownRequest;
    this.#ownRequest = undefined;
    return bytes;
  }

  /** Leads the session back to the database it may use. Only when nothing is outstanding. */
  restoreDatabase(): void {
    this.#ownRequest = this.#initDatabase();
  }

  /**
   * A request of our own for before the next command, after which the session stands in the database that it is known to be in, or ends. Undefined: none is needed, or it
   * must wait for a change that is under way.
   */
  checkDatabase(): Buffer | undefined {
    if (!has(this.options.database.flags, CLIENT.SESSION_TRACK) || this.queue.uses > 0) return undefined;
    this.unseen = false;
    // A name that is not ASCII would be read in the client's character set, and for none there is no such command.
    if (/^[\x20-\x7e]+$/.test(this.databaseName)) return this.#initDatabase();
    this.enqueue({ grammar: 'result', firstSequence: 1, own: true });
    const attributes = has(this.options.client.flags, CLIENT.QUERY_ATTRIBUTES) ? [0, 1] : [];
    const question = Buffer.from(questionFor(this.databaseName));
    return encodePacket(0, Buffer.concat([Buffer.from([COM.COM_QUERY, ...attributes]), question]));
  }

  #initDatabase(): Buffer {
    this.unseen = false;
    this.enqueue({ grammar: 'ok', firstSequence: 1, own: true, mustTell: true });
    return encodePacket(0, Buffer.concat([Buffer.from([COM.COM_INIT_DB]), Buffer.from(this.databaseName)]));
  }

  /** An execution under MariaDB's last id whose PREPARE was refused: what ran, if something did. */
  #ranInstead({ request, error }: Pending): Pick<Result, 'ranInstead'> {
    const { prepared, statementId } = request ?? {};
    if (statementId !== LAST_STATEMENT_ID || prepared?.state !== 'rejected' || error !== undefined) return {};
    return { ranInstead: prepared.instead?.text ?? 'unknown' };
  }

  /** The default database is another one now. */
  useDatabase(name: string): void {
    if (name === this.databaseName) return;
    this.databaseName = name;
    this.observer.databaseChanged?.(name);
  }

  get noBackslashEscapes(): boolean {
    return has(this.status, SERVER_STATUS.NO_BACKSLASH_ESCAPES);
  }

  /** Reports the one result of an entry's request, if it has one. */
  report(entry: Pending, outcome: Result['outcome']): void {
    const { request, infile } = entry;
    if (request === undefined) return;
    const totalMs = this.nowMs - request.startedAtMs;
    this.observer.result({
      request,
      outcome,
      ...this.#ranInstead(entry),
      rows: entry.rows,
      resultCount: entry.resultCount,
      affected: entry.affected,
      lastInsertId: entry.lastInsertId,
      warnings: entry.warnings,
      info: entry.info,
      error: entry.error,
      bytes: entry.bytes,
      ...(infile === undefined ? {} : { localInfile: { ...infile, refused: infile.bytes === 0 } }),
      cursor: entry.cursor,
      firstByteMs: entry.firstByteAtMs < 0 ? totalMs : entry.firstByteAtMs - request.startedAtMs,
      totalMs,
    });
  }

  /** Reports that a request went to the database, which answers nothing to it. */
  reportUnanswerable(request: Request): void {
    this.report(pendingEntry({ grammar: 'none', request, firstSequence: 0 }), 'no-answer');
  }

  /** The session is over: what waits gets its `unanswered`. */
  abandon(): void {
    for (let entry = this.queue.shift(); entry !== undefined; entry = this.queue.shift()) {
      if (entry.prepare !== undefined) this.prepared.reject(entry.prepare);
      this.report(entry, 'unanswered');
    }
  }
}

/** SQL that fails (1242, a subquery of two rows) unless this is the default database and the database tells of changes. */
function questionFor(databaseName: string): string {
  const hex = Buffer.from(databaseName).toString('hex');
  const here = databaseName === '' ? 'database() is null' : `database() <=> convert(0x${hex} using utf8mb4)`;
  return `do (select 1 from (select 1 union select 2) as two where not (${here} and @@session.session_track_schema))`;
}

/** With these nobody here could read what the database answers. They are never offered. */
const UNREADABLE = CLIENT.COMPRESS | CLIENT.ZSTD_COMPRESSION_ALGORITHM | CLIENT.OPTIONAL_RESULTSET_METADATA;

/** SERVER_STATUS bits that say how the session stands, not what one answer is. */
const LASTING =
  SERVER_STATUS.IN_TRANS |
  SERVER_STATUS.AUTOCOMMIT |
  SERVER_STATUS.NO_BACKSLASH_ESCAPES |
  SERVER_STATUS.IN_TRANS_READONLY |
  SERVER_STATUS.ANSI_QUOTES;

/** A chunk already read may hold this many more commands when `saturated` turns true. */
const pipelineOvershoot = 65_536;
