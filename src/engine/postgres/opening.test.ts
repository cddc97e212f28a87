// Both openings: what a client may say first, and what a (hostile) database may answer; and how refusals look.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSecureContext } from 'node:tls';

import fc from 'fast-check';

import { channelPair, type MemoryChannel } from '../../../test/kit/channel.ts';
import { alice, certificateOf, databaseAt, Policy } from '../../../test/kit/engine.ts';
import { Grant } from '../../access/grant.ts';
import { decodeErrorFields } from '../../protocol/postgres/error-fields.ts';
import { encodeServerMessage } from '../../protocol/postgres/server-messages.ts';
import { encodeStartupPacket, type StartupPacket } from '../../protocol/postgres/startup.ts';
import type { Route } from '../../resource/identity.ts';
import { cancelTagOf, CancelKeys } from '../cancel-keys.ts';
import { DatabaseRefusal } from '../database-refusal.ts';
import type { Accepted, Refusal } from '../engine.ts';
import { acceptPostgres, PostgresRequest } from './accept.ts';
import { admitPostgres } from './admit.ts';
import { cancelPostgres } from './cancel.ts';
import { openSession, type PostgresDatabase } from './connect.ts';
import { encodeRefusal, refusePostgres, sqlStateOf } from './refuse.ts';

const route: Route = { service: 'orders', protocol: 'postgres' };
const open = AbortSignal.any([]);

function startup(
  parameters: Record<string, string>,
  version: { major?: number; minor?: number; options?: string[] } = {},
): Buffer {
  const packet: StartupPacket = {
    type: 'StartupMessage',
    major: version.major ?? 3,
    minor: version.minor ?? 0,
    parameters: new Map(Object.entries(parameters)),
    protocolOptions: version.options ?? [],
  };
  return encodeStartupPacket(packet);
}

function collect(channel: MemoryChannel): { bytes: Buffer; closed: boolean } {
  const got = { bytes: Buffer.alloc(0), closed: false };
  channel.receive({
    data: (chunk) => {
      got.bytes = Buffer.concat([got.bytes, chunk]);
      channel.consumed(chunk.length);
    },
    end: () => {
      got.closed = true;
    },
    close: () => {
      got.closed = true;
    },
  });
  return got;
}

async function accept(
  bytes: Buffer,
  options: { readonly route?: Route; readonly end?: boolean; readonly maxChunkBytes?: number } = {},
): Promise<{ accepted: Accepted; said: Buffer; near: MemoryChannel }> {
  const [far, near] = channelPair(options.maxChunkBytes === undefined ? {} : { maxChunkBytes: options.maxChunkBytes });
  const got = collect(far);
  far.write(bytes);
  if (options.end === true) far.end();
  const accepted = await acceptPostgres(near, { route: options.route ?? route, signal: open, maxStartupBytes: 10_000 });
  await new Promise((resolve) => setImmediate(resolve));
  return { accepted, said: got.bytes, near };
}

function summary(accepted: Accepted): unknown {
  if (accepted.type === 'refused') return sqlStateOf(accepted.refusal);
  if (accepted.type !== 'request') return accepted.type;
  const { databaseUser, databaseName, replication, details } = accepted.request;
  return [databaseUser, databaseName, replication, (details as PostgresRequest).minor];
}

const openings: readonly {
  readonly name: string;
  readonly bytes: Buffer;
  readonly expect: unknown;
  readonly route?: Partial<Route>;
  readonly said?: string;
}[] = [
  { name: 'user and database', bytes: startup({ user: 'u', database: 'd' }), expect: ['u', 'd', 'none', 0] },
  { name: 'the database defaults to the user', bytes: startup({ user: 'u' }), expect: ['u', 'u', 'none', 0] },
  { name: 'an empty database too', bytes: startup({ user: 'u', database: '' }), expect: ['u', 'u', 'none', 0] },
  { name: 'no user', bytes: startup({ database: 'd' }), expect: '28000' },
  { name: 'protocol 3.2', bytes: startup({ user: 'u' }, { minor: 2 }), expect: ['u', 'u', 'none', 2], said: '' },
  {
    name: 'a greased version and option are negotiated',
    bytes: startup({ user: 'u' }, { minor: 9999, options: ['_pq_.foo'] }),
    expect: ['u', 'u', 'none', 2],
    said: '760000001500030002000000015f70715f2e666f6f00',
  },
  { name: 'another major version', bytes: startup({}, { major: 4 }), expect: '0A000' },
  { name: 'replication', bytes: startup({ user: 'u', replication: 'database' }), expect: ['u', 'u', 'logical', 0] },
  {
    name: 'replication in odd spelling',
    bytes: startup({ user: 'u', replication: 'YES' }),
    expect: ['u', 'u', 'physical', 0],
  },
  { name: 'replication off', bytes: startup({ user: 'u', replication: 'Off' }), expect: ['u', 'u', 'none', 0] },
  {
    name: "the route's user",
    bytes: startup({ user: 'u', database: 'd' }),
    route: { databaseUser: 'u', databaseName: 'd' },
    expect: ['u', 'd', 'none', 0],
  },
  {
    name: "not the route's user",
    bytes: startup({ user: 'postgres', database: 'd' }),
    route: { databaseUser: 'u' },
    expect: '28000',
  },
  {
    name: "not the route's database",
    bytes: startup({ user: 'u', database: 'x' }),
    route: { databaseName: 'd' },
    expect: '28000',
  },
  {
    name: 'the default is held against the route',
    bytes: startup({ user: 'u' }),
    route: { databaseName: 'd' },
    expect: '28000',
  },
  { name: 'a second SSLRequest', bytes: encodeStartupPacket({ type: 'SSLRequest' }), expect: '08P01' },
  {
    name: 'a cancel request',
    bytes: encodeStartupPacket({ type: 'CancelRequest', processId: 1, key: Buffer.alloc(32) }),
    expect: 'cancel',
  },
  { name: 'a packet of 10 MB', bytes: Buffer.from('00989680000300007573657200', 'hex'), expect: '08P01' },
  { name: 'a packet that is too short', bytes: Buffer.from('0000000400030000', 'hex'), expect: '08P01' },
  { name: 'parameters without an end', bytes: Buffer.from('0000000d000300007573657220', 'hex'), expect: '08P01' },
];

for (const row of openings) {
  test(`client opening: ${row.name}`, async () => {
    for (const maxChunkBytes of [1, 100_000]) {
      const { accepted, said } = await accept(row.bytes, { route: { ...route, ...row.route }, maxChunkBytes });
      assert.deepEqual(summary(accepted), row.expect);
      if (row.said !== undefined) assert.equal(said.toString('hex'), row.said);
    }
  });
}

test('client opening: cut anywhere and ended, it is gone; bytes behind it are kept', async () => {
  const bytes = startup({ user: 'u', database: 'd' });
  for (let cut = 0; cut < bytes.length; cut++)
    assert.equal((await accept(bytes.subarray(0, cut), { end: true })).accepted.type, 'gone');
  const { accepted } = await accept(Buffer.concat([bytes, Buffer.from('Q')]));
  assert.equal(accepted.type === 'request' && (accepted.request.details as PostgresRequest).early.toString(), 'Q');
});

test('client opening: any bytes give an answer', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
      const { accepted } = await accept(Buffer.from(bytes), { end: true });
      assert.ok(['request', 'refused', 'gone', 'cancel'].includes(accepted.type));
      assert.notEqual(accepted.type === 'refused' ? accepted.refusal.reason : '', 'internal');
    }),
    { numRuns: 200 },
  );
});

test('a refusal is a FATAL error with code, message, detail and hint; a client in the middle of a packet can read it', async () => {
  const refusal: Refusal = { reason: 'access-denied', message: 'no\0way', detail: 'd', hint: 'h' };
  const bytes = encodeRefusal(refusal);
  assert.deepEqual(Object.fromEntries(decodeErrorFields(bytes.subarray(5))), {
    S: 'FATAL',
    V: 'FATAL',
    C: '42501',
    M: 'noway',
    D: 'd',
    H: 'h',
  });
  const [far, near] = channelPair();
  const got = collect(far);
  far.write(Buffer.alloc(3_000_000));
  const done = refusePostgres(near, refusal);
  far.end();
  await done;
  assert.deepEqual(got.bytes, bytes);
  assert.ok(near.highWater <= 256 * 1024);
});

// The database's side.

async function signInTo(answer: Buffer, password?: string) {
  const database = databaseAt('db:5432');
  const details = new PostgresRequest(2, new Map([['application_name', 'x']]), Buffer.alloc(0));
  const request = {
    databaseUser: 'reader',
    databaseName: 'orders',
    replication: 'none' as const,
    parameters: {},
    details,
  };
  const grant = new Policy().decide(database, request, certificateOf(alice, Date.now() + 1000), Date.now());
  assert.ok(grant instanceof Grant);
  const [near, far] = channelPair({ maxChunkBytes: 3 });
  const got = collect(far);
  far.write(answer);
  far.end();
  const credentials = { type: 'certificate', secureContext: createSecureContext() } as const;
  const target = { database, connectTimeoutMs: 1000, credentials: () => Promise.resolve(credentials) };
  const secret =
    password === undefined ? undefined : { text: password, nonce: Buffer.alloc(24), certificateHash: undefined };
  const connection = await openSession({
    grant,
    request,
    target,
    credentials,
    channel: near,
    password: secret,
    signal: open,
  });
  return { connection, got, request };
}

const ok = encodeServerMessage({ type: 'AuthenticationOk' });
const ready = encodeServerMessage({ type: 'ReadyForQuery', status: 'I' });
const version = encodeServerMessage({ type: 'ParameterStatus', name: 'server_version', value: '18.1' });
const key = encodeServerMessage({
  type: 'BackendKeyData',
  processId: 4242,
  key: Buffer.from('0102030405060708', 'hex'),
});
const sasl = encodeServerMessage({ type: 'AuthenticationSASL', mechanisms: ['SCRAM-SHA-256'] });
const error = encodeServerMessage({
  type: 'ErrorResponse',
  fields: new Map([
    ['S', 'FATAL'],
    ['C', '53300'],
    ['M', 'too many'],
    ['H', 'wait'],
  ]),
});

test("sign-in: the client is told the database's parameters and our key, never the database's", async () => {
  const { connection, got, request } = await signInTo(Buffer.concat([ok, version, key, ready]));
  assert.deepEqual([connection.backendId, connection.serverVersion], [4242, '18.1']);
  assert.deepEqual(got.bytes, startup({ user: 'reader', database: 'orders', application_name: 'x' }, { minor: 2 }));
  const keys = new CancelKeys(0x0aa);
  const [far, near] = channelPair();
  const client = collect(far);
  const admission = admitPostgres(near, request, connection, keys);
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok(client.bytes.includes(version) && !client.bytes.includes(key));
  assert.deepEqual(client.bytes.subarray(0, ok.length), ok);
  assert.deepEqual(client.bytes.subarray(-ready.length), ready);
  const told = client.bytes.subarray(
    client.bytes.lastIndexOf('K', client.bytes.length - ready.length - 40) + 5,
    -ready.length,
  );
  assert.equal(told.length, 4 + 32);
  assert.equal(cancelTagOf(told.readUInt32BE(0)), 0x0aa);
  assert.equal((connection.details as PostgresDatabase).clientPid, told.readUInt32BE(0));
  const packet = encodeStartupPacket({ type: 'CancelRequest', processId: told.readInt32BE(0), key: told.subarray(4) });
  assert.ok(keys.find(told.readUInt32BE(0), told.subarray(4)));
  admission.release();
  assert.equal(await cancelPostgres(packet, keys), 'unknown');
  assert.equal(await cancelPostgres(packet.subarray(0, 9), keys), 'malformed');
  assert.equal(keys.size, 0);
});

const hostile: readonly {
  readonly name: string;
  readonly answer: Buffer;
  readonly code: string;
  readonly password?: string;
}[] = [
  { name: 'an error', answer: error, code: 'DATABASE_REFUSED' },
  { name: 'silence', answer: Buffer.alloc(0), code: 'WIRE_CLOSED' },
  { name: 'a message that claims a gigabyte', answer: Buffer.from('523fffffff', 'hex'), code: 'WIRE_FRAME_TOO_LONG' },
  { name: 'a message of negative length', answer: Buffer.from('52ffffffff', 'hex'), code: 'WIRE_FRAME_TOO_SHORT' },
  { name: 'ready without sign-in', answer: ready, code: 'PG_UNEXPECTED_MESSAGE' },
  { name: 'rows before sign-in', answer: Buffer.from('4400000004', 'hex'), code: 'PG_UNEXPECTED_MESSAGE' },
  { name: 'sign-in twice', answer: Buffer.concat([ok, ok]), code: 'PG_UNEXPECTED_MESSAGE' },
  {
    name: 'a demand for a cleartext password',
    answer: encodeServerMessage({ type: 'AuthenticationCleartextPassword' }),
    code: 'DATABASE_AUTHENTICATION_METHOD',
    password: 'x',
  },
  { name: 'a demand for a password that is not there', answer: sasl, code: 'DATABASE_WANTS_PASSWORD' },
  {
    name: 'yes in the middle of SCRAM',
    answer: Buffer.concat([sasl, ok]),
    code: 'PG_UNEXPECTED_MESSAGE',
    password: 'x',
  },
  {
    name: 'parameters without end',
    answer: Buffer.concat([
      ok,
      ...Array.from({ length: 300 }, (_, index) =>
        encodeServerMessage({ type: 'ParameterStatus', name: `p${index}`, value: '' }),
      ),
    ]),
    code: 'PG_TOO_MANY_PARAMETERS',
  },
  {
    name: 'notices without end',
    answer: Buffer.concat(
      Array.from({ length: 1001 }, () => encodeServerMessage({ type: 'NoticeResponse', fields: new Map() })),
    ),
    code: 'PG_SIGN_IN_TOO_LONG',
  },
];

for (const row of hostile) {
  test(`a database that answers with ${row.name}`, async () => {
    await assert.rejects(signInTo(row.answer, row.password), { code: row.code });
  });
}

test("the database's refusal keeps its code, message and hint", async () => {
  const refused = await signInTo(error).catch((reason: unknown) => reason);
  assert.ok(refused instanceof DatabaseRefusal);
  assert.deepEqual([refused.databaseCode, refused.databaseMessage, refused.hint], ['53300', 'too many', 'wait']);
});
