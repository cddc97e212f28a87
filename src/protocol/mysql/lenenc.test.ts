import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Reader } from '../../wire/reader.ts';
import { Writer } from '../../wire/writer.ts';
import { readLenenc, readLenencBytes, readLength, writeLenenc, writeLenencBytes } from './lenenc.ts';

const reader = (hex: string): Reader => new Reader('t', 'T', Buffer.from(hex, 'hex'));

const rows: readonly { name: string; hex: string; value: bigint }[] = [
  { name: 'nothing', hex: '00', value: 0n },
  { name: 'the largest of one byte', hex: 'fa', value: 250n },
  { name: 'the smallest of two', hex: 'fcfb00', value: 251n },
  { name: 'the largest of two', hex: 'fcffff', value: 0xffffn },
  { name: 'the smallest of three', hex: 'fd000001', value: 0x10000n },
  { name: 'the largest of three', hex: 'fdffffff', value: 0xffffffn },
  { name: 'the smallest of eight', hex: 'fe0000000100000000', value: 0x1000000n },
  { name: 'the largest', hex: 'feffffffffffffffff', value: 0xffffffffffffffffn },
];
for (const row of rows)
  test(`lenenc: ${row.name}`, () => {
    assert.equal(readLenenc(reader(row.hex), 'a'), row.value);
    assert.equal(writeLenenc(new Writer(), row.value).finish().toString('hex'), row.hex);
  });

const bad = [
  { name: 'an empty one', hex: '', code: 'T_TOO_SHORT' },
  { name: 'a cut one of two bytes', hex: 'fc01', code: 'T_TOO_SHORT' },
  { name: 'a cut one of three bytes', hex: 'fd0101', code: 'T_TOO_SHORT' },
  { name: 'a cut one of eight bytes', hex: 'fe01010101010101', code: 'T_TOO_SHORT' },
  { name: 'the NULL of a row', hex: 'fb', code: 'T_BAD_NUMBER' },
  { name: 'the header of an error', hex: 'ff', code: 'T_BAD_NUMBER' },
];
for (const row of bad)
  test(`lenenc: ${row.name} is refused`, () => {
    assert.throws(() => readLenenc(reader(row.hex), 'a'), { name: 'ProtocolError', code: row.code });
    assert.throws(() => readLength(reader(row.hex), 'a'), { name: 'ProtocolError', code: row.code });
  });

test('lenenc: a string claims no more than there is', () => {
  assert.equal(readLenencBytes(reader('0261620000'), 'a').toString(), 'ab');
  // Longer than needed, as servers accept it.
  assert.equal(readLenencBytes(reader('fe02000000000000006162'), 'a').toString(), 'ab');
  for (const hex of ['0361', 'feffffffffffffffff61', 'fe0100000000000080'])
    assert.throws(() => readLenencBytes(reader(hex), 'a'), { name: 'ProtocolError', code: 'T_TOO_SHORT' });
});

test('lenenc: what is written is read', () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
      fc.uint8Array({ maxLength: 600 }),
      (value, bytes) => {
        const written = new Reader('t', 'T', writeLenencBytes(writeLenenc(new Writer(), value), bytes).finish());
        assert.equal(readLenenc(written, 'number'), value);
        assert.ok(readLenencBytes(written, 'bytes').equals(bytes));
        written.end();
      },
    ),
  );
});
