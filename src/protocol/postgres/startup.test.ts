import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fedEveryWay, neverBreaks, roundTrips } from '../../../test/kit/codec.ts';
import { decodeStartupPacket, encodeStartupPacket, negotiateVersion, type StartupPacket } from './startup.ts';

const rows: readonly {
  readonly name: string;
  readonly hex: string;
  readonly want?: StartupPacket;
  readonly code?: string;
}[] = [
  { name: 'SSLRequest', hex: '00000008 04d2162f', want: { type: 'SSLRequest' } },
  { name: 'GSSENCRequest', hex: '00000008 04d21630', want: { type: 'GSSENCRequest' } },
  {
    name: 'CancelRequest 3.0',
    hex: '00000010 04d2162e 00000007 01020304',
    want: { type: 'CancelRequest', processId: 7, key: Buffer.from('01020304', 'hex') },
  },
  {
    name: 'CancelRequest 3.2 with the longest key',
    hex: `0000010c 04d2162e ffffffff ${'ab'.repeat(256)}`,
    want: { type: 'CancelRequest', processId: -1, key: Buffer.alloc(256, 0xab) },
  },
  { name: 'CancelRequest with a key too short', hex: '0000000f 04d2162e 00000007 010203', code: 'PG_STARTUP_BAD_KEY' },
  {
    name: 'CancelRequest with a key too long',
    hex: `0000010d 04d2162e 00000007 ${'ab'.repeat(257)}`,
    code: 'PG_STARTUP_BAD_KEY',
  },
  {
    name: 'StartupMessage 3.0',
    hex: '00000017 00030000 75736572 00 616c69636500 6100 00 00',
    want: startup(3, 0, [
      ['user', 'alice'],
      ['a', ''],
    ]),
  },
  {
    name: 'StartupMessage greased',
    hex: '00000018 0003270f 5f70715f2e666f6f00 3100 6100 6200 00',
    want: { ...startup(3, 9999, [['a', 'b']]), protocolOptions: ['_pq_.foo'] },
  },
  { name: 'another major version is told, not read', hex: '0000000a 00040000 ffff', want: startup(4, 0, []) },
  {
    name: 'a repeated parameter: the last counts',
    hex: '00000011 00030000 6100 6200 6100 6300 00',
    want: startup(3, 0, [['a', 'c']]),
  },
  { name: 'StartupMessage without its last zero', hex: '0000000c 00030000 61006200', code: 'PG_STARTUP_UNTERMINATED' },
  { name: 'StartupMessage with a tail', hex: '0000000a 00030000 0001', code: 'PG_STARTUP_TRAILING' },
  { name: 'SSLRequest with a tail inside', hex: '00000009 04d2162f 00', code: 'PG_STARTUP_TRAILING' },
  { name: 'length too small', hex: '00000007 04d216', code: 'PG_STARTUP_BAD_LENGTH' },
  { name: 'negative length', hex: 'ffffffff', code: 'PG_STARTUP_BAD_LENGTH' },
  { name: 'ten megabytes', hex: '00989680', code: 'PG_STARTUP_TOO_LONG' },
];
for (const row of rows) {
  test(`start-up: ${row.name}`, () => {
    const bytes = Buffer.from(row.hex.replaceAll(' ', ''), 'hex');
    const { code } = row;
    if (code !== undefined) {
      assert.throws(() => decodeStartupPacket(bytes), { code });
      return;
    }
    // Bytes behind the packet belong to somebody else.
    const got = fedEveryWay(bytes, (chunks) => {
      let sofar = Buffer.alloc(0);
      for (const chunk of chunks) {
        assert.equal(decodeStartupPacket(sofar), undefined);
        sofar = Buffer.concat([sofar, chunk]);
      }
      return decodeStartupPacket(Buffer.concat([sofar, Buffer.from([0x16, 3])]));
    });
    assert.deepEqual(got, { packet: row.want, length: bytes.length });
  });
}

const word = fc
  .string({ minLength: 1, maxLength: 20 })
  .filter((text) => !text.includes('\0') && !text.startsWith('_pq_.'));
const packets: fc.Arbitrary<StartupPacket> = fc.oneof(
  fc.constant<StartupPacket>({ type: 'SSLRequest' }),
  fc.record({
    type: fc.constant('CancelRequest' as const),
    processId: fc.integer(),
    key: fc.uint8Array({ minLength: 4, maxLength: 256 }).map((key) => Buffer.from(key)),
  }),
  fc.record({
    type: fc.constant('StartupMessage' as const),
    major: fc.constant(3),
    minor: fc.nat({ max: 9999 }),
    parameters: fc.array(fc.tuple(word, word)).map((pairs) => new Map(pairs)),
    protocolOptions: fc.uniqueArray(
      word.map((name) => `_pq_.${name}`),
      { maxLength: 4 },
    ),
  }),
);
test('start-up: decode(encode(packet)) is the packet', () => {
  roundTrips(packets, encodeStartupPacket, (bytes) => {
    const decoded = decodeStartupPacket(bytes, 1 << 20);
    assert.ok(decoded !== undefined);
    return decoded.packet;
  });
});
test('start-up: nothing breaks it', () =>
  neverBreaks((bytes) => decodeStartupPacket(bytes), {
    seeds: rows.map((row) => Buffer.from(row.hex.replaceAll(' ', ''), 'hex')),
  }));

const versions = [
  { name: '3.0', asked: startup(3, 0, []), want: { minor: 0, negotiate: false } },
  { name: '3.1 is 3.0 without a word', asked: startup(3, 1, []), want: { minor: 0, negotiate: false } },
  { name: '3.2', asked: startup(3, 2, []), want: { minor: 2, negotiate: false } },
  { name: 'greased', asked: startup(3, 9999, []), want: { minor: 2, negotiate: true } },
  {
    name: 'an unknown option',
    asked: { ...startup(3, 0, []), protocolOptions: ['_pq_.x'] },
    want: { minor: 0, negotiate: true },
  },
];
for (const row of versions) test(`version: ${row.name}`, () => assert.deepEqual(negotiateVersion(row.asked), row.want));

function startup(major: number, minor: number, parameters: readonly (readonly [string, string])[]) {
  return {
    type: 'StartupMessage' as const,
    major,
    minor,
    parameters: new Map(parameters),
    protocolOptions: [] as string[],
  };
}
