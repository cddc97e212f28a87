import { type AuditEvent, boundValues, numberAt, statementOf, textAt } from '../../parts/events/event.ts';
import { plainSentence } from '../../parts/events/sentence.ts';

/** The first line of the file, with its line end. A byte order mark makes spreadsheets read it as UTF-8. */
export function csvHeader(): string {
  return `\ufeff${COLUMNS.map(([title]) => cell(title)).join(',')}\r\n`;
}

/** One event as a line (RFC 4180), with its line end. */
export function csvLine(event: AuditEvent): string {
  return `${COLUMNS.map(([, read]) => cell(read(event))).join(',')}\r\n`;
}

/**
 * A value that no spreadsheet takes for a formula: what begins with a character that starts one gets an apostrophe in front, which spreadsheets show as text. Statements and names are
 * written by people who may want something else to happen on the reader's machine. https://owasp.org/www-community/attacks/CSV_Injection
 */
export function cell(value: string): string {
  const safe = /^\s*[=+\-@\t\r\n|%＝＋－＠]/.test(value) ? `'${value}` : value;
  return `"${safe.replaceAll('\u0000', '\ufffd').replaceAll('"', '""')}"`;
}

const COLUMNS: readonly (readonly [title: string, read: (event: AuditEvent) => string])[] = [
  ['time', ({ time }) => time],
  ['event', ({ event }) => event],
  ['code', ({ code }) => code],
  ['what', plainSentence],
  ['user', ({ user }) => user],
  ['database', ({ database }) => database],
  ['database_user', field('db_user')],
  ['database_name', field('db_name')],
  ['statement', (event) => statementOf(event) ?? ''],
  ['bind_values', (event) => JSON.stringify(boundValues(event)) ?? ''],
  ['outcome', field('outcome')],
  ['rows', ({ fields }) => String(numberAt(fields, 'affected_records') ?? numberAt(fields, 'rows') ?? '')],
  ['duration_ms', field('duration_ms')],
  ['error_code', field('error_code')],
  ['error', ({ fields }) => textAt(fields, 'error') || textAt(fields, 'message')],
  ['address', field('addr.remote')],
  ['session', ({ session }) => session],
  ['index_in_session', ({ index }) => String(index)],
  ['uid', ({ uid }) => uid],
];

function field(key: string): (event: AuditEvent) => string {
  return ({ fields }) => textAt(fields, key);
}
