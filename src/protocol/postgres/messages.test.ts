import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { neverBreaks, roundTrips } from '../../../test/kit/codec.ts';
import { type ClientMessage, decodeClientMessage, encodeClientMessage } from './client-messages.ts';
import { affectedByTag } from './command-tag.ts';
import { decodeServerMessage, encodeServerMessage, SERVER_LETTER, type ServerMessage } from './server-messages.ts';
import { decodeBinaryValue } from './values.ts';

const server: readonly {
  readonly name: string;
  readonly hex: string;
  readonly want?: ServerMessage;
  readonly code?: string;
}[] = [
  { name: 'AuthenticationOk', hex: '52 00000008 00000000', want: { type: 'AuthenticationOk' } },
  {
    name: 'AuthenticationSASL',
    hex: '52 00000017 0000000a 534352414d2d5348412d32353600 00',
    want: { type: 'AuthenticationSASL', mechanisms: ['SCRAM-SHA-256'] },
  },
  {
    name: 'a method that is not done',
    hex: '52 00000008 00000007',
    want: { type: 'AuthenticationUnsupported', method: 7 },
  },
  {
    name: 'NegotiateProtocolVersion of PostgreSQL 18',
    hex: '76 00000015 00030002 00000001 5f70715f2e666f6f00',
    want: { type: 'NegotiateProtocolVersion', major: 3, minor: 2, unknownOptions: ['_pq_.foo'] },
  },
  { name: 'ReadyForQuery', hex: '5a 00000005 49', want: { type: 'ReadyForQuery', status: 'I' } },
  { name: 'ReadyForQuery of no known status', hex: '5a 00000005 4a', code: 'PG_READY_BAD_STATUS' },
  { name: 'BackendKeyData too short', hex: '4b 0000000b 00000001 010203', code: 'PG_KEY_DATA_BAD_KEY' },
  { name: 'ErrorResponse without its last zero', hex: '45 00000007 4d6100', code: 'PG_ERROR_RESPONSE_TOO_SHORT' },
  { name: 'an option count that lies', hex: '76 0000000c 00030002 ffffffff', code: 'PG_NEGOTIATE_UNTERMINATED' },
];
for (const row of server) {
  test(`server message: ${row.name}`, () => {
    const bytes = Buffer.from(row.hex.replaceAll(' ', ''), 'hex');
    const decode = (): unknown => decodeServerMessage(bytes[0] ?? 0, bytes.subarray(5));
    if (row.code !== undefined) {
      assert.throws(decode, { code: row.code });
      return;
    }
    assert.deepEqual(decode(), row.want);
    if (row.want !== undefined && row.want.type !== 'AuthenticationUnsupported')
      assert.deepEqual(encodeServerMessage(row.want), bytes);
  });
}

const text = fc.string({ maxLength: 20 }).filter((one) => !one.includes('\0'));
const buffer = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes));
const formats = fc.array(fc.nat({ max: 1 }), { maxLength: 3 });
const values = fc.array(fc.option(buffer), { maxLength: 4 });
const clientMessages = fc.oneof<fc.Arbitrary<ClientMessage>[]>(
  fc.record({ type: fc.constant('Query' as const), sql: text }),
  fc.record({ type: fc.constant('PasswordMessage' as const), data: buffer }),
  fc.record({
    type: fc.constant('Parse' as const),
    statement: text,
    sql: text,
    parameterTypes: fc.array(fc.nat(), { maxLength: 4 }),
  }),
  fc.record({
    type: fc.constant('Bind' as const),
    portal: text,
    statement: text,
    formats,
    values,
    resultFormats: formats,
  }),
  fc.record({ type: fc.constant('Execute' as const), portal: text, maxRows: fc.integer() }),
  fc.record({
    type: fc.constantFrom('Describe' as const, 'Close' as const),
    target: fc.constantFrom('statement' as const, 'portal' as const),
    name: text,
  }),
  fc.record({
    type: fc.constant('FunctionCall' as const),
    oid: fc.nat(),
    formats,
    values,
    resultFormat: fc.nat({ max: 1 }),
  }),
  fc.record({ type: fc.constantFrom('Sync' as const, 'Flush' as const, 'Terminate' as const, 'CopyDone' as const) }),
  fc.record({ type: fc.constant('CopyFail' as const), reason: text }),
);
test('client messages: decode(encode(m)) is m', () => {
  roundTrips(clientMessages, encodeClientMessage, (bytes) => {
    assert.equal(bytes.readInt32BE(1), bytes.length - 1);
    const decoded = decodeClientMessage(bytes[0] ?? 0, bytes.subarray(5));
    assert.ok(decoded !== undefined);
    return decoded;
  });
});
test('client and server messages: nothing breaks the decoders', () => {
  for (const letter of [...Object.values(SERVER_LETTER), ...Buffer.from('pQPBEDCFdcfHSX!')]) {
    neverBreaks((bytes) => [decodeServerMessage(letter, bytes), decodeClientMessage(letter, bytes)], { runs: 60 });
  }
});

const tags = [
  { tag: 'INSERT 0 2', want: 2 },
  { tag: 'SELECT 10', want: 10 },
  { tag: 'COPY 123456789', want: 123_456_789 },
  { tag: 'CREATE TABLE', want: undefined },
  { tag: '', want: undefined },
  { tag: '7', want: undefined },
  { tag: 'SELECT', want: undefined },
];
for (const row of tags) test(`tag ${JSON.stringify(row.tag)}`, () => assert.equal(affectedByTag(row.tag), row.want));

const binary: readonly {
  readonly name: string;
  readonly oid: number;
  readonly hex: string;
  readonly want: string | undefined;
}[] = [
  { name: 'bool', oid: 16, hex: '01', want: 't' },
  { name: 'int2', oid: 21, hex: 'fffe', want: '-2' },
  { name: 'int8', oid: 20, hex: '7fffffffffffffff', want: '9223372036854775807' },
  { name: 'int4 of a wrong size', oid: 23, hex: '000001', want: undefined },
  { name: 'float4', oid: 700, hex: '3dcccccd', want: '0.1' },
  { name: 'float8', oid: 701, hex: '3fb999999999999a', want: '0.1' },
  { name: 'jsonb', oid: 3802, hex: '017b7d', want: '{}' },
  { name: 'jsonb of an unknown version', oid: 3802, hex: '027b7d', want: undefined },
  { name: 'date', oid: 1082, hex: '00002648', want: '2026-10-31' },
  { name: 'date infinity', oid: 1082, hex: '7fffffff', want: 'infinity' },
  { name: 'timestamp of the epoch', oid: 1114, hex: '0000000000000000', want: '2000-01-01 00:00:00' },
  {
    name: 'timestamptz before the epoch, with fraction',
    oid: 1184,
    hex: 'ffffffffffffffff',
    want: '1999-12-31 23:59:59.999999+00',
  },
  { name: 'numeric 12345.678', oid: 1700, hex: '0003000100000003 0001 0929 1a7c', want: '12345.678' },
  { name: 'numeric -0.0001', oid: 1700, hex: '0001ffff40000004 0001', want: '-0.0001' },
  { name: 'numeric 10000', oid: 1700, hex: '0001000100000000 0001', want: '10000' },
  { name: 'numeric NaN', oid: 1700, hex: '00000000c0000000', want: 'NaN' },
  { name: 'numeric whose count lies', oid: 1700, hex: '0009000100000000 0001', want: undefined },
  { name: 'unknown type', oid: 99_999, hex: '00', want: undefined },
];
for (const row of binary)
  test(`binary value: ${row.name}`, () =>
    assert.equal(decodeBinaryValue(row.oid, Buffer.from(row.hex.replaceAll(' ', ''), 'hex')), row.want));
