import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import * as http2 from 'node:http2';
import * as net from 'node:net';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { after, before, test } from 'node:test';
import { TesseraError } from '../../errors.ts';
import { AUTH_SERVER_NAME } from '../../pki/names.ts';
import { CLIENT_ADDRESS_TLV_TYPE, signClientAddress } from '../../pki/signed-address.ts';
import { encodeProxyV2 } from '../../protocol/proxy-protocol/proxy-protocol.ts';
import { connectAuth } from '../../rpc/client.ts';
import { fromConnectError } from '../../rpc/errors.ts';
import { silentLog } from '../../telemetry/log.ts';
import { derOf, newKeys, startTestService, TestAuth, type TestHost } from './auth.fixture.ts';
import { splitProxyHeader } from './proxy-header.ts';

/** Auth's port: who it proves to be, the PROXY header of a proxy, and what does not belong there. */

let auth: TestAuth;
let proxy: TestHost;

before(async () => {
  auth = await TestAuth.start();
  proxy = await auth.join('proxy');
});
after(() => auth.stop());

function header(value: Buffer): Buffer {
  const source = { address: '198.51.100.99', port: 1 };
  return encodeProxyV2({ source, destination: source, tlvs: [{ type: CLIENT_ADDRESS_TLV_TYPE, value }] });
}
function signed(address: string, timeMs: number, by: TestHost): Buffer {
  return signClientAddress(
    { address, timeMs },
    createPrivateKey(by.identity.privateKey),
    derOf(by.identity.certificate),
  );
}

/** Sends the header in small pieces, then speaks TLS and asks for SignIn as nobody; the outcome and the address the audit log saw. */
async function throughHeader(bytes: Buffer): Promise<string> {
  const [host = '', port = ''] = auth.address.split(':');
  const raw = net.connect(Number(port), host);
  raw.on('error', () => {});
  for (let at = 0; at < bytes.length; at += 300) raw.write(bytes.subarray(at, at + 300));
  const secure = tls.connect({
    socket: raw,
    servername: AUTH_SERVER_NAME,
    ca: [...auth.hostAuthorities],
    ALPNProtocols: ['tessera-auth'],
  });
  secure.on('error', () => {});
  const opened = await new Promise<boolean>((resolve) => {
    secure.once('secureConnect', () => resolve(true));
    secure.once('close', () => resolve(false));
  });
  if (!opened) return 'closed';
  const session = http2.connect('https://auth', { createConnection: () => secure });
  session.on('error', () => {});
  const before = (await auth.events('T1000W')).length;
  const body = JSON.stringify({
    user: 'nobody',
    password: 'x',
    oneTimeCode: '1',
    publicKey: Buffer.from(newKeys().publicKey).toString('base64'),
  });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/tessera.auth.v1.AuthService/SignIn',
    'content-type': 'application/json',
  });
  stream.end(body);
  stream.resume();
  await new Promise((resolve) => stream.once('close', resolve));
  session.destroy();
  const event = (await auth.events('T1000W')).slice(before).at(-1);
  return String(event?.['addr.remote']);
}

test("a proxy's signed header gives the caller's address", async () => {
  assert.equal(await throughHeader(header(signed('203.0.113.7:4711', auth.clock.now(), proxy))), '203.0.113.7');
  assert.equal(await throughHeader(header(signed('[2001:db8::7]:4711', auth.clock.now(), proxy))), '2001:db8::7');
});

const refused: readonly { name: string; reason: RegExp; bytes: () => Promise<Buffer> | Buffer }[] = [
  { name: 'stale', reason: /_STALE$/, bytes: () => header(signed('203.0.113.7:1', auth.clock.now() - 61_000, proxy)) },
  {
    name: 'from the future',
    reason: /_FROM_FUTURE$/,
    bytes: () => header(signed('203.0.113.7:1', auth.clock.now() + 120_000, proxy)),
  },
  {
    name: 'unsigned',
    reason: /^PROXY_HEADER_UNSIGNED$/,
    bytes: () => Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000201c0000202000100020000', 'hex').subarray(0, 28),
  },
  {
    name: 'signed by an agent',
    reason: /^CERT_WRONG_ROLE$/,
    bytes: async () => header(signed('203.0.113.7:1', auth.clock.now(), await auth.join('database'))),
  },
  {
    name: 'changed',
    reason: /^(ENVELOPE_BAD_SIGNATURE|CERT_)/,
    bytes: () => {
      const bytes = header(signed('203.0.113.7:1', auth.clock.now(), proxy));
      bytes.writeUInt8(bytes.readUInt8(bytes.length - 5) ^ 1, bytes.length - 5);
      return bytes;
    },
  },
  { name: 'of garbage', reason: /^ENVELOPE_MALFORMED$/, bytes: () => header(Buffer.from('garbage')) },
];
for (const row of refused) {
  test(`a header that is ${row.name} ends the connection, and is an event`, async () => {
    const before = (await auth.events('T3007W')).length;
    assert.equal(await throughHeader(await row.bytes()), 'closed');
    // The caller is cut off at once; its event is stored a moment later.
    let found: readonly Record<string, unknown>[] = [];
    for (let tries = 0; found.length === 0 && tries < 200; tries += 1)
      found = (await auth.events('T3007W')).slice(before);
    const [event, ...more] = found;
    assert.equal(more.length, 0);
    assert.match(String(event?.['reason']), row.reason);
    assert.equal(event?.['addr.remote'], '127.0.0.1');
  });
}

const splits = [
  { name: 'a ClientHello', hex: '1603010200', want: 'none' },
  { name: 'nothing yet', hex: '', want: 'more' },
  { name: 'half a signature', hex: '0d0a0d0a00', want: 'more' },
  { name: 'the beginning of PROXY v1 in text', hex: '50524f5859', want: 'more' },
  {
    name: 'PROXY v1 in text',
    hex: Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n').toString('hex'),
    want: 'error',
  },
  { name: 'version 1 in binary', hex: '0d0a0d0a000d0a515549540a11110000', want: 'error' },
  { name: 'a length beyond the limit', hex: '0d0a0d0a000d0a515549540a2111ffff', want: 'error' },
  { name: 'addresses longer than the header', hex: '0d0a0d0a000d0a515549540a2111000400000000', want: 'error' },
  { name: 'an unknown family', hex: '0d0a0d0a000d0a515549540a2191000400000000', want: 'error' },
  { name: 'a TLV longer than the header', hex: '0d0a0d0a000d0a515549540a20000004e4ffff00', want: 'error' },
];
for (const row of splits) {
  test(`header: ${row.name}`, () => {
    const split = (): string => {
      const result = splitProxyHeader(Buffer.from(row.hex, 'hex'));
      return result === 'more' ? 'more' : result.signedAddress === undefined ? 'none' : 'signed';
    };
    if (row.want === 'error') assert.throws(split, TesseraError);
    else assert.equal(split(), row.want);
  });
}

test('a pin finds the right Auth and no other', async () => {
  const trusted = connectAuth({
    addresses: [auth.address],
    via: 'proxy',
    identity: undefined,
    trust: { caPins: [`sha256:${'0'.repeat(64)}`, auth.pin.toUpperCase().replace('SHA256', 'sha256')] },
    log: silentLog,
  });
  assert.equal((await trusted.client.ping({})).clusterName, 'test');
  assert.equal(trusted.pinnedAuthority()?.trim(), auth.hostAuthorities[0]?.trim());
  trusted.close();
  const other = connectAuth({
    addresses: [auth.address],
    via: 'direct',
    identity: undefined,
    trust: { caPins: [`sha256:${'0'.repeat(64)}`] },
    log: silentLog,
  });
  await assert.rejects(other.client.ping({}), (error) => fromConnectError(error).code === 'AUTH_NOT_TRUSTED');
  other.close();
});

test('a foreign host authority is not believed, and another address is not tried then', async () => {
  const foreign = await TestAuth.start({ clusterName: 'foreign' });
  const connection = connectAuth({
    addresses: [foreign.address, auth.address],
    via: 'direct',
    identity: undefined,
    trust: { hostAuthorities: auth.hostAuthorities },
    log: silentLog,
  });
  await assert.rejects(connection.client.ping({}), (error) => fromConnectError(error).code === 'AUTH_NOT_TRUSTED');
  connection.close();
  await foreign.stop();
});

test('an address that does not answer is passed over; when none does the error says so', async () => {
  const closed = '127.0.0.1:1';
  const connection = connectAuth({
    addresses: [closed, auth.address],
    via: 'direct',
    identity: undefined,
    trust: { hostAuthorities: auth.hostAuthorities },
    log: silentLog,
  });
  await connection.client.ping({});
  connection.use({ addresses: [closed] });
  await assert.rejects(connection.client.ping({}), (error) => fromConnectError(error).code === 'AUTH_UNREACHABLE');
  connection.use({ addresses: [auth.address] });
  await connection.client.ping({});
  connection.close();
  await assert.rejects(
    connection.client.ping({}),
    (error) => fromConnectError(error).code === 'AUTH_CONNECTION_CLOSED',
  );
});

test('a server that accepts and says nothing costs the dial timeout', async () => {
  const mute = net.createServer(() => {});
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  const { port } = mute.address() as net.AddressInfo;
  const connection = connectAuth({
    addresses: [`127.0.0.1:${port}`, auth.address],
    via: 'direct',
    identity: undefined,
    trust: { hostAuthorities: auth.hostAuthorities },
    log: silentLog,
    dialTimeoutMs: 50,
  });
  await connection.client.ping({});
  connection.close();
  mute.close();
});

test('plain text, garbage and HTTP/1.1 get nothing, and others are not disturbed', async () => {
  const [host = '', port = ''] = auth.address.split(':');
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\u0000\u0000\u0000\u0008', 'x'.repeat(100_000)]) {
    const socket = net.connect(Number(port), host);
    socket.on('error', () => {});
    socket.end(bytes);
    await new Promise((resolve) => socket.once('close', resolve));
  }
  const secure = tls.connect({
    host,
    port: Number(port),
    servername: AUTH_SERVER_NAME,
    ca: [...auth.hostAuthorities],
    ALPNProtocols: ['http/1.1'],
  });
  await new Promise((resolve) => secure.once('error', resolve));
  await auth.anonymous.client.ping({});
});

test('one address can not hold every connection by being silent', async () => {
  const small = await TestAuth.start({
    more: ['  limits:', '    max_connections_per_client: 3', '    max_connections: 100'],
  });
  small.admin.close();
  small.anonymous.close();
  const [host = '', port = ''] = small.address.split(':');
  const silent = Array.from({ length: 6 }, () => net.connect(Number(port), host).on('error', () => {}));
  const closed = new Set<net.Socket>();
  const enough = Promise.withResolvers<void>();
  for (const socket of silent)
    socket.once('close', () => {
      closed.add(socket);
      if (closed.size === 3) enough.resolve();
    });
  await enough.promise;
  // The others still wait for a first byte; one that goes makes room.
  const waiting = silent.filter((socket) => !closed.has(socket));
  assert.equal(waiting.length, 3);
  for (const socket of waiting) socket.destroy();
  await small.stop();
});

/** Requests of `size` bytes that never end, over one connection: how many are refused by their answer, and how many streams at once. */
async function endless(size: number, count: number): Promise<readonly string[]> {
  const session = http2.connect(`https://${auth.address}`, {
    servername: AUTH_SERVER_NAME,
    ca: [...auth.hostAuthorities],
    ALPNProtocols: ['tessera-auth'],
    settings: { enablePush: false },
  });
  session.on('error', () => {});
  const outcomes = Array.from({ length: count }, async () => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/tessera.auth.v1.AuthService/PutResource',
      'content-type': 'application/proto',
    });
    const { promise, resolve } = Promise.withResolvers<string>();
    stream.on('error', () => {});
    stream.once('response', (headers) => resolve(String(headers[':status'])));
    stream.once('close', () => resolve(`closed ${stream.rstCode}`));
    stream.write(Buffer.alloc(size));
    const waiting = setTimeout(() => resolve('read'), 300);
    const outcome = await promise;
    clearTimeout(waiting);
    return outcome;
  });
  const all = await Promise.all(outcomes);
  session.destroy();
  return all;
}

test('who shows no certificate fills no memory: small messages, few at once', async () => {
  const large = await endless(64 * 1024, 4);
  assert.ok(
    large.every((outcome) => outcome !== 'read'),
    large.join(),
  );
  const many = await endless(1024, 40);
  assert.equal(many.filter((outcome) => outcome === 'read').length, 16);
  assert.equal(many.filter((outcome) => outcome === `closed ${http2.constants.NGHTTP2_REFUSED_STREAM}`).length, 24);
});

test('bad certificates are some events of an address, then a number, and never stop others', async () => {
  const limited = await TestAuth.start({
    more: [
      '  limits:',
      '    anonymous_rate_per_minute: 1000',
      '    anonymous_burst: 1000',
      '    client_refusal_events_per_minute: 3',
    ],
  });
  const other = await TestAuth.start({ clusterName: 'other' });
  const { identity } = await other.join('proxy');
  for (let index = 0; index < 8; index += 1) {
    const error: unknown = await limited
      .connect(identity)
      .client.heartbeat({})
      .catch((reason: unknown) => reason);
    assert.equal(fromConnectError(error).code, 'CERT_FOREIGN_AUTHORITY');
  }
  const events = await limited.events('T3007W');
  assert.deepEqual(
    events.map((event) => [event['reason'], event['listener'], event['addr.remote']]),
    Array.from({ length: 3 }, () => ['CERT_FOREIGN_AUTHORITY', 'auth', '127.0.0.1']),
  );
  await limited.anonymous.client.ping({});
  await limited.stop(true);
  const again = await TestAuth.start({ dataDir: limited.dataDir });
  const last = (await again.events('T3007W')).at(-1);
  assert.deepEqual([last?.['reason'], last?.['left_out']], ['REFUSALS_LEFT_OUT', 5]);
  await again.stop();
  await other.stop();
});

test('anonymous calls are limited by address', async () => {
  const limited = await TestAuth.start({
    more: ['  limits:', '    anonymous_rate_per_minute: 3', '    anonymous_burst: 5'],
  });
  const guess = () => limited.anonymous.client.startInvite({ token: 'x' });
  const codes: string[] = [];
  for (let index = 0; index < 7; index += 1)
    codes.push(
      await guess().then(
        () => 'ok',
        (error: unknown) => fromConnectError(error).code,
      ),
    );
  assert.deepEqual(codes, [...Array.from({ length: 5 }, () => 'INVITE_INVALID'), 'ANONYMOUS_RATE', 'ANONYMOUS_RATE']);
  await limited.stop();
});

test('refused calls of a service are limited too: each is an event', async () => {
  const limited = await TestAuth.start({
    more: ['  limits:', '    anonymous_rate_per_minute: 3', '    anonymous_burst: 5'],
  });
  const agent = await limited.join('database');
  const codes: string[] = [];
  for (let index = 0; index < 8; index += 1)
    codes.push(
      await agent.connection.client.listResources({ kind: 'user' }).then(
        () => 'ok',
        (error: unknown) => fromConnectError(error).code,
      ),
    );
  assert.deepEqual([...new Set(codes)], ['ACCESS_DENIED', 'REFUSED_RATE']);
  // What it may do is not limited, nor are others at its address.
  await agent.connection.client.heartbeat({});
  const stranger = limited.anonymous.client.startInvite({ token: 'x'.repeat(32) });
  await assert.rejects(stranger, (error) => fromConnectError(error).code !== 'ANONYMOUS_RATE');
  assert.ok((await limited.events('TAP00W')).length <= 5);
  await limited.stop();
});

test('after a restart everything is there, files are private, and another cluster name is refused', async () => {
  const first = await TestAuth.start();
  const alice = await first.addUser('alice', { roles: ['access'] });
  await first.stop(true);
  for (const name of [
    'ca.key',
    'auth/state.db',
    'auth/admin/admin.key',
    'auth/admin/admin.crt',
    'auth/admin/cas.pem',
    'auth/admin/address',
  ]) {
    assert.equal((await stat(join(first.dataDir, name))).mode & 0o777, 0o600, name);
  }
  await assert.rejects(
    startTestService(first.dataDir, first.clock, { clusterName: 'renamed' }),
    /belongs to cluster test, the configuration says renamed/,
  );
  const oldKey = await readFile(join(first.dataDir, 'auth/admin/admin.key'), 'utf8');
  const second = await TestAuth.start({ dataDir: first.dataDir });
  assert.deepEqual([second.pin, second.hostAuthorities], [first.pin, first.hostAuthorities]);
  assert.notEqual(await readFile(join(first.dataDir, 'auth/admin/admin.key'), 'utf8'), oldKey);
  second.clock.offsetMs = first.clock.offsetMs + 30_000;
  await second.signIn(alice);
  assert.doesNotMatch(
    (await readFile(join(first.dataDir, 'auth/state.db'))).toString('latin1'),
    new RegExp(`${alice.secret}|PRIVATE KEY`),
  );
  await second.stop();
});
