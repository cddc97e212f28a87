import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

const rows: readonly {
  readonly name: string;
  readonly hex: string;
  readonly read: (reader: Reader) => unknown;
  readonly want?: unknown;
  readonly code?: string;
}[] = [
  {
    name: 'big-endian integers',
    hex: '01 0203 040506 0708090a',
    read: (r) => [r.uint8('a'), r.uint16('b'), r.uint24('c'), r.uint32('d')],
    want: [1, 0x0203, 0x040506, 0x0708090a],
  },
  {
    name: 'signed integers',
    hex: 'ffff fffffffe fffffffffffffffd',
    read: (r) => [r.int16('a'), r.int32('b'), r.int64('c')],
    want: [-1, -2, -3n],
  },
  { name: 'integer past the end', hex: '0102', read: (r) => r.uint32('a'), code: 'T_TOO_SHORT' },
  { name: 'text', hex: '616200 00', read: (r) => [r.cstring('a'), r.cstring('b')], want: ['ab', ''] },
  { name: 'text without zero', hex: '6162', read: (r) => r.cstring('a'), code: 'T_UNTERMINATED' },
  { name: 'latin1 text is lossless', hex: 'e4ff00', read: (r) => r.cstringLatin1('a'), want: '\u00e4\u00ff' },
  { name: 'negative length', hex: '00', read: (r) => r.bytes('a', -1), code: 'T_BAD_LENGTH' },
  { name: 'negative skip', hex: '00', read: (r) => r.skip('a', -1), code: 'T_BAD_LENGTH' },
  { name: 'too many bytes', hex: '00', read: (r) => r.bytes('a', 2), code: 'T_TOO_SHORT' },
  { name: 'trailing bytes', hex: '0001', read: (r) => [r.uint8('a'), r.end()], code: 'T_TRAILING' },
  {
    name: 'a part keeps to its bounds',
    hex: '0102 03',
    read: (r) => r.sub('part', 2).uint24('a'),
    code: 'T_TOO_SHORT',
  },
  {
    name: 'little-endian integers',
    hex: '0102 010203 01020304 0102030405060708',
    read: (r) => [r.uint16LE('a'), r.uint24LE('b'), r.uint32LE('c'), r.uint64LE('d')],
    want: [0x0201, 0x030201, 0x04030201, 0x0807060504030201n],
  },
  { name: 'a little-endian integer that is cut', hex: '010203', read: (r) => r.uint32LE('a'), code: 'T_TOO_SHORT' },
  { name: 'a long one that is cut', hex: '01020304050607', read: (r) => r.uint64LE('a'), code: 'T_TOO_SHORT' },
  {
    name: 'the rest',
    hex: '010203',
    read: (r) => [r.uint8('a'), r.rest().toString('hex'), r.remaining],
    want: [1, '0203', 0],
  },
];
for (const row of rows) {
  test(`reader: ${row.name}`, () => {
    const bytes = Buffer.from(row.hex.replaceAll(' ', ''), 'hex');
    // Surrounded by other bytes: nothing outside of the range may be read.
    const inside = Buffer.concat([Buffer.from([9, 9]), bytes, Buffer.from([0, 9])]);
    const read = (): unknown => row.read(new Reader('t', 'T', inside, 2, 2 + bytes.length));
    if (row.code === undefined) assert.deepEqual(read(), row.want);
    else assert.throws(read, { name: 'ProtocolError', code: row.code });
  });
}

test('writer writes what the reader reads, grows, patches lengths and refuses what does not fit', () => {
  const writer = new Writer(1);
  writer
    .uint8(1)
    .uint16(2)
    .int16(-3)
    .uint32(4)
    .int32(-5)
    .int64(-6n)
    .cstring('sieben')
    .string('8')
    .bytes(Buffer.from([9]));
  writer.patchInt32(5, 77);
  const reader = new Reader('t', 'T', writer.finish());
  assert.deepEqual(
    [
      reader.uint8('a'),
      reader.uint16('b'),
      reader.int16('c'),
      reader.uint32('d'),
      reader.int32('e'),
      reader.int64('f'),
      reader.cstring('g'),
      reader.rest().toString('hex'),
    ],
    [1, 2, -3, 77, -5, -6n, 'sieben', '3809'],
  );
  assert.equal(writer.length, 0);
  assert.throws(() => writer.uint8(256), { code: 'BUG' });
  assert.throws(() => writer.cstring('a\0b'), { code: 'BUG' });
  assert.throws(() => writer.patchInt32(0, 1), { code: 'BUG' });
});

test('writer writes little-endian integers and refuses what does not fit', () => {
  const writer = new Writer(1)
    .uint16LE(0x0102)
    .uint24LE(0x010203)
    .uint32LE(0xfffefdfc)
    .uint64LE(0xffff_ffff_ffff_fffen);
  assert.equal(writer.finish().toString('hex'), '0201030201fcfdfefffeffffffffffffff');
  assert.throws(() => writer.uint24LE(0x1000000), { code: 'BUG' });
  assert.throws(() => writer.uint64LE(-1n), { code: 'BUG' });
  assert.throws(() => writer.uint64LE(1n << 64n), { code: 'BUG' });
});
