import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserIdentity } from '../resource/identity.ts';
import { parseResourceOf } from '../resource/parse.ts';
import type { Role } from '../resource/resource.ts';
import { allowedOn, resolveRoute } from './reach.ts';

const database = parseResourceOf('db', {
  kind: 'db',
  version: 'v3',
  metadata: { name: 'orders', labels: { env: 'prod' } },
  spec: { protocol: 'postgres', uri: 'h:1' },
});
const alice: UserIdentity = {
  kind: 'user',
  user: 'alice',
  userKind: 'local',
  roles: [],
  traits: { db_users: ['reader'] },
};
const all = { '*': '*' };

function role(allow: object, deny: object = {}): Role {
  return parseResourceOf('role', { kind: 'role', version: 'v7', metadata: { name: 'r' }, spec: { allow, deny } });
}

const reach = [
  { name: 'no role', roles: [], want: undefined },
  { name: 'labels of another', roles: [role({ db_labels: { env: 'dev' }, db_users: ['x'] })], want: undefined },
  {
    name: 'labels denied',
    roles: [role({ db_labels: all, db_users: ['*'] }), role({}, { db_labels: { env: 'prod' } })],
    want: undefined,
  },
  {
    name: 'traits filled in, union, sorted, once each',
    roles: [
      role({ db_labels: all, db_users: ['{{internal.db_users}}', 'b'], db_names: ['*'] }),
      role({ db_labels: all, db_users: ['a', 'b'] }, { db_users: ['root'] }),
    ],
    want: { allowedUsers: ['a', 'b', 'reader'], deniedUsers: ['root'], allowedNames: ['*'], deniedNames: [] },
  },
  {
    name: 'a role that does not match still denies',
    roles: [
      role({ db_labels: all, db_users: ['*'] }),
      role({ db_labels: { env: 'dev' }, db_users: ['q'] }, { db_names: ['secret'] }),
    ],
    want: { allowedUsers: ['*'], deniedUsers: [], allowedNames: [], deniedNames: ['secret'] },
  },
] as const;

for (const { name, roles, want } of reach)
  test(`allowedOn: ${name}`, () => assert.deepEqual(allowedOn(alice, roles, database), want));

const routes: readonly {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly wanted?: object;
  readonly want: object | string;
}[] = [
  {
    name: 'one user, one name',
    roles: [role({ db_labels: all, db_users: ['reader'], db_names: ['shop'] })],
    want: { databaseUser: 'reader', databaseName: 'shop' },
  },
  {
    name: 'from traits',
    roles: [role({ db_labels: all, db_users: ['{{internal.db_users}}'], db_names: ['*'] })],
    want: { databaseUser: 'reader' },
  },
  {
    name: 'two users: left open',
    roles: [role({ db_labels: all, db_users: ['a', 'b'], db_names: ['shop'] })],
    want: { databaseName: 'shop' },
  },
  {
    name: 'two users, one denied',
    roles: [role({ db_labels: all, db_users: ['a', 'b'], db_names: ['shop'] }, { db_users: ['b'] })],
    want: { databaseUser: 'a', databaseName: 'shop' },
  },
  { name: 'any user: left open', roles: [role({ db_labels: all, db_users: ['*', 'a'], db_names: ['*'] })], want: {} },
  {
    name: 'the name that goes with the user',
    roles: [
      role({ db_labels: all, db_users: ['a'], db_names: ['x'] }),
      role({ db_labels: all, db_users: ['b'], db_names: ['y'] }),
    ],
    wanted: { databaseUser: 'b' },
    want: { databaseUser: 'b', databaseName: 'y' },
  },
  {
    name: 'wanted user not allowed',
    roles: [role({ db_labels: all, db_users: ['a'], db_names: ['x'] })],
    wanted: { databaseUser: 'b' },
    want: 'access-denied',
  },
  {
    name: 'user and name of two roles',
    roles: [
      role({ db_labels: all, db_users: ['a'], db_names: ['x'] }),
      role({ db_labels: all, db_users: ['b'], db_names: ['y'] }),
    ],
    wanted: { databaseUser: 'a', databaseName: 'y' },
    want: 'access-denied',
  },
  { name: 'nothing allowed at all', roles: [], want: 'access-denied' },
];

for (const { name, roles, wanted = {}, want } of routes) {
  test(`resolveRoute: ${name}`, () => {
    const got = resolveRoute(alice, roles, database, wanted);
    if (typeof want === 'string') assert.equal('reason' in got ? got.reason : 'resolved', want);
    else assert.deepEqual(got, { type: 'ResolvedRoute', ...want });
  });
}
