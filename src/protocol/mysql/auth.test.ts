import assert from 'node:assert/strict';
import {
  constants,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  pbkdf2Sync,
  privateDecrypt,
  verify,
} from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { cachingSha2Encrypted, cachingSha2Response, clearPassword, nativePasswordResponse } from './auth.ts';
import { decodeParsecSalt, ed25519PublicKey, ed25519Response, parsecResponse } from './ed25519.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

// Vectors of go-sql-driver/mysql's auth_test.go.
const nativeScramble = hex('46725c5e01260b743f7217657e671a5f51111815');
const shaScramble = hex('0a2f4a6f4b492230584c724a250d035052021715');

test('mysql_native_password: a published vector', () => {
  assert.deepEqual(
    [...nativePasswordResponse('secret', nativeScramble)],
    [53, 177, 140, 159, 251, 189, 127, 53, 109, 252, 172, 50, 211, 192, 240, 164, 26, 48, 207, 45],
  );
  assert.equal(nativePasswordResponse('', nativeScramble).length, 0);
});

test('caching_sha2_password: published vectors', () => {
  for (const [password, want] of [
    ['secret', 'f490e76f66d9d86665ce54d98c78d0acfe2fb0b08b423da807144873d30b312c'],
    ['secret2', 'abc3934a012cf342e876071c8ee202de51785b430258a7a0138bc79c4d800bc6'],
  ] as const)
    assert.equal(cachingSha2Response(password, shaScramble).toString('hex'), want);
  assert.equal(cachingSha2Response('', shaScramble).length, 0);
});

// Computed with MariaDB Connector/Node.js 3.5.4, which has its own curve arithmetic; the public key of `foo` is also in MariaDB's own tests.
const edScramble = Buffer.from(Array.from({ length: 32 }, (_, index) => (index * 7 + 1) & 255));
const edVectors = [
  {
    password: 'foo',
    stored: 'vubFBzIrapbfHct1/J72dnUryz5VS7lA6XHH8sIx4TI',
    signature:
      '6d64536aa6d842fe01e6f98d18f5400ec05abbcfe1a008b84ef68213cdf0cdc513248339479be72f2c13ce05836a9dda74ae0e69e2f893075ee9718e5103970b',
  },
  {
    password: 'pässwörd',
    stored: '3AcJUN7vR2AnAzs/McwNtGs2GDbHzL5YqZoIOPw62V0',
    signature:
      'e10071fe4aa31590e1597ced6033260df87af1d63e1f6d00eab69335605b9ee1d71ebd2dea9b45cfd4ddadc3f8a03827a455ec959fe0c1697c08de3f07551f0a',
  },
  {
    password: 'x'.repeat(100),
    stored: 'UdhomqEdOtHyENpx97aeneL7yr8EYvVvlNWoAEJEyZg',
    signature:
      '431427deb207ca3dabcb9b49459f74e9d5eac35cbe4b2426a62656a3bc801ad248e3e97e44a0413339f83cbadf6ec984b2d211693b50b68a7202002e71e31e0a',
  },
];
for (const row of edVectors)
  test(`client_ed25519: known answer for a password of ${row.password.length} characters`, () => {
    assert.equal(ed25519PublicKey(row.password).toString('base64').replace('=', ''), row.stored);
    assert.equal(ed25519Response(row.password, edScramble).toString('hex'), row.signature);
  });

test('client_ed25519: OpenSSL accepts every signature under the stored key, and no other', () => {
  const scrambles = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }), scrambles, (password, scramble) => {
      const signature = ed25519Response(password, scramble);
      assert.ok(verify(null, scramble, publicKeyOf(ed25519PublicKey(password)), signature));
      assert.ok(!verify(null, scramble, publicKeyOf(ed25519PublicKey(`${password}x`)), signature));
    }),
    { numRuns: 20 },
  );
  assert.equal(ed25519Response('', edScramble).length, 0);
});

test('parsec: the key is derived from the password and signs both nonces', async () => {
  // Extended salt as MariaDB 11.8.9 sent it, and its form with more rounds.
  for (const [data, rounds] of [
    ['50009a8ca9454d37b45fd71cb76f73f92073dedb', 1024],
    ['50029a8ca9454d37b45fd71cb76f73f92073dedb', 4096],
  ] as const) {
    const salt = decodeParsecSalt(hex(data));
    const nonce = Buffer.alloc(32, 9);
    const response = await parsecResponse({ password: 'secret', salt, scramble: edScramble, nonce });
    assert.equal(response.length, 96);
    assert.deepEqual(response.subarray(0, 32), nonce);
    const seed = pbkdf2Sync('secret', hex(data).subarray(2), rounds, 32, 'sha512');
    const stored = publicKeyOfSeed(seed);
    const signature = response.subarray(32);
    assert.ok(verify(null, Buffer.concat([edScramble, nonce]), stored, signature));
    assert.ok(!verify(null, Buffer.concat([nonce, edScramble]), stored, signature));
  }
});

const badSalts = [
  { name: 'nothing', hex: '' },
  { name: 'another derivation', hex: `5100${'aa'.repeat(18)}` },
  { name: 'no salt', hex: '5000' },
  { name: 'a salt of 256 bytes', hex: `5000${'aa'.repeat(256)}` },
  { name: 'half a million rounds', hex: `5009${'aa'.repeat(18)}` },
  { name: 'rounds without end', hex: `50ff${'aa'.repeat(18)}` },
];
for (const row of badSalts)
  test(`parsec: an extended salt with ${row.name} is refused`, () =>
    assert.throws(() => decodeParsecSalt(hex(row.hex)), { name: 'ProtocolError', code: 'MYSQL_PARSEC_SALT' }));

test("parsec: the limit of rounds is the caller's, up to what can be counted", () => {
  const salt = 'aa'.repeat(18);
  assert.equal(decodeParsecSalt(hex(`5009${salt}`), 9).factor, 9);
  assert.throws(() => decodeParsecSalt(hex(`5001${salt}`), 0), { message: /maxParsecFactor 0/ });
  assert.throws(() => decodeParsecSalt(hex(`5015${salt}`), 255), { code: 'MYSQL_PARSEC_SALT' });
});

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();

test('caching_sha2_password: the password comes out with the private key and the scramble', () => {
  for (const password of ['secret', '', 'p'.repeat(100)]) {
    const encrypted = cachingSha2Encrypted(password, shaScramble, Buffer.from(pem));
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    const hidden = privateDecrypt({ key: privateKey, padding, oaepHash: 'sha1' }, encrypted);
    const clear = hidden.map((byte, at) => byte ^ (shaScramble[at % 20] ?? 0));
    assert.equal(Buffer.from(clear).toString(), `${password}\0`);
  }
});

test('caching_sha2_password: keys that are none are refused, and nobody is told the password', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' });
  const curve = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' });
  for (const key of ['', 'x', '\xff\x00', 'A'.repeat(10_000), `${small}`, `${curve}`, pem.slice(0, 200)])
    assert.throws(() => cachingSha2Encrypted('hunter2', shaScramble, key), {
      name: 'ProtocolError',
      code: 'MYSQL_PUBLIC_KEY_BAD',
    });
  const tooLong = (): unknown => cachingSha2Encrypted('hunter2'.repeat(100), shaScramble, pem);
  assert.throws(
    tooLong,
    (error: Error) => 'code' in error && error.code === 'MYSQL_PUBLIC_KEY_BAD' && !error.message.includes('hunter'),
  );
});

test('a scramble of another length is refused by every plugin', async () => {
  const code = 'MYSQL_SCRAMBLE_LENGTH';
  for (const length of [0, 8, 19, 21, 31, 33]) {
    const scramble = Buffer.alloc(length, 1);
    assert.throws(() => nativePasswordResponse('x', scramble), { name: 'ProtocolError', code });
    assert.throws(() => cachingSha2Response('x', scramble), { name: 'ProtocolError', code });
    assert.throws(() => cachingSha2Encrypted('x', scramble, pem), { name: 'ProtocolError', code });
    assert.throws(() => ed25519Response('x', scramble), { name: 'ProtocolError', code });
    const salt = { factor: 0, salt: Buffer.alloc(18) };
    await assert.rejects(parsecResponse({ password: 'x', salt, scramble, nonce: Buffer.alloc(32) }), { code });
  }
});

test('a password in clear ends with a zero', () => assert.equal(clearPassword('pä').toString('hex'), '70c3a400'));

function publicKeyOf(raw: Buffer): ReturnType<typeof createPublicKey> {
  return createPublicKey({ key: Buffer.concat([hex('302a300506032b6570032100'), raw]), format: 'der', type: 'spki' });
}

function publicKeyOfSeed(seed: Buffer): ReturnType<typeof createPublicKey> {
  const key = Buffer.concat([hex('302e020100300506032b657004220420'), seed]);
  return createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }));
}
