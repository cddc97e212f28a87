/** The events there are, grouped for a person who looks for something. The names are those of docs/reference/events.md. */

export type KindGroup = { readonly name: string; readonly kinds: readonly EventKind[] };
/** `refusals`: codes of this event that say that something was denied or failed. */
export type EventKind = { readonly event: string; readonly label: string; readonly refusals: readonly string[] };

const REFUSALS: ReadonlyMap<string, readonly string[]> = new Map([
  ['db.session.start', ['TDB00W']],
  ['db.session.query.failed', ['TDB02W']],
  ['db.session.user.create', ['TDB08W']],
  ['db.session.user.deactivate', ['TDB09W']],
  ['db.session.result', ['TDB10W']],
  ['user.login', ['T1000W', 'T1001W']],
  ['user.lockout', ['TUL00W']],
  ['user.headless_login.rejected', ['T1013W']],
  ['mfa_auth_challenge.validate', ['T1007W']],
  ['session.rejected', ['T1006W']],
  ['auth', ['T3007W']],
  ['api.denied', ['TAP00W']],
  ['instance.join', ['TJ001W']],
]);

export const KIND_GROUPS: readonly KindGroup[] = [
  group('Sessions', {
    'db.session.start': 'session began or was refused',
    'db.session.end': 'session ended',
    'client.disconnect': 'session ended by Tessera',
    'db.session.killed': 'session stopped by KILL',
    'session.rejected': 'session over a limit',
    'db.session.malformed_packet': 'protocol broken',
  }),
  group('Statements', {
    'db.session.query': 'statement',
    'db.session.query.failed': 'statement failed',
    'db.session.result': 'result',
    'db.session.postgres.statements.parse': 'prepared (PostgreSQL)',
    'db.session.postgres.statements.bind': 'values bound (PostgreSQL)',
    'db.session.postgres.statements.execute': 'more rows (PostgreSQL)',
    'db.session.postgres.statements.close': 'prepared statement closed (PostgreSQL)',
    'db.session.postgres.function': 'function call (PostgreSQL)',
    'db.session.mysql.statements.prepare': 'prepared (MySQL)',
    'db.session.mysql.statements.execute': 'prepared statement executed (MySQL)',
    'db.session.mysql.statements.bulk_execute': 'bulk execution (MariaDB)',
    'db.session.mysql.statements.send_long_data': 'long value sent (MySQL)',
    'db.session.mysql.statements.close': 'prepared statement closed (MySQL)',
    'db.session.mysql.statements.reset': 'prepared statement reset (MySQL)',
    'db.session.mysql.statements.fetch': 'rows fetched (MySQL)',
    'db.session.mysql.init_db': 'change of database (MySQL)',
    'db.session.mysql.create_db': 'database created by command (MySQL)',
    'db.session.mysql.drop_db': 'database dropped by command (MySQL)',
    'db.session.mysql.shut_down': 'server told to stop (MySQL)',
    'db.session.mysql.process_kill': 'session to be killed (MySQL)',
    'db.session.mysql.debug': 'debug dump (MySQL)',
    'db.session.mysql.refresh': 'caches flushed (MySQL)',
    'db.session.mysql.command': 'another command (MySQL)',
  }),
  group('Database users', {
    'db.session.permissions.update': 'permissions set',
    'db.session.user.create': 'database user made',
    'db.session.user.deactivate': 'database user disabled',
  }),
  group('Sign-in', {
    'user.login': 'sign-in',
    'user.lockout': 'sign-in locked after failures',
    'user.web_session.end': 'signed out of the web UI',
    'user.headless_login.requested': 'tsh asked for a sign-in',
    'user.headless_login.approved': 'sign-in of tsh approved',
    'user.headless_login.rejected': 'sign-in of tsh refused',
    'mfa_auth_challenge.validate': 'second factor not shown',
    'mfa.add': 'second factor added',
    'mfa.delete': 'second factor removed',
    'user.password_change': 'password set',
    'reset_password_token.create': 'invitation or reset link',
    'sso.test': 'connector tried',
  }),
  group('Refusals', {
    auth: 'connection not authenticated',
    'api.denied': 'call refused',
  }),
  group('Administration', {
    'user.create': 'user created',
    'user.update': 'user changed',
    'user.delete': 'user removed',
    'role.created': 'role created',
    'role.updated': 'role changed',
    'role.deleted': 'role removed',
    'lock.created': 'lock put on',
    'lock.deleted': 'lock removed',
    'db.create': 'database created',
    'db.update': 'database changed',
    'db.delete': 'database removed',
    'oidc.created': 'OpenID Connect connector created',
    'oidc.updated': 'OpenID Connect connector changed',
    'oidc.deleted': 'OpenID Connect connector removed',
    'saml.created': 'SAML connector created',
    'saml.updated': 'SAML connector changed',
    'saml.deleted': 'SAML connector removed',
    'github.created': 'GitHub connector created',
    'github.updated': 'GitHub connector changed',
    'github.deleted': 'GitHub connector removed',
    'auth_preference.update': 'sign-in settings changed',
  }),
  group('Services', {
    'instance.join': 'service joined',
    'join_token.create': 'join token made',
    'join_token.delete': 'join token removed',
    'cert.create': 'certificate issued',
  }),
];

/** What an event is called for people; its own name when it is not known. */
export function kindLabel(event: string): string {
  return LABELS.get(event) ?? event;
}

/** Every event's name. */
export function knownEvents(): readonly string[] {
  return [...LABELS.keys()];
}

/** The group that an event belongs to; "Other" when it is not known. */
export function kindGroup(event: string): string {
  return GROUP_OF.get(event) ?? 'Other';
}

/** The codes of everything refused among these events; of all events when there is none. */
export function refusalCodes(events: readonly string[]): readonly string[] {
  const wanted = new Set(events);
  return KIND_GROUPS.flatMap(({ kinds }) =>
    kinds.filter(({ event }) => wanted.size === 0 || wanted.has(event)).flatMap(({ refusals }) => refusals),
  );
}

function group(name: string, kinds: Readonly<Record<string, string>>): KindGroup {
  return {
    name,
    kinds: Object.entries(kinds).map(([event, label]) => ({ event, label, refusals: REFUSALS.get(event) ?? [] })),
  };
}

const LABELS: ReadonlyMap<string, string> = new Map(
  KIND_GROUPS.flatMap(({ kinds }) => kinds.map(({ event, label }) => [event, label] as const)),
);
const GROUP_OF: ReadonlyMap<string, string> = new Map(
  KIND_GROUPS.flatMap(({ name, kinds }) => kinds.map(({ event }) => [event, name] as const)),
);
