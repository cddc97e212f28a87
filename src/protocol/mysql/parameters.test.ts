import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../../errors.ts';
import {
  decodeExecute,
  decodeQueryAttributes,
  executeHeader,
  longDataNote,
  type ExecuteOptions,
} from './parameters.ts';
import type { AuditedValue, BoundValues } from './records.ts';

const plain: ExecuteOptions = {
  parameterCount: 1,
  knownTypes: undefined,
  queryAttributes: false,
  longData: new Set(),
  maxValuesBytes: 16_384,
};

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex');
const head = (flags = 0): string => `17 05000000 ${flags.toString(16).padStart(2, '0')} 01000000`;
const execute = (hex: string, options: Partial<ExecuteOptions> = {}, flags = 0): ReturnType<typeof decodeExecute> =>
  decodeExecute(bytes(`${head(flags)} ${hex}`), { ...plain, ...options });
const shown = ({ values }: BoundValues): AuditedValue[] => values.map(({ value }) => value);
const code = (wanted: string) => (error: unknown) => error instanceof ProtocolError && error.code === wanted;

/** mysql2's own writer of the command. */
type Mysql2Execute = new (
  id: number,
  parameters: readonly unknown[],
  charset: number,
  timezone: string,
  attributes: Readonly<Record<string, unknown>> | undefined,
  clientFlags: number,
) => { toPacket(): { readonly buffer: Buffer } };
const require = createRequire(import.meta.url);
// Not among what the package exports.
const Execute = require(join(dirname(require.resolve('mysql2')), 'lib/packets/execute.js')) as Mysql2Execute;
const queryAttributesFlag = 0x0800_0000;

test('mysql execute: as mysql2 writes it', () => {
  const when = new Date('2026-11-22T21:43:16.123Z');
  const parameters = ['it’s', 7, 1.5, null, true, Buffer.from([0xff, 0]), when, 12_345_678_901_234_567_890n, { a: 1 }];
  const expected = [
    'it’s',
    '7',
    '1.5',
    null,
    '1',
    '\\xff00',
    '2026-11-22 21:43:16.123000',
    '12345678901234567890',
    '{"a":1}',
  ];
  for (const queryAttributes of [false, true]) {
    const writer = new Execute(9, parameters, 45, 'Z', { trace: 'x', n: 4 }, queryAttributes ? queryAttributesFlag : 0);
    const read = decodeExecute(writer.toPacket().buffer.subarray(4), { ...plain, queryAttributes, parameterCount: 9 });
    assert.deepEqual([read.statementId, read.flags, read.values.count], [9, queryAttributes ? 8 : 0, 9]);
    assert.deepEqual(shown(read.values), expected);
    const attributes = {
      values: [
        { name: 'trace', value: 'x' },
        { name: 'n', value: '4' },
      ],
      count: 2,
    };
    assert.deepEqual(read.attributes, queryAttributes ? attributes : undefined);
  }
});

test('mysql execute: without parameters there is nothing more', () => {
  for (const options of [{ parameterCount: 0 }, { parameterCount: 0, queryAttributes: true }]) {
    const read = execute('', options, 1);
    assert.deepEqual(read, { statementId: 5, flags: 1, types: undefined, values: { values: [], count: 0 } });
  }
  assert.deepEqual(execute('00', { parameterCount: 0, queryAttributes: true }, 8).values, { values: [], count: 0 });
});

test('mysql execute: types are remembered', () => {
  const first = execute('00 01 0380 fd00 ffffffff 026162', { parameterCount: 2 });
  assert.deepEqual(
    [first.types, shown(first.values)],
    [
      [0x8003, 0xfd],
      ['4294967295', 'ab'],
    ],
  );
  const again = execute('00 00 01000000 0163', { parameterCount: 2, knownTypes: first.types });
  assert.deepEqual([again.types, shown(again.values)], [first.types, ['1', 'c']]);
  assert.throws(() => execute('00 00 01'), code('MYSQL_EXECUTE_NO_TYPES'));
  assert.throws(() => execute('00 00 01', { parameterCount: 2, knownTypes: [1] }), code('MYSQL_EXECUTE_NO_TYPES'));
});

test('mysql execute: NULL bitmap', () => {
  const read = execute(`0280 01 ${'0100'.repeat(16)} ${'07'.repeat(14)}`, { parameterCount: 16 });
  const expected = Array.from({ length: 16 }, (_, index) => (index === 1 || index === 15 ? null : '7'));
  assert.deepEqual(shown(read.values), expected);
  assert.deepEqual(shown(execute('01 01 0600').values), [null], 'a NULL without a type of its own');
  assert.deepEqual(shown(execute('01 01 0900').values), [null], 'of a type that is not known');
});

test('mysql execute: what SEND_LONG_DATA sent is not in the packet', () => {
  const read = execute('01 01 fc00 fd00 026162', { parameterCount: 2, longData: new Set([0]) });
  assert.deepEqual(shown(read.values), [longDataNote, 'ab']);
});

test('mysql execute: query attributes', () => {
  const options = { parameterCount: 1, queryAttributes: true };
  const read = execute('02 00 01 0100 00 fd00 0161 07 026162', options, 8);
  assert.deepEqual(read.values, { values: [{ value: '7' }], count: 1 });
  assert.deepEqual(read.attributes, { values: [{ name: 'a', value: 'ab' }], count: 1 });
  assert.deepEqual(
    shown(execute('01 00 01 0100 00 07', options).values),
    ['7'],
    'counted and named without the flag too',
  );
  const only = execute('01 00 01 0100 095f5f70726f746f5f5f 07', { parameterCount: 0, queryAttributes: true }, 8);
  assert.deepEqual([only.values.count, only.attributes?.values], [0, [{ name: '__proto__', value: '7' }]]);
  assert.throws(() => execute('00', options, 8), code('MYSQL_EXECUTE_BAD_COUNT'));
  assert.throws(() => execute('fd000001', options, 8), code('MYSQL_EXECUTE_BAD_COUNT'));
});

test('mysql execute: what can not be told for certain is refused', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['no bitmap', '', 'MYSQL_EXECUTE_TOO_SHORT'],
    ['no types', '00 01', 'MYSQL_EXECUTE_TOO_SHORT'],
    ['no value', '00 01 0300 010000', 'MYSQL_EXECUTE_TOO_SHORT'],
    ['a length beyond the end', '00 01 fd00 0361', 'MYSQL_EXECUTE_TOO_SHORT'],
    ['a huge length', '00 01 fd00 feffffffffffffffff', 'MYSQL_EXECUTE_TOO_SHORT'],
    ['a NULL as length', '00 01 fd00 fb', 'MYSQL_EXECUTE_BAD_NUMBER'],
    ['MEDIUMINT', '00 01 0900 01000000', 'MYSQL_EXECUTE_UNKNOWN_TYPE'],
    ['BIT', '00 01 1000 0101', 'MYSQL_EXECUTE_UNKNOWN_TYPE'],
    ['GEOMETRY', '00 01 ff00 0101', 'MYSQL_EXECUTE_UNKNOWN_TYPE'],
    ['the type NULL with a value', '00 01 0600', 'MYSQL_EXECUTE_UNKNOWN_TYPE'],
    ['a flag of the type that is not known', '00 01 0140 01', 'MYSQL_EXECUTE_UNKNOWN_TYPE'],
  ];
  for (const [name, hex, wanted] of rows) assert.throws(() => execute(hex), code(wanted), name);
  assert.throws(() => executeHeader(bytes('17 01000000 00')), code('MYSQL_EXECUTE_TOO_SHORT'));
  assert.deepEqual(executeHeader(bytes(head(9))), { statementId: 5, flags: 9 });
});

test('mysql execute: bytes behind the values change nothing', () => {
  assert.deepEqual(execute('00 01 0100 07 ffff'), execute('00 01 0100 07'));
});

test('mysql execute: values are kept within a budget', () => {
  const long = Buffer.alloc(100, 'é');
  const payload = Buffer.concat([bytes(`${head()} 00 01 fd00 fd00 0100 64`), long, bytes('026162 07')]);
  const { values } = decodeExecute(payload, { ...plain, parameterCount: 3, maxValuesBytes: 9 });
  assert.deepEqual(shown(values), [
    { value: 'éééé', bytes: 100, sha256: sha256(long) },
    { value: '', bytes: 2, sha256: sha256(Buffer.from('ab')) },
    '7',
  ]);
  assert.deepEqual([values.count, values.sha256], [3, undefined], 'all are told');
});

test('mysql execute: many values do not add up', () => {
  const count = 60_000;
  const payload = Buffer.concat([
    bytes(head()),
    Buffer.alloc(count / 8, 0xff),
    bytes('01'),
    Buffer.alloc(count * 2, 1),
  ]);
  const { values } = decodeExecute(payload, {
    ...plain,
    parameterCount: count,
    knownTypes: undefined,
    maxValuesBytes: 4096,
  });
  assert.deepEqual([values.values.length, values.count, values.sha256], [1024, count, sha256(payload)]);
  assert.equal(values.bytes, payload.length);
});

test('mysql execute: of a cut packet what is there', () => {
  const whole = bytes(`${head()} 00 01 fd00 fd00 fd00 026162 0563646566`);
  const cut = { bytes: 100, sha256: 'f'.repeat(64) };
  for (let length = 10; length < whole.length; length += 1) {
    const { values } = decodeExecute(whole.subarray(0, length), { ...plain, parameterCount: 3, cut });
    const expected = length >= 21 ? [{ value: 'ab' }] : [];
    assert.deepEqual(values, { values: expected, count: 3, ...cut }, `${length} bytes`);
  }
  assert.throws(
    () => decodeExecute(bytes(`${head()} 00 01 0900`), { ...plain, cut }),
    code('MYSQL_EXECUTE_UNKNOWN_TYPE'),
    'a cut excuses nothing else',
  );
});

const query = (hex: string, sql: string, maxValuesBytes = 1000): ReturnType<typeof decodeQueryAttributes> =>
  decodeQueryAttributes(Buffer.concat([bytes(`03 ${hex}`), Buffer.from(sql)]), { maxValuesBytes });

test('mysql query attributes: where the SQL begins', () => {
  assert.deepEqual(query('00 01', 'select 7'), { sqlStart: 3 });
  assert.deepEqual(query('01 01 00 01 fe00 0161 026162', 'select 7'), {
    sqlStart: 12,
    attributes: { values: [{ name: 'a', value: 'ab' }], count: 1 },
  });
  assert.deepEqual(query('01 01 01 01 fe00 0161', 'select 7'), {
    sqlStart: 9,
    attributes: { values: [{ name: 'a', value: null }], count: 1 },
  });
  assert.equal(query('fc0100 01 00 01 fe00 0161 026162', 'select 7').sqlStart, 14, 'a count longer than needed');
  const long = query(`01 01 00 01 fe00 64${'6e'.repeat(100)} 0161`, 'select 7', 10);
  assert.equal(long.sqlStart, 110);
  assert.deepEqual(
    [long.attributes?.values, long.attributes?.count, long.attributes?.bytes],
    [[], 1, 118],
    'a name is not cut',
  );
});

test('mysql query attributes: refused', () => {
  const rows: readonly (readonly [string, string, string])[] = [
    ['empty', '', 'MYSQL_QUERY_TOO_SHORT'],
    ['no sets', '00 00', 'MYSQL_QUERY_BAD_SETS'],
    ['two sets', '00 02', 'MYSQL_QUERY_BAD_SETS'],
    ['no types', '01 01 00 00 fe00 0161 0161', 'MYSQL_QUERY_NO_TYPES'],
    ['cut in a name', '01 01 00 01 fe00 ff', 'MYSQL_QUERY_BAD_NUMBER'],
    ['too many', 'fd000001 01', 'MYSQL_QUERY_BAD_COUNT'],
    ['cut in a value', '01 01 00 01 fe00 00 05', 'MYSQL_QUERY_TOO_SHORT'],
  ];
  for (const [name, hex, wanted] of rows) assert.throws(() => query(hex, ''), code(wanted), name);
});

test('mysql execute and query: any bytes are read or refused as a broken protocol', () => {
  const options = fc.record({
    parameterCount: fc.nat(20),
    queryAttributes: fc.boolean(),
    maxValuesBytes: fc.nat(50),
    knownTypes: fc.option(fc.array(fc.constantFrom(1, 3, 0x8008, 0xfd, 12, 9), { maxLength: 20 }), { nil: undefined }),
    longData: fc.constantFrom(new Set<number>(), new Set([0, 2])),
  });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), options, (data, chosen) => {
      for (const read of [
        () => decodeExecute(data, chosen).values,
        () => decodeQueryAttributes(data, chosen).attributes,
      ]) {
        try {
          const values = read();
          assert.ok(values === undefined || values.values.length <= values.count);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }
    }),
    { numRuns: 2000 },
  );
});
