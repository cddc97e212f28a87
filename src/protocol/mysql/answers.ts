import { ProtocolError } from '../../errors.ts';
import { CLIENT, has, MARIADB_CLIENT, SERVER_STATUS } from './capabilities.ts';
import type { ClientScanner } from './client-scanner.ts';
import { badEof, badHeader, beforeFile, emptyPacket, noEof, unasked, wrongSequence } from './answer-faults.ts';
import { readColumnCount, readPrepareOk } from './answer-heads.ts';
import { decodeErr, encodeErr, isProgress } from './err.ts';
import { decodeEof, decodeOk, type OkPacket } from './ok.ts';
import { encodePacket } from './packet.ts';
import type { Pending } from './pending.ts';
import { fileNotAskedFor, lostDatabase, trackingLost } from './refusals.ts';
import type { ServerError } from './records.ts';
import { okForClient, readTrack, trackedSchema } from './session-track.ts';
import type { SessionState } from './session-state.ts';

/**
 * The database's direction of a conversation: what each packet is, which command it answers, and what of it the client gets. Answers come in the order of
 * the commands. Throws a ProtocolError `MYSQL_ANSWER_*`, `MYSQL_OK_*`, ... for what no server may send.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_query_response.html
 */
export class Answers {
  readonly #state: SessionState;
  readonly #client: ClientScanner;
  readonly #deprecatesEof: boolean;
  readonly #cachesMetadata: boolean;
  readonly #progress: boolean;
  #phase: Phase = 'idle';
  /** Column definitions to come; then an EOF when there is one; then this. */
  #definitions = 0;
  #behindDefinitions: 'rows' | 'columns' | 'end' = 'rows';
  /** Of a prepared statement's columns, behind its parameters. */
  #columns = 0;
  /** Another result follows the rows under way, whatever their end says. */
  #moreBehind = 0;
  /** Stream offset at which the answer under way began. */
  #mark = 0;
  /** The rest of this answer is not for the client. */
  #muted = false;
  /** Of a packet in place of the one for which the session was given up. */
  #lastSequence: number | undefined;

  /** Of the next packet. */
  sequence = 0;
  /** Rows of the entry at the queue's head. */
  rows = 0;
  /** Stream offset behind the packet that is being decided; set by the scanner. */
  position = 0;

  constructor(state: SessionState, client: ClientScanner) {
    const { flags, extended } = state.options.database;
    this.#state = state;
    this.#client = client;
    this.#deprecatesEof = has(flags, CLIENT.DEPRECATE_EOF);
    this.#cachesMetadata = has(extended, MARIADB_CLIENT.CACHE_METADATA);
    this.#progress = has(extended, MARIADB_CLIENT.PROGRESS);
  }

  /** Nothing but rows may come, up to what ends them: a packet that begins below 0xfe and is neither empty nor continued is one. */
  get inRows(): boolean {
    return this.#phase === 'rows';
  }

  /** What comes now is kept from the client. */
  get muted(): boolean {
    return this.#muted || this.#state.mustEnd !== undefined;
  }

  /** The session is to end: nothing more is read. */
  get stopped(): boolean {
    return this.#state.mustEnd !== undefined;
  }

  /** Of a packet of our own put in now; `holding`: in place of one that has begun to come. */
  nextSequence(holding: boolean): number {
    if (this.#lastSequence !== undefined) return this.#lastSequence;
    const head = this.#state.queue.head;
    // What the client waits for is answered already, or nothing.
    if (head === undefined || this.#muted) return 1;
    if (this.#phase === 'file') return this.#client.nextSequence;
    if (this.#phase === 'idle') return head.own ? 1 : head.firstSequence;
    return holding ? (this.sequence - 1) & 0xff : this.sequence;
  }

  /**
   * A packet begins. True: it must be seen whole (`packet`) before any of it goes on; false: it goes on as it comes, and `passed` is told its end.
   * `first` is the first byte of its payload, -1 when it has none.
   */
  begin(size: number, first: number, sequence: number): boolean {
    if (this.#phase === 'idle' && !this.#start(first, sequence)) return true;
    // An error may overtake the end of the file; how many of its packets were read by then only the database knows.
    if (this.#phase === 'file' && first === errHeader) return true;
    if (sequence !== this.sequence) throw wrongSequence(sequence, this.sequence);
    this.sequence = (sequence + 1) & 0xff;
    if (first < 0) throw emptyPacket(this.#phase);
    if (first === errHeader) return true;
    switch (this.#phase) {
      case 'definitions':
        this.#definitions -= 1;
        return false;
      case 'rows': {
        const ends = first === eofHeader && size < (this.#deprecatesEof ? 0xffffff : 9);
        if (!ends) this.rows += 1;
        return ends;
      }
      case 'file':
        throw beforeFile();
      default:
        return true;
    }
  }

  /** A packet continues the one before it. */
  follow(sequence: number): void {
    if (sequence !== this.sequence) throw wrongSequence(sequence, this.sequence);
    this.sequence = (sequence + 1) & 0xff;
  }

  /** A packet that was not wanted whole has passed, with what continues it. */
  passed(): void {
    if (this.#phase === 'definitions' && this.#definitions === 0) this.#definitionsEnd();
  }

  /** A whole packet's payload. Returns what the client gets instead, header included (nothing: an empty buffer); undefined: the packet as it is. */
  packet(payload: Buffer, sequence: number): Buffer | undefined {
    if (payload[0] === errHeader) return this.#error(payload);
    const head = this.#state.queue.head;
    if (head === undefined) throw unasked();
    switch (this.#phase) {
      case 'first':
        return this.#first(head, payload, sequence);
      case 'definitions-eof':
        return this.#definitionsEof(head, payload);
      default:
        return this.#terminator(head, payload, sequence);
    }
  }

  /** The session is over at this stream offset: what came of an answer under way is counted. */
  settle(position: number): void {
    const head = this.#state.queue.head;
    if (head === undefined || this.#phase === 'idle') return;
    if (head.grammar !== 'fields') head.rows = this.rows;
    // Behind a throw the offset may be that of the chunk's beginning.
    head.bytes = Math.max(0, position - this.#mark);
  }

  /** The client has sent the file. */
  fileEnded(sequence: number): void {
    if (this.#phase !== 'file') return;
    this.#phase = 'first';
    this.sequence = (sequence + 1) & 0xff;
  }

  /** False: an error that answers nothing, which servers send before they close. */
  #start(first: number, sequence: number): boolean {
    const head = this.#state.queue.head;
    if (head === undefined) {
      if (first !== errHeader) throw unasked();
      return false;
    }
    this.#phase = head.grammar === 'fields' || head.grammar === 'rows' ? 'rows' : 'first';
    // A server that closes numbers its error 0, whatever it is the answer to.
    this.sequence = first === errHeader && sequence === 0 ? 0 : head.firstSequence;
    this.rows = 0;
    this.#muted = head.own;
    head.firstByteAtMs = this.#state.nowMs;
    return true;
  }

  #first(head: Pending, payload: Buffer, sequence: number): Buffer | undefined {
    const header = payload[0];
    if (head.grammar === 'text') return this.#end('completed');
    if (head.grammar === 'prepare') return this.#prepared(head, payload);
    if (header === 0x00) return this.#ok(head, payload, sequence);
    if (head.grammar === 'ok') return this.#terminator(head, payload, sequence);
    if (header === fileHeader) return this.#file(head, payload, sequence);
    const { columns, definitions } = readColumnCount(payload, this.#cachesMetadata);
    this.#behindDefinitions = 'rows';
    this.#expectDefinitions(definitions ? columns : 0);
    return undefined;
  }

  #prepared(head: Pending, payload: Buffer): undefined {
    const { id, columns, parameters, warnings } = readPrepareOk(payload);
    head.warnings = warnings;
    head.resultCount = 1;
    if (head.prepare !== undefined) this.#state.prepared.accept(head.prepare, id, parameters);
    this.#columns = columns;
    this.#behindDefinitions = 'columns';
    if (parameters > 0) this.#expectDefinitions(parameters);
    else this.#preparedColumns();
  }

  /** A prepared statement's parameters are told, its columns are next. */
  #preparedColumns(): void {
    this.#behindDefinitions = 'end';
    if (this.#columns > 0) this.#expectDefinitions(this.#columns);
    else this.#end('completed');
  }

  #expectDefinitions(count: number): void {
    this.#definitions = count;
    this.#phase = 'definitions';
    if (count === 0) this.#definitionsEnd();
  }

  #definitionsEnd(): void {
    if (this.#deprecatesEof) this.#afterDefinitions();
    else this.#phase = 'definitions-eof';
  }

  #definitionsEof(head: Pending, payload: Buffer): undefined {
    if (payload[0] !== eofHeader || payload.length !== eofBytes) throw noEof(payload[0]);
    const { status, warnings } = decodeEof(payload);
    this.#state.status = status;
    head.warnings = warnings;
    // The EOF behind the row of OUT parameters does not say what follows it, so clients of MySQL take this one's word.
    if (has(status, SERVER_STATUS.PS_OUT_PARAMS)) this.#moreBehind = status & SERVER_STATUS.MORE_RESULTS_EXISTS;
    if (head.grammar !== 'execute' || !has(status, SERVER_STATUS.CURSOR_EXISTS)) this.#afterDefinitions();
    else this.#resultEnd(head, status);
  }

  #afterDefinitions(): void {
    if (this.#behindDefinitions === 'rows') this.#phase = 'rows';
    else if (this.#behindDefinitions === 'columns') this.#preparedColumns();
    else this.#end('completed');
  }

  /** What ends rows, fields, and the answers of commands that have no OK: an OK with an EOF's header, or an EOF. */
  #terminator(head: Pending, payload: Buffer, sequence: number): Buffer | undefined {
    if (payload[0] !== eofHeader) throw badHeader(head.request?.command ?? 'a command', payload[0]);
    if (this.#deprecatesEof && payload.length > eofBytes) return this.#ok(head, payload, sequence);
    if (payload.length !== eofBytes) throw badEof(payload.length, eofBytes);
    const { status, warnings } = decodeEof(payload);
    this.#state.status = status;
    head.warnings = warnings;
    this.#resultEnd(head, status);
    return undefined;
  }

  #ok(head: Pending, payload: Buffer, sequence: number): Buffer | undefined {
    const { client, database } = this.#state.options;
    const ok = decodeOk(payload, database.flags);
    this.#state.status = ok.status;
    head.warnings = ok.warnings;
    if (ok.info.length > 0) head.info = ok.info.toString('utf8', 0, maxInfoBytes);
    if (ok.header === 'ok') countOk(head, ok);
    const denied = this.#trackedDatabase(head, ok);
    const changed = has(ok.status, SERVER_STATUS.SESSION_STATE_CHANGED);
    const instead = changed ? okForClient(payload, database.flags, client.flags) : payload;
    if (denied !== undefined) this.#deny(head, denied);
    this.#resultEnd(head, ok.status);
    if (denied !== undefined) return encodePacket(sequence, encodeErr(denied, { sqlState: true }));
    return instead === payload ? undefined : encodePacket(sequence, instead);
  }

  /** The database tells its default database: returns why it may not be that one. */
  #trackedDatabase(head: Pending, ok: OkPacket): ServerError | undefined {
    const name = ok.track === undefined ? undefined : trackedSchema(readTrack(ok.track));
    if (name === undefined) return undefined;
    head.schemaSeen = true;
    const refusal =
      name === '' || name === this.#state.databaseName ? undefined : this.#state.options.policy.mayUse(name);
    if (refusal === undefined) {
      this.#state.useDatabase(name);
      head.deniedDatabase = undefined;
    }
    return refusal;
  }

  #deny(head: Pending, refusal: ServerError): void {
    const state = this.#state;
    head.error ??= refusal;
    head.deniedDatabase = refusal;
    state.restoring = true;
    // The rest of this answer may come from there, and so do those of commands that were sent already.
    this.#muted = true;
    if (state.queue.length > 1) state.mustEnd = lostDatabase(refusal);
  }

  /** `0xfb | file name`: the database wants a file of the client's, whose name it chooses. */
  #file(head: Pending, payload: Buffer, sequence: number): Buffer | undefined {
    const { policy, database, flavour } = this.#state.options;
    if (!head.loadsLocal || !policy.localInfile || !has(database.flags, CLIENT.LOCAL_FILES) || this.#muted) {
      head.error ??= fileNotAskedFor(flavour);
      return this.#giveUp(head.error);
    }
    if (this.#state.queue.length > 1)
      throw new ProtocolError(
        'MYSQL_EARLY_COMMAND',
        'mysql: client sent a command behind LOAD DATA LOCAL, expected nothing before the answer',
      );
    const fileName = payload.toString('utf8', 1, Math.min(payload.length, 1 + maxInfoBytes));
    head.infile = { fileName, bytes: head.infile?.bytes ?? 0 };
    this.#client.beginFile(sequence + 1);
    this.#phase = 'file';
    return undefined;
  }

  #error(payload: Buffer): Buffer | undefined {
    if (this.#progress && isProgress(payload)) return undefined;
    const head = this.#state.queue.head;
    if (head === undefined) {
      this.#mark = this.position;
      return undefined;
    }
    const { code, sqlState, message } = decodeErr(payload, this.#state.options.database.flags);
    const error = { code, sqlState, message: message.slice(0, maxInfoBytes) };
    head.error ??= error;
    // It reads no file any more: what the client still sends of it would be taken for commands.
    if (this.#phase === 'file') return this.#giveUp(error);
    return this.#end('failed');
  }

  #giveUp(error: ServerError): Buffer {
    this.#lastSequence = this.nextSequence(true);
    this.#end('failed');
    this.#state.mustEnd = error;
    return NOTHING;
  }

  #resultEnd(head: Pending, status: number): void {
    const { grammar } = head;
    head.resultCount += 1;
    if (grammar === 'execute' && has(status, SERVER_STATUS.CURSOR_EXISTS)) head.cursor = true;
    const said = status | this.#moreBehind;
    this.#moreBehind = 0;
    const more = has(said, SERVER_STATUS.MORE_RESULTS_EXISTS) && (grammar === 'result' || grammar === 'execute');
    if (more) this.#phase = 'first';
    else this.#end(head.error === undefined ? 'completed' : 'failed');
  }

  /** The answer of the command at the queue's head is complete. */
  #end(outcome: 'completed' | 'failed'): undefined {
    const state = this.#state;
    this.settle(this.position);
    this.#mark = this.position;
    this.#phase = 'idle';
    this.#muted = false;
    this.#moreBehind = 0;
    const entry = state.queue.shift();
    if (entry === undefined) return;
    if (outcome === 'failed' && entry.prepare !== undefined) state.prepared.reject(entry.prepare);
    if (entry.execution !== undefined) state.prepared.settled(entry.execution, outcome === 'completed');
    state.report(entry, outcome);
    if (outcome === 'completed' && entry.useTarget !== undefined && !entry.schemaSeen)
      state.useDatabase(entry.useTarget);
    if (this.#untold(entry, outcome)) state.mustEnd = trackingLost();
    else if (entry.own) this.#restored(entry);
    else if (entry.deniedDatabase !== undefined) this.#leave(entry.deniedDatabase);
    else state.restoring = false;
  }

  /** A change of the default database succeeded, and the database does not tell it although it can. */
  #untold({ mustTell, schemaSeen }: Pending, outcome: 'completed' | 'failed'): boolean {
    const tells = has(this.#state.options.database.flags, CLIENT.SESSION_TRACK);
    return mustTell && tells && !schemaSeen && outcome === 'completed';
  }

  /** The session stands in a database it may not use. */
  #leave(refusal: ServerError): void {
    const state = this.#state;
    if (state.queue.length > 0 || !this.#client.betweenCommands || state.databaseName === '')
      state.mustEnd = lostDatabase(refusal);
    else state.restoreDatabase();
  }

  #restored({ grammar, error, deniedDatabase }: Pending): void {
    const state = this.#state;
    state.restoring = false;
    const problem = deniedDatabase ?? error;
    if (problem === undefined) return;
    state.mustEnd = grammar === 'ok' ? lostDatabase(problem) : trackingLost();
  }
}

/**
 * What the next packet is of. `first`: the first packet of a response; `definitions`: column definitions; `definitions-eof`: the EOF behind them; `file`: the
 * client's turn; `idle`: nothing is under way.
 */
type Phase = 'idle' | 'first' | 'definitions' | 'definitions-eof' | 'rows' | 'file';

const errHeader = 0xff;
const eofHeader = 0xfe;
const fileHeader = 0xfb;
const eofBytes = 5;
/** Of info texts, messages and file names that are kept. */
const maxInfoBytes = 1024;
const NOTHING: Buffer = Buffer.alloc(0);

function countOk(head: Pending, ok: OkPacket): void {
  head.affected = (head.affected ?? 0) + Number(ok.affectedRows);
  if (ok.lastInsertId !== 0n) head.lastInsertId = ok.lastInsertId;
}
