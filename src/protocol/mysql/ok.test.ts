import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CLIENT, SERVER_STATUS } from './capabilities.ts';
import {
  decodeErr,
  decodeProgress,
  encodeErr,
  GENERAL_SQL_STATE,
  isErr,
  isProgress,
  maxErrorMessageBytes,
} from './err.ts';
import { decodeEof, decodeOk, encodeEof, encodeOk, isEof, type OkPacket, plainOk } from './ok.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const tracking = CLIENT.PROTOCOL_41 | CLIENT.SESSION_TRACK;
const { AUTOCOMMIT, SESSION_STATE_CHANGED, QUERY_NO_INDEX_USED } = SERVER_STATUS;

/** As MySQL 9.7.4 and MariaDB 11.8.9 said them, word for word the same. */
const recorded: readonly {
  name: string;
  hex: string;
  capabilities: number;
  want: Partial<OkPacket> & { text?: string };
}[] = [
  { name: 'of the manual', hex: '00000002000000', capabilities: CLIENT.PROTOCOL_41, want: { status: AUTOCOMMIT } },
  {
    name: 'after USE',
    hex: '00000002400000000601 04 03 646231',
    capabilities: tracking,
    want: { status: AUTOCOMMIT | SESSION_STATE_CHANGED, track: hex('010403646231') },
  },
  {
    name: 'of an UPDATE, without session tracking: its info has a length all the same',
    hex: '0002002200000028526f7773206d6174636865643a203220204368616e6765643a203220205761726e696e67733a2030',
    capabilities: CLIENT.PROTOCOL_41,
    want: {
      affectedRows: 2n,
      status: AUTOCOMMIT | QUERY_NO_INDEX_USED,
      text: 'Rows matched: 2  Changed: 2  Warnings: 0',
    },
  },
  {
    name: 'of an UPDATE, with session tracking',
    hex: '0002002200000028526f7773206d6174636865643a203220204368616e6765643a203220205761726e696e67733a2030',
    capabilities: tracking,
    want: {
      affectedRows: 2n,
      status: AUTOCOMMIT | QUERY_NO_INDEX_USED,
      text: 'Rows matched: 2  Changed: 2  Warnings: 0',
    },
  },
  {
    name: 'of an INSERT whose info is followed by session tracking',
    hex: '00020002400000265265636f7264733a203220204475706c6963617465733a203020205761726e696e67733a20301200100c73746174656d656e745f6964023137',
    capabilities: tracking,
    want: {
      affectedRows: 2n,
      status: AUTOCOMMIT | SESSION_STATE_CHANGED,
      text: 'Records: 2  Duplicates: 0  Warnings: 0',
      track: hex('00100c73746174656d656e745f6964023137'),
    },
  },
  { name: 'that ends rows', hex: 'fe00000a000000', capabilities: tracking, want: { header: 'eof', status: 0x0a } },
];
for (const row of recorded)
  test(`OK ${row.name}`, () => {
    const bytes = hex(row.hex);
    const ok = decodeOk(bytes, row.capabilities);
    const { text = '', ...want } = row.want;
    assert.deepEqual(ok, { ...plainOk(0), info: Buffer.from(text), ...want });
    assert.equal(encodeOk(ok, row.capabilities).toString('hex'), bytes.toString('hex'));
  });

test('OK: without session tracking an info that has no length is taken as it is', () => {
  assert.equal(
    decodeOk(hex(`00000002000000 ${Buffer.from('hello').toString('hex')}`), CLIENT.PROTOCOL_41).info.toString(),
    'hello',
  );
});

test('OK: the track is written exactly for who asked for it, and the status says so', () => {
  const ok: OkPacket = { ...plainOk(AUTOCOMMIT), info: Buffer.from('i'), track: hex('010403646231') };
  assert.equal(encodeOk(ok, CLIENT.PROTOCOL_41).toString('hex'), '000000020000000169');
  assert.equal(encodeOk(ok, tracking).toString('hex'), '00000002400000016906010403646231');
  const empty = { ...ok, status: AUTOCOMMIT | SESSION_STATE_CHANGED, track: Buffer.alloc(0) };
  assert.equal(encodeOk(empty, tracking).toString('hex'), '000000020000000169');
});

const badOks: readonly { name: string; hex: string; code: string }[] = [
  { name: 'nothing', hex: '', code: 'MYSQL_OK_TOO_SHORT' },
  { name: 'another header', hex: '01000002000000', code: 'MYSQL_OK_BAD_HEADER' },
  { name: 'a NULL for a number', hex: '00fb0002000000', code: 'MYSQL_OK_BAD_NUMBER' },
  { name: 'a cut status', hex: '00000002', code: 'MYSQL_OK_TOO_SHORT' },
  { name: 'an info longer than the packet', hex: '0000000200000005 61', code: 'MYSQL_OK_TOO_SHORT' },
  { name: 'a track longer than the packet', hex: '00000002400000 00 feffffffffffffffff', code: 'MYSQL_OK_TOO_SHORT' },
  { name: 'a track that was not announced', hex: '00000002000000 00 06010403646231', code: 'MYSQL_OK_TRAILING' },
  { name: 'bytes behind the track', hex: '00000002400000 00 06010403646231 00', code: 'MYSQL_OK_TRAILING' },
];
for (const row of badOks)
  test(`OK: ${row.name} is refused`, () =>
    assert.throws(() => decodeOk(hex(row.hex), tracking), { name: 'ProtocolError', code: row.code }));

test('OK: what is encoded decodes to the same', () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
  const number = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });
  const oks = fc.record({
    header: fc.constantFrom('ok' as const, 'eof' as const),
    affectedRows: number,
    lastInsertId: number,
    status: fc.nat({ max: 0xffff }).map((status) => status & ~SESSION_STATE_CHANGED),
    warnings: fc.nat({ max: 0xffff }),
    info: bytes,
  });
  fc.assert(
    fc.property(oks, bytes, (drawn, track) => {
      const ok = { ...drawn };
      assert.deepEqual(decodeOk(encodeOk(ok, tracking), tracking), ok);
      assert.deepEqual(decodeOk(encodeOk({ ...ok, track }, CLIENT.PROTOCOL_41), CLIENT.PROTOCOL_41), ok);
      if (track.length === 0) return;
      const status = ok.status | SESSION_STATE_CHANGED;
      assert.deepEqual(decodeOk(encodeOk({ ...ok, track }, tracking), tracking), { ...ok, status, track });
    }),
  );
});

test('EOF: by its length', () => {
  assert.deepEqual(decodeEof(hex('fe00000200')), { warnings: 0, status: AUTOCOMMIT });
  assert.equal(encodeEof({ warnings: 1, status: 0x0a }).toString('hex'), 'fe01000a00');
  assert.deepEqual([isEof(hex('fe00000200')), isEof(Buffer.alloc(9, 0xfe)), isEof(hex('00'))], [true, false, false]);
  assert.throws(() => decodeEof(hex('fe0000')), { code: 'MYSQL_EOF_TOO_SHORT' });
  assert.throws(() => decodeEof(Buffer.alloc(9, 0xfe)), { code: 'MYSQL_EOF_BAD_HEADER' });
});

const errors: readonly {
  name: string;
  hex: string;
  capabilities: number;
  want: { code: number; sqlState: string; message: string };
}[] = [
  {
    name: 'of the manual',
    hex: `ff4804 23 4859303030 ${Buffer.from('No tables used').toString('hex')}`,
    capabilities: CLIENT.PROTOCOL_41,
    want: { code: 1096, sqlState: 'HY000', message: 'No tables used' },
  },
  {
    name: 'in place of a greeting',
    hex: `ff1004 ${Buffer.from('Too many connections').toString('hex')}`,
    capabilities: 0,
    want: { code: 1040, sqlState: 'HY000', message: 'Too many connections' },
  },
  {
    name: 'in place of a greeting by a server that says its SQLSTATE there too',
    hex: `ff1004 23 3038303034 ${Buffer.from('Too many connections').toString('hex')}`,
    capabilities: 0,
    want: { code: 1040, sqlState: '08004', message: 'Too many connections' },
  },
  {
    name: 'in place of a greeting that begins like an SQLSTATE and is none',
    hex: `ff1004 ${Buffer.from('#1 of 2').toString('hex')}`,
    capabilities: 0,
    want: { code: 1040, sqlState: 'HY000', message: '#1 of 2' },
  },
  {
    name: 'with control characters for an SQLSTATE',
    hex: 'ff1004 23 0a0a0a0a0a 61',
    capabilities: CLIENT.PROTOCOL_41,
    want: { code: 1040, sqlState: GENERAL_SQL_STATE, message: 'a' },
  },
  {
    name: 'without a message',
    hex: 'ff1004',
    capabilities: CLIENT.PROTOCOL_41,
    want: { code: 1040, sqlState: 'HY000', message: '' },
  },
];
for (const row of errors)
  test(`ERR ${row.name}`, () => {
    assert.ok(isErr(hex(row.hex)));
    assert.deepEqual(decodeErr(hex(row.hex), row.capabilities), row.want);
  });

test('ERR: encoded with and without SQLSTATE, bounded, and refused when it is none', () => {
  const error = { code: 1045, sqlState: '28000', message: 'no' };
  assert.equal(encodeErr(error, { sqlState: true }).toString('latin1'), '\xff\x15\x04#28000no');
  assert.equal(encodeErr(error, { sqlState: false }).toString('latin1'), '\xff\x15\x04no');
  assert.equal(encodeErr({ ...error, sqlState: 'x' }, { sqlState: true }).toString('latin1'), '\xff\x15\x04#HY000no');
  const long = encodeErr({ ...error, message: 'x'.repeat(10_000) }, { sqlState: true });
  assert.equal(long.length, 9 + maxErrorMessageBytes);
  const flood = Buffer.concat([long, Buffer.alloc(10_000, 0x78)]);
  assert.equal(decodeErr(flood, CLIENT.PROTOCOL_41).message.length, maxErrorMessageBytes);
  assert.throws(() => decodeErr(hex('ff10'), 0), { code: 'MYSQL_ERR_TOO_SHORT' });
  assert.throws(() => decodeErr(hex('00'), 0), { code: 'MYSQL_ERR_BAD_HEADER' });
});

test('progress report: no error though it looks like one', () => {
  const report = hex(`ffffff 01 01 04 4d0100 11 ${Buffer.from('copy to tmp table').toString('hex')}`);
  assert.ok(isErr(report) && isProgress(report));
  assert.deepEqual(decodeProgress(report), { stage: 1, stages: 4, progress: 333, text: 'copy to tmp table' });
  assert.equal(isProgress(hex('ff1004')), false);
  assert.throws(() => decodeProgress(report.subarray(0, 12)), { code: 'MYSQL_PROGRESS_TOO_SHORT' });
  assert.throws(() => decodeProgress(hex('ff1004')), { code: 'MYSQL_PROGRESS_BAD_HEADER' });
});
