import type { Recorder } from '../../audit/recorder.ts';
import type {
  BoundValues,
  ConversationObserver,
  Definition,
  Portal,
  ServerError,
  Statement,
  StatementResult,
} from '../../protocol/postgres/records.ts';
import { milliseconds, textFields, textJson, type TextFields } from '../statement-json.ts';

/**
 * Which audit events a PostgreSQL conversation makes. Every thing the database is asked to run has exactly one event before it runs:
 *
 * | the client sends | event |
 * | --- | --- |
 * | Query, first Execute of a portal | `db.session.query` TDB02I, with the text and the bind values |
 * | further Execute of the same portal | `db.session.postgres.statements.execute` TPG02I: rows of a statement that is already told |
 * | FunctionCall | `db.session.postgres.function` TPG04I |
 * | Parse, Close | `...statements.parse` TPG00I, `...statements.close` TPG03I |
 * | Bind of a named portal | `...statements.bind` TPG01I; the unnamed one's values stand in its Execute's event |
 *
 * Each is followed by one `db.session.result` (TDB10I, or TDB10W when it failed, was skipped or stayed unanswered) that names it by `query_ei`, and by
 * `db.session.query.failed` TDB02W when the database reported an error. Events are built as JSON text; a prepared statement's text is escaped once.
 */
export class StatementEvents implements ConversationObserver {
  /** Set when an event was written; the relay clears it when it commits. */
  dirty = false;
  /** Things asked to run, for the session's counters. */
  statements = 0;
  /** The client said Terminate. */
  terminated = false;
  /** Asked last, until it is answered. */
  #last: Statement | undefined;
  readonly #recorder: Recorder;
  /** Event indices of what is not answered yet, by statement id; bounded by the conversation's `maxPipelined`. */
  readonly #indices = new Map<number, number>();

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  /** The text of what was asked last and is not answered; undefined: nothing is, or its text is not known. */
  get current(): string | undefined {
    return (this.#last?.definition?.text ?? this.#last?.text)?.text;
  }

  parse(definition: Definition): void {
    const text = textOf(definition);
    this.#write(
      'db.session.postgres.statements.parse',
      'TPG00I',
      `"statement_name":${JSON.stringify(definition.name)},${textJson('query', text)}`,
    );
  }

  bind(portal: Portal): void {
    if (portal.name === '') return;
    const names = `"statement_name":${JSON.stringify(portal.statementName)},"portal_name":${JSON.stringify(portal.name)}`;
    this.#write('db.session.postgres.statements.bind', 'TPG01I', `${names}${valuesJson('parameters', portal.values)}`);
  }

  close(target: 'statement' | 'portal', name: string): void {
    this.#write('db.session.postgres.statements.close', 'TPG03I', `"${target}_name":${JSON.stringify(name)}`);
  }

  statement(statement: Statement): void {
    this.statements += 1;
    this.#last = statement;
    this.#indices.set(statement.id, this.#asked(statement));
  }

  result(result: StatementResult): void {
    const { statement, outcome, error } = result;
    const index = this.#indices.get(statement.id);
    this.#indices.delete(statement.id);
    // Not kept for an idle session: it may have large values.
    if (this.#last === statement) this.#last = undefined;
    if (outcome === 'failed' && error !== undefined) this.#failed(statement, error);
    const good = outcome === 'completed' || outcome === 'suspended' || outcome === 'empty';
    this.#write('db.session.result', good ? 'TDB10I' : 'TDB10W', `"query_ei":${index ?? 0},${resultJson(result)}`);
  }

  error(error: ServerError, during: 'parse' | 'bind' | 'describe' | 'close' | 'sync' | 'idle'): void {
    this.#write('db.session.query.failed', 'TDB02W', `"db_query":"","message":"during ${during}",${errorJson(error)}`);
  }

  terminate(): void {
    this.terminated = true;
  }

  #asked(statement: Statement): number {
    if (statement.kind === 'function') {
      const args = valuesJson('function_args', statement.values);
      return this.#write(
        'db.session.postgres.function',
        'TPG04I',
        `"function_oid":${statement.functionOid ?? 0}${args}`,
      );
    }
    if (statement.continued) {
      return this.#write(
        'db.session.postgres.statements.execute',
        'TPG02I',
        `"portal_name":${JSON.stringify(statement.portalName)}`,
      );
    }
    return this.#write('db.session.query', 'TDB02I', queryJson(statement));
  }

  #failed(statement: Statement, error: ServerError): void {
    const what =
      statement.kind === 'function'
        ? `"db_query":"","function_oid":${statement.functionOid ?? 0}`
        : queryJson(statement);
    this.#write('db.session.query.failed', 'TDB02W', `${what},${errorJson(error)}`);
  }

  #write(event: string, code: string, fieldsJson: string): number {
    this.dirty = true;
    return this.#recorder.writeSerialized(event, code, fieldsJson);
  }
}

/** `"db_query":...` and what belongs to it, without braces. */
function queryJson(statement: Statement): string {
  const { definition, text } = statement;
  let json: string;
  if (definition !== undefined) json = textJson('db_query', textOf(definition));
  else if (text !== undefined) json = textJson('db_query', textFields(text, text.bodyBytes));
  else json = `"db_query":"","db_query_unknown":"${statement.unknown ?? 'statement'}"`;
  if (statement.kind === 'execute') {
    json += valuesJson('db_query_parameters', statement.values);
    if (statement.statementName !== '') json += `,"statement_name":${JSON.stringify(statement.statementName)}`;
    if (statement.portalName !== '') json += `,"portal_name":${JSON.stringify(statement.portalName)}`;
  }
  if (!statement.uncertain) return json;
  const candidates = statement.otherTexts
    .slice(0, maxCandidates)
    .map((other) => other.text.slice(0, maxCandidateLength));
  return `${json},"db_query_uncertain":true,"db_query_candidates":${JSON.stringify(candidates)}`;
}

function textOf(definition: Definition): TextFields {
  const known = definition.cache as TextFields | undefined;
  if (known !== undefined) return known;
  const made = textFields(definition.text, definition.text.bodyBytes);
  definition.cache = made;
  return made;
}

function valuesJson(key: string, values: BoundValues | undefined): string {
  if (values === undefined || values.count === 0) return '';
  const json = `,"${key}":${JSON.stringify(values.values)}`;
  if (values.sha256 === undefined) return json;
  return `${json},"${key}_truncated":{"bytes":${values.bodyBytes ?? 0},"sha256":"${values.sha256}","count":${values.count}}`;
}

function resultJson(result: StatementResult): string {
  let json = `"outcome":"${result.outcome}","rows":${result.rows},"bytes":${result.bytes}`;
  json += `,"duration_ms":${milliseconds(result.totalMs)},"database_ms":${milliseconds(result.firstByteMs)}`;
  if (result.affected !== undefined) json += `,"affected_records":${result.affected}`;
  if (result.tag !== '') json += `,"command":${JSON.stringify(result.tag)}`;
  if (result.outcome === 'suspended') json += ',"partial":true';
  if (result.copyBytes > 0) json += `,"copy_bytes":${result.copyBytes}`;
  if (result.commandCount > 1)
    json += `,"command_count":${result.commandCount},"commands":${JSON.stringify(result.commands)}`;
  if (result.error !== undefined)
    json += `,"error":${JSON.stringify(result.error.message)},"error_code":${JSON.stringify(result.error.code)}`;
  if (result.uncertain) json += ',"db_query_uncertain":true';
  if (result.textRejected) json += ',"db_query_rejected":true';
  return json;
}

function errorJson(error: ServerError): string {
  return `"error":${JSON.stringify(error.message)},"error_code":${JSON.stringify(error.code)},"severity":${JSON.stringify(error.severity)}`;
}

/** Of the other texts that may stand behind a name; each was journalled whole when it was prepared. */
const maxCandidates = 4;
const maxCandidateLength = 1024;
