import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { auditedValue, binaryValueSize } from './values.ts';

const shown = (type: number, hex: string, unsigned = false): unknown =>
  auditedValue(type, unsigned, Buffer.from(hex.replaceAll(' ', ''), 'hex'), 1000);

test('mysql values: as MySQL prints them', () => {
  const rows: readonly (readonly [string, number, string, string, boolean?])[] = [
    ['TINY', 1, 'ff', '-1'],
    ['TINY unsigned', 1, 'ff', '255', true],
    ['SHORT', 2, '0080', '-32768'],
    ['SHORT unsigned', 2, '0080', '32768', true],
    ['LONG', 3, 'feffffff', '-2'],
    ['LONG unsigned', 3, 'feffffff', '4294967294', true],
    ['LONGLONG', 8, '0000000000000080', '-9223372036854775808'],
    ['LONGLONG unsigned', 8, 'ffffffffffffffff', '18446744073709551615', true],
    ['FLOAT', 4, 'cdcccc3d', '0.1'],
    ['FLOAT of many digits', 4, 'ffff7f7f', '3.4028235e+38'],
    ['FLOAT, negative zero', 4, '00000080', '-0'],
    ['FLOAT, no number', 4, '0000c07f', 'NaN'],
    ['DOUBLE', 5, '9a9999999999b93f', '0.1'],
    ['DOUBLE, negative zero', 5, '0000000000000080', '-0'],
    ['DOUBLE, infinite', 5, '000000000000f0ff', '-Infinity'],
    ['DECIMAL', 246, Buffer.from('12.50').toString('hex'), '12.50'],
    ['DATE', 10, 'ea07 0b 16', '2026-11-22'],
    ['DATE, zero', 10, '', '0000-00-00'],
    ['DATE with a time', 10, 'ea07 0b 16 01 02 03', '2026-11-22 01:02:03'],
    ['DATETIME', 12, 'ea07 0b 16 15 2b 10', '2026-11-22 21:43:16'],
    ['DATETIME, a day only', 12, 'ea07 0b 16', '2026-11-22 00:00:00'],
    ['DATETIME, zero', 12, '', '0000-00-00 00:00:00'],
    ['TIMESTAMP with microseconds', 7, 'ea07 0b 16 15 2b 10 a0860100', '2026-11-22 21:43:16.100000'],
    ['TIMESTAMP with few microseconds', 7, 'ea07 0b 16 15 2b 10 01000000', '2026-11-22 21:43:16.000001'],
    ['DATETIME with an offset', 12, 'ea07 0b 16 15 2b 10 00000000 b6fe', '2026-11-22 21:43:16.000000-05:30'],
    ['TIME', 11, '00 00000000 01 02 03', '01:02:03'],
    ['TIME, zero', 11, '', '00:00:00'],
    ['TIME, days and a sign', 11, '01 22000000 16 3b 3b', '-838:59:59'],
    ['TIME with microseconds', 11, '00 00000000 00 00 00 05000000', '00:00:00.000005'],
    ['VARCHAR', 15, '61c3a9', 'aé'],
    ['BLOB that is text', 252, '6162', 'ab'],
    ['BLOB that is not', 252, 'ff00', '\\xff00'],
    ['Latin-1 is not UTF-8', 253, 'e9', '\\xe9'],
    ['a replacement character of its own', 253, 'efbfbd', '\uFFFD'],
    ['JSON', 245, Buffer.from('{"a":1}').toString('hex'), '{"a":1}'],
    ['VECTOR', 242, '61626364', '\\x61626364'],
    ['DATE of an unknown length is shown as bytes', 10, 'ea070b1601', '\\xea070b1601'],
    ['TIME of an unknown length is shown as bytes', 11, 'ff', '\\xff'],
  ];
  for (const [name, type, hex, text, unsigned] of rows) assert.equal(shown(type, hex, unsigned), text, name);
});

test('mysql values: numbers and doubles keep every digit', () => {
  fc.assert(
    fc.property(fc.double({ noDefaultInfinity: false }), fc.float(), (double, float) => {
      const bytes = Buffer.alloc(12);
      bytes.writeDoubleLE(double);
      bytes.writeFloatLE(float, 8);
      assert.ok(Object.is(Number(auditedValue(5, false, bytes.subarray(0, 8), 0)), double));
      assert.ok(Object.is(Math.fround(Number(auditedValue(4, false, bytes.subarray(8), 0))), float));
    }),
  );
});

test('mysql values: above the budget the beginning, at a whole character', () => {
  const bytes = Buffer.from('aéé');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  assert.deepEqual(auditedValue(253, false, bytes, 4), { value: 'aé', bytes: 5, sha256 });
  assert.deepEqual(auditedValue(253, false, bytes, 5), 'aéé');
  assert.deepEqual(auditedValue(253, false, bytes, 0), { value: '', bytes: 5, sha256 });
  assert.deepEqual(auditedValue(242, false, bytes, 1), { value: '\\x61', bytes: 5, sha256 });
});

test('mysql values: sizes', () => {
  const rows = [1, 2, 3, 4, 5, 8, 0, 12, 245, 252, 254].map(binaryValueSize);
  assert.deepEqual(rows, [1, 2, 4, 4, 8, 8, ...Array.from({ length: 5 }, () => 'length-encoded')]);
  for (const type of [6, 9, 13, 14, 16, 17, 200, 243, 244, 255, 0x101])
    assert.equal(binaryValueSize(type), undefined, String(type));
});
