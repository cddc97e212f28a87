// The client's side: the greeting, what a client may answer, how it is let in and how refusals look. Real clients are in real-server.test.ts.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';

import fc from 'fast-check';

import { channelPair, type MemoryChannel } from '../../../test/kit/channel.ts';
import { CLIENT, MARIADB_CLIENT, SERVER_STATUS } from '../../protocol/mysql/capabilities.ts';
import { decodeErr } from '../../protocol/mysql/err.ts';
import { decodeGreeting, encodeGreeting, type Greeting } from '../../protocol/mysql/greeting.ts';
import {
  encodeHandshakeResponse,
  encodeSslRequest,
  type HandshakeResponse,
} from '../../protocol/mysql/handshake-response.ts';
import { decodeOk } from '../../protocol/mysql/ok.ts';
import { encodePacket } from '../../protocol/mysql/packet.ts';
import { encodeTrack, readTrack } from '../../protocol/mysql/session-track.ts';
import type { Route } from '../../resource/identity.ts';
import { CancelKeys } from '../cancel-keys.ts';
import type { Accepted, AcceptOptions, DatabaseConnection, Refusal, ServerFacts } from '../engine.ts';
import { SessionIds, SHOWN_ID_BIT } from '../session-ids.ts';
import { acceptMysql } from './accept.ts';
import { admitMysql } from './admit.ts';
import { MysqlDatabase } from './database.ts';
import { mysqlEngine } from './engine.ts';
import { formatCapabilities, makeGreeting, mysqlServerFirst, parseCapabilities } from './greet.ts';
import { encodeRefusal, errorOf, refuseMysql } from './refuse.ts';
import { MysqlRequest } from './request.ts';

const route: Route = { service: 'shop', protocol: 'mysql' };
const open = AbortSignal.any([]);
const greetOptions = { serverVersion: '8.0.36-Tessera', random: randomBytes };

// Greetings.

const mysql9: ServerFacts = { serverVersion: '9.7.4', capabilities: '00000000dfffffff' };
const mysql8: ServerFacts = { serverVersion: '8.0.40', capabilities: '00000000dfffffff' };
const mysql56: ServerFacts = { serverVersion: '5.6.51', capabilities: '00000000807ff7ff' };
const mariadb11: ServerFacts = { serverVersion: '11.8.9-MariaDB-4', capabilities: '0000003d81fffffe' };
const mariadb10: ServerFacts = { serverVersion: '5.5.5-10.11.19-MariaDB', capabilities: '0000001d81fffffe' };
const silent: ServerFacts = {};

const bulk = MARIADB_CLIENT.PROGRESS | MARIADB_CLIENT.STMT_BULK_OPERATIONS;
const late = CLIENT.QUERY_ATTRIBUTES | CLIENT.DEPRECATE_EOF | CLIENT.SESSION_TRACK;

const greetings: readonly {
  readonly name: string;
  readonly servers: readonly ServerFacts[];
  readonly version: string;
  /** Of QUERY_ATTRIBUTES, DEPRECATE_EOF, SESSION_TRACK. */
  readonly late: number;
  readonly extended: number;
}[] = [
  { name: 'nothing is known', servers: [], version: '8.0.36-Tessera', late: 0, extended: 0 },
  { name: 'one server that said nothing', servers: [silent], version: '8.0.36-Tessera', late: 0, extended: 0 },
  { name: 'one MySQL', servers: [mysql9], version: '9.7.4', late, extended: 0 },
  { name: 'two MySQL', servers: [mysql9, mysql8], version: '8.0.36-Tessera', late, extended: 0 },
  { name: 'an old MySQL among them', servers: [mysql9, mysql56], version: '8.0.36-Tessera', late: 0, extended: 0 },
  {
    name: 'one MariaDB',
    servers: [mariadb11],
    version: '11.8.9-MariaDB-4',
    late: CLIENT.DEPRECATE_EOF | CLIENT.SESSION_TRACK,
    extended: bulk | MARIADB_CLIENT.BULK_UNIT_RESULTS,
  },
  {
    name: 'an older MariaDB',
    servers: [mariadb10, mariadb10],
    version: '5.5.5-10.11.19-MariaDB',
    late: CLIENT.DEPRECATE_EOF | CLIENT.SESSION_TRACK,
    extended: bulk,
  },
  {
    name: 'two MariaDB of different versions',
    servers: [mariadb11, mariadb10],
    version: '8.0.36-Tessera',
    late: CLIENT.DEPRECATE_EOF | CLIENT.SESSION_TRACK,
    extended: 0,
  },
  {
    name: 'both kinds',
    servers: [mysql9, mariadb11],
    version: '8.0.36-Tessera',
    late: CLIENT.DEPRECATE_EOF | CLIENT.SESSION_TRACK,
    extended: 0,
  },
  { name: 'one that nothing is known of', servers: [mysql9, silent], version: '8.0.36-Tessera', late: 0, extended: 0 },
];

for (const row of greetings) {
  test(`greeting: ${row.name}`, () => {
    const bytes = mysqlServerFirst.greet(row.servers, greetOptions);
    assert.ok(bytes.length <= 512);
    const greeting = decodeGreeting(bytes.subarray(4));
    assert.deepEqual(
      [greeting.serverVersion, greeting.capabilities & late, greeting.extended, greeting.plugin],
      [row.version, row.late, row.extended, 'mysql_native_password'],
    );
    assert.equal((greeting.capabilities & CLIENT.LONG_PASSWORD) !== 0, row.extended === 0);
    const never =
      CLIENT.COMPRESS |
      CLIENT.ZSTD_COMPRESSION_ALGORITHM |
      CLIENT.OPTIONAL_RESULTSET_METADATA |
      CLIENT.MULTI_FACTOR_AUTHENTICATION |
      CLIENT.SSL_VERIFY_SERVER_CERT;
    assert.equal(greeting.capabilities & never, 0);
    assert.equal(greeting.capabilities & CLIENT.SSL, CLIENT.SSL);
    assert.equal((greeting.connectionId & SHOWN_ID_BIT) !== 0 && greeting.connectionId < 2 ** 31, true);
  });
}

test('greeting: a list of servers is looked through once, however many strangers are greeted with it', () => {
  let looks = 0;
  const counted: ServerFacts = {
    get serverVersion() {
      looks += 1;
      return '9.7.4';
    },
    capabilities: '00000000dfffffff',
  };
  const servers = Array.from({ length: 1000 }, () => counted);
  const first = mysqlServerFirst.greet(servers, greetOptions);
  const before = looks;
  assert.ok(before >= 1000);
  const second = mysqlServerFirst.greet(servers, greetOptions);
  assert.equal(looks, before);
  assert.equal(second.length, first.length);
});

test('greeting: whatever the random bytes are, a scramble has no zero and no dollar, and an id is one of ours', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (bytes) => {
      const random = (count: number): Buffer => Buffer.from(bytes.subarray(0, count));
      const { scramble, connectionId } = makeGreeting([], { ...greetOptions, random, tls: false });
      assert.ok(!scramble.includes(0) && !scramble.includes('$') && scramble.every((byte) => byte < 128));
      assert.ok(connectionId >= SHOWN_ID_BIT && connectionId < 2 * SHOWN_ID_BIT);
    }),
  );
});

test('capabilities as text: there and back; anything else is unknown', () => {
  const can = { flags: 0xdfff_ffff, extended: 0x3d };
  assert.deepEqual(parseCapabilities(formatCapabilities(can)), can);
  for (const text of [undefined, '', 'dfffffff', '0000003dDFFFFFFF', ' 000003ddfffffff'])
    assert.equal(parseCapabilities(text), undefined);
});

// The first packet in clear.

const flags = { capabilities: 0, extended: 0, maxPacketSize: 1 << 24, charset: 45 };
const sslRequest = encodePacket(1, encodeSslRequest({ ...flags, capabilities: CLIENT.PROTOCOL_41 }));
const clear = encodePacket(1, Buffer.concat([Buffer.from([0, 2, 0, 0]), Buffer.alloc(40)]));

const firsts: readonly { readonly name: string; readonly bytes: Buffer; readonly expect: unknown }[] = [
  { name: 'nothing yet', bytes: Buffer.alloc(0), expect: { type: 'more', need: 8 } },
  { name: 'the capabilities', bytes: sslRequest.subarray(0, 8), expect: { type: 'more', need: 36 } },
  { name: 'SSLRequest', bytes: sslRequest, expect: { type: 'tls', length: 36 } },
  {
    name: 'SSLRequest and the beginning of a ClientHello',
    bytes: Buffer.concat([sslRequest, Buffer.from('160301', 'hex')]),
    expect: { type: 'tls', length: 36 },
  },
  { name: 'half a response in clear', bytes: clear.subarray(0, 20), expect: { type: 'more', need: clear.length } },
  { name: 'a ClientHello', bytes: Buffer.from('1603010200010001fc0303', 'hex'), expect: 'malformed' },
  { name: 'HTTP', bytes: Buffer.from('GET / HTTP/1.1\r\n'), expect: 'malformed' },
  { name: 'a wrong sequence', bytes: Buffer.from('2000000000ae0000', 'hex'), expect: 'malformed' },
  { name: 'a packet of 16 MiB', bytes: Buffer.from('ffffff0100020000', 'hex'), expect: 'malformed' },
  { name: 'SSLRequest that is too long', bytes: Buffer.from('21000001000a0000', 'hex'), expect: 'malformed' },
];

for (const row of firsts) {
  test(`first packet: ${row.name}`, () => {
    const answer = mysqlServerFirst.understand(row.bytes);
    assert.deepEqual(typeof row.expect === 'string' ? answer.type : answer, row.expect);
  });
}

test('first packet: a client that goes on in clear is told what to do, in the form that it reads', () => {
  const modern = mysqlServerFirst.understand(clear);
  assert.ok(modern.type === 'plaintext');
  assert.equal(modern.answer.readUInt8(3), 2);
  const { code, sqlState, message } = decodeErr(modern.answer.subarray(4), CLIENT.PROTOCOL_41);
  assert.deepEqual([code, sqlState], [3159, 'HY000']);
  assert.match(message, /^TLS is required\nhint: .*tsh db login/);
  const old = mysqlServerFirst.understand(encodePacket(1, Buffer.from('0500000000726f6f7400', 'hex')));
  assert.ok(old.type === 'plaintext' && !old.answer.includes('#'));
});

test('first packet: any bytes give an answer, and never ask for more than 16 KiB', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const answer = mysqlServerFirst.understand(Buffer.from(bytes));
      if (answer.type === 'more') assert.ok(answer.need > bytes.length && answer.need <= 16 * 1024);
      if (answer.type === 'tls') assert.ok(answer.length <= bytes.length);
    }),
  );
});

// The handshake response.

const greeted: Greeting = makeGreeting([mysql9], { ...greetOptions, tls: true });
const greeting = encodePacket(0, encodeGreeting(greeted));
const usual =
  CLIENT.LONG_PASSWORD |
  CLIENT.PROTOCOL_41 |
  CLIENT.SSL |
  CLIENT.SECURE_CONNECTION |
  CLIENT.PLUGIN_AUTH |
  CLIENT.CONNECT_ATTRS |
  CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA |
  CLIENT.DEPRECATE_EOF;

function response(said: Partial<HandshakeResponse> = {}, sequence = 2): Buffer {
  const more = (said.database === undefined ? 0 : CLIENT.CONNECT_WITH_DB) | usual;
  return encodePacket(
    sequence,
    encodeHandshakeResponse({
      ...flags,
      capabilities: more >>> 0,
      user: 'reader',
      authResponse: Buffer.alloc(20, 1),
      plugin: 'mysql_native_password',
      attributes: new Map([
        ['_client_name', 'libmysql'],
        ['charset', 'evil'],
      ]),
      ...said,
    }),
  );
}

type AcceptResult = { readonly accepted: Accepted; readonly said: Buffer; readonly near: MemoryChannel };

async function accept(
  bytes: Buffer | ((said: Buffer) => Buffer),
  options: Partial<AcceptOptions> & { readonly end?: boolean; readonly maxChunkBytes?: number } = {},
): Promise<AcceptResult> {
  const { end, maxChunkBytes, ...rest } = options;
  const [far, near] = channelPair(maxChunkBytes === undefined ? {} : { maxChunkBytes });
  let said = Buffer.alloc(0);
  far.receive({
    data: (chunk) => {
      said = Buffer.concat([said, chunk]);
      far.consumed(chunk.length);
    },
    close: () => {},
  });
  const pending = acceptMysql(near, { route, signal: open, maxStartupBytes: 10_000, greeting, ...rest });
  await new Promise((resolve) => setImmediate(resolve));
  far.write(typeof bytes === 'function' ? bytes(said) : bytes);
  if (end === true) far.end();
  return { accepted: await pending, said, near };
}

function detailsOf(accepted: Accepted): MysqlRequest {
  assert.ok((accepted.type === 'request' || accepted.type === 'refused') && accepted.request !== undefined);
  assert.ok(accepted.request.details instanceof MysqlRequest);
  return accepted.request.details;
}

function summary(accepted: Accepted): unknown {
  if (accepted.type === 'refused') return [errorOf(accepted.refusal).code, detailsOf(accepted).sequence];
  if (accepted.type !== 'request') return accepted.type;
  const { databaseUser, databaseName } = accepted.request;
  return [databaseUser, databaseName, detailsOf(accepted).sequence];
}

const responses: readonly {
  readonly name: string;
  readonly bytes: Buffer;
  readonly expect: unknown;
  readonly route?: Partial<Route>;
}[] = [
  { name: 'user and database', bytes: response({ database: 'shop' }), expect: ['reader', 'shop', 3] },
  { name: 'no database', bytes: response(), expect: ['reader', '', 3] },
  {
    name: 'no database, one in the route',
    bytes: response(),
    route: { databaseName: 'shop' },
    expect: ['reader', 'shop', 3],
  },
  {
    name: 'an empty database',
    bytes: response({ database: '' }),
    route: { databaseName: 'shop' },
    expect: ['reader', 'shop', 3],
  },
  { name: 'another plugin', bytes: response({ plugin: 'caching_sha2_password' }), expect: ['reader', '', 3] },
  {
    name: 'no plugin at all',
    bytes: encodePacket(
      2,
      encodeHandshakeResponse({
        ...flags,
        capabilities: CLIENT.PROTOCOL_41 | CLIENT.SECURE_CONNECTION,
        user: 'u',
        authResponse: Buffer.alloc(0),
        attributes: new Map(),
      }),
    ),
    expect: ['u', '', 3],
  },
  { name: "the route's user", bytes: response(), route: { databaseUser: 'reader' }, expect: ['reader', '', 3] },
  { name: "not the route's user", bytes: response(), route: { databaseUser: 'writer' }, expect: [1045, 3] },
  {
    name: "not the route's database",
    bytes: response({ database: 'x' }),
    route: { databaseName: 'shop' },
    expect: [1045, 3],
  },
  { name: 'no user', bytes: response({ user: '' }), expect: [1045, 3] },
  { name: 'a user in quotes, which the server strips', bytes: response({ user: "'root'" }), expect: [1045, 3] },
  { name: 'a quote alone', bytes: response({ user: "'" }), expect: ["'", '', 3] },
  { name: 'a name beyond ASCII in UTF-8', bytes: response({ user: 'jörg', charset: 255 }), expect: ['jörg', '', 3] },
  {
    name: 'a name beyond ASCII in latin1, where its bytes mean another one',
    bytes: response({ user: 'jörg', charset: 8 }),
    expect: [1045, 3],
  },
  {
    name: 'a character above U+FFFF, which servers make a question mark of',
    bytes: response({ user: 'a\u{1f600}', charset: 255 }),
    expect: [1045, 3],
  },
  {
    name: "a database's name above U+FFFF, which MariaDB counts as a broken handshake",
    bytes: response({ database: 'a\u{1f600}', charset: 45 }),
    expect: [1045, 3],
  },
  { name: 'the last character below it', bytes: response({ user: 'a\uffff' }), expect: ['a\uffff', '', 3] },
  {
    name: 'a backslash in sjis, which is a wide one',
    bytes: response({ user: 'a\\b', charset: 13 }),
    expect: [1045, 3],
  },
  { name: 'ucs2, which servers count as a broken handshake', bytes: response({ charset: 35 }), expect: [1231, 3] },
  { name: 'utf16 with a collation of its own', bytes: response({ charset: 101 }), expect: [1231, 3] },
  { name: 'a brace in Swedish', bytes: response({ user: 'a{b', charset: 10 }), expect: [1045, 3] },
  {
    name: 'a second SSLRequest',
    bytes: encodePacket(2, encodeSslRequest({ ...flags, capabilities: CLIENT.PROTOCOL_41 })),
    expect: [1835, 3],
  },
  { name: 'a wrong sequence', bytes: response({}, 7), expect: [1835, 8] },
  {
    name: 'a client of before 4.1',
    bytes: encodePacket(2, Buffer.from('0500000000726f6f7400', 'hex')),
    expect: [1235, 3],
  },
  { name: 'a packet of 16 MiB', bytes: Buffer.from('ffffff02', 'hex'), expect: [1835, 3] },
  { name: 'an empty packet', bytes: encodePacket(2, Buffer.alloc(0)), expect: [1235, 3] },
  {
    name: 'a user without an end',
    bytes: encodePacket(2, Buffer.concat([response().subarray(4, 36), Buffer.from('reader')])),
    expect: [1835, 3],
  },
  {
    name: 'attributes above the limit',
    bytes: response({ attributes: new Map([['a', 'x'.repeat(10_000)]]) }),
    expect: [1835, 3],
  },
];

for (const row of responses) {
  test(`handshake response: ${row.name}`, async () => {
    for (const maxChunkBytes of [1, 100_000]) {
      const { accepted, said } = await accept(row.bytes, { route: { ...route, ...row.route }, maxChunkBytes });
      assert.deepEqual(summary(accepted), row.expect);
      assert.equal(said.length, 0);
    }
  });
}

test('handshake response: cut anywhere and ended, the client is gone; bytes behind it are kept', async () => {
  const bytes = response({ database: 'shop' });
  for (let cut = 0; cut < bytes.length; cut += 3)
    assert.equal((await accept(bytes.subarray(0, cut), { end: true })).accepted.type, 'gone');
  const { accepted } = await accept(Buffer.concat([bytes, Buffer.from('\x01\0\0\0\x0e')]));
  assert.equal(detailsOf(accepted).early.toString('latin1'), '\x01\0\0\0\x0e');
});

test('handshake response: any bytes give an answer', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), fc.boolean(), async (bytes, framed) => {
      const { accepted } = await accept(framed ? encodePacket(2, bytes) : Buffer.from(bytes), { end: true });
      assert.ok(['request', 'refused', 'gone'].includes(accepted.type));
      assert.notEqual(accepted.type === 'refused' ? accepted.refusal.reason : '', 'internal');
    }),
    { numRuns: 200 },
  );
});

test('what the client set beyond the offer is not believed; what it says of itself is for the audit log, under names of its own', async () => {
  const capabilities =
    (usual | CLIENT.COMPRESS | CLIENT.OPTIONAL_RESULTSET_METADATA | CLIENT.MULTI_FACTOR_AUTHENTICATION) >>> 0;
  const { accepted } = await accept(response({ capabilities }));
  const details = detailsOf(accepted);
  assert.equal(details.clientCapabilities, usual);
  assert.deepEqual([details.connectionId, details.flavour, details.extended], [greeted.connectionId, 'mysql', 0]);
  assert.ok(accepted.type === 'request');
  assert.deepEqual(accepted.request.parameters, {
    capabilities: usual.toString(16).padStart(8, '0'),
    charset: '45',
    'attribute._client_name': 'libmysql',
    'attribute.charset': 'evil',
  });
});

test("a MariaDB client's extended capabilities are those of the greeting at most", async () => {
  const said = encodePacket(0, encodeGreeting(makeGreeting([mariadb10], { ...greetOptions, tls: true })));
  const capabilities = (usual & ~CLIENT.LONG_PASSWORD) >>> 0;
  const { accepted } = await accept(response({ capabilities, extended: 0x1f }), { greeting: said });
  assert.deepEqual([detailsOf(accepted).extended, detailsOf(accepted).flavour], [bulk, 'mariadb']);
});

test('a client that nobody greeted is greeted: with the true version, without TLS; its answer has one less', async () => {
  const { greeting: _, ...options } = { greeting, route, signal: open, maxStartupBytes: 10_000, server: mariadb11 };
  const [far, near] = channelPair();
  let said = Buffer.alloc(0);
  far.receive({ data: (chunk) => (said = Buffer.concat([said, chunk])), close: () => {} });
  const pending = acceptMysql(near, options);
  await new Promise((resolve) => setImmediate(resolve));
  const heard = decodeGreeting(said.subarray(4));
  assert.deepEqual([heard.serverVersion, heard.capabilities & CLIENT.SSL], ['11.8.9-MariaDB-4', 0]);
  far.write(response({}, 1));
  const accepted = await pending;
  assert.deepEqual(summary(accepted), ['reader', '', 2]);
  assert.equal(detailsOf(accepted).connectionId, heard.connectionId);
});

test('TLS inside of a tunnel that is TLS is refused in words', async () => {
  const [far, near] = channelPair();
  const pending = acceptMysql(near, { route, signal: open, maxStartupBytes: 10_000 });
  far.write(sslRequest);
  const accepted = await pending;
  assert.ok(accepted.type === 'refused');
  assert.match(errorOf(accepted.refusal).message, /TLS inside of TLS\nhint: set ssl-mode=DISABLED/);
  assert.equal(detailsOf(accepted).sequence, 2);
});

test('an opening that is given up is gone, and its bytes stay', async () => {
  const giveUp = new AbortController();
  const [far, near] = channelPair();
  const pending = acceptMysql(near, { route, signal: giveUp.signal, maxStartupBytes: 10_000, greeting });
  far.write(Buffer.from('abc'));
  await new Promise((resolve) => setImmediate(resolve));
  giveUp.abort();
  assert.equal((await pending).type, 'gone');
});

// Yes and no.

async function admitted(sequence: number, clientCapabilities: number): Promise<{ said: Buffer; ids: SessionIds }> {
  const { accepted, near } = await accept(response({ capabilities: clientCapabilities }));
  assert.ok(accepted.type === 'request');
  const track = encodeTrack([{ type: 'schema', name: 'shop' }]);
  const status = SERVER_STATUS.AUTOCOMMIT | SERVER_STATUS.SESSION_STATE_CHANGED | SERVER_STATUS.NO_BACKSLASH_ESCAPES;
  const details = new MysqlDatabase({
    capabilities: 0,
    extended: 0,
    flavour: 'mysql',
    status,
    track,
    early: Buffer.alloc(0),
  });
  const [channel] = channelPair();
  const database: DatabaseConnection = { channel, backendId: 4711, details, cancel: () => Promise.resolve() };
  const ids = new SessionIds();
  const written: Buffer[] = [];
  near.write = (bytes) => written.push(Buffer.from(bytes)) > 0;
  const own = ids.of('alice', 'shop');
  const admission = admitMysql(near, accepted.request, database, {
    ids: own,
    keys: new CancelKeys(1),
    stop: () => 'here',
  });
  assert.equal(own.realOf(greeted.connectionId), 4711);
  assert.equal(ids.of('bob', 'shop').realOf(greeted.connectionId), undefined);
  admission.release();
  admission.release();
  assert.equal(own.realOf(greeted.connectionId), undefined);
  const said = Buffer.concat(written);
  assert.equal(said.readUInt8(3), sequence);
  return { said, ids };
}

test('yes: an OK with the status of the database; its session state for a client that asked for it', async () => {
  const plain = decodeOk((await admitted(3, usual)).said.subarray(4), usual);
  assert.equal(plain.status, SERVER_STATUS.AUTOCOMMIT | SERVER_STATUS.NO_BACKSLASH_ESCAPES);
  const tracking = (usual | CLIENT.SESSION_TRACK) >>> 0;
  const tracked = decodeOk((await admitted(3, tracking)).said.subarray(4), tracking);
  assert.deepEqual(tracked.track === undefined ? [] : readTrack(tracked.track), [{ type: 'schema', name: 'shop' }]);
});

const texts: readonly {
  readonly name: string;
  readonly refusal: Refusal;
  readonly expect: readonly [number, string, string];
}[] = [
  {
    name: 'message, detail and hint',
    refusal: { reason: 'access-denied', message: 'no\0way', detail: 'd', hint: 'h' },
    expect: [1045, '28000', 'noway\nd\nhint: h'],
  },
  {
    name: "the database's own",
    refusal: { reason: 'database-refused', message: 'Unknown database', databaseCode: '1049/42000' },
    expect: [1049, '42000', 'Unknown database'],
  },
  {
    name: "a code that is the client library's",
    refusal: { reason: 'database-refused', message: 'm', databaseCode: '2013/HY000' },
    expect: [1045, '28000', 'm'],
  },
  {
    name: 'a code of another protocol',
    refusal: { reason: 'database-refused', message: 'm', databaseCode: '28P01' },
    expect: [1045, '28000', 'm'],
  },
  {
    name: 'a progress report in disguise',
    refusal: { reason: 'database-refused', message: 'm', databaseCode: '65535/HY000' },
    expect: [1045, '28000', 'm'],
  },
  {
    name: 'too long, not cut through a character, with its hint',
    refusal: { reason: 'idle', message: 'ü'.repeat(400), hint: 'again' },
    expect: [4031, 'HY000', `${'ü'.repeat(249)}\nhint: again`],
  },
];

for (const row of texts) {
  test(`no: ${row.name}`, () => {
    const { code, sqlState, message } = decodeErr(encodeRefusal(row.refusal, 3).subarray(4), CLIENT.PROTOCOL_41);
    assert.deepEqual([code, sqlState, message], row.expect);
    assert.ok(Buffer.byteLength(message) <= 511);
  });
}

test('no: a client in the middle of a large packet can read it, with the number that follows its own', async () => {
  const { accepted, near } = await accept(response({ user: '' }));
  assert.ok(accepted.type === 'refused');
  const [far, mine] = channelPair();
  let said = Buffer.alloc(0);
  far.receive({ data: (chunk) => (said = Buffer.concat([said, chunk])), close: () => {} });
  far.write(Buffer.alloc(3_000_000));
  const done = refuseMysql(mine, accepted.request, accepted.refusal);
  far.end();
  await done;
  assert.deepEqual(said, encodeRefusal(accepted.refusal, 3));
  near.destroy();
});

test('no: a client of before 4.1 is told without an SQLSTATE; one that somebody else read, as the third', async () => {
  const { accepted } = await accept(encodePacket(2, Buffer.from('0500000000726f6f7400', 'hex')));
  assert.ok(accepted.type === 'refused');
  for (const [request, expect] of [
    [accepted.request, encodeRefusal(accepted.refusal, 3, { sqlState: false })],
    [undefined, encodeRefusal(accepted.refusal, 3)],
  ] as const) {
    const [far, mine] = channelPair();
    let said = Buffer.alloc(0);
    far.receive({ data: (chunk) => (said = Buffer.concat([said, chunk])), close: () => {} });
    const done = refuseMysql(mine, request, accepted.refusal);
    far.end();
    await done;
    assert.deepEqual(said, expect);
  }
});

test('there is no packet that cancels', async () => {
  assert.equal(await mysqlEngine.cancel(response(), new CancelKeys(1)), 'malformed');
});
