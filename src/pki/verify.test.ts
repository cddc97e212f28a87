import 'reflect-metadata';
import assert from 'node:assert/strict';
import * as x509 from '@peculiar/x509';
import { test } from 'node:test';
import fc from 'fast-check';
import { LoginError, TesseraError } from '../errors.ts';
import { createAuthority } from './authority.ts';
import { buildCertificate, subjectNameOf } from './builder.ts';
import { encodeIdentity, IDENTITY_OID } from './identity.ts';
import { generateKeyPair, parsePrivateKey } from './keys.ts';
import { databaseClientProfile, hostProfile, userProfile } from './profiles.ts';
import { alice, CLUSTER, host, HOUR, issue, NOW, routed, testCluster } from './test-cluster.ts';
import { TrustedAuthorities } from './trust.ts';
import { publicKeyOf, verifyHostCertificate, verifyUserCertificate } from './verify.ts';

const cluster = await testCluster();
const twin = await testCluster();
const user = (der: Uint8Array, nowMs = NOW): unknown =>
  verifyUserCertificate(der, { authorities: cluster.userAuthorities, nowMs });
const service = (der: Uint8Array, nowMs = NOW): unknown =>
  verifyHostCertificate(der, { authorities: cluster.hostAuthorities, nowMs, roles: ['proxy'], usage: 'server' });

/** Signed by the real user authority, but wrong in one way. */
async function crooked(
  change: Partial<{
    usages: number;
    eku: string[];
    ca: boolean;
    identity: Uint8Array;
    twice: boolean;
    cn: string;
    clusterName: string;
  }>,
): Promise<Buffer> {
  const identity = change.identity ?? encodeIdentity({ clusterName: change.clusterName ?? CLUSTER, identity: alice });
  const extension = new x509.Extension(IDENTITY_OID, false, identity);
  return buildCertificate({
    subject: [{ CN: [change.cn ?? 'alice'] }],
    issuerName: subjectNameOf(cluster.user.certificateDer),
    publicKeyDer: generateKeyPair().publicKeyDer,
    signerPublicKeyDer: parsedKey(),
    signingKey: cluster.user.privateKey,
    notBeforeMs: NOW - 1000,
    notAfterMs: NOW + HOUR,
    extensions: [
      new x509.BasicConstraintsExtension(change.ca ?? false, undefined, true),
      new x509.KeyUsagesExtension(change.usages ?? x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension(change.eku ?? ['1.3.6.1.5.5.7.3.2']),
      ...(identity.length === 0 ? [] : [extension]),
      ...(change.twice === true ? [extension] : []),
    ],
  });
}

function parsedKey(): Buffer {
  const [anchor] = cluster.userAuthorities.anchors;
  assert.ok(anchor);
  return anchor.publicKey.export({ type: 'spki', format: 'der' });
}

/** The same signature in its other form: (r, n - s). */
function highForm(der: Buffer): Buffer {
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const raw = Buffer.from(new x509.X509Certificate(der).signature);
  const rEnd = 4 + raw[3]!;
  const s = (n - BigInt(`0x${raw.subarray(rEnd + 2).toString('hex')}`)).toString(16).padStart(64, '0');
  const sBytes = Buffer.concat([Buffer.from([0]), Buffer.from(s, 'hex')]);
  const body = Buffer.concat([raw.subarray(2, rEnd), Buffer.from([2, sBytes.length]), sBytes]);
  const signature = Buffer.concat([Buffer.from([0x30, body.length]), body]);
  const bits = Buffer.concat([Buffer.from([3, signature.length + 1, 0]), signature]);
  const content = Buffer.concat([der.subarray(4, der.length - raw.length - 3), bits]);
  const head = Buffer.from([0x30, 0x82, 0, 0]);
  head.writeUInt16BE(content.length, 2);
  return Buffer.concat([head, content]);
}

const flipped = (der: Buffer, find: string, replace: string): Buffer => {
  const copy = Buffer.from(der);
  const at = copy.indexOf(find);
  assert.ok(at > 0, find);
  copy.write(replace, at);
  return copy;
};
const otherCluster = await testCluster('elsewhere');
const selfSigned = await createAuthority('user', CLUSTER, () => NOW);

const lies: { name: string; code: string; verify: () => unknown }[] = [
  {
    name: 'expired, at the very millisecond',
    code: 'CERT_EXPIRED',
    verify: () => user(cluster.alice.der, cluster.alice.notAfterMs),
  },
  {
    name: 'not yet valid',
    code: 'CERT_NOT_YET_VALID',
    verify: () => user(cluster.alice.der, cluster.alice.notBeforeMs - 1),
  },
  { name: 'a clock that says nothing', code: 'CERT_NOT_YET_VALID', verify: () => user(cluster.alice.der, Number.NaN) },
  { name: 'another authority with the same name', code: 'CERT_FOREIGN_AUTHORITY', verify: () => user(twin.alice.der) },
  { name: 'another cluster', code: 'CERT_FOREIGN_AUTHORITY', verify: () => user(otherCluster.alice.der) },
  {
    name: 'self-signed, with the authority’s name',
    code: 'CERT_FOREIGN_AUTHORITY',
    verify: () => user(selfSigned.certificateDer),
  },
  { name: 'the authority itself', code: 'CERT_IS_AUTHORITY', verify: () => user(cluster.user.certificateDer) },
  { name: 'a service as a person', code: 'CERT_FOREIGN_AUTHORITY', verify: () => user(cluster.proxy.der) },
  { name: 'a person as a service', code: 'CERT_FOREIGN_AUTHORITY', verify: () => service(cluster.alice.der) },
  { name: 'another role', code: 'CERT_WRONG_ROLE', verify: () => service(cluster.agent.der) },
  {
    name: 'a changed identity',
    code: 'CERT_FOREIGN_AUTHORITY',
    verify: () => user(flipped(cluster.alice.der, '"access"', '"editor"')),
  },
  {
    name: 'a changed signature',
    code: 'CERT_FOREIGN_AUTHORITY',
    verify: () =>
      user(Buffer.concat([cluster.alice.der.subarray(0, -1), Buffer.from([cluster.alice.der.at(-1)! ^ 1])])),
  },
  {
    name: 'bytes behind the certificate',
    code: 'CERT_MALFORMED',
    verify: () => user(Buffer.concat([cluster.alice.der, Buffer.from([0])])),
  },
  { name: 'the signature’s other form', code: 'CERT_MALFORMED', verify: () => user(highForm(cluster.alice.der)) },
  { name: 'PEM instead of DER', code: 'CERT_MALFORMED', verify: () => user(Buffer.from(cluster.alice.pem)) },
  { name: 'nothing', code: 'CERT_MALFORMED', verify: () => user(Buffer.alloc(0)) },
  { name: 'too much', code: 'CERT_MALFORMED', verify: () => user(Buffer.alloc(1 << 20)) },
];
for (const lie of lies)
  test(`refused: ${lie.name}`, () => assert.throws(lie.verify, { name: 'LoginError', code: lie.code }));

const crookedRows = [
  {
    name: 'key usage beyond digitalSignature',
    change: { usages: x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign },
    code: 'CERT_WRONG_USAGE',
  },
  { name: 'server usage', change: { eku: ['1.3.6.1.5.5.7.3.1'] }, code: 'CERT_WRONG_USAGE' },
  { name: 'any usage beside', change: { eku: ['1.3.6.1.5.5.7.3.2', '2.5.29.37.0'] }, code: 'CERT_WRONG_USAGE' },
  { name: 'an intermediate authority', change: { ca: true }, code: 'CERT_IS_AUTHORITY' },
  { name: 'no identity', change: { identity: Buffer.alloc(0) }, code: 'CERT_NO_IDENTITY' },
  {
    name: 'identity that is no JSON',
    change: { identity: Buffer.from('0c0141', 'hex') },
    code: 'CERT_IDENTITY_MALFORMED',
  },
  {
    name: 'a service’s identity',
    change: { cn: host('auth').hostId, identity: encodeIdentity({ clusterName: CLUSTER, identity: host('database') }) },
    code: 'CERT_WRONG_KIND',
  },
  { name: 'subject of somebody else', change: { cn: 'bob' }, code: 'CERT_IDENTITY_MALFORMED' },
  { name: 'another cluster’s name inside', change: { clusterName: 'elsewhere' }, code: 'CERT_WRONG_CLUSTER' },
];
for (const row of crookedRows) {
  test(`refused although our authority signed it: ${row.name}`, async () => {
    const der = await crooked(row.change);
    assert.throws(() => user(der), { name: 'LoginError', code: row.code });
  });
}
test('the same certificate without a fault is taken', async () => assert.ok(user(await crooked({}))));

test('two identities in one certificate', async () => {
  const der = await crooked({ twice: true });
  assert.throws(() => user(der), { name: 'LoginError' });
});

test('a database client certificate is nobody', async () => {
  const { der } = await issue(cluster.dbClient, databaseClientProfile('alice'));
  assert.throws(() => user(der), { code: 'CERT_FOREIGN_AUTHORITY' });
});

test('the wrong authorities are our own fault', () => {
  assert.throws(() => verifyUserCertificate(cluster.alice.der, { authorities: cluster.hostAuthorities, nowMs: NOW }), {
    code: 'BUG',
  });
});

test('a certificate never outlives its authority', async () => {
  const old = await createAuthority('user', CLUSTER, () => NOW - 3653 * 24 * HOUR + 10_000);
  const authorities = new TrustedAuthorities('user', CLUSTER, [old.certificatePem]);
  const { der, notAfterMs } = await issue(old, userProfile(alice));
  assert.equal(notAfterMs, NOW + 10_000);
  assert.ok(verifyUserCertificate(der, { authorities, nowMs: NOW }));
});

test('says who it is, and remembers, but never that it is still valid', () => {
  const options = { authorities: cluster.userAuthorities, nowMs: NOW };
  const first = verifyUserCertificate(cluster.routed.der, options);
  assert.deepEqual(first.identity, routed);
  assert.equal(first.clusterName, CLUSTER);
  assert.equal(first.fingerprint, cluster.routed.fingerprint);
  assert.equal(first.serial, cluster.routed.serial);
  assert.deepEqual([first.notBeforeMs, first.notAfterMs], [cluster.routed.notBeforeMs, cluster.routed.notAfterMs]);
  assert.deepEqual(first.der, cluster.routed.der);
  assert.ok(publicKeyOf(first).equals(publicKeyOf(first)));
  assert.equal(verifyUserCertificate(cluster.routed.der, options), first);
  assert.throws(() => verifyUserCertificate(cluster.routed.der, { ...options, nowMs: first.notAfterMs }), {
    code: 'CERT_EXPIRED',
  });
});

test('the caller’s buffer may change afterwards', () => {
  const der = Buffer.from(cluster.alice.der);
  const verified = verifyUserCertificate(der, {
    authorities: new TrustedAuthorities('user', CLUSTER, [cluster.user.certificatePem]),
    nowMs: NOW,
  });
  der.fill(0);
  assert.deepEqual(verified.der, cluster.alice.der);
});

test('two generations are trusted at once, and one that is dropped no longer', () => {
  const both = new TrustedAuthorities('user', CLUSTER, [twin.user.certificatePem, cluster.user.certificatePem]);
  for (const one of [cluster.alice, twin.alice])
    assert.ok(verifyUserCertificate(one.der, { authorities: both, nowMs: NOW }));
  const one = new TrustedAuthorities('user', CLUSTER, [twin.user.certificatePem]);
  assert.throws(() => verifyUserCertificate(cluster.alice.der, { authorities: one, nowMs: NOW }), {
    code: 'CERT_FOREIGN_AUTHORITY',
  });
  const none = new TrustedAuthorities('user', CLUSTER, []);
  assert.throws(() => verifyUserCertificate(cluster.alice.der, { authorities: none, nowMs: NOW }), {
    code: 'CERT_FOREIGN_AUTHORITY',
  });
});

for (const row of [
  { name: 'of another type', pem: () => cluster.host.certificatePem },
  { name: 'of another cluster', pem: () => otherCluster.user.certificatePem },
  { name: 'a leaf', pem: () => cluster.alice.pem },
  { name: 'no certificate', pem: () => 'hello' },
]) {
  test(`not taken as a trusted authority: ${row.name}`, () => {
    assert.throws(() => new TrustedAuthorities('user', CLUSTER, [row.pem()]), {
      name: 'LoginError',
      code: 'PKI_AUTHORITY_INVALID',
    });
  });
}

test('roles and usages of services', async () => {
  const options = { authorities: cluster.hostAuthorities, nowMs: NOW };
  assert.ok(verifyHostCertificate(cluster.agent.der, { ...options, roles: ['database'], usage: 'client' }));
  assert.throws(() => verifyHostCertificate(cluster.agent.der, { ...options, roles: ['database'], usage: 'server' }), {
    code: 'CERT_WRONG_USAGE',
  });
  const auth = await issue(cluster.host, hostProfile(host('auth')));
  assert.throws(() => verifyHostCertificate(auth.der, { ...options, roles: ['auth'], usage: 'client' }), {
    code: 'CERT_WRONG_USAGE',
  });
});

test('any change of any byte is refused or is the very same certificate', () => {
  const whole = cluster.alice.der;
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const der = Buffer.from(whole);
      der[at]! ^= flip;
      assert.throws(() => user(der), LoginError);
    }),
    { numRuns: 300 },
  );
});

test('any bytes are refused in our own words', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => assert.throws(() => user(bytes), TesseraError)));
});

test('a key that is not the certificate’s is told apart', () => {
  assert.ok(
    !publicKeyOf(verifyUserCertificate(cluster.alice.der, { authorities: cluster.userAuthorities, nowMs: NOW })).equals(
      parsePrivateKey(generateKeyPair().privateKeyPem),
    ),
  );
});
