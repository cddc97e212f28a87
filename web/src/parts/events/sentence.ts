import { type AuditEvent, listAt, numberAt, textAt, valueAt } from './event.ts';
import { bytesWords } from '../time-words.ts';
import { printCount, printMs, rowWords } from './figures.ts';

/** A piece of a sentence. All but `words` come from outside. `user`, `database` and `session` can be followed to more of the same. */
export type SentencePart = {
  readonly kind: 'words' | 'user' | 'database' | 'value' | 'problem';
  readonly text: string;
};

/** What happened, as a person would say it. Never throws, whatever the event holds. */
export function sentenceOf(event: AuditEvent): readonly SentencePart[] {
  const pattern = PATTERNS.get(event.code) ?? PATTERNS.get(event.event) ?? (event.refused ? REFUSED : ANYTHING);
  return fill(pattern, event);
}

/** The sentence as one text. */
export function plainSentence(event: AuditEvent): string {
  return sentenceOf(event)
    .map((part) => part.text)
    .join('');
}

/**
 * By code, else by event. `{user}` and `{db}` are the person and the database; other names in braces are fields of the event or the figures below. What stands in square brackets is
 * left out when one of its fields is missing.
 */
const PATTERNS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    TDB00I: '{user} opened {db}[ as {db_user}][, database {db_name}][, replication {replication}]',
    TDB00W: '{user} was not let into {db}[ as {db_user}]: {!why}',
    'db.session.end': '{user}’s session with {db} ended[ after {lasted}][: {statementCount}][, {!reason}]',
    'client.disconnect': 'Tessera ended {user}’s session with {db}: {!why}[; {mayRunOn}]',
    'db.session.killed': '{user} stopped this session with {db} by KILL from another one[: {kill}]',
    'session.rejected': '{user} was refused another session[ with {db?}]: {!why}',
    'db.session.malformed_packet': 'What the {from} sent in {user}’s session with {db} broke the protocol: {!why}',
    'db.session.query': '{user} ran a statement on {db}[ as {db_user}]',
    'db.session.query.failed': '{whoRefused} refused a statement of {user}[ on {db?}]: {!code}[{!why}]',
    TDB10I: '{db} answered {user}: {outcome}',
    TDB10W: 'A statement of {user} on {db} {unfinished}[: {!code}{!error}]',
    'db.session.postgres.statements.parse': '{user} prepared a statement on {db}[, named {statement_name}]',
    'db.session.postgres.statements.bind':
      '{user} bound values to a prepared statement on {db}[, named {statement_name}]',
    'db.session.postgres.statements.execute': '{user} asked {db} for more rows of portal {portal_name}',
    'db.session.postgres.statements.close': '{user} closed a prepared statement on {db}[, named {statement_name}]',
    'db.session.postgres.function': '{user} called function {function_oid} of {db}',
    'db.session.mysql.statements.prepare': '{user} prepared a statement on {db}',
    'db.session.mysql.statements.execute': '{user} executed prepared statement {statement_id} on {db}',
    'db.session.mysql.statements.bulk_execute':
      '{user} executed prepared statement {statement_id} on {db} with many sets of values',
    'db.session.mysql.statements.send_long_data':
      '{user} sent {dataSize} ahead for prepared statement {statement_id} on {db}',
    'db.session.mysql.statements.close': '{user} closed prepared statement {statement_id} on {db}',
    'db.session.mysql.statements.reset': '{user} reset prepared statement {statement_id} on {db}',
    'db.session.mysql.statements.fetch': '{user} fetched {rows_count} rows of statement {statement_id} on {db}',
    'db.session.mysql.init_db': '{user} changed to database {schema_name} on {db}',
    'db.session.mysql.create_db': '{user} asked {db} to create database {schema_name}',
    'db.session.mysql.drop_db': '{user} asked {db} to drop database {schema_name}',
    'db.session.mysql.shut_down': '{user} told the server of {db} to stop',
    'db.session.mysql.process_kill': '{user} asked {db} to kill session {process_id}',
    'db.session.mysql.debug': '{user} told the server of {db} to dump debug information',
    'db.session.mysql.refresh': '{user} told the server of {db} to flush[: {subcommand}]',
    'db.session.mysql.command': '{user} sent {command} to {db}[: {argument}]',
    'db.session.permissions.update': '{user}’s permissions on {db} were set[ for database user {db_user}]',
    TDB08I: 'Database user {username} was made or enabled on {db} for {user}',
    TDB08W: 'Database user {username} could not be made on {db} for {user}: {!why}',
    TDB09I: 'Database user {username} was disabled or removed on {db}',
    TDB09W: 'Database user {username} could not be disabled on {db}: {!why}',
    T1000I: '{user} signed in[ with {how}][ from {address}]',
    T1000W: 'Sign-in of {user} was refused[ from {address}]: {!why}',
    T1001I: '{user} signed in through {method}[ from {address}]',
    T1001W: 'Single sign-on[ of {user?}] through {method} was refused[ from {address}]: {!why}',
    'user.lockout': 'Sign-in of {name} is locked after repeated failures[, until {lock_expires}]',
    'user.create': '{user} created the user {name}[ with {roleList}]',
    'user.update': '{user} changed the user {name}[, now with {roleList}]',
    'user.delete': '{user} removed the user {name}',
    'user.password_change': '{user} set a new password',
    'user.web_session.end': '{user} signed out of the web UI[: {reason}]',
    'user.headless_login.requested': 'tsh[ on {host_name}] asked for a sign-in that a person approves[: {description}]',
    'user.headless_login.approved': '{user} approved a request of tsh[ on {host_name}][: {description}]',
    'user.headless_login.rejected': '{user} refused a request of tsh[ on {host_name}][: {!why}]',
    'mfa.add': '{user} added the second factor {mfa_device_name}[ ({mfa_device_type})]',
    'mfa.delete': '{user} removed the second factor {mfa_device_name}[ ({mfa_device_type})]',
    'mfa_auth_challenge.validate': '{user} did not show the second factor that was asked for: {!why}',
    'reset_password_token.create': '{user} made an invitation or reset link for {name}',
    'sso.test': '{user} tried the connector {name}[: {!error}]',
    'role.created': '{user} created the role {name}',
    'role.updated': '{user} changed the role {name}',
    'role.deleted': '{user} removed the role {name}',
    'lock.created': '{user} locked {target}[: {message}][, until {expires}]',
    'lock.deleted': '{user} removed the lock {name}',
    'db.create': '{user} created the database {name}[ ({protocol}, {uri})]',
    'db.update': '{user} changed the database {name}[ ({protocol}, {uri})]',
    'db.delete': '{user} removed the database {name}',
    'oidc.created': '{user} created the OpenID Connect connector {name}',
    'oidc.updated': '{user} changed the OpenID Connect connector {name}',
    'oidc.deleted': '{user} removed the OpenID Connect connector {name}',
    'saml.created': '{user} created the SAML connector {name}',
    'saml.updated': '{user} changed the SAML connector {name}',
    'saml.deleted': '{user} removed the SAML connector {name}',
    'github.created': '{user} created the GitHub connector {name}',
    'github.updated': '{user} changed the GitHub connector {name}',
    'github.deleted': '{user} removed the GitHub connector {name}',
    'auth_preference.update': '{user} changed the sign-in settings',
    'join_token.create': '{user} made a join token for {joiners}[, good until {expires}]',
    'join_token.delete': '{user} removed a join token',
    TJ001I: '{node_name} joined as {role} service',
    TJ001W: 'A service[ called {node_name}] was not let join: {!why}',
    'cert.create': 'A {cert_type} certificate was issued[ for {holder}][ {route}]',
    T3007W: 'A connection could not be authenticated[ ({listener})][ from {address}]: {!why}',
    'api.denied': '{user} was refused the call {method}: {!why}',
    unreadable: 'A line of the log that could not be read',
  }),
);
const ANYTHING = '{event}[ by {user?}][: {message}]';
const REFUSED = '{event}[ by {user?}]: {!why}';

/** Fields that are not the event's own words. An empty text counts as missing. */
const FIGURES: ReadonlyMap<string, (event: AuditEvent) => string> = new Map(
  Object.entries({
    why: ({ fields }) => first(fields, ['message', 'error', 'reason']) || 'no reason was told',
    code: ({ fields }) => suffixed(textAt(fields, 'error_code'), ' '),
    address: ({ fields }) => textAt(fields, 'addr.remote').replace(/:\d+$/, ''),
    lasted: ({ fields }) => {
      const ms = Date.parse(textAt(fields, 'end_time')) - Date.parse(textAt(fields, 'start_time'));
      return Number.isFinite(ms) ? printMs(ms) : '';
    },
    statementCount: ({ fields }) => {
      const count = numberAt(fields, 'statements');
      return count === undefined ? '' : printCount(count, 'statement');
    },
    mayRunOn: ({ fields }) =>
      textAt(fields, 'statement_may_run_on') === 'true' ? 'a statement may run on in the database' : '',
    whoRefused: ({ fields }) => (textAt(fields, 'refused') === 'true' ? 'Tessera' : 'The database'),
    outcome: outcome,
    unfinished: ({ fields }) => UNFINISHED.get(textAt(fields, 'outcome')) ?? 'failed',
    how: ({ fields }) => {
      const method = textAt(fields, 'method');
      return method === 'local' ? 'a password' : method;
    },
    dataSize: ({ fields }) => bytesWords(numberAt(fields, 'data_size') ?? 0),
    roleList: ({ fields }) => listAt(fields, 'roles').join(', '),
    joiners: ({ fields }) =>
      listAt(fields, 'roles')
        .map((role) => JOINERS.get(role.toLowerCase()) ?? role)
        .join(', '),
    target: ({ fields }) => pairs(valueAt(fields, 'target')),
    holder: ({ fields }) => holder(valueAt(fields, 'identity')),
    route: ({ fields }) => route(valueAt(valueAt(fields, 'identity'), 'route_to_database')),
  } satisfies Record<string, (event: AuditEvent) => string>),
);

const JOINERS: ReadonlyMap<string, string> = new Map([
  ['db', 'agents'],
  ['proxy', 'proxies'],
]);
const UNFINISHED: ReadonlyMap<string, string> = new Map([
  ['skipped', 'was skipped, as an earlier one failed'],
  ['unanswered', 'was not answered before the session ended'],
]);

/** What came of a statement: `SELECT, 12 rows, 3.2 ms`. */
export function outcome({ fields }: Pick<AuditEvent, 'fields'>): string {
  const rows = numberAt(fields, 'affected_records') ?? numberAt(fields, 'rows');
  const duration = numberAt(fields, 'duration_ms');
  // PostgreSQL's tag ends with the count: `SELECT 1`, `INSERT 0 1`.
  const command = textAt(fields, 'command').replace(/( \d+)+$/, '');
  const told = [
    command,
    textAt(fields, 'outcome') === 'suspended' ? 'a part of the rows' : '',
    rowWords(rows, command),
    duration === undefined ? '' : printMs(duration),
  ];
  return told.filter((part) => part !== '').join(', ') || 'done';
}

function fill(pattern: string, event: AuditEvent): SentencePart[] {
  const parts: SentencePart[] = [];
  for (const [, optional, plain] of pattern.matchAll(/\[([^\]]*)\]|([^[\]]+)/g)) {
    const piece = phrase(optional ?? plain ?? '', event);
    if (optional === undefined || !piece.missing) parts.push(...piece.parts);
  }
  return parts;
}

function phrase(text: string, event: AuditEvent): { readonly parts: SentencePart[]; readonly missing: boolean } {
  const parts: SentencePart[] = [];
  let missing = false;
  for (const [, name, words] of text.matchAll(/\{([^}]+)\}|([^{}]+)/g)) {
    const part = name === undefined ? { kind: 'words' as const, text: words ?? '' } : named(name, event);
    if (part.text === '' && name !== '!code') missing = true;
    if (part.text !== '') parts.push(part);
  }
  return { parts, missing };
}

function named(name: string, event: AuditEvent): SentencePart {
  const { fields } = event;
  if (name === 'user') return { kind: 'user', text: event.user || 'somebody' };
  if (name === 'user?') return { kind: 'user', text: event.user };
  if (name === 'db') return { kind: 'database', text: event.database || 'a database' };
  if (name === 'db?') return { kind: 'database', text: event.database };
  if (name === 'event') return { kind: 'value', text: event.event };
  const problem = name.startsWith('!');
  const key = problem ? name.slice(1) : name;
  const text = FIGURES.get(key)?.(event) ?? textAt(fields, key);
  return { kind: problem ? 'problem' : 'value', text };
}

function first(fields: unknown, keys: readonly string[]): string {
  for (const key of keys) {
    const text = textAt(fields, key);
    if (text !== '') return text;
  }
  return '';
}

function suffixed(text: string, suffix: string): string {
  return text === '' ? '' : `${text}${suffix}`;
}

function pairs(value: unknown): string {
  if (typeof value !== 'object' || value === null) return 'something';
  return Object.keys(value)
    .map((key) => `${key.replaceAll('_', ' ')} ${textAt(value, key)}`)
    .join(', ');
}

function holder(identity: unknown): string {
  return textAt(identity, 'user') || listAt(identity, 'hosts').join(', ') || textAt(identity, 'host_name');
}

function route(value: unknown): string {
  if (value === undefined) return '';
  return `for ${textAt(value, 'service_name')} as ${textAt(value, 'username') || 'any user'}`;
}
