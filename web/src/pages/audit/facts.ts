import { type AuditEvent, textAt, valueAt } from '../../parts/events/event.ts';
import { printCount, printMs } from '../../parts/events/figures.ts';
import { bytesWords } from '../../parts/time-words.ts';

/** A row of what matters of an event; `follow` says what a click on it shows more of. */
export type Fact = {
  readonly label: string;
  readonly value: string;
  readonly follow?: 'user' | 'database' | 'session';
};

/** The key facts of an event, in the order that a person asks for them; what is missing is left out. */
export function factsOf(event: AuditEvent): readonly Fact[] {
  const { fields } = event;
  const identity = valueAt(fields, 'identity');
  const all: readonly Fact[] = [
    { label: 'User', value: withKind(event.user, textAt(fields, 'user_kind')), follow: 'user' },
    { label: 'Roles', value: texts(valueAt(fields, 'user_roles')) },
    { label: 'From', value: textAt(fields, 'addr.remote') },
    { label: 'Database', value: event.database, follow: 'database' },
    { label: 'Protocol', value: textAt(fields, 'db_protocol') },
    { label: 'Database user', value: textAt(fields, 'db_user') },
    { label: 'Database name', value: textAt(fields, 'db_name') },
    { label: 'Address of the database', value: textAt(fields, 'db_uri') },
    { label: 'Outcome', value: textAt(fields, 'outcome') },
    { label: 'Command', value: textAt(fields, 'command') },
    { label: 'Rows', value: figure(fields, 'rows', (rows) => printCount(rows, 'row')) },
    { label: 'Changed', value: figure(fields, 'affected_records', (rows) => printCount(rows, 'row')) },
    { label: 'Took', value: figure(fields, 'duration_ms', printMs) },
    { label: 'First byte after', value: figure(fields, 'database_ms', printMs) },
    { label: 'Answer', value: figure(fields, 'bytes', bytesWords) },
    { label: 'Copied', value: figure(fields, 'copy_bytes', bytesWords) },
    { label: 'Statements', value: textAt(fields, 'statements') },
    { label: 'Sent', value: figure(fields, 'bytes_from_client', bytesWords) },
    { label: 'Received', value: figure(fields, 'bytes_from_database', bytesWords) },
    { label: 'Closed by', value: textAt(fields, 'closed_by') },
    { label: 'Reason', value: textAt(fields, 'reason') },
    {
      label: 'Error code',
      value: [textAt(fields, 'error_code'), textAt(fields, 'sql_state')].filter(Boolean).join(' / '),
    },
    { label: 'Error', value: textAt(fields, 'error') },
    { label: 'Message', value: textAt(fields, 'message') },
    { label: 'Prepared statement', value: textAt(fields, 'statement_name') || textAt(fields, 'statement_id') },
    { label: 'Portal', value: textAt(fields, 'portal_name') },
    { label: 'Certificate of', value: textAt(identity, 'user') || textAt(identity, 'host_name') },
    {
      label: 'Text was cut',
      value: cutWords(valueAt(fields, 'db_query_truncated') ?? valueAt(fields, 'query_truncated')),
    },
    { label: 'Text unknown', value: unknownWords(fields) },
    { label: 'Session', value: event.session, follow: 'session' },
    { label: 'Number in the session', value: event.session === '' ? '' : String(event.index) },
    { label: 'Written by', value: textAt(fields, 'server_id') },
    { label: 'Event id', value: textAt(fields, 'uid') },
  ];
  return all.filter(({ value }) => value !== '');
}

/** The event of the same session that belongs to this one: a statement's result, or a result's statement. */
export type Counterpart = { readonly kind: 'result' | 'statement'; readonly index: number };

/** Which event to look for; undefined when there is none. */
export function counterpartOf(event: AuditEvent): Counterpart | undefined {
  if (event.session === '') return undefined;
  const of = valueAt(event.fields, 'query_ei');
  if (event.event === 'db.session.result') return typeof of === 'number' ? { kind: 'statement', index: of } : undefined;
  return HAS_RESULT.test(event.event) ? { kind: 'result', index: event.index } : undefined;
}

/** Whether `other` is the one that was looked for. */
export function isCounterpart(wanted: Counterpart, other: AuditEvent): boolean {
  return wanted.kind === 'statement'
    ? other.index === wanted.index
    : other.event === 'db.session.result' && valueAt(other.fields, 'query_ei') === wanted.index;
}

const HAS_RESULT =
  /^db\.session\.(query$|postgres\.function$|postgres\.statements\.execute$|mysql\.(statements\.(prepare|execute|bulk_execute|reset|fetch)|init_db|create_db|drop_db|process_kill|refresh|command)$)/;

function withKind(user: string, kind: string): string {
  return user === '' || kind === '' || kind === 'local' ? user : `${user} (${kind})`;
}

function figure(fields: unknown, key: string, print: (value: number) => string): string {
  const value = valueAt(fields, key);
  return typeof value === 'number' ? print(value) : '';
}

function texts(value: unknown): string {
  return Array.isArray(value) ? value.map(String).join(', ') : '';
}

function cutWords(cut: unknown): string {
  const bytes = valueAt(cut, 'bytes');
  return typeof bytes === 'number' ? `the whole has ${bytesWords(bytes)}, SHA-256 ${textAt(cut, 'sha256')}` : '';
}

function unknownWords(fields: unknown): string {
  const what = textAt(fields, 'db_query_unknown');
  if (what !== '') return `the client ran a ${what} that this session did not define`;
  return textAt(fields, 'db_query_uncertain') === 'true' ? 'the database may hold another text under this name' : '';
}
