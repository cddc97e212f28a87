import type { Recorder } from '../../audit/recorder.ts';
import type {
  BoundValues,
  ConversationObserver,
  Prepared,
  Request,
  Result,
  ServerError,
} from '../../protocol/mysql/records.ts';
import { milliseconds, textFields, textJson, type TextFields } from '../statement-json.ts';

/**
 * Which audit events a MySQL or MariaDB conversation makes. Every thing the database is asked has exactly one event before it is forwarded:
 *
 * | the client sends | event |
 * | --- | --- |
 * | COM_QUERY | `db.session.query` TDB02I, with the text and its query attributes |
 * | COM_STMT_PREPARE, EXECUTE, SEND_LONG_DATA, CLOSE, RESET, FETCH, BULK_EXECUTE | `db.session.mysql.statements.*` TMY00I to TMY06I; executions with the text and the values |
 * | COM_INIT_DB, CREATE_DB, DROP_DB, SHUTDOWN, PROCESS_KILL, DEBUG, REFRESH | `db.session.mysql.*` TMY07I to TMY13I |
 * | any other command | `db.session.mysql.command` TMY14I |
 *
 * Each is followed by one `db.session.result` (TDB10I, or TDB10W when it failed or stayed unanswered) that names it by `query_ei`, unless the protocol has no
 * answer for it, and by `db.session.query.failed` TDB02W when the database reported an error. What is refused here is a TDB02W with `refused` and nothing else.
 * Events are built as JSON text; a prepared statement's text is escaped once.
 */
export class StatementEvents implements ConversationObserver {
  /** Set when an event was written; the relay clears it when it commits. */
  dirty = false;
  /** Statements asked to run, for the session's counters. */
  statements = 0;
  /** The client said COM_QUIT. */
  terminated = false;
  /** Asked last, until it is answered. */
  #last: Request | undefined;
  readonly #recorder: Recorder;
  /** Event indices of what is not answered yet, by request id; bounded by the conversation's `maxPipelined`. */
  readonly #indices = new Map<number, number>();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** The text of what was asked last and is not answered; undefined: nothing is, or its text is not known. */
  get current(): string | undefined {
    return (this.#last?.text ?? this.#last?.prepared?.text)?.text;
  }

  request(request: Request): void {
    if (running.has(request.command)) {
      this.statements += 1;
      this.#last = request;
    }
    const [event, code, fields] = eventOf(request);
    this.#indices.set(request.id, this.#write(event, code, fields));
  }

  result(result: Result): void {
    const { request, outcome, error } = result;
    const index = this.#indices.get(request.id);
    this.#indices.delete(request.id);
    // Not kept for an idle session: it may have large values.
    if (this.#last === request) this.#last = undefined;
    if (outcome === 'no-answer') return;
    if (error !== undefined) this.#failed(request, error, '');
    const code = outcome === 'completed' && result.ranInstead === undefined ? 'TDB10I' : 'TDB10W';
    this.#write('db.session.result', code, `"query_ei":${index ?? 0},${resultJson(result)}`);
  }

  refused(request: Request, error: ServerError): void {
    this.#failed(request, error, ',"refused":true');
  }

  databaseChanged(name: string): void {
    this.#recorder.useDatabase(name);
  }

  quit(): void {
    this.terminated = true;
  }

  #failed(request: Request, error: ServerError, more: string): void {
    this.#write('db.session.query.failed', 'TDB02W', `${failedJson(request)},${errorJson(error)}${more}`);
  }

  #write(event: string, code: string, fieldsJson: string): number {
    this.dirty = true;
    return this.#recorder.writeSerialized(event, code, fieldsJson);
  }
}

/** Commands that count as statements run. */
const running: ReadonlySet<Request['command']> = new Set(['COM_QUERY', 'COM_STMT_EXECUTE', 'COM_STMT_BULK_EXECUTE']);

type Row = readonly [event: string, code: string, fieldsJson: string];

function eventOf(request: Request): Row {
  switch (request.command) {
    case 'COM_QUERY':
      return [
        'db.session.query',
        'TDB02I',
        `${textOf('db_query', request)}${attributesJson(request)}${killJson(request)}`,
      ];
    case 'COM_STMT_PREPARE':
      return ['db.session.mysql.statements.prepare', 'TMY00I', textOf('query', request)];
    case 'COM_STMT_EXECUTE':
      return [
        'db.session.mysql.statements.execute',
        'TMY01I',
        `${preparedJson(request)}${valuesJson(request.values)}${attributesJson(request)}`,
      ];
    case 'COM_STMT_SEND_LONG_DATA':
      return ['db.session.mysql.statements.send_long_data', 'TMY02I', longDataJson(request)];
    case 'COM_STMT_CLOSE':
      return ['db.session.mysql.statements.close', 'TMY03I', idJson(request)];
    case 'COM_STMT_RESET':
      return ['db.session.mysql.statements.reset', 'TMY04I', idJson(request)];
    case 'COM_STMT_FETCH':
      return [
        'db.session.mysql.statements.fetch',
        'TMY05I',
        `${idJson(request)},"rows_count":${request.rowsAsked ?? 0}`,
      ];
    case 'COM_STMT_BULK_EXECUTE':
      return [
        'db.session.mysql.statements.bulk_execute',
        'TMY06I',
        `${preparedJson(request)}${valuesJson(request.values)}`,
      ];
    default:
      return administration(request);
  }
}

function administration(request: Request): Row {
  const { command, argument } = request;
  const schema = `"schema_name":${JSON.stringify(request.databaseName ?? '')}`;
  switch (command) {
    case 'COM_INIT_DB':
      return ['db.session.mysql.init_db', 'TMY07I', schema];
    case 'COM_CREATE_DB':
      return ['db.session.mysql.create_db', 'TMY08I', schema];
    case 'COM_DROP_DB':
      return ['db.session.mysql.drop_db', 'TMY09I', schema];
    case 'COM_SHUTDOWN':
      return ['db.session.mysql.shut_down', 'TMY10I', ''];
    case 'COM_PROCESS_KILL':
      return ['db.session.mysql.process_kill', 'TMY11I', processJson(request)];
    case 'COM_DEBUG':
      return ['db.session.mysql.debug', 'TMY12I', ''];
    case 'COM_REFRESH':
      return [
        'db.session.mysql.refresh',
        'TMY13I',
        argument === undefined ? '' : `"subcommand":${JSON.stringify(argument)}`,
      ];
    default:
      return [
        'db.session.mysql.command',
        'TMY14I',
        `"command":"${command}"${argument === undefined ? '' : `,"argument":${JSON.stringify(argument)}`}`,
      ];
  }
}

/** The request's text under this key; empty when it has none. A prepared statement's is kept with it. */
function textOf(key: 'query' | 'db_query', { text, prepared }: Request): string {
  const known = prepared === undefined ? undefined : preparedText(prepared);
  return textJson(key, known ?? (text === undefined ? noText : textFields(text, text.bytes)));
}

function preparedText(prepared: Prepared): TextFields {
  const known = prepared.cache as TextFields | undefined;
  if (known !== undefined) return known;
  const made = textFields(prepared.text, prepared.text.bytes);
  prepared.cache = made;
  return made;
}

const noText: TextFields = { value: '""', cut: undefined, latin1: false };

function idJson({ statementId }: Request): string {
  return `"statement_id":${statementId ?? 0}`;
}

function preparedJson(request: Request): string {
  const known = request.prepared !== undefined || request.text !== undefined;
  let json = idJson(request);
  if (known) json += `,${textOf('db_query', request)}`;
  if (!known || request.unknownStatement === true) json += ',"db_query_unknown":"statement"';
  return json;
}

function longDataJson(request: Request): string {
  const { parameter = 0, bytes = 0 } = request.longData ?? {};
  return `${idJson(request)},"parameter_id":${parameter},"data_size":${bytes}`;
}

function killJson({ kill }: Request): string {
  if (kill === undefined) return '';
  const where = kill.realId === undefined ? '"asked_other_agents":true' : `"process_id_in_database":${kill.realId}`;
  return `,"process_id":${kill.shownId},${where}`;
}

/** COM_PROCESS_KILL: a number that is not one of ours goes on as it is. */
function processJson(request: Request): string {
  if (request.kill !== undefined) return killJson(request).slice(1);
  const id = Number(request.argument);
  return Number.isSafeInteger(id) ? `"process_id":${id}` : '';
}

function valuesJson(bound: BoundValues | undefined): string {
  if (bound === undefined || bound.count === 0) return '';
  const values = bound.values.map(({ value }) => value);
  return `,"parameters":${JSON.stringify(values)}${cutJson('parameters', bound)}`;
}

function attributesJson({ attributes: bound }: Request): string {
  if (bound === undefined || bound.count === 0) return '';
  const attributes = bound.values.map(({ name, value }) => ({ name: name ?? '', value }));
  return `,"query_attributes":${JSON.stringify(attributes)}${cutJson('query_attributes', bound)}`;
}

function cutJson(key: string, { sha256, bytes, count }: BoundValues): string {
  if (sha256 === undefined) return '';
  return `,"${key}_truncated":{"bytes":${bytes ?? 0},"sha256":"${sha256}","count":${count}}`;
}

/** What was asked, as far as it says what the error is about. */
function failedJson(request: Request): string {
  const { command, statementId, databaseName, kill, argument } = request;
  let json = textOf('db_query', request);
  if (command !== 'COM_QUERY') json += `,"command":"${command}"`;
  if (statementId !== undefined) json += `,"statement_id":${statementId}`;
  if (databaseName !== undefined) json += `,"schema_name":${JSON.stringify(databaseName)}`;
  if (kill !== undefined) json += `,"process_id":${kill.shownId}`;
  if (argument !== undefined) json += `,"argument":${JSON.stringify(argument)}`;
  return json;
}

function resultJson(result: Result): string {
  let json = `"outcome":"${result.outcome}","rows":${result.rows},"bytes":${result.bytes}`;
  if (result.ranInstead !== undefined) json += `,${insteadJson(result.ranInstead)}`;
  json += `,"duration_ms":${milliseconds(result.totalMs)},"database_ms":${milliseconds(result.firstByteMs)}`;
  if (result.affected !== undefined) json += `,"affected_records":${result.affected}`;
  if (result.resultCount > 1) json += `,"result_count":${result.resultCount}`;
  if (result.warnings > 0) json += `,"warnings":${result.warnings}`;
  if (result.lastInsertId !== undefined && result.lastInsertId > 0n)
    json += `,"last_insert_id":"${result.lastInsertId}"`;
  if (result.info !== '') json += `,"info":${JSON.stringify(result.info)}`;
  if (result.cursor) json += ',"partial":true';
  if (result.localInfile !== undefined) json += localInfileJson(result.localInfile);
  if (result.error !== undefined) json += `,${errorJson(result.error)}`;
  return json;
}

/** What ran is not what the request's event says. */
function insteadJson(ran: NonNullable<Result['ranInstead']>): string {
  if (ran === 'unknown') return '"db_query_unknown":"statement"';
  return textJson('db_query', textFields(ran, ran.bytes));
}

function localInfileJson({ fileName, bytes, refused }: NonNullable<Result['localInfile']>): string {
  return `,"local_infile":${JSON.stringify({ file_name: fileName, bytes, refused })}`;
}

function errorJson({ code, sqlState, message }: ServerError): string {
  return `"error":${JSON.stringify(message)},"error_code":"${code}","sql_state":${JSON.stringify(sqlState)}`;
}
