import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeAuthAnswer, encodeAuthMoreData, encodeAuthSwitch } from './auth-packets.ts';
import { CLIENT } from './capabilities.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const flags = CLIENT.PROTOCOL_41 | CLIENT.PLUGIN_AUTH;
const name = (text: string): string => Buffer.from(`${text}\0`).toString('hex');

/** As MySQL 9.7.4 and MariaDB 11.8.9 said them. */
const recorded: readonly { name: string; hex: string; want: unknown }[] = [
  {
    name: 'a switch to a plugin with 20 bytes of scramble, and the zero behind them',
    hex: `fe ${name('caching_sha2_password')} 6c79586a4e57572f3b332f305a65533e295d6b60 00`,
    want: { type: 'switch', plugin: 'caching_sha2_password', data: hex('6c79586a4e57572f3b332f305a65533e295d6b60') },
  },
  {
    name: 'a switch to a plugin with 32 random bytes, the last of which may be zero',
    hex: `fe ${name('client_ed25519')} b87709f35e9ee17acdaca2889d08b19f2f08a610705c8b8655d1df0f5c2db200`,
    want: {
      type: 'switch',
      plugin: 'client_ed25519',
      data: hex('b87709f35e9ee17acdaca2889d08b19f2f08a610705c8b8655d1df0f5c2db200'),
    },
  },
  {
    name: 'the switch of old',
    hex: 'fe',
    want: { type: 'switch', plugin: 'mysql_old_password', data: Buffer.alloc(0) },
  },
  { name: 'the whole password is needed', hex: '0104', want: { type: 'more', data: hex('04') } },
  {
    name: 'the extended salt of parsec',
    hex: '0150009a8ca9454d37b45fd71cb76f73f92073dedb',
    want: { type: 'more', data: hex('50009a8ca9454d37b45fd71cb76f73f92073dedb') },
  },
  { name: 'data without a mark, from MariaDB', hex: '50009a8c', want: { type: 'more', data: hex('50009a8c') } },
  {
    name: 'a refusal',
    hex: `ff1504 23 3238303030 ${Buffer.from('Access denied').toString('hex')}`,
    want: { type: 'error', error: { code: 1045, sqlState: '28000', message: 'Access denied' } },
  },
];
for (const row of recorded)
  test(`sign-in: ${row.name}`, () => assert.deepEqual(decodeAuthAnswer(hex(row.hex), flags), row.want));

test('sign-in: OK', () => {
  const answer = decodeAuthAnswer(hex('00000002000000'), flags);
  assert.equal(answer.type === 'ok' && answer.ok.status, 2);
});

const bad = [
  { name: 'nothing', hex: '', code: 'MYSQL_AUTH_TOO_SHORT' },
  { name: 'a plugin without an end', hex: 'fe6161', code: 'MYSQL_AUTH_UNTERMINATED' },
  { name: 'another factor', hex: '026100', code: 'MYSQL_AUTH_UNSUPPORTED' },
  { name: 'half an OK', hex: '0000', code: 'MYSQL_OK_TOO_SHORT' },
  { name: 'half an ERR', hex: 'ff00', code: 'MYSQL_ERR_TOO_SHORT' },
];
for (const row of bad)
  test(`sign-in: ${row.name} is refused`, () =>
    assert.throws(() => decodeAuthAnswer(hex(row.hex), flags), { name: 'ProtocolError', code: row.code }));

test('sign-in: what is encoded decodes to the same', () => {
  const lengths = fc.constantFrom(0, 20, 32);
  const data = lengths
    .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))
    .map((bytes) => Buffer.from(bytes));
  const plugin = fc.string({ maxLength: 30 }).filter((text) => !text.includes('\0'));
  fc.assert(
    fc.property(data, plugin, (bytes, text) => {
      assert.deepEqual(decodeAuthAnswer(encodeAuthSwitch({ plugin: text, data: bytes }), flags), {
        type: 'switch',
        plugin: text,
        data: bytes,
      });
      assert.deepEqual(decodeAuthAnswer(encodeAuthMoreData(bytes), flags), { type: 'more', data: bytes });
    }),
  );
});
