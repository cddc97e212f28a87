import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { statementText, utf8Text, wholeCharacters } from './text.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

test('mysql text: whole, cut, and not UTF-8', () => {
  const accents = Buffer.from('éé');
  const latin = Buffer.from('select \xe9', 'latin1');
  assert.deepEqual(statementText(Buffer.from('select 1'), 8), { text: 'select 1', bytes: 8 });
  assert.deepEqual(statementText(accents, 3), { text: 'é', bytes: 4, sha256: sha256(accents) });
  assert.deepEqual(statementText(accents, 2), { text: 'é', bytes: 4, sha256: sha256(accents) });
  assert.deepEqual(statementText(accents, 0), { text: '', bytes: 4, sha256: sha256(accents) });
  assert.deepEqual(statementText(latin, 100), { text: 'select é', encoding: 'latin1', bytes: 8 });
  const long = Buffer.from('\xe9\xe9\xe9', 'latin1');
  assert.deepEqual(statementText(long, 2), { text: 'éé', encoding: 'latin1', bytes: 3, sha256: sha256(long) });
  assert.deepEqual(statementText(Buffer.from('\uFFFD'), 9), { text: '\uFFFD', bytes: 3 });
});

test('mysql text: a beginning with the digest of the whole', () => {
  const whole = { bytes: 99, sha256: 'a'.repeat(64) };
  assert.deepEqual(statementText(Buffer.from('select'), 100, whole), { text: 'select', ...whole });
  assert.deepEqual(statementText(Buffer.from('aé').subarray(0, 2), 100, whole), { text: 'a', ...whole });
});

test('mysql text: a cut loses less than a character and adds none', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(60), (text, maxBytes) => {
      const bytes = Buffer.from(text);
      const cut = statementText(bytes, maxBytes);
      assert.ok(Buffer.from(text).subarray(0, maxBytes).toString().startsWith(cut.text));
      assert.ok(Buffer.byteLength(cut.text) > Math.min(bytes.length, maxBytes) - 4);
      assert.equal(cut.sha256 === undefined, bytes.length <= maxBytes);
    }),
  );
});

test('mysql text: any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
      const bytes = Buffer.from(data);
      const text = utf8Text(bytes);
      assert.ok(text === undefined || Buffer.from(text).equals(bytes));
      assert.ok(bytes.length - wholeCharacters(bytes) <= 3);
      const { text: kept, encoding } = statementText(bytes, 100);
      assert.ok(Buffer.from(kept, encoding ?? 'utf8').equals(bytes));
    }),
  );
});
