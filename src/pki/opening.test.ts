import assert from 'node:assert/strict';
import { sign } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { TesseraError } from '../errors.ts';
import { generateKeyPair, parsePrivateKey } from './keys.ts';
import type { SessionOpening } from './opening.ts';
import { MAX_OPENING_BYTES, signOpening, verifyOpening } from './opening.ts';
import { hostProfile, userProfile } from './profiles.ts';
import { signEnvelope } from './signed-envelope.ts';
import { signClientAddress, verifyClientAddress } from './signed-address.ts';
import { AGENT, host, issue, NOW, PROXY, routed, testCluster } from './test-cluster.ts';

const cluster = await testCluster();
const twin = await testCluster();
const adminHost = await issue(cluster.host, hostProfile(host('admin')));
const authorities = { hostAuthorities: cluster.hostAuthorities, userAuthorities: cluster.userAuthorities };
const honest: SessionOpening = {
  sessionId: '33333333-3333-4333-8333-333333333333',
  timeMs: NOW,
  protocol: 'postgres',
  clientAddress: '[2001:db8::1]:5432',
  agentHostId: AGENT,
  clientCertificateDer: cluster.routed.der,
};
const shopper = await issue(
  cluster.user,
  userProfile({ ...routed, route: { service: 'shop', protocol: 'mysql', databaseUser: 'reader' } }),
);
const greeted: Partial<SessionOpening> = {
  protocol: 'mysql',
  clientCertificateDer: shopper.der,
  greeting: Buffer.from('4a0000000a382e302e333600', 'hex'),
};
type Signer = { keys: { privateKeyPem: string }; der: Buffer };
const make = (change: Partial<SessionOpening> = {}, by: Signer = cluster.proxy): Buffer =>
  signOpening({ ...honest, ...change }, parsePrivateKey(by.keys.privateKeyPem), by.der);
const check = (
  bytes: Uint8Array,
  change: { nowMs?: number; agentHostId?: string } = {},
): ReturnType<typeof verifyOpening> =>
  verifyOpening(bytes, { ...authorities, nowMs: NOW, agentHostId: AGENT, ...change });

test('an honest opening says who is there', () => {
  const bytes = make();
  const { opening, client, proxy } = check(bytes);
  assert.deepEqual(opening, honest);
  assert.equal(client.identity.route.service, 'orders');
  assert.equal(proxy.identity.hostId, PROXY);
  bytes.fill(0);
  assert.deepEqual(opening, honest, 'shares no memory');
});

test('what a client was told in clear is signed along, for a protocol whose server speaks first', () => {
  const bytes = make(greeted);
  const { opening } = check(bytes);
  assert.deepEqual(opening, { ...honest, ...greeted });
  bytes.fill(0);
  assert.deepEqual(opening.greeting, greeted.greeting, 'shares no memory');
  const longest = Buffer.alloc(512, 0xff);
  assert.deepEqual(check(make({ ...greeted, greeting: longest })).opening.greeting, longest);
  const { greeting: _none, ...silent } = greeted;
  assert.equal(check(make(silent)).opening.greeting, undefined);
});

/** An opening whose statement is changed before it is signed. */
function says(change: (statement: Record<string, unknown>) => void): Buffer {
  const plain = { sid: honest.sessionId, t: NOW, proto: 'mysql', addr: honest.clientAddress, agent: AGENT };
  const statement: Record<string, unknown> = { ...plain };
  change(statement);
  const json = Buffer.from(JSON.stringify(statement));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(json.length);
  return signEnvelope(
    'tessera session opening v1',
    Buffer.concat([length, json, shopper.der]),
    { key: parsePrivateKey(cluster.proxy.keys.privateKeyPem), certificateDer: cluster.proxy.der },
    MAX_OPENING_BYTES,
  );
}

const greetings: { name: string; greet: unknown }[] = [
  { name: 'empty', greet: '' },
  { name: 'of 513 bytes', greet: Buffer.alloc(513).toString('base64') },
  { name: 'that fills the statement', greet: 'A'.repeat(900) },
  { name: 'that is no base64', greet: '****' },
  { name: 'without its padding', greet: 'AA' },
  { name: 'with bits behind its end', greet: 'AB==' },
  { name: 'in the alphabet of URLs', greet: '-_-_' },
  { name: 'that is no text', greet: 10 },
  { name: 'that is null', greet: null },
  { name: 'in pieces', greet: ['AAAA'] },
];
for (const { name, greet } of greetings) {
  test(`refused: a greeting ${name}`, () =>
    assert.throws(() => check(says((statement) => (statement['greet'] = greet))), { code: 'OPENING_MALFORMED' }));
}
test('a statement with a key that nobody knows is refused', () => {
  assert.ok(check(says(() => undefined)));
  for (const key of ['greeting', '__proto__', 'x'])
    assert.throws(
      () => check(says((statement) => Object.defineProperty(statement, key, { value: 'AAAA', enumerable: true }))),
      { code: 'OPENING_MALFORMED' },
    );
});

const rows: { name: string; code: string; verify: () => unknown }[] = [
  {
    name: 'replayed to another agent',
    code: 'OPENING_WRONG_AGENT',
    verify: () => check(make(), { agentHostId: PROXY }),
  },
  { name: 'stale by a millisecond', code: 'OPENING_STALE', verify: () => check(make(), { nowMs: NOW + 60_001 }) },
  { name: 'from the future', code: 'OPENING_FROM_FUTURE', verify: () => check(make({ timeMs: NOW + 30_001 })) },
  { name: 'signed by an agent', code: 'CERT_WRONG_ROLE', verify: () => check(make({}, cluster.agent)) },
  { name: 'signed by the local administrator', code: 'CERT_WRONG_ROLE', verify: () => check(make({}, adminHost)) },
  { name: 'signed by the person', code: 'CERT_FOREIGN_AUTHORITY', verify: () => check(make({}, cluster.routed)) },
  {
    name: 'signed by a proxy of a twin cluster',
    code: 'CERT_FOREIGN_AUTHORITY',
    verify: () => check(make({}, twin.proxy)),
  },
  {
    name: 'a proxy’s certificate with another’s key',
    code: 'ENVELOPE_BAD_SIGNATURE',
    verify: () => check(make({}, { keys: generateKeyPair(), der: cluster.proxy.der })),
  },
  {
    name: 'an expired proxy',
    code: 'CERT_EXPIRED',
    verify: () => check(make({ timeMs: cluster.proxy.notAfterMs }), { nowMs: cluster.proxy.notAfterMs }),
  },
  {
    name: 'a person’s certificate without a route',
    code: 'OPENING_NO_ROUTE',
    verify: () => check(make({ clientCertificateDer: cluster.alice.der })),
  },
  {
    name: 'an invented person',
    code: 'CERT_FOREIGN_AUTHORITY',
    verify: () => check(make({ clientCertificateDer: twin.routed.der })),
  },
  {
    name: 'a service as the person',
    code: 'CERT_FOREIGN_AUTHORITY',
    verify: () => check(make({ clientCertificateDer: cluster.proxy.der })),
  },
  {
    name: 'another protocol than the route’s',
    code: 'OPENING_WRONG_PROTOCOL',
    verify: () => check(make({ protocol: 'redis' })),
  },
  {
    name: 'no certificate',
    code: 'OPENING_MALFORMED',
    verify: () => check(make({ clientCertificateDer: Buffer.alloc(0) })),
  },
  {
    name: 'a session id that is none',
    code: 'OPENING_MALFORMED',
    verify: () => check(make({ sessionId: '../../etc' })),
  },
  {
    name: 'an address that is none',
    code: 'OPENING_MALFORMED',
    verify: () => check(make({ clientAddress: 'example.com:1' })),
  },
  { name: 'a time that is none', code: 'OPENING_MALFORMED', verify: () => check(make({ timeMs: 1.5 })) },
  {
    name: 'a protocol that is none',
    code: 'OPENING_MALFORMED',
    verify: () => check(make({ protocol: 'ftp' as 'redis' })),
  },
  {
    name: 'a greeting of a protocol whose client speaks first',
    code: 'OPENING_MALFORMED',
    verify: () => check(make({ greeting: Buffer.from('x') })),
  },
  { name: 'a greeting put in place of another', code: 'ENVELOPE_BAD_SIGNATURE', verify: () => check(regreeted()) },
  { name: 'another certificate put in', code: 'ENVELOPE_BAD_SIGNATURE', verify: () => check(swapped()) },
  { name: 'a signature for another purpose', code: 'ENVELOPE_BAD_SIGNATURE', verify: () => check(otherPurpose()) },
  { name: 'one byte more', code: 'ENVELOPE_MALFORMED', verify: () => check(Buffer.concat([make(), Buffer.from([0])])) },
  {
    name: 'another version',
    code: 'ENVELOPE_MALFORMED',
    verify: () => check(Buffer.concat([Buffer.from([2]), make().subarray(1)])),
  },
  { name: 'nothing', code: 'ENVELOPE_MALFORMED', verify: () => check(Buffer.alloc(0)) },
  { name: 'too much', code: 'ENVELOPE_MALFORMED', verify: () => check(Buffer.alloc(1 << 20)) },
  {
    name: 'too much to sign',
    code: 'PKI_ENVELOPE_TOO_LARGE',
    verify: () => make({ clientCertificateDer: Buffer.alloc(MAX_OPENING_BYTES) }),
  },
  { name: 'an address taken for an opening', code: 'ENVELOPE_BAD_SIGNATURE', verify: () => check(address()) },
];
for (const row of rows) test(`refused: ${row.name}`, () => assert.throws(row.verify, { code: row.code }));

test('old within its time, and a clock a little ahead, are taken', () => {
  assert.ok(check(make(), { nowMs: NOW + 60_000 }));
  assert.ok(check(make({ timeMs: NOW + 30_000 })));
});

test('cut anywhere and changed anywhere: refused in our own words', () => {
  const whole = make();
  for (let end = 0; end < whole.length; end++) assert.throws(() => check(whole.subarray(0, end)), TesseraError);
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= flip;
      assert.throws(() => check(bytes), TesseraError);
    }),
    { numRuns: 300 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => assert.throws(() => check(bytes), TesseraError)));
});

test('client address: honest, stale, of another role, of another purpose', () => {
  const options = { hostAuthorities: cluster.hostAuthorities, nowMs: NOW };
  assert.deepEqual(verifyClientAddress(address(), options).client, { address: '192.0.2.1:4711', timeMs: NOW });
  assert.throws(() => verifyClientAddress(address(), { ...options, nowMs: NOW + 60_001 }), { code: 'ADDRESS_STALE' });
  assert.throws(() => verifyClientAddress(address(), { ...options, nowMs: NOW - 30_001 }), {
    code: 'ADDRESS_FROM_FUTURE',
  });
  assert.throws(() => verifyClientAddress(address(cluster.agent), options), { code: 'CERT_WRONG_ROLE' });
  assert.throws(() => verifyClientAddress(address(cluster.proxy, '1.2.3.4'), options), { code: 'ADDRESS_MALFORMED' });
  assert.throws(() => verifyClientAddress(make(), options), { code: 'ENVELOPE_BAD_SIGNATURE' });
});

function address(by: Signer = cluster.proxy, text = '192.0.2.1:4711'): Buffer {
  return signClientAddress({ address: text, timeMs: NOW }, parsePrivateKey(by.keys.privateKeyPem), by.der);
}

/** The honest signature, with alice's other certificate of the same length of body replaced inside. */
function swapped(): Buffer {
  const bytes = make();
  const at = bytes.indexOf(cluster.routed.der);
  bytes[at + cluster.routed.der.length - 1]! ^= 1;
  return bytes;
}

/** The honest signature, with another greeting of the same length inside. */
function regreeted(): Buffer {
  const bytes = make(greeted);
  const at = bytes.indexOf(greeted.greeting?.toString('base64') ?? '');
  bytes.write('SgAAAAo5', at, 'latin1');
  return bytes;
}

function otherPurpose(): Buffer {
  const bytes = make();
  const signed = bytes.subarray(0, -64);
  const input = Buffer.concat([Buffer.from('tessera client address v1\0'), signed]);
  return Buffer.concat([
    signed,
    sign('sha256', input, { key: parsePrivateKey(cluster.proxy.keys.privateKeyPem), dsaEncoding: 'ieee-p1363' }),
  ]);
}
