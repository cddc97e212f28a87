import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CLIENT } from './capabilities.ts';
import {
  decodeHandshakeResponse,
  decodeSslRequest,
  encodeHandshakeResponse,
  encodeSslRequest,
  type HandshakeResponse,
  SSL_REQUEST_BYTES,
} from './handshake-response.ts';

const bytesOf = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
const zeros = (count: number): string => '00'.repeat(count);
const hexOf = (text: string): string => Buffer.from(text).toString('hex');

/** HandshakeResponse41 of MySQL's manual (5.6.6, plugin and attributes), without its header. */
const manual = bytesOf(`85a21e00 00000040 08 ${zeros(23)} 726f6f7400 14 225079a212d4e882e5b3f41a97756bc8bedb9f80
  6d7973716c5f6e61746976655f70617373776f726400 61 035f6f7309 64656269616e362e30 0c 5f636c69656e745f6e616d65 08 6c69626d7973716c
  045f706964 053232333434 0f5f636c69656e745f76657273696f6e 08352e362e362d6d39 095f706c6174666f726d 067838365f3634 03666f6f 03626172`);

test('handshake response: the one of the manual', () => {
  const response = decodeHandshakeResponse(manual);
  const { authResponse, attributes, ...rest } = response;
  assert.deepEqual(rest, {
    capabilities: 0x1ea285,
    extended: 0,
    maxPacketSize: 0x40000000,
    charset: 8,
    user: 'root',
    plugin: 'mysql_native_password',
  });
  assert.equal(authResponse.toString('hex'), '225079a212d4e882e5b3f41a97756bc8bedb9f80');
  assert.deepEqual(Object.fromEntries(attributes), {
    _os: 'debian6.0',
    _client_name: 'libmysql',
    _pid: '22344',
    _client_version: '5.6.6-m9',
    _platform: 'x86_64',
    foo: 'bar',
  });
  assert.equal(encodeHandshakeResponse(response).toString('hex'), manual.toString('hex'));
  const attributesAt = manual.length - 0x62;
  // At these two places the packet may end: MySQL reads an absent plugin or list of attributes as an empty one.
  const mayEnd = new Set([attributesAt, attributesAt - 'mysql_native_password\0'.length]);
  for (let cut = 0; cut < manual.length; cut += 1) {
    const read = (): unknown => decodeHandshakeResponse(manual.subarray(0, cut));
    if (mayEnd.has(cut)) assert.doesNotThrow(read);
    else assert.throws(read, { name: 'ProtocolError' }, `cut to ${cut}`);
  }
});

test('handshake response: MariaDB says its extended capabilities where MySQL keeps zeros', () => {
  const flags = CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION;
  const hex = (capabilities: number): string => {
    const four = Buffer.alloc(4);
    four.writeUInt32LE(capabilities);
    return `${four.toString('hex')} 00000001 2d ${zeros(19)} 1d000000 ${hexOf('a\0')} 00`;
  };
  assert.equal(decodeHandshakeResponse(bytesOf(hex(flags))).extended, 0x1d);
  assert.equal(decodeHandshakeResponse(bytesOf(hex(flags | CLIENT.LONG_PASSWORD))).extended, 0);
});

const flagged = (flags: number, rest: string): Buffer => {
  const four = Buffer.alloc(4);
  four.writeUInt32LE((flags | CLIENT.PROTOCOL_41) >>> 0);
  return Buffer.concat([four, bytesOf(`00000001 2d ${zeros(23)} ${rest}`)]);
};
const bad: readonly { name: string; payload: Buffer; code: string }[] = [
  { name: 'nothing', payload: Buffer.alloc(0), code: 'MYSQL_HANDSHAKE_RESPONSE_TOO_SHORT' },
  { name: 'a client before 4.1', payload: bytesOf('0500 000001 6100 00'), code: 'MYSQL_HANDSHAKE_RESPONSE_TOO_OLD' },
  { name: 'a user without an end', payload: flagged(0, '616161'), code: 'MYSQL_HANDSHAKE_RESPONSE_UNTERMINATED' },
  {
    name: 'a user in Latin-1',
    payload: flagged(CLIENT.SECURE_CONNECTION, 'fc00 00'),
    code: 'MYSQL_HANDSHAKE_RESPONSE_NOT_UTF8',
  },
  {
    name: 'authentication data longer than the packet',
    payload: flagged(CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA, '6100 feffffffffffffff7f 00'),
    code: 'MYSQL_HANDSHAKE_RESPONSE_TOO_SHORT',
  },
  {
    name: 'a database that was announced and is missing',
    payload: flagged(CLIENT.CONNECT_WITH_DB | CLIENT.SECURE_CONNECTION, '6100 00'),
    code: 'MYSQL_HANDSHAKE_RESPONSE_UNTERMINATED',
  },
  {
    name: 'attributes longer than the packet',
    payload: flagged(CLIENT.CONNECT_ATTRS | CLIENT.SECURE_CONNECTION, '6100 00 05 0161'),
    code: 'MYSQL_HANDSHAKE_RESPONSE_TOO_SHORT',
  },
  {
    name: 'an attribute that reaches out of the list',
    payload: flagged(CLIENT.CONNECT_ATTRS | CLIENT.SECURE_CONNECTION, '6100 00 03 0161 05 6161616161'),
    code: 'MYSQL_HANDSHAKE_RESPONSE_TOO_SHORT',
  },
];
for (const row of bad)
  test(`handshake response: ${row.name} is refused`, () =>
    assert.throws(() => decodeHandshakeResponse(row.payload), { name: 'ProtocolError', code: row.code }));

test('handshake response: one above the limit is refused before it is read', () =>
  assert.throws(() => decodeHandshakeResponse(Buffer.alloc(101), 100), {
    name: 'LimitError',
    code: 'MYSQL_HANDSHAKE_RESPONSE_TOO_LONG',
    message: /maxHandshakeBytes 100/,
  }));

test('handshake response: names that an object would mistake stay what they are', () => {
  const list = hexOf('\x09__proto__\x01x');
  const payload = flagged(CLIENT.CONNECT_ATTRS | CLIENT.SECURE_CONNECTION, `6100 00 0c${list}`);
  assert.deepEqual([...decodeHandshakeResponse(payload).attributes], [['__proto__', 'x']]);
});

test('handshake response: fields and capabilities that disagree are a bug', () => {
  const response: HandshakeResponse = {
    capabilities: CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION,
    extended: 0,
    maxPacketSize: 1,
    charset: 45,
    user: 'a',
    authResponse: Buffer.alloc(0),
    attributes: new Map(),
  };
  assert.doesNotThrow(() => encodeHandshakeResponse(response));
  for (const wrong of [
    { database: 'x' },
    { plugin: 'x' },
    { attributes: new Map([['a', 'b']]) },
    { authResponse: Buffer.alloc(256) },
    { user: 'a\0b' },
    { capabilities: response.capabilities | CLIENT.CONNECT_WITH_DB },
    { capabilities: response.capabilities | CLIENT.ZSTD_COMPRESSION_ALGORITHM },
  ])
    assert.throws(() => encodeHandshakeResponse({ ...response, ...wrong }), { code: 'BUG' });
});

test('SSLRequest: read by its length and flag', () => {
  const ofManual = bytesOf(`05ae0300 00000001 08 ${zeros(23)}`);
  assert.deepEqual(decodeSslRequest(ofManual), {
    capabilities: 0x3ae05,
    extended: 0,
    maxPacketSize: 1 << 24,
    charset: 8,
  });
  const flags = { capabilities: CLIENT.PROTOCOL_41, extended: 7, maxPacketSize: 1 << 24, charset: 45 };
  const payload = encodeSslRequest(flags);
  assert.equal(payload.length, SSL_REQUEST_BYTES);
  assert.deepEqual(decodeSslRequest(payload), { ...flags, capabilities: (flags.capabilities | CLIENT.SSL) >>> 0 });
  assert.equal(decodeSslRequest(payload.subarray(1)), undefined);
  assert.equal(decodeSslRequest(Buffer.concat([payload, Buffer.alloc(1)])), undefined);
  const clear = Buffer.from(payload);
  clear.writeUInt32LE(CLIENT.PROTOCOL_41, 0);
  assert.equal(decodeSslRequest(clear), undefined);
  assert.throws(() => decodeSslRequest(Buffer.alloc(32)), { code: 'MYSQL_SSL_REQUEST_TOO_OLD' });
});

test('handshake response: what is encoded decodes to the same', () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((one) => !one.includes('\0'));
  const optional = { database: text, plugin: text };
  const responses = fc
    .record(
      {
        extended: fc.nat(),
        maxPacketSize: fc.nat({ max: 0xffffffff }),
        charset: fc.nat({ max: 255 }),
        user: text,
        authResponse: fc.uint8Array({ maxLength: 255 }).map((bytes) => Buffer.from(bytes)),
        attributes: fc.array(fc.tuple(text, text), { maxLength: 5 }).map((pairs) => new Map(pairs)),
        bits: fc.nat({ max: 0xffffffff }),
        ...optional,
      },
      { requiredKeys: ['extended', 'maxPacketSize', 'charset', 'user', 'authResponse', 'attributes', 'bits'] },
    )
    .map(({ bits, ...rest }): HandshakeResponse => {
      const decided =
        CLIENT.LONG_PASSWORD |
        CLIENT.CONNECT_WITH_DB |
        CLIENT.PLUGIN_AUTH |
        CLIENT.CONNECT_ATTRS |
        CLIENT.ZSTD_COMPRESSION_ALGORITHM;
      const capabilities =
        ((bits & ~decided) |
          CLIENT.PROTOCOL_41 |
          CLIENT.SECURE_CONNECTION |
          CLIENT.CONNECT_ATTRS |
          (rest.database === undefined ? 0 : CLIENT.CONNECT_WITH_DB) |
          (rest.plugin === undefined ? 0 : CLIENT.PLUGIN_AUTH)) >>>
        0;
      return { ...rest, capabilities };
    });
  fc.assert(
    fc.property(responses, (response) =>
      assert.deepEqual(decodeHandshakeResponse(encodeHandshakeResponse(response)), { ...response }),
    ),
  );
});
