import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResourceOf } from '../resource/parse.ts';
import type { Role } from '../resource/resource.ts';
import { sessionOptions, sessionTtl } from './session.ts';

const hour = 3_600_000;
const preference = parseResourceOf('cluster_auth_preference', { kind: 'cap', version: 'v2', spec: {} });

function role(options: object): Role {
  return parseResourceOf('role', { kind: 'role', version: 'v7', metadata: { name: 'r' }, spec: { options } });
}

const ttls = [
  { name: 'the cluster default', roles: [], requested: undefined, want: 12 * hour },
  { name: 'what was asked for', roles: [], requested: hour, want: hour },
  { name: 'never above 30 h', roles: [], requested: 100 * hour, want: 30 * hour },
  {
    name: 'the smallest role cuts the default',
    roles: [role({ max_session_ttl: '8h' }), role({ max_session_ttl: '4h' })],
    requested: undefined,
    want: 4 * hour,
  },
  {
    name: 'the smallest role cuts the request',
    roles: [role({ max_session_ttl: '8h' }), role({})],
    requested: 9 * hour,
    want: 8 * hour,
  },
  {
    name: 'a large role does not raise the default',
    roles: [role({ max_session_ttl: '30h' })],
    requested: undefined,
    want: 12 * hour,
  },
  {
    name: 'a request above the default within the role',
    roles: [role({ max_session_ttl: '30h' })],
    requested: 20 * hour,
    want: 20 * hour,
  },
  { name: '0 in a role is no limit', roles: [role({ max_session_ttl: '0s' })], requested: undefined, want: 12 * hour },
  { name: 'a request of 0 is the default', roles: [], requested: 0, want: 12 * hour },
  { name: 'a negative request is the default', roles: [], requested: -5, want: 12 * hour },
];

for (const { name, roles, requested, want } of ttls)
  test(`sessionTtl: ${name}`, () => assert.equal(sessionTtl(roles, preference, requested), want));

const plain = {
  disconnectExpiredCert: false,
  requireSessionMfa: false,
  pinSourceIp: false,
  locking: 'best_effort',
  replicationAllowed: false,
  localInfileAllowed: false,
};

test('sessionOptions: nothing demanded', () => assert.deepEqual(sessionOptions([role({})], preference), plain));

test('sessionOptions: smallest limits, any demand, strict wins', () => {
  const roles = [
    role({ client_idle_timeout: '15m', max_connections: 5, lock: 'best_effort', require_session_mfa: 'no' }),
    role({ client_idle_timeout: '5m', max_connections: 9, lock: 'strict', pin_source_ip: true }),
    role({
      client_idle_timeout: 'never',
      max_connections: 0,
      disconnect_expired_cert: 'yes',
      require_session_mfa: 'yes',
    }),
  ];
  assert.deepEqual(sessionOptions(roles, preference, { replicationAllowed: true, localInfileAllowed: true }), {
    idleTimeoutMs: 300_000,
    maxConnections: 5,
    disconnectExpiredCert: true,
    requireSessionMfa: true,
    pinSourceIp: true,
    locking: 'strict',
    replicationAllowed: true,
    localInfileAllowed: true,
  });
});

test('sessionOptions: a role can not soften what the cluster demands', () => {
  const cluster = parseResourceOf('cluster_auth_preference', {
    kind: 'cap',
    version: 'v2',
    spec: { locking_mode: 'strict', require_session_mfa: true, disconnect_expired_cert: true },
  });
  const roles = [role({ lock: 'best_effort', require_session_mfa: false, disconnect_expired_cert: false })];
  assert.deepEqual(sessionOptions(roles, cluster), {
    ...plain,
    locking: 'strict',
    requireSessionMfa: true,
    disconnectExpiredCert: true,
  });
});
