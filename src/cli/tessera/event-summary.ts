import { at, listAt, textAt } from './json.ts';

/** The one line that says what an event is about: the statement, what came of it, whom or what it was done to, why not. */
export function eventSummary(event: unknown): string {
  const told = (SUMMARIES[textAt(event, 'event')] ?? anything)(event);
  const error = textAt(event, 'error');
  const line = error === '' || told === error ? told : told === '' ? error : `${told}: ${error}`;
  return line.replaceAll(/\s+/g, ' ').trim();
}

const SUMMARIES: Readonly<Record<string, (event: unknown) => string>> = {
  'db.session.query': (event) => textAt(event, 'db_query'),
  'db.session.query.failed': (event) => textAt(event, 'db_query'),
  'db.session.postgres.statements.parse': (event) => textAt(event, 'query'),
  'db.session.mysql.statements.prepare': (event) => textAt(event, 'query'),
  'db.session.mysql.statements.execute': execution,
  'db.session.mysql.statements.bulk_execute': execution,
  'db.session.mysql.statements.send_long_data': (event) =>
    words('statement', textAt(event, 'statement_id'), textAt(event, 'data_size'), 'bytes'),
  'db.session.mysql.statements.close': statementId,
  'db.session.mysql.statements.reset': statementId,
  'db.session.mysql.statements.fetch': (event) => words(statementId(event), textAt(event, 'rows_count'), 'rows'),
  'db.session.mysql.init_db': (event) => textAt(event, 'schema_name'),
  'db.session.mysql.create_db': (event) => textAt(event, 'schema_name'),
  'db.session.mysql.drop_db': (event) => textAt(event, 'schema_name'),
  'db.session.mysql.process_kill': (event) => textAt(event, 'process_id'),
  'db.session.mysql.refresh': (event) => textAt(event, 'subcommand'),
  'db.session.mysql.command': (event) => words(textAt(event, 'command'), textAt(event, 'argument')),
  'db.session.result': result,
  'cert.create': certificate,
  'lock.created': (event) => words(pairs(at(event, 'target')), textAt(event, 'message')),
  'join_token.create': (event) => `for ${listAt(event, 'roles').join(', ')}`,
  'instance.join': (event) => words(textAt(event, 'role'), textAt(event, 'node_name')),
  'user.login': (event) => words(textAt(event, 'method'), 'from', textAt(event, 'addr.remote')),
  'api.denied': (event) => textAt(event, 'method'),
};

/** The text of a statement prepared before, when it is known. */
function execution(event: unknown): string {
  return textAt(event, 'db_query') || statementId(event);
}

function statementId(event: unknown): string {
  return words('statement', textAt(event, 'statement_id'));
}

function result(event: unknown): string {
  const rows = textAt(event, 'affected_records') || textAt(event, 'rows');
  const ms = Number(textAt(event, 'duration_ms'));
  return [
    // PostgreSQL's tag ends with the count: `SELECT 1`, `INSERT 0 1`.
    textAt(event, 'command').replace(/( \d+)+$/, ''),
    UNFINISHED.has(textAt(event, 'outcome')) ? textAt(event, 'outcome') : '',
    sentFile(at(event, 'local_infile')),
    rows === '' ? '' : `${rows} ${rows === '1' ? 'row' : 'rows'}`,
    Number.isFinite(ms) && ms > 0 ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : '',
    textAt(event, 'error_code'),
  ]
    .filter((part) => part !== '')
    .join(', ');
}

/** Without these words a statement that was cut off would look like one that gave no rows. */
const UNFINISHED = new Set(['unanswered', 'skipped']);

/** A file of the client's machine that the database asked for. */
function sentFile(file: unknown): string {
  if (file === undefined) return '';
  const size = textAt(file, 'refused') === 'true' ? 'refused' : `${textAt(file, 'bytes')} bytes`;
  return `file ${textAt(file, 'file_name')} (${size})`;
}

function certificate(event: unknown): string {
  const identity = at(event, 'identity');
  const route = at(identity, 'route_to_database');
  const whom = textAt(identity, 'user') || listAt(identity, 'hosts').join(', ') || textAt(identity, 'host_name');
  const where =
    route === undefined ? '' : `for ${textAt(route, 'service_name')} as ${textAt(route, 'username') || 'any user'}`;
  return words(textAt(event, 'cert_type'), whom, where);
}

function anything(event: unknown): string {
  for (const key of ['message', 'reason', 'name', 'statement_name', 'portal_name', 'mfa_device_type', 'username']) {
    const text = textAt(event, key);
    if (text !== '') return text;
  }
  return '';
}

function pairs(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  return Object.keys(value)
    .map((key) => `${key}=${textAt(value, key)}`)
    .join(' ');
}

function words(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}
