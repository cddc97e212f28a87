import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { boundText } from './bound-text.ts';

const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const rows: { name: string; source: string | Uint8Array; max: number; text: string; cut: boolean }[] = [
  { name: 'short text stays', source: 'select 1', max: 8, text: 'select 1', cut: false },
  { name: 'one byte too long', source: 'select 1', max: 7, text: 'select ', cut: true },
  { name: 'never within a character', source: 'aé', max: 2, text: 'a', cut: true },
  { name: 'never within a character of four bytes', source: Buffer.from('a😀b'), max: 4, text: 'a', cut: true },
  { name: 'a character of four bytes that just fits', source: 'a😀b', max: 5, text: 'a😀', cut: true },
  { name: 'bytes that are UTF-8', source: Buffer.from('größe'), max: 100, text: 'größe', cut: false },
  {
    name: 'bytes that are not UTF-8 are told by their hash',
    source: Buffer.from([0x67, 0xf6]),
    max: 100,
    text: 'g\ufffd',
    cut: true,
  },
  { name: 'nothing fits', source: 'abc', max: 0, text: '', cut: true },
  { name: 'empty', source: '', max: 0, text: '', cut: false },
];
for (const row of rows) {
  test(`boundText: ${row.name}`, () => {
    const cut = { bytes: Buffer.from(row.source).length, sha256: sha256(row.source) };
    assert.deepEqual(boundText(row.source, row.max), row.cut ? { text: row.text, cut } : { text: row.text });
  });
}

test('boundText: any bytes, any limit: within the limit, and nothing is cut silently', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string({ unit: 'binary' })),
      fc.nat(100),
      (source, max) => {
        const { text, cut } = boundText(source, max);
        assert.ok(Buffer.byteLength(text) <= max);
        if (cut === undefined) assert.deepEqual(Buffer.from(text), Buffer.from(source));
        else assert.equal(cut.sha256, sha256(source));
      },
    ),
  );
});
