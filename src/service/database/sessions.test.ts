// What a tunnel may bring: only fresh openings of a proxy's, for this agent, for a database it serves, once.
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { before, test } from 'node:test';

import { channelPair } from '../../../test/kit/channel.ts';
import { errorOfPacket, mysqlResponse } from '../../../test/kit/raw-mysql.ts';
import { alice, databaseAt, MemoryRecorder } from '../../../test/kit/engine.ts';
import type { AuditEvent } from '../../audit/event.ts';
import { AuditWriter } from '../../audit/writer.ts';
import type { DatabaseLimits } from '../../config/schema.ts';
import { CancelKeys } from '../../engine/cancel-keys.ts';
import type { ServerFacts } from '../../engine/engine.ts';
import { makeGreeting } from '../../engine/mysql/greet.ts';
import { type Authority, createAuthority } from '../../pki/authority.ts';
import { issueCertificate } from '../../pki/issue.ts';
import { generateKeyPair, parsePrivateKey } from '../../pki/keys.ts';
import { type SessionOpening, signOpening } from '../../pki/opening.ts';
import { hostProfile, userProfile } from '../../pki/profiles.ts';
import { decodeGreeting, encodeGreeting } from '../../protocol/mysql/greeting.ts';
import { encodePacket, packetShape } from '../../protocol/mysql/packet.ts';
import type { UserIdentity } from '../../resource/identity.ts';
import type { Database } from '../../resource/resource.ts';
import { createInstruments } from '../../telemetry/instruments.ts';
import { silentLog } from '../../telemetry/log.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import { Metrics } from '../../telemetry/metrics.ts';
import type { TunnelStream } from '../../tunnel/tunnel.ts';
import type { Channel } from '../../wire/channel.ts';
import { ChannelReader } from '../../wire/channel-reader.ts';
import { DatabaseCredentialCache } from './credentials.ts';
import { ServedDatabases } from './databases.ts';
import { Sessions } from './sessions.ts';
import { Trust } from '../trust.ts';

const agent = '11111111-1111-4111-8111-111111111111';
const start = Date.UTC(2026, 0, 1);
let host: Authority;
let user: Authority;
let proxyKey: string;
let proxyDer: Buffer;

before(async () => {
  host = await createAuthority('host', 'test', () => start);
  user = await createAuthority('user', 'test', () => start);
  const pair = generateKeyPair();
  const identity = {
    kind: 'host',
    hostId: '22222222-2222-4222-8222-222222222222',
    hostName: 'p',
    role: 'proxy',
  } as const;
  const { pem } = await issueCertificate(host, hostProfile(identity), {
    publicKeyDer: pair.publicKeyDer,
    ttlMs: 3_600_000,
    nowMs: start,
  });
  proxyKey = pair.privateKeyPem;
  proxyDer = new X509Certificate(pem).raw;
});

async function certificate(identity: UserIdentity = alice): Promise<Buffer> {
  const { publicKeyDer } = generateKeyPair();
  const { pem } = await issueCertificate(user, userProfile(identity), { publicKeyDer, ttlMs: 3_600_000, nowMs: start });
  return new X509Certificate(pem).raw;
}

async function opening(change: Partial<SessionOpening> = {}, identity: UserIdentity = alice): Promise<Buffer> {
  const said: SessionOpening = {
    sessionId: '33333333-3333-4333-8333-333333333333',
    timeMs: start + 1000,
    protocol: 'postgres',
    clientAddress: '10.1.1.1:5',
    agentHostId: agent,
    clientCertificateDer: await certificate(identity),
    ...change,
  };
  return signOpening(said, parsePrivateKey(proxyKey), proxyDer);
}

const limits: DatabaseLimits = {
  maxSessions: 1,
  maxStartupBytes: 10_000,
  maxAuditedStatementBytes: 1000,
  maxAuditedValuesBytes: 1000,
  maxPreparedStatements: 10,
  maxPipelinedStatements: 10,
  connectTimeoutMs: 1000,
  killRatePerMinute: 2,
  clientRefusalEventsPerMinute: 3,
  refusalEventsPerMinute: 100,
};

/** What is known of every server. */
const facts: ServerFacts = { serverVersion: '11.8.3-MariaDB', capabilities: '0000001dfffffffe' };
const shop: UserIdentity = { ...alice, route: { service: 'shop', protocol: 'mysql', databaseUser: 'app' } };

function setUp() {
  const clock = new ManualClock(start + 1000);
  const instruments = createInstruments(new Metrics(), { version: '0', service: 'test' });
  const databases = new ServedDatabases({ log: silentLog, onChange: () => {} });
  const orders = databaseAt('127.0.0.1:1');
  const shopDatabase: Database = { ...orders, metadata: { name: 'shop' }, spec: { ...orders.spec, protocol: 'mysql' } };
  databases.configure([orders, shopDatabase], { resources: [] });
  const recorder = new MemoryRecorder();
  const audited: AuditEvent[] = [];
  const writer = Object.create(AuditWriter.prototype, {
    openSession: { value: () => recorder },
    emit: { value: (event: AuditEvent) => (audited.push(event), 'written') },
  }) as AuditWriter;
  const sessions = new Sessions({
    hostId: agent,
    clusterName: 'test',
    limits,
    databases,
    trust: new Trust({
      clusterName: 'test',
      certificates: (type) => (type === 'host' ? [host.certificatePem] : type === 'user' ? [user.certificatePem] : []),
      log: silentLog,
    }),
    credentials: new DatabaseCredentialCache({
      issue: () => Promise.reject(new Error('unused')),
      databaseAuthorities: () => [],
      clock,
      log: silentLog,
    }),
    cancelKeys: new CancelKeys(1),
    factsOf: () => facts,
    sendKill: () => Promise.resolve(undefined),
    writer,
    decide: () => ({ type: 'Denial', reason: 'access-denied', message: 'no', audit: 'test' }),
    onPolicyChange: () => () => {},
    clock,
    log: silentLog,
    instruments,
  });
  const answers: string[] = [];
  /** Returns the client's end. */
  const offer = (bytes: Buffer): Channel => {
    const [near, far] = channelPair();
    sessions.open({
      opening: bytes,
      proxyAddress: 'p:1',
      accept: () => {
        answers.push('accepted');
        return Object.assign(near, { accepted: Promise.resolve() }) as TunnelStream;
      },
      reject: (reason, message) => answers.push(`${reason}: ${message}`),
    });
    return far;
  };
  return { sessions, clock, databases, answers, offer, audited };
}

test('an opening is good once; a second use is an event that names it', async () => {
  const { offer, answers, sessions, audited } = setUp();
  sessions.useLimits({ ...limits, maxSessions: 10 });
  const bytes = await opening();
  offer(bytes);
  offer(bytes);
  assert.deepEqual(answers, ['accepted', 'refused: the opening was used before']);
  assert.equal(audited.length, 1);
  const [{ code, fields } = { code: undefined, fields: {} as AuditEvent['fields'] }] = audited;
  assert.deepEqual(
    [code, fields['reason'], fields['user'], fields['sid'], fields['addr.remote'], fields['proxy'], fields['host_id']],
    [
      'T3007W',
      'OPENING_REPLAYED',
      'alice',
      '33333333-3333-4333-8333-333333333333',
      '10.1.1.1:5',
      'p:1',
      '22222222-2222-4222-8222-222222222222',
    ],
  );
  await sessions.drain(0);
});

const bad: readonly {
  readonly name: string;
  readonly expect: RegExp;
  /** The reason in the audit log; absent: no event. */
  readonly audit?: RegExp;
  readonly change?: Partial<SessionOpening>;
  readonly identity?: UserIdentity;
  readonly spoil?: (bytes: Buffer) => Buffer;
}[] = [
  { name: 'an old one', change: { timeMs: start - 60_000 }, expect: /^refused: /, audit: /^OPENING_STALE$/ },
  {
    name: 'one for another agent',
    change: { agentHostId: '44444444-4444-4444-8444-444444444444' },
    expect: /^refused: .*another agent/,
    audit: /^OPENING_WRONG_AGENT$/,
  },
  {
    name: 'a database that is not served',
    identity: { ...alice, route: { service: 'secret', protocol: 'postgres' } },
    expect: /^retry-elsewhere: /,
  },
  {
    name: 'a flipped byte',
    spoil: (bytes) => Buffer.concat([bytes.subarray(0, 40), Buffer.from([(bytes[40] ?? 0) ^ 1]), bytes.subarray(41)]),
    expect: /^refused: /,
    audit: /^CERT_(FOREIGN_AUTHORITY|MALFORMED)$/,
  },
  {
    name: 'one with a greeting for a protocol whose client speaks first',
    change: { greeting: Buffer.from('hello') },
    expect: /^refused: .*not for postgres/,
    audit: /^OPENING_MALFORMED$/,
  },
  {
    name: 'one that names another protocol than its certificate',
    change: { protocol: 'mysql', greeting: Buffer.from('hello') },
    expect: /^refused: /,
    audit: /^OPENING_WRONG_PROTOCOL$/,
  },
  { name: 'nothing', spoil: () => Buffer.alloc(0), expect: /^refused: /, audit: /^ENVELOPE_MALFORMED$/ },
  { name: 'a cut one', spoil: (bytes) => bytes.subarray(0, -1), expect: /^refused: /, audit: /^ENVELOPE_MALFORMED$/ },
];
for (const row of bad) {
  test(`refused: ${row.name}`, async () => {
    const { offer, answers, audited } = setUp();
    const bytes = await opening(row.change, row.identity);
    offer(row.spoil?.(bytes) ?? bytes);
    assert.equal(answers.length, 1);
    assert.match(answers[0] ?? '', row.expect);
    assert.deepEqual(
      audited.map(({ code }) => code),
      row.audit === undefined ? [] : ['T3007W'],
    );
    if (row.audit !== undefined) assert.match(String(audited[0]?.fields['reason']), row.audit);
    // What is not genuine names nobody.
    assert.equal(audited[0]?.fields['user'], undefined);
  });
}

const toldInClear = encodePacket(0, encodeGreeting(makeGreeting([facts], greetOptions())));
function greetOptions() {
  return { serverVersion: '8.0.36', random: (count: number) => Buffer.alloc(count, 7), tls: true };
}

test('a client of MySQL that was greeted at the proxy is heard at once, by the greeting of the opening', async () => {
  const { offer, sessions } = setUp();
  const client = offer(await opening({ protocol: 'mysql', greeting: toldInClear }, shop));
  const reader = new ChannelReader(client);
  client.write(mysqlResponse(2));
  // The first word of the agent is its refusal: it said no greeting of its own.
  const said = errorOfPacket(await reader.readFrame(packetShape(1000, 'answer'), AbortSignal.timeout(5000)));
  assert.deepEqual([said.sequence, said.code, said.message], [3, 1045, 'no']);
  client.destroy();
  await sessions.drain(0);
});

test('one whose TLS came first is greeted by the agent, with what is known of its database', async () => {
  const { offer, sessions } = setUp();
  const client = offer(await opening({ protocol: 'mysql' }, shop));
  const reader = new ChannelReader(client);
  const greeting = await reader.readFrame(packetShape(1000, 'greeting'), AbortSignal.timeout(5000));
  assert.equal(decodeGreeting(greeting.subarray(4)).serverVersion, facts.serverVersion);
  client.write(mysqlResponse(1));
  const said = errorOfPacket(await reader.readFrame(packetShape(1000, 'answer'), AbortSignal.timeout(5000)));
  assert.deepEqual([said.sequence, said.message], [2, 'no']);
  client.destroy();
  await sessions.drain(0);
});

test('a cancel request for a protocol that has none, or that nobody knows, does nothing', () => {
  const { sessions } = setUp();
  for (const protocol of ['mysql', 'mongodb', 'gopher', 'constructor', '__proto__'])
    sessions.cancel({ protocol, packet: Buffer.alloc(16) });
});

test('sessions are limited, a database that is gone is refused, draining sends elsewhere', async () => {
  const { offer, answers, sessions, databases } = setUp();
  offer(await opening());
  offer(await opening({ sessionId: '55555555-5555-4555-8555-555555555555' }));
  assert.match(answers[1] ?? '', /^limit: maxSessions 1/);
  databases.configure([], { resources: [] });
  sessions.useLimits({ ...limits, maxSessions: 5 });
  offer(await opening({ sessionId: '66666666-6666-4666-8666-666666666666' }));
  assert.match(answers[2] ?? '', /^retry-elsewhere: database orders is not served/);
  assert.equal(sessions.count, 1);
  await sessions.drain(0);
  assert.equal(sessions.count, 0);
  offer(await opening({ sessionId: '77777777-7777-4777-8777-777777777777' }));
  assert.match(answers[3] ?? '', /^retry-elsewhere: this agent is draining/);
});

test('a flood of bad openings of one proxy is a few events and a number', async () => {
  const { offer, answers, audited, sessions } = setUp();
  for (let n = 0; n < 10; n += 1) offer(Buffer.alloc(n));
  assert.equal(answers.length, 10);
  assert.equal(audited.length, 3);
  await sessions.drain(0);
  assert.deepEqual(
    audited.slice(3).map(({ fields }) => [fields['reason'], fields['left_out']]),
    [['REFUSALS_LEFT_OUT', 7]],
  );
});
