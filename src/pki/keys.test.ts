import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { openAuthority, sealAuthority } from './authority.ts';
import { openDataKeyFile } from './data-key.ts';
import { decodeIdentity, encodeIdentity } from './identity.ts';
import { generateKeyPair, parsePrivateKey, parsePublicKey, publicKeyDerOf } from './keys.ts';
import { checkPin, parsePin, pinOf } from './pin.ts';
import { alice, CLUSTER, host, routed, testCluster } from './test-cluster.ts';

const cluster = await testCluster();
const root = mkdtempSync(join(tmpdir(), 'tessera-keys-'));
after(() => rmSync(root, { recursive: true, force: true }));

test('a generated pair belongs together', () => {
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  assert.deepEqual(publicKeyDerOf(parsePrivateKey(privateKeyPem)), publicKeyDer);
  assert.equal(parsePublicKey(publicKeyDer).asymmetricKeyDetails?.namedCurve, 'prime256v1');
});

const spki = (type: 'ec' | 'ed25519' | 'rsa', curve = 'P-384'): Buffer => {
  if (type === 'ec')
    return generateKeyPairSync('ec', { namedCurve: curve }).publicKey.export({ type: 'spki', format: 'der' });
  if (type === 'rsa')
    return generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'der' });
  return generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' });
};
const off = (): Buffer => {
  const der = Buffer.from(generateKeyPair().publicKeyDer);
  der[90]! ^= 1;
  return der;
};
for (const row of [
  { name: 'P-384', der: spki('ec') },
  { name: 'secp256k1', der: spki('ec', 'secp256k1') },
  { name: 'RSA', der: spki('rsa') },
  { name: 'Ed25519', der: spki('ed25519') },
  { name: 'a point off the curve', der: off() },
  {
    name: 'the point at infinity',
    der: Buffer.concat([generateKeyPair().publicKeyDer.subarray(0, 27), Buffer.alloc(64)]),
  },
  { name: 'a byte more', der: Buffer.concat([generateKeyPair().publicKeyDer, Buffer.from([0])]) },
  { name: 'nothing', der: Buffer.alloc(0) },
]) {
  test(`public key refused: ${row.name}`, () =>
    assert.throws(() => parsePublicKey(row.der), { name: 'ProtocolError', code: 'PKI_PUBLIC_KEY_INVALID' }));
}

test('a private key that is none is refused without being shown', () => {
  assert.throws(
    () => parsePrivateKey('-----BEGIN PRIVATE KEY-----\nS3CRET\n-----END PRIVATE KEY-----'),
    (error: Error) => !error.message.includes('S3CRET'),
  );
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  assert.throws(() => parsePrivateKey(rsa), { code: 'PKI_PRIVATE_KEY_INVALID' });
});

test('pins', () => {
  const pin = pinOf(cluster.host.certificatePem);
  assert.match(pin, /^sha256:[0-9a-f]{64}$/);
  assert.equal(pinOf(cluster.host.certificateDer), pin);
  assert.ok(checkPin(cluster.host.certificatePem, pin.toUpperCase().replace('SHA256', 'sha256')));
  assert.ok(!checkPin(cluster.user.certificatePem, pin));
  for (const text of ['', 'sha256:', `sha256:${'0'.repeat(63)}`, `sha1:${'0'.repeat(64)}`, `sha256:${'g'.repeat(64)}`])
    assert.throws(() => parsePin(text), { code: 'PKI_PIN_MALFORMED' });
  assert.throws(() => pinOf('hello'), { code: 'PKI_CERTIFICATE_MALFORMED' });
});

test('identities go through unchanged', () => {
  for (const identity of [
    alice,
    routed,
    host('auth'),
    { ...alice, traits: JSON.parse('{"__proto__":["x"],"a":[]}') as typeof alice.traits, roles: [] },
  ]) {
    assert.deepEqual(decodeIdentity(encodeIdentity({ clusterName: CLUSTER, identity })), {
      clusterName: CLUSTER,
      identity,
    });
  }
  for (const length of [1, 20, 30, 60, 100, 127, 128, 255, 256, 9000]) {
    const identity = { ...alice, traits: { t: ['x'.repeat(length)] } };
    assert.deepEqual(decodeIdentity(encodeIdentity({ clusterName: CLUSTER, identity })).identity, identity);
  }
});

const userJson = '{"v":1,"cluster":"c","kind":"user","user":"a","user_kind":"local","roles":[],"traits":{}}';
const der = (json: string): Buffer => {
  const body = Buffer.from(json);
  return Buffer.concat([
    body.length < 128 ? Buffer.from([0x0c, body.length]) : Buffer.from([0x0c, 0x81, body.length]),
    body,
  ]);
};
test('the smallest identity is taken', () => assert.equal(decodeIdentity(der(userJson)).identity.kind, 'user'));
test('a second factor of a session stands in the certificate of its route, and older ones say nothing of it', () => {
  const route = { service: 'a', protocol: 'mysql' } as const;
  const identity = { kind: 'user', user: 'a', userKind: 'local', roles: [], traits: {}, route } as const;
  for (const sessionMfa of ['otp', 'webauthn'] as const) {
    const certified = { clusterName: 'c', identity: { ...identity, mfa: 'otp', sessionMfa } } as const;
    assert.deepEqual(decodeIdentity(encodeIdentity(certified)), certified);
  }
  const older = decodeIdentity(encodeIdentity({ clusterName: 'c', identity })).identity;
  assert.equal(Object.hasOwn(older, 'sessionMfa'), false);
});
for (const row of [
  { name: 'version 2', json: userJson.replace('"v":1', '"v":2') },
  { name: 'no version', json: userJson.replace('"v":1,', '') },
  { name: 'unknown key', json: userJson.replace('}}', '},"admin":true}') },
  { name: 'repeated key', json: userJson.replace('"roles":[]', '"roles":["admin"],"roles":[]') },
  { name: 'unknown kind', json: userJson.replace('"kind":"user"', '"kind":"root"') },
  { name: 'roles that are no list', json: userJson.replace('"roles":[]', '"roles":"admin"') },
  { name: 'roles of numbers', json: userJson.replace('"roles":[]', '"roles":[1]') },
  { name: 'traits that are a list', json: userJson.replace('"traits":{}', '"traits":[]') },
  { name: 'empty name', json: userJson.replace('"user":"a"', '"user":""') },
  { name: 'route to nowhere', json: userJson.replace('}}', '},"route":{}}') },
  { name: 'route that is null', json: userJson.replace('}}', '},"route":null}') },
  { name: 'unknown protocol', json: userJson.replace('}}', '},"route":{"service":"a","protocol":"ftp"}}') },
  { name: 'time that is text', json: userJson.replace('}}', '},"previous_expires":"1"}') },
  { name: 'second factor of a session without a route', json: userJson.replace('}}', '},"session_mfa":"otp"}') },
  {
    name: 'unknown second factor of a session',
    json: userJson.replace('}}', '},"route":{"service":"a","protocol":"mysql"},"session_mfa":"sms"}'),
  },
  { name: 'spaces', json: userJson.replace(',', ', ') },
  {
    name: 'host without a UUID',
    json: '{"v":1,"cluster":"c","kind":"host","host_id":"x","host_name":"h","role":"proxy"}',
  },
  { name: 'array', json: '[]' },
  { name: 'null', json: 'null' },
  { name: 'no JSON', json: '{' },
]) {
  test(`identity refused: ${row.name}`, () =>
    assert.throws(() => decodeIdentity(der(row.json)), { name: 'LoginError', code: 'CERT_IDENTITY_MALFORMED' }));
}
test('identity refused: any bytes, other tags, other lengths, too long', () => {
  const rejects = (bytes: Uint8Array): void =>
    assert.throws(() => decodeIdentity(bytes), { code: 'CERT_IDENTITY_MALFORMED' });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), rejects));
  rejects(Buffer.from(userJson));
  rejects(Buffer.concat([Buffer.from([0x04, userJson.length]), Buffer.from(userJson)]));
  rejects(Buffer.concat([Buffer.from([0x0c, 0x81, userJson.length]), Buffer.from(userJson)]));
  rejects(Buffer.alloc(1 << 20, 0x0c));
});

test('the data key file is made once, private, and opens what it sealed', async () => {
  const path = join(root, 'new', 'data.key');
  const sealer = openDataKeyFile(path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o700);
  const sealed = await sealer.seal('a', Buffer.from('secret'));
  assert.ok(!sealed.includes('secret') && sealed !== (await sealer.seal('a', Buffer.from('secret'))));
  assert.equal(String(await openDataKeyFile(path).open('a', sealed)), 'secret');
  await assert.rejects(sealer.open('b', sealed), { name: 'StorageError', code: 'PKI_UNSEAL_FAILED' });
  await assert.rejects(sealer.open('a', `${sealed.slice(0, -2)}AA`), { code: 'PKI_UNSEAL_FAILED' });
  await assert.rejects(sealer.open('a', 'v2.x'), { code: 'PKI_UNSEAL_FAILED' });
  await assert.rejects(openDataKeyFile(join(root, 'other.key')).open('a', sealed), { code: 'PKI_DATA_KEY_UNKNOWN' });
  await assert.rejects(sealer.seal('a', Buffer.alloc(5000)), { code: 'PKI_SECRET_TOO_LARGE' });
  // A second key in front seals, the old one still opens.
  const both = join(root, 'both.key');
  writeFileSync(both, readFileSync(join(root, 'other.key'), 'utf8') + readFileSync(path, 'utf8'), { mode: 0o600 });
  assert.equal(String(await openDataKeyFile(both).open('a', sealed)), 'secret');
});

test('a data key file that others may read, or of another form, is refused', () => {
  const path = join(root, 'exposed.key');
  openDataKeyFile(path);
  for (const mode of [0o640, 0o604, 0o660]) {
    chmodSync(path, mode);
    assert.throws(() => openDataKeyFile(path), { name: 'StorageError', code: 'PKI_DATA_KEY_EXPOSED' });
  }
  for (const text of ['', 'hello\n', 'tessera-data-key-v1 AAAA\n']) {
    writeFileSync(path, text);
    chmodSync(path, 0o600);
    assert.throws(() => openDataKeyFile(path), { code: 'PKI_DATA_KEY_MALFORMED' });
  }
  assert.ok(existsSync(path));
});

test('authorities rest sealed and come back, several generations of them', async () => {
  const sealer = openDataKeyFile(join(root, 'authority.key'));
  const other = await testCluster();
  const record = await sealAuthority([cluster.user, other.user], sealer);
  const text = JSON.stringify(record);
  assert.ok(!text.includes('PRIVATE KEY'));
  const [first, second] = await openAuthority(JSON.parse(text), sealer);
  assert.equal(first.pin, cluster.user.pin);
  assert.ok(first.privateKey.equals(cluster.user.privateKey));
  assert.equal(second?.pin, other.user.pin);
  const [a, b] = record.generations;
  const swapped = { ...record, generations: [{ certificate: a?.certificate, sealed_key: b?.sealed_key }] };
  await assert.rejects(openAuthority(swapped, sealer), { code: 'PKI_UNSEAL_FAILED' });
  await assert.rejects(openAuthority({ ...record, type: 'host' }, sealer), { code: 'PKI_UNSEAL_FAILED' });
  for (const bad of [
    null,
    {},
    { ...record, v: 2 },
    { ...record, generations: [] },
    { ...record, generations: [null] },
    { ...record, type: 'root' },
  ]) {
    await assert.rejects(openAuthority(bad, sealer), { code: 'PKI_AUTHORITY_RECORD_MALFORMED' });
  }
});
