import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserIdentity } from '../resource/identity.ts';
import { parseResourceOf } from '../resource/parse.ts';
import type { Database, Lock, Role } from '../resource/resource.ts';
import { authorize, Grant, type AuthorizeRequest, type Denial } from './grant.ts';

const now = Date.parse('2026-03-01T12:00:00Z');

function role(name: string, allow: object, deny: object = {}, options: object = {}, version = 'v7'): Role {
  return parseResourceOf('role', { kind: 'role', version, metadata: { name }, spec: { options, allow, deny } });
}

function database(labels: { [key: string]: string }, protocol = 'postgres', name = 'orders'): Database {
  return parseResourceOf('db', {
    kind: 'db',
    version: 'v3',
    metadata: { name, labels },
    spec: { protocol, uri: 'db.internal:5432' },
  });
}

function lock(target: object, extra: object = {}): Lock {
  return parseResourceOf('lock', { kind: 'lock', version: 'v2', metadata: { name: 'l1' }, spec: { target, ...extra } });
}

const preference = parseResourceOf('cluster_auth_preference', {
  kind: 'cluster_auth_preference',
  version: 'v2',
  spec: {},
});
const strict = parseResourceOf('cluster_auth_preference', {
  kind: 'cluster_auth_preference',
  version: 'v2',
  spec: { locking_mode: 'strict' },
});
const withMfa = parseResourceOf('cluster_auth_preference', {
  kind: 'cluster_auth_preference',
  version: 'v2',
  spec: { require_session_mfa: 'yes' },
});

function identity(roles: readonly Role[], more: Partial<UserIdentity> = {}): UserIdentity {
  return {
    kind: 'user',
    user: 'alice',
    userKind: 'local',
    roles: roles.map((each) => each.metadata.name),
    traits: {},
    ...more,
  };
}

type Ask = Partial<Omit<AuthorizeRequest, 'identity'>> & {
  readonly roles: readonly Role[];
  readonly identity?: Partial<UserIdentity>;
};

function ask({ roles, identity: who, ...more }: Ask): Grant | Denial {
  return authorize({
    identity: identity(roles, who),
    certificate: { fingerprint: 'ab'.repeat(32), notAfterMs: now + 3_600_000 },
    roleByName: (name) => roles.find((each) => each.metadata.name === name),
    database: database({ env: 'prod', team: 'shop' }),
    databaseUser: 'reader',
    databaseName: 'shop',
    replication: 'none',
    locks: [],
    locksAgeMs: 0,
    nowMs: now,
    clientAddress: '192.0.2.1',
    preference,
    hostId: 'agent-1',
    sessionId: sid,
    ...more,
  });
}

const verdict = (outcome: Grant | Denial): string => (outcome instanceof Grant ? 'granted' : outcome.reason);
const [sid, other] = ['11111111-1111-4111-8111-111111111111', '22222222-2222-4222-8222-222222222222'] as const;
const open = { db_labels: { '*': '*' }, db_users: ['*'], db_names: ['*'] };
const only = (allow: object, deny: object = {}): Role[] => [role('r', { ...open, ...allow }, deny)];

const rows: readonly (Ask & { readonly name: string; readonly want: string })[] = [
  { name: 'no role: nothing', roles: [], want: 'access-denied' },
  { name: 'everything allowed', roles: only({}), want: 'granted' },
  {
    name: 'a role that no longer exists is not had',
    roles: only({}),
    roleByName: () => undefined,
    want: 'access-denied',
  },
  {
    name: 'a role without labels reaches nothing (v4 and later)',
    roles: [role('r', { db_users: ['*'], db_names: ['*'] })],
    want: 'access-denied',
  },
  {
    name: 'a role without labels reaches everything in v3',
    roles: [role('r', { db_users: ['*'], db_names: ['*'] }, {}, {}, 'v3')],
    want: 'granted',
  },
  { name: 'empty labels reach nothing', roles: only({ db_labels: {} }), want: 'access-denied' },
  {
    name: 'no db_users: no user',
    roles: [role('r', { db_labels: { '*': '*' }, db_names: ['*'] })],
    want: 'access-denied',
  },
  {
    name: 'no db_names: no name',
    roles: [role('r', { db_labels: { '*': '*' }, db_users: ['*'] })],
    want: 'access-denied',
  },

  // Labels: keys AND, values OR.
  { name: 'label equal', roles: only({ db_labels: { env: 'prod' } }), want: 'granted' },
  { name: 'label other', roles: only({ db_labels: { env: 'dev' } }), want: 'access-denied' },
  { name: 'label one of', roles: only({ db_labels: { env: ['dev', 'prod'] } }), want: 'granted' },
  { name: 'both labels', roles: only({ db_labels: { env: 'prod', team: 'shop' } }), want: 'granted' },
  {
    name: 'one of two labels is not enough',
    roles: only({ db_labels: { env: 'prod', team: 'ops' } }),
    want: 'access-denied',
  },
  { name: 'label absent', roles: only({ db_labels: { region: '*' } }), want: 'access-denied' },
  { name: 'any value of a label that is there', roles: only({ db_labels: { env: '*' } }), want: 'granted' },
  {
    name: 'the key * beside another: both',
    roles: only({ db_labels: { '*': '*', env: 'dev' } }),
    want: 'access-denied',
  },
  { name: 'label named like a method', roles: only({ db_labels: { constructor: '*' } }), want: 'access-denied' },
  { name: 'label glob', roles: only({ db_labels: { env: 'pr*' } }), want: 'granted' },
  { name: 'label regex', roles: only({ db_labels: { env: '^p.+d$' } }), want: 'granted' },
  { name: 'label regex without end is a literal', roles: only({ db_labels: { env: '^p' } }), want: 'access-denied' },

  // Users and names.
  { name: 'user equal', roles: only({ db_users: ['reader'] }), want: 'granted' },
  { name: 'user other', roles: only({ db_users: ['writer'] }), want: 'access-denied' },
  { name: 'user in another case', roles: only({ db_users: ['Reader'] }), want: 'access-denied' },
  { name: 'user glob', roles: only({ db_users: ['read*'] }), want: 'granted' },
  { name: 'user regex', roles: only({ db_users: ['^(reader|writer)$'] }), want: 'granted' },
  { name: 'a user of 512 characters', roles: only({}), databaseUser: 'x'.repeat(512), want: 'granted' },
  { name: 'a user of 513 characters', roles: only({}), databaseUser: 'x'.repeat(513), want: 'access-denied' },
  { name: 'a name of 513 characters', roles: only({}), databaseName: 'x'.repeat(513), want: 'access-denied' },
  { name: 'empty user', roles: only({}), databaseUser: '', want: 'access-denied' },
  { name: 'name equal', roles: only({ db_names: ['shop'] }), want: 'granted' },
  { name: 'name other', roles: only({ db_names: ['postgres'] }), want: 'access-denied' },
  { name: 'postgres has always a name', roles: only({ db_names: ['shop'] }), databaseName: '', want: 'access-denied' },
  {
    name: 'mysql may open without a name',
    roles: only({ db_names: ['shop'] }),
    database: database({}, 'mysql'),
    databaseName: '',
    want: 'granted',
  },
  {
    name: 'mysql with a wrong name',
    roles: only({ db_names: ['shop'] }),
    database: database({}, 'mysql'),
    databaseName: 'x',
    want: 'access-denied',
  },

  // One single role must allow all three.
  {
    name: 'labels by one role and user by another',
    roles: [role('a', { ...open, db_users: ['writer'] }), role('b', { ...open, db_labels: { env: 'dev' } })],
    want: 'access-denied',
  },
  {
    name: 'one of two roles allows all',
    roles: [role('a', { ...open, db_users: ['writer'] }), role('b', open)],
    want: 'granted',
  },

  // Deny: any single hit.
  { name: 'deny label', roles: only({}, { db_labels: { env: 'prod' } }), want: 'access-denied' },
  { name: 'deny label of another value', roles: only({}, { db_labels: { env: 'dev' } }), want: 'granted' },
  {
    name: 'deny labels: any key is enough',
    roles: only({}, { db_labels: { env: 'prod', team: 'ops' } }),
    want: 'access-denied',
  },
  { name: 'deny label by regex', roles: only({}, { db_labels: { env: '^(prod|stage)$' } }), want: 'access-denied' },
  { name: 'deny everything', roles: only({}, { db_labels: { '*': '*' } }), want: 'access-denied' },
  { name: 'deny user', roles: only({}, { db_users: ['reader'] }), want: 'access-denied' },
  { name: 'deny other user', roles: only({}, { db_users: ['root'] }), want: 'granted' },
  { name: 'deny name', roles: only({}, { db_names: ['sh*'] }), want: 'access-denied' },
  {
    name: 'deny user though the denied labels do not match',
    roles: only({}, { db_labels: { env: 'dev' }, db_users: ['reader'] }),
    want: 'access-denied',
  },
  {
    name: 'another role denies',
    roles: [role('a', open), role('b', {}, { db_users: ['reader'] })],
    want: 'access-denied',
  },

  // Traits.
  {
    name: 'trait',
    roles: only({ db_users: ['{{internal.db_users}}'] }),
    identity: { traits: { db_users: ['x', 'reader'] } },
    want: 'granted',
  },
  { name: 'trait absent', roles: only({ db_users: ['{{internal.db_users}}'] }), want: 'access-denied' },
  {
    name: 'trait *',
    roles: only({ db_users: ['{{internal.db_users}}'] }),
    identity: { traits: { db_users: ['*'] } },
    want: 'granted',
  },
  {
    name: 'trait with text around',
    roles: only({ db_users: ['read{{external.suffix}}'] }),
    identity: { traits: { suffix: ['er'] } },
    want: 'granted',
  },
  {
    name: 'with text around a value is only itself',
    roles: only({ db_users: ['read{{external.suffix}}'] }),
    identity: { traits: { suffix: ['*'] } },
    want: 'access-denied',
  },
  {
    name: 'inside a regex too',
    roles: only({ db_users: ['^{{external.who}}.*$'] }),
    identity: { traits: { who: ['.*x|'] } },
    want: 'access-denied',
  },
  {
    name: 'glob around a value',
    roles: only({ db_users: ['*{{external.who}}*'] }),
    identity: { traits: { who: ['eade'] } },
    want: 'granted',
  },
  {
    name: 'email.local',
    roles: only({ db_users: ['{{email.local(external.email)}}'] }),
    identity: { traits: { email: ['reader@example.com'] } },
    want: 'granted',
  },
  {
    name: 'email.local of no address',
    roles: only({ db_users: ['{{email.local(external.email)}}'] }),
    identity: { traits: { email: ['reader'] } },
    want: 'access-denied',
  },
  {
    name: 'email.local never becomes *',
    roles: only({ db_users: ['{{email.local(external.email)}}'] }),
    identity: { traits: { email: ['*@example.com'] } },
    want: 'access-denied',
  },
  {
    name: 'regexp.replace',
    roles: only({ db_users: ['{{regexp.replace(external.groups, "^db-(.*)$", "$1")}}'] }),
    identity: { traits: { groups: ['web', 'db-reader'] } },
    want: 'granted',
  },
  {
    name: 'regexp.replace drops what does not match',
    roles: only({ db_users: ['{{regexp.replace(external.groups, "^db-(.*)$", "$1")}}'] }),
    identity: { traits: { groups: ['reader'] } },
    want: 'access-denied',
  },
  {
    name: 'trait in a label',
    roles: only({ db_labels: { team: '{{external.teams}}' } }),
    identity: { traits: { teams: ['web', 'shop'] } },
    want: 'granted',
  },
  { name: 'trait named like a method', roles: only({ db_users: ['{{external.constructor}}'] }), want: 'access-denied' },
  {
    name: 'deny by trait',
    roles: only({}, { db_users: ['{{external.banned}}'] }),
    identity: { traits: { banned: ['reader'] } },
    want: 'access-denied',
  },
  { name: 'deny by absent trait', roles: only({}, { db_users: ['{{external.banned}}'] }), want: 'granted' },
  {
    name: 'deny that can not be worked out',
    roles: only({}, { db_users: ['{{email.local(external.e)}}'] }),
    identity: { traits: { e: ['no address'] } },
    want: 'access-denied',
  },
  {
    name: 'deny by a trait that is a broken regex',
    roles: only({}, { db_users: ['{{external.x}}'] }),
    identity: { traits: { x: ['^($'] } },
    want: 'access-denied',
  },
  {
    name: 'allow by a trait that is a broken regex',
    roles: only({ db_users: ['{{external.x}}'] }),
    identity: { traits: { x: ['^($'] } },
    want: 'access-denied',
  },

  // Expressions.
  {
    name: 'expression alone',
    roles: [role('r', { db_labels_expression: 'labels["env"] == "prod"', db_users: ['*'], db_names: ['*'] })],
    want: 'granted',
  },
  {
    name: 'expression false',
    roles: [role('r', { db_labels_expression: 'labels.env == "dev"', db_users: ['*'], db_names: ['*'] })],
    want: 'access-denied',
  },
  {
    name: 'labels and expression: both',
    roles: only({ db_labels: { env: 'prod' }, db_labels_expression: 'labels.team == "shop"' }),
    want: 'granted',
  },
  {
    name: 'labels but not the expression',
    roles: only({ db_labels_expression: 'labels.team == "ops"' }),
    want: 'access-denied',
  },
  {
    name: 'expression but not the labels',
    roles: only({ db_labels: { env: 'dev' }, db_labels_expression: 'labels.team == "shop"' }),
    want: 'access-denied',
  },
  {
    name: 'deny: expression alone is enough',
    roles: only({}, { db_labels: { env: 'dev' }, db_labels_expression: 'labels.team == "shop"' }),
    want: 'access-denied',
  },
  {
    name: 'deny: labels alone are enough',
    roles: only({}, { db_labels: { env: 'prod' }, db_labels_expression: 'labels.team == "ops"' }),
    want: 'access-denied',
  },
  {
    name: 'deny: neither',
    roles: only({}, { db_labels: { env: 'dev' }, db_labels_expression: 'labels.team == "ops"' }),
    want: 'granted',
  },
  {
    name: 'expression over traits',
    roles: only({ db_labels_expression: 'contains(user.spec.traits["teams"], labels["team"])' }),
    identity: { traits: { teams: ['shop'] } },
    want: 'granted',
  },
  {
    name: 'expression without an answer does not allow',
    roles: only({ db_labels_expression: 'email.local(labels.env) == "x"' }),
    want: 'access-denied',
  },
  {
    name: 'expression without an answer denies',
    roles: only({}, { db_labels_expression: 'email.local(labels.env) == "x"' }),
    want: 'access-denied',
  },

  // The certificate.
  { name: 'expired', roles: only({}), certificate: { fingerprint: '', notAfterMs: now }, want: 'certificate-expired' },
  {
    name: 'one millisecond left',
    roles: only({}),
    certificate: { fingerprint: '', notAfterMs: now + 1 },
    want: 'granted',
  },
  {
    name: 'not yet valid',
    roles: only({}),
    certificate: { fingerprint: '', notAfterMs: now + 2, notBeforeMs: now + 1 },
    want: 'certificate-expired',
  },
  {
    name: 'an end that is no number',
    roles: only({}),
    certificate: { fingerprint: '', notAfterMs: Number.NaN },
    want: 'certificate-expired',
  },
  {
    name: 'route to this',
    roles: only({}),
    identity: { route: { service: 'orders', protocol: 'postgres', databaseUser: 'reader', databaseName: 'shop' } },
    want: 'granted',
  },
  {
    name: 'open route',
    roles: only({}),
    identity: { route: { service: 'orders', protocol: 'postgres' } },
    want: 'granted',
  },
  {
    name: 'route elsewhere',
    roles: only({}),
    identity: { route: { service: 'other', protocol: 'postgres' } },
    want: 'access-denied',
  },
  {
    name: 'route of another protocol',
    roles: only({}),
    identity: { route: { service: 'orders', protocol: 'mysql' } },
    want: 'access-denied',
  },
  {
    name: 'route for another user',
    roles: only({}),
    identity: { route: { service: 'orders', protocol: 'postgres', databaseUser: 'root' } },
    want: 'access-denied',
  },
  {
    name: 'route for another name',
    roles: only({}),
    identity: { route: { service: 'orders', protocol: 'postgres', databaseName: 'x' } },
    want: 'access-denied',
  },

  // The address.
  { name: 'pinned here', roles: only({}), identity: { pinnedAddress: '192.0.2.1' }, want: 'granted' },
  {
    name: 'pinned here, written as IPv6',
    roles: only({}),
    identity: { pinnedAddress: '192.0.2.1' },
    clientAddress: '::ffff:192.0.2.1',
    want: 'granted',
  },
  {
    name: 'pinned here, IPv6 in two ways',
    roles: only({}),
    identity: { pinnedAddress: '2001:db8:0:0::1' },
    clientAddress: '2001:DB8::1',
    want: 'granted',
  },
  { name: 'pinned elsewhere', roles: only({}), identity: { pinnedAddress: '192.0.2.2' }, want: 'wrong-source-address' },
  {
    name: 'a role pins and the certificate does not',
    roles: [role('r', open, {}, { pin_source_ip: true })],
    want: 'wrong-source-address',
  },

  // Locks.
  { name: 'lock on the user', roles: only({}), locks: [lock({ user: 'alice' })], want: 'locked' },
  { name: 'lock on another user', roles: only({}), locks: [lock({ user: 'bob' })], want: 'granted' },
  { name: 'lock on a role', roles: only({}), locks: [lock({ role: 'r' })], want: 'locked' },
  { name: 'lock on the database', roles: only({}), locks: [lock({ db_service: 'orders' })], want: 'locked' },
  { name: 'lock on the agent', roles: only({}), locks: [lock({ server_id: 'agent-1' })], want: 'locked' },
  { name: 'lock on the session', roles: only({}), locks: [lock({ session_id: sid })], want: 'locked' },
  { name: 'lock on another one', roles: only({}), locks: [lock({ session_id: other })], want: 'granted' },
  { name: 'lock on another agent', roles: only({}), locks: [lock({ server_id: 'agent-2' })], want: 'granted' },
  {
    name: 'lock on a request',
    roles: only({}),
    identity: { accessRequests: ['q1'] },
    locks: [lock({ access_request: 'q1' })],
    want: 'locked',
  },
  { name: 'lock on the certificate', roles: only({}), locks: [lock({ certificate: 'ab'.repeat(32) })], want: 'locked' },
  {
    name: 'lock with several targets hits by any',
    roles: only({}),
    locks: [lock({ user: 'bob', role: 'r' })],
    want: 'locked',
  },
  {
    name: 'lock that is over',
    roles: only({}),
    locks: [lock({ user: 'alice' }, { expires: '2026-03-01T12:00:00Z' })],
    want: 'granted',
  },
  {
    name: 'lock until later',
    roles: only({}),
    locks: [lock({ user: 'alice' }, { expires: '2026-03-01T12:00:01Z' })],
    want: 'locked',
  },
  { name: 'a lock is told before a missing permission', roles: [], locks: [lock({ user: 'alice' })], want: 'locked' },
  { name: 'old locks, best effort', roles: only({}), locksAgeMs: 86_400_000, want: 'granted' },
  { name: 'old locks, strict cluster', roles: only({}), preference: strict, locksAgeMs: 300_001, want: 'stale-locks' },
  { name: 'five minutes are not too old', roles: only({}), preference: strict, locksAgeMs: 300_000, want: 'granted' },
  {
    name: 'old locks, strict role',
    roles: [role('r', open, {}, { lock: 'strict' })],
    locksAgeMs: 300_001,
    want: 'stale-locks',
  },
  {
    name: 'locks never seen',
    roles: only({}),
    preference: strict,
    locksAgeMs: Number.POSITIVE_INFINITY,
    want: 'stale-locks',
  },
  {
    name: 'an age that is no number',
    roles: only({}),
    preference: strict,
    locksAgeMs: Number.NaN,
    want: 'stale-locks',
  },

  // Second factor and replication.
  {
    name: 'second factor demanded by a role',
    roles: [role('r', open, {}, { require_session_mfa: true })],
    want: 'session-mfa-required',
  },
  {
    name: 'a second factor at sign-in is none for the session',
    roles: [role('r', open, {}, { require_session_mfa: true })],
    identity: { mfa: 'otp', route: { service: 'orders', protocol: 'postgres' } },
    want: 'session-mfa-required',
  },
  {
    name: 'second factor shown for the route',
    roles: [role('r', open, {}, { require_session_mfa: true })],
    identity: { sessionMfa: 'otp', route: { service: 'orders', protocol: 'postgres' } },
    want: 'granted',
  },
  {
    name: 'second factor shown for no route',
    roles: [role('r', open, {}, { require_session_mfa: true })],
    identity: { sessionMfa: 'webauthn' },
    want: 'session-mfa-required',
  },
  {
    name: 'second factor demanded by a role for other databases',
    roles: [role('r', open), role('prod', { ...open, db_labels: { env: 'dev' } }, {}, { require_session_mfa: true })],
    want: 'granted',
  },
  {
    name: 'second factor demanded by another role for this database, for other users',
    roles: [role('r', open), role('admin', { ...open, db_users: ['root'] }, {}, { require_session_mfa: true })],
    want: 'session-mfa-required',
  },
  {
    name: 'second factor demanded by a role that only sets options',
    roles: [role('r', open), role('strict', {}, {}, { require_session_mfa: true })],
    want: 'session-mfa-required',
  },
  {
    name: 'a session that goes on beyond its certificate',
    roles: only({}),
    certificate: { fingerprint: '', notAfterMs: now },
    goesOn: true,
    want: 'granted',
  },
  { name: 'second factor demanded by the cluster', roles: only({}), preference: withMfa, want: 'session-mfa-required' },
  {
    name: 'no permission is told before the second factor',
    roles: only({ db_users: [] }),
    preference: withMfa,
    want: 'access-denied',
  },
  { name: 'replication not allowed', roles: only({}), replication: 'logical', want: 'replication-denied' },
  {
    name: 'physical replication is more than logical',
    roles: only({ db_replication: ['logical'] }),
    replication: 'physical',
    want: 'replication-denied',
  },
  {
    name: 'physical replication allowed',
    roles: only({ db_replication: ['*'] }),
    replication: 'physical',
    want: 'granted',
  },
  {
    name: 'a denied logical replication does not open the physical',
    roles: only({ db_replication: ['*'] }, { db_replication: ['*'] }),
    replication: 'physical',
    want: 'replication-denied',
  },
  {
    name: 'replication allowed',
    roles: only({ db_replication: ['logical'] }),
    replication: 'logical',
    want: 'granted',
  },
  {
    name: 'replication denied',
    roles: only({ db_replication: ['logical'] }, { db_replication: ['*'] }),
    replication: 'logical',
    want: 'replication-denied',
  },
  {
    name: 'denied replication leaves the rest',
    roles: only({ db_replication: ['logical'] }, { db_replication: ['*'] }),
    want: 'granted',
  },
  {
    name: 'replication by a role that does not open this database',
    roles: [role('a', open), role('b', { ...open, db_labels: { env: 'dev' }, db_replication: ['logical'] })],
    replication: 'logical',
    want: 'replication-denied',
  },
];

for (const { name, want, ...row } of rows) test(`authorize: ${name}`, () => assert.equal(verdict(ask(row)), want));

test('a Grant carries what was decided', () => {
  const grant = ask({
    roles: [
      role(
        'r',
        { ...open, db_replication: ['logical'] },
        {},
        { client_idle_timeout: '15m', max_connections: 2, disconnect_expired_cert: true },
      ),
    ],
  });
  assert.ok(grant instanceof Grant);
  assert.equal(grant.databaseUser, 'reader');
  assert.equal(grant.databaseName, 'shop');
  assert.equal(grant.database.metadata.name, 'orders');
  assert.equal(grant.identity.user, 'alice');
  assert.deepEqual(grant.options, {
    idleTimeoutMs: 900_000,
    maxConnections: 2,
    disconnectExpiredCert: true,
    requireSessionMfa: false,
    pinSourceIp: false,
    locking: 'best_effort',
    replicationAllowed: true,
    localInfileAllowed: false,
  });
});

const infile = { db_local_infile: true };
const extras: readonly (Ask & { readonly name: string; readonly want: boolean })[] = [
  { name: 'not by itself', roles: only({}), want: false },
  { name: 'allowed', roles: only(infile), want: true },
  { name: 'false allows nothing', roles: only({ db_local_infile: false }), want: false },
  { name: 'yes is true', roles: only({ db_local_infile: 'yes' }), want: true },
  { name: 'denied', roles: only(infile, infile), want: false },
  { name: 'false denies nothing', roles: only(infile, { db_local_infile: false }), want: true },
  {
    name: 'denied by a role that opens nothing',
    roles: [role('a', { ...open, ...infile }), role('b', {}, infile)],
    want: false,
  },
  {
    name: 'by a role that does not open this database name',
    roles: [role('a', open), role('b', { ...open, db_names: ['other'], ...infile })],
    want: false,
  },
  {
    name: 'by a role that does not open this database user',
    roles: [role('a', open), role('b', { ...open, db_users: ['admin'], ...infile })],
    want: false,
  },
  {
    name: 'without a database name, by the role that opens the user',
    roles: only({ ...infile, db_names: ['shop'] }),
    database: database({ env: 'prod' }, 'mysql'),
    databaseName: '',
    want: true,
  },
];

for (const { name, want, ...row } of extras)
  test(`db_local_infile: ${name}`, () => {
    const grant = ask(row);
    assert.ok(grant instanceof Grant, 'the access itself stands');
    assert.equal(grant.options.localInfileAllowed, want);
  });

test('a Grant can not be forged', () => {
  const grant = ask({ roles: only({}) });
  assert.ok(grant instanceof Grant);
  const Forged = Grant as unknown as new (key: unknown, of: unknown) => Grant;
  assert.throws(() => new Forged(Symbol('held by authorize() alone'), grant), { code: 'BUG' });
  assert.throws(() => new Forged(undefined, grant), { code: 'BUG' });
  assert.throws(() => (Object.create(Grant.prototype) as Grant).databaseUser, TypeError);
});

test('a refusal names what was asked, not what is allowed or which role denies', () => {
  const denial = ask({
    roles: only({ db_users: ['secret_admin'] }, { db_names: ['shop'] }),
    databaseUser: 'root\u001b[2J',
  });
  assert.ok('type' in denial);
  assert.equal(
    denial.message,
    'access to db denied: user "alice", database "orders", database user "root\\u001b[2J", database name "shop"',
  );
  assert.match(denial.hint ?? '', /tsh db ls/);
  assert.doesNotMatch(`${denial.message}${denial.hint}`, /secret_admin|role r/);
  assert.equal(denial.audit, 'role r denies the database name');
});

test('a lock says whom and why', () => {
  const denial = ask({ roles: only({}), locks: [lock({ user: 'alice' }, { message: 'suspected theft' })] });
  assert.ok('type' in denial);
  assert.equal(denial.message, 'lock targeting User:"alice" is in force: suspected theft');
});
