import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AuthService, PutResourceRequest_Mode } from '../../gen/tessera/auth/v1/auth_pb.ts';
import { PERMISSIONS, type Permission } from './permissions.ts';

test('every method has a permission and every permission a method', () => {
  assert.deepEqual(
    Object.keys(PERMISSIONS).toSorted(),
    AuthService.methods.map((method) => method.localName).toSorted(),
  );
});

test('only these can be called without a certificate', () => {
  const open = Object.entries(PERMISSIONS).flatMap(([name, permission]) =>
    permission.kind === 'anonymous' ? [name] : [],
  );
  assert.deepEqual(open.toSorted(), [
    'acceptInvite',
    'beginPasskeySignIn',
    'beginWebSignIn',
    'endWebSession',
    'finishWebSignIn',
    'getSignInOptions',
    'join',
    'ping',
    'pollClientLogin',
    'signIn',
    'startClientLogin',
    'startInvite',
    'startSso',
  ]);
});

test('nothing that gives a certificate or a secret of tsh is for browsers', () => {
  for (const name of ['signIn', 'join', 'issueUserCertificate', 'startClientLogin', 'pollClientLogin'] as const) {
    const permission: Permission = PERMISSIONS[name];
    assert.equal('web' in permission && permission.web, 'never', name);
  }
});

test('what issues certificates is never open to a proxy, but for its own', () => {
  for (const name of ['issueUserCertificate', 'issueDatabaseCertificate', 'signDatabaseServer'] as const) {
    const permission: Permission = PERMISSIONS[name];
    assert.ok(
      permission.kind !== 'anonymous' && !(permission.kind === 'service' && permission.roles.includes('proxy')),
      name,
    );
  }
});

const needs = [
  {
    name: 'get',
    method: 'getResource',
    request: { kind: 'user', name: 'x' },
    want: [['user', 'read', 'readnosecrets']],
  },
  {
    name: 'get a token, which is its own secret',
    method: 'getResource',
    request: { kind: 'token', name: 'x' },
    want: [['token', 'read']],
  },
  {
    name: 'list',
    method: 'listResources',
    request: { kind: 'role' },
    want: [
      ['role', 'list'],
      ['role', 'read', 'readnosecrets'],
    ],
  },
  {
    name: 'create',
    method: 'putResource',
    request: { json: '{"kind":"role"}', mode: PutResourceRequest_Mode.CREATE },
    want: [['role', 'create']],
  },
  {
    name: 'update',
    method: 'putResource',
    request: { json: '{"kind":"role"}', mode: PutResourceRequest_Mode.UPDATE },
    want: [['role', 'update']],
  },
  {
    name: 'upsert',
    method: 'putResource',
    request: { json: '{"kind":"role"}', mode: PutResourceRequest_Mode.UPSERT },
    want: [
      ['role', 'create'],
      ['role', 'update'],
    ],
  },
  {
    name: 'no resource',
    method: 'putResource',
    request: { json: 'nonsense', mode: PutResourceRequest_Mode.CREATE },
    want: [['', 'create']],
  },
  {
    name: 'a kind by its alias is the kind that would be written, past no rule about it',
    method: 'putResource',
    request: { json: '{"kind":"Roles"}', mode: PutResourceRequest_Mode.CREATE },
    want: [['role', 'create']],
  },
  {
    name: 'no kind at all',
    method: 'putResource',
    request: { json: '{"kind":"everything"}', mode: PutResourceRequest_Mode.CREATE },
    want: [['', 'create']],
  },
  { name: 'delete', method: 'deleteResource', request: { kind: 'lock', name: 'x' }, want: [['lock', 'delete']] },
  {
    name: 'search',
    method: 'searchAudit',
    request: {},
    want: [
      ['event', 'list'],
      ['event', 'read'],
    ],
  },
] as const;
for (const row of needs) {
  test(`needs: ${row.name}`, () => {
    const permission: Permission = PERMISSIONS[row.method];
    assert.ok(permission.kind === 'administration');
    assert.deepEqual(
      permission.needs(row.request).map((need) => [need.resource, ...need.verbs]),
      row.want,
    );
  });
}
