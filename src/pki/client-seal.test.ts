import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { openSealed, sealContext, sealFor } from './client-seal.ts';
import { generateKeyPair, parsePrivateKey } from './keys.ts';

const pair = generateKeyPair();
const privateKey = parsePrivateKey(pair.privateKeyPem);
const context = sealContext('request');

test('what is sealed opens with its key and context', () =>
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
      const sealed = sealFor(pair.publicKeyDer, bytes, context);
      assert.deepEqual(openSealed(privateKey, sealed, context), Buffer.from(bytes));
    }),
  ));

test('the same text is never sealed to the same bytes', () => {
  const text = Buffer.from('text');
  assert.notDeepEqual(sealFor(pair.publicKeyDer, text, context), sealFor(pair.publicKeyDer, text, context));
});

test('any bit that is changed, any cut and any byte more is noticed', () => {
  const sealed = sealFor(pair.publicKeyDer, Buffer.from('a certificate'), context);
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at);
    assert.throws(() => openSealed(privateKey, changed, context), { code: 'PKI_SEAL_INVALID' }, `byte ${at}`);
    assert.throws(() => openSealed(privateKey, sealed.subarray(0, at), context), { code: 'PKI_SEAL_INVALID' });
  }
  assert.throws(() => openSealed(privateKey, Buffer.concat([sealed, Buffer.alloc(1)]), context), {
    code: 'PKI_SEAL_INVALID',
  });
});

test('another key and another request open nothing', () => {
  const sealed = sealFor(pair.publicKeyDer, Buffer.from('text'), context);
  const other = createPrivateKey(generateKeyPair().privateKeyPem);
  assert.throws(() => openSealed(other, sealed, context), { code: 'PKI_SEAL_INVALID' });
  assert.throws(() => openSealed(privateKey, sealed, sealContext('request2')), { code: 'PKI_SEAL_INVALID' });
  const odd = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).privateKey;
  assert.throws(() => openSealed(odd, sealed, context), { code: 'PKI_SEAL_INVALID' });
});

test('a key that is no P-256 key, and more than fits, are refused', () => {
  const der = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'der' });
  assert.throws(() => sealFor(der, Buffer.from('text'), context), { code: 'PKI_PUBLIC_KEY_INVALID' });
  assert.throws(() => sealFor(pair.publicKeyDer, Buffer.alloc(64 * 1024 + 1), context), { code: 'PKI_SEAL_TOO_LARGE' });
});
