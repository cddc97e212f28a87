import assert from 'node:assert/strict';
import { test } from 'node:test';
import { neverBreaks } from '../../../test/kit/codec.ts';
import { formatIp, ipBytes } from './address.ts';
import { encodeProxyV2, peekProxyHeader, type ProxyHeader } from './proxy-protocol.ts';

const v2 = encodeProxyV2({
  source: { address: '192.0.2.1', port: 56_324 },
  destination: { address: '192.0.2.2', port: 443 },
  tlvs: [
    { type: 0xe4, value: Buffer.from('signed') },
    { type: 4, value: Buffer.alloc(0) },
  ],
});
const four = { source: { address: '192.0.2.1', port: 56_324 }, destination: { address: '192.0.2.2', port: 443 } };

const rows: readonly {
  readonly name: string;
  readonly bytes: Buffer;
  readonly want?: ProxyHeader;
  readonly code?: string;
}[] = [
  {
    name: 'v1 TCP4',
    bytes: Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n'),
    want: { version: 1, command: 'proxy', ...four, tlvs: [] },
  },
  {
    name: 'v1 TCP6',
    bytes: Buffer.from('PROXY TCP6 2001:DB8:0:0::1 ::ffff:192.0.2.2 1 2\r\n'),
    want: {
      version: 1,
      command: 'proxy',
      source: { address: '2001:db8::1', port: 1 },
      destination: { address: '192.0.2.2', port: 2 },
      tlvs: [],
    },
  },
  {
    name: 'v1 UNKNOWN',
    bytes: Buffer.from('PROXY UNKNOWN ffff:f...f whatever\r\n'),
    want: { version: 1, command: 'proxy', tlvs: [] },
  },
  {
    name: 'v2 with TLVs',
    bytes: v2,
    want: {
      version: 2,
      command: 'proxy',
      ...four,
      tlvs: [
        { type: 0xe4, value: Buffer.from('signed') },
        { type: 4, value: Buffer.alloc(0) },
      ],
    },
  },
  {
    name: 'v2 LOCAL',
    bytes: Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex'),
    want: { version: 2, command: 'local', tlvs: [] },
  },
  {
    name: 'v2 of a socket file',
    bytes: Buffer.from(`0d0a0d0a000d0a515549540a213100d8${'00'.repeat(216)}`, 'hex'),
    want: { version: 2, command: 'proxy', tlvs: [] },
  },
  { name: 'v1 mixed families', bytes: Buffer.from('PROXY TCP4 ::1 192.0.2.2 1 2\r\n'), code: 'PROXY_BAD_HEADER' },
  {
    name: 'v1 port above 65535',
    bytes: Buffer.from('PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n'),
    code: 'PROXY_BAD_HEADER',
  },
  { name: 'v1 word missing', bytes: Buffer.from('PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n'), code: 'PROXY_BAD_HEADER' },
  { name: 'v1 octal address', bytes: Buffer.from('PROXY TCP4 010.1.1.1 1.1.1.1 1 1\r\n'), code: 'PROXY_BAD_ADDRESS' },
  { name: 'v1 without end', bytes: Buffer.from(`PROXY TCP4 ${'1'.repeat(120)}`), code: 'PROXY_BAD_HEADER' },
  { name: 'v2 of version 3', bytes: Buffer.from('0d0a0d0a000d0a515549540a31110000', 'hex'), code: 'PROXY_BAD_HEADER' },
  {
    name: 'v2 too short for its addresses',
    bytes: Buffer.from('0d0a0d0a000d0a515549540a2111000401020304', 'hex'),
    code: 'PROXY_V2_TOO_SHORT',
  },
  {
    name: 'v2 TLV that lies',
    bytes: Buffer.from('0d0a0d0a000d0a515549540a2111000f010203040506070800010002e0ffff', 'hex'),
    code: 'PROXY_V2_TOO_SHORT',
  },
  { name: 'v2 above the limit', bytes: Buffer.from('0d0a0d0a000d0a515549540a2111ffff', 'hex'), code: 'PROXY_TOO_LONG' },
];
for (const row of rows) {
  test(`proxy protocol: ${row.name}`, () => {
    const { code } = row;
    if (code !== undefined) {
      assert.throws(() => peekProxyHeader(row.bytes), { code });
      return;
    }
    for (let length = 0; length < row.bytes.length; length += 1) {
      assert.equal(peekProxyHeader(row.bytes.subarray(0, length)).type, 'more', `after ${length} bytes`);
    }
    assert.deepEqual(peekProxyHeader(Buffer.concat([row.bytes, Buffer.from('next')])), {
      type: 'header',
      header: row.want,
      length: row.bytes.length,
    });
  });
}

test('proxy protocol: something else', () => {
  for (const text of ['GET /', 'PROXX', '\x16\x03\x01', '\r\n\r\nx'])
    assert.deepEqual(peekProxyHeader(Buffer.from(text, 'latin1')), { type: 'absent' });
});

test('proxy protocol: addresses of two families are sent as IPv6', () => {
  const peek = peekProxyHeader(
    encodeProxyV2({ source: { address: '192.0.2.1', port: 1 }, destination: { address: '2001:db8::2', port: 2 } }),
  );
  assert.ok(peek.type === 'header');
  assert.deepEqual([peek.header.source?.address, peek.header.destination?.address], ['192.0.2.1', '2001:db8::2']);
});

test('proxy protocol: nothing breaks it', () =>
  neverBreaks((bytes) => peekProxyHeader(bytes), { seeds: rows.map((row) => row.bytes) }));

const addresses = [
  { text: '::', want: '::' },
  { text: '0:0:0:0:0:0:0:1', want: '::1' },
  { text: '1:0:0:2:0:0:0:3', want: '1:0:0:2::3' },
  { text: '2001:DB8::', want: '2001:db8::' },
  { text: '::ffff:1.2.3.4', want: '1.2.3.4' },
  { text: '1:2:3:4:5:6:7:8', want: '1:2:3:4:5:6:7:8' },
  { text: '255.0.0.1', want: '255.0.0.1' },
];
for (const row of addresses) test(`address ${row.text}`, () => assert.equal(formatIp(ipBytes(row.text)), row.want));
for (const text of [
  '',
  ':',
  ':::',
  '1::2::3',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '::1%eth0',
  '256.1.1.1',
  '1.1.1',
  '1.1.1.1.1',
  '12345::',
  'host',
]) {
  test(`no address: ${JSON.stringify(text)}`, () => {
    assert.throws(() => ipBytes(text), { code: 'PROXY_BAD_ADDRESS' });
  });
}
