import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CLIENT, MARIADB_CLIENT } from './capabilities.ts';
import { decodeGreeting, encodeGreeting, type Greeting, isMariadb } from './greeting.ts';

/** As servers said them. */
const recorded: readonly {
  name: string;
  hex: string;
  want: Omit<Greeting, 'scramble'>;
  scramble: string;
  mariadb: boolean;
}[] = [
  {
    name: 'MySQL 9.7.4',
    hex: '0a392e372e342d3200090000000f6476144c2c7c4f00ffff0200 00ffdf1500000000000000000000 5d2d59533b78146d6c010e5700 63616368696e675f736861325f70617373776f726400',
    want: {
      serverVersion: '9.7.4-2',
      connectionId: 9,
      capabilities: 0xdfffffff,
      extended: 0,
      charset: 2,
      status: 0,
      plugin: 'caching_sha2_password',
    },
    scramble: '0f6476144c2c7c4f5d2d59533b78146d6c010e57',
    mariadb: false,
  },
  {
    name: 'MySQL 9.7.4 without TLS',
    hex: '0a392e372e342d32000a00000052581b312c432e7800fff7ff0200ff9f1500000000000000000000015c461c02624f08502768590063616368696e675f736861325f70617373776f726400',
    want: {
      serverVersion: '9.7.4-2',
      connectionId: 10,
      capabilities: 0x9ffff7ff,
      extended: 0,
      charset: 255,
      status: 2,
      plugin: 'caching_sha2_password',
    },
    scramble: '52581b312c432e78015c461c02624f0850276859',
    mariadb: false,
  },
  {
    name: 'MariaDB 10.11, which calls itself 5.5.5 first',
    hex: '0a352e352e352d31302e31312e31392d4d6172696144422d302b64656231327531000600000063702a7c577b274a00fef72d0200ff81150000000000001d0000002267613378264f3b786d3c7e006d7973716c5f6e61746976655f70617373776f726400',
    want: {
      serverVersion: '5.5.5-10.11.19-MariaDB-0+deb12u1',
      connectionId: 6,
      capabilities: 0x81fff7fe,
      extended: 0x1d,
      charset: 45,
      status: 2,
      plugin: 'mysql_native_password',
    },
    scramble: '63702a7c577b274a2267613378264f3b786d3c7e',
    mariadb: true,
  },
  {
    name: 'MariaDB 11.8, with extended capabilities',
    hex: '0a31312e382e392d4d6172696144422d342066726f6d2044656269616e000c000000306323217a67732d00fef72d0200ff81150000000000003d00000022645350772b6a595b3e6150006d7973716c5f6e61746976655f70617373776f726400',
    want: {
      serverVersion: '11.8.9-MariaDB-4 from Debian',
      connectionId: 12,
      capabilities: 0x81fff7fe,
      extended: 0x3d,
      charset: 45,
      status: 2,
      plugin: 'mysql_native_password',
    },
    scramble: '306323217a67732d22645350772b6a595b3e6150',
    mariadb: true,
  },
];
const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
for (const row of recorded)
  test(`greeting: ${row.name}`, () => {
    const bytes = bytesOf(row.hex);
    const greeting = decodeGreeting(bytes);
    const { scramble, ...rest } = greeting;
    assert.deepEqual([rest, scramble.toString('hex')], [row.want, row.scramble]);
    assert.equal(isMariadb(greeting), row.mariadb);
    assert.equal(encodeGreeting(greeting).toString('hex'), bytes.toString('hex'));
    for (let length = 0; length < bytes.length - row.want.plugin.length - 1; length += 1)
      assert.throws(() => decodeGreeting(bytes.subarray(0, length)), { name: 'ProtocolError' }, `cut to ${length}`);
  });

test("greeting: the plugin may lack its zero, and what follows it is nobody's", () => {
  const bytes = bytesOf(recorded[0]?.hex ?? '');
  assert.equal(decodeGreeting(bytes.subarray(0, -1)).plugin, 'caching_sha2_password');
  assert.equal(decodeGreeting(Buffer.concat([bytes, Buffer.from('more')])).plugin, 'caching_sha2_password');
});

const head = '0a3900 01000000 0102030405060708 00';
const bad: readonly { name: string; hex: string; code: string }[] = [
  { name: 'nothing', hex: '', code: 'MYSQL_GREETING_TOO_SHORT' },
  { name: 'another protocol', hex: '093900', code: 'MYSQL_GREETING_BAD_VERSION' },
  { name: 'a version without an end', hex: `0a${'39'.repeat(60)}`, code: 'MYSQL_GREETING_UNTERMINATED' },
  { name: 'a version of 257 characters', hex: `0a${'39'.repeat(257)}00`, code: 'MYSQL_GREETING_TOO_LONG' },
  { name: 'a refusal', hex: 'ff1004546f6f206d616e79', code: 'MYSQL_GREETING_IS_ERR' },
  {
    name: 'a server before 4.1',
    hex: `${head} ff05 21 0200 0000 15 ${'00'.repeat(10)}`,
    code: 'MYSQL_GREETING_TOO_OLD',
  },
  {
    name: 'a scramble longer than the packet',
    hex: `${head} fff7 21 0200 ff81 ff ${'00'.repeat(10)} ${'41'.repeat(40)}`,
    code: 'MYSQL_GREETING_TOO_SHORT',
  },
];
for (const row of bad)
  test(`greeting: ${row.name} is refused`, () =>
    assert.throws(() => decodeGreeting(bytesOf(row.hex)), { name: 'ProtocolError', code: row.code }));

test('greeting: MariaDB is known by its version or by the bit that it leaves unset', () => {
  assert.deepEqual(
    ['5.5.5-10.11.2', '11.8.9-MariaDB-4', '8.4.0', '9.7.4-2'].map((version) => isMariadb(version)),
    [true, true, false, false],
  );
  assert.equal(isMariadb({ serverVersion: '11.8.9', capabilities: CLIENT.PROTOCOL_41 }), true);
  assert.equal(isMariadb({ serverVersion: '8.4.0', capabilities: CLIENT.LONG_PASSWORD }), false);
});

test('greeting: a scramble that a client would read otherwise is a bug', () => {
  const greeting = decodeGreeting(bytesOf(recorded[0]?.hex ?? ''));
  assert.throws(() => encodeGreeting({ ...greeting, scramble: Buffer.alloc(20) }), { code: 'BUG' });
  assert.throws(() => encodeGreeting({ ...greeting, scramble: Buffer.alloc(21, 1) }), { code: 'BUG' });
});

test('greeting: what is encoded decodes to the same', () => {
  const text = fc.string({ maxLength: 60 }).filter((one) => !one.includes('\0'));
  const needed = CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH;
  const greetings = fc.record({
    serverVersion: text,
    connectionId: fc.nat({ max: 0xffffffff }),
    scramble: fc.uint8Array({ minLength: 20, maxLength: 20, min: 1 }).map((bytes) => Buffer.from(bytes)),
    capabilities: fc.nat({ max: 0xffffffff }).map((bits) => ((bits | needed) & ~CLIENT.LONG_PASSWORD) >>> 0),
    extended: fc.constantFrom(0, MARIADB_CLIENT.PROGRESS, 0xffffffff),
    charset: fc.nat({ max: 255 }),
    status: fc.nat({ max: 0xffff }),
    plugin: text,
  });
  fc.assert(
    fc.property(greetings, (greeting) => assert.deepEqual(decodeGreeting(encodeGreeting(greeting)), { ...greeting })),
  );
});
