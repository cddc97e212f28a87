// What another agent's KILL may do here, and what a session here may ask of others.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AGENT, NOW, openingKit } from '../../../test/kit/openings.ts';
import { SessionIds, SHOWN_ID_BIT, type StopOrder } from '../../engine/session-ids.ts';
import { MAX_OPENING_BYTES, type SessionOpening, verifyOpening } from '../../pki/opening.ts';
import { silentLog } from '../../telemetry/log.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import { encodeKill, type KillAnswer, type KillMessage } from '../../tunnel/kill.ts';
import { DEFAULT_MUX_LIMITS } from '../../tunnel/limits.ts';
import { Kills } from './kills.ts';

const kit = await openingKit();
const twin = await openingKit();
/** This agent; openings are for `AGENT`, another one. */
const here = '44444444-4444-4444-8444-444444444444';
const shown = SHOWN_ID_BIT + 5;

function setUp(rate = 3, over: { by?: 'here' | 'asker'; answer?: () => Promise<KillAnswer | undefined> } = {}) {
  const clock = new ManualClock(NOW);
  const ids = new SessionIds();
  const stopped: string[] = [];
  const orders: StopOrder[] = [];
  const live = (user: string, service: string): void =>
    void ids.of(user, service).register(shown, 12, (order) => {
      stopped.push(`${user} ${service} ${order.what}`);
      orders.push(order);
      return over.by ?? 'here';
    });
  live('alice', 'shop');
  live('alice', 'orders');
  live('bob', 'shop');
  const sent: KillMessage[] = [];
  const refused: string[] = [];
  const kills = new Kills({
    hostId: here,
    trust: { of: (type) => kit.trust(type === 'user' ? 'user' : 'host') },
    ids,
    killRatePerMinute: () => rate,
    send: (message) => {
      sent.push(message);
      return over.answer?.() ?? Promise.resolve(undefined);
    },
    onRefused: (proxy, code) => refused.push(`${proxy} ${code}`),
    clock,
    log: silentLog,
  });
  const receive = (opening: Buffer, change: Partial<KillMessage> = {}): KillAnswer | undefined =>
    kills.receive({ what: 'query', shownId: shown, number: 1, opening, ...change }, 'p:1');
  return { clock, kills, stopped, orders, sent, refused, receive };
}

test("a KILL of another agent stops the same person's session with the same database, and says who asked", () => {
  const { receive, stopped, orders, refused } = setUp();
  receive(kit.make());
  receive(kit.make(), { what: 'connection', number: 2 });
  assert.deepEqual(stopped, ['alice shop query', 'alice shop connection']);
  assert.deepEqual(orders[0], {
    what: 'query',
    shownId: shown,
    sessionId: '33333333-3333-4333-8333-333333333333',
    clientAddress: '10.1.1.1:5',
    databaseUser: 'reader',
  });
  assert.deepEqual(refused, []);
});

test('a certificate for any database user says so', async () => {
  const { receive, orders } = setUp();
  const any = await kit.certificate({ route: { service: 'shop', protocol: 'mysql' } });
  receive(kit.make({ clientCertificateDer: any }));
  assert.equal(orders.length, 1);
  assert.ok(orders[0] !== undefined && !('databaseUser' in orders[0]));
});

test('copies that come through several proxies count once; the next question of that session counts again', () => {
  const { receive, stopped, clock } = setUp();
  const opening = kit.make();
  for (let copy = 0; copy < 3; copy++) receive(opening);
  assert.equal(stopped.length, 1);
  receive(opening, { number: 2 });
  assert.equal(stopped.length, 2);
  clock.advance(59_000);
  receive(opening);
  assert.equal(stopped.length, 2, 'a replay within the time that it is believed');
});

type Forged = {
  readonly name: string;
  readonly code?: string;
  readonly opening: () => Buffer | Promise<Buffer>;
  readonly change?: Partial<KillMessage>;
  readonly laterMs?: number;
};
const changed =
  (change: Partial<SessionOpening>): (() => Buffer) =>
  () =>
    kit.make(change);
const forged: readonly Forged[] = [
  { name: 'no opening at all', code: 'ENVELOPE_MALFORMED', opening: () => Buffer.from('x') },
  { name: 'a flipped bit', code: 'ENVELOPE_BAD_SIGNATURE', opening: () => flipped(kit.make()) },
  { name: 'signed by an agent', code: 'CERT_WRONG_ROLE', opening: () => kit.make({}, kit.cluster.agent) },
  { name: "a twin cluster's", code: 'CERT_FOREIGN_AUTHORITY', opening: () => twin.make() },
  { name: 'a person of a twin cluster', code: 'CERT_FOREIGN_AUTHORITY', opening: async () => kit.make({ clientCertificateDer: await twin.certificate() }) }, // prettier-ignore
  { name: 'a person without a route', code: 'OPENING_NO_ROUTE', opening: () => kit.make({ clientCertificateDer: kit.cluster.alice.der }) }, // prettier-ignore
  { name: 'too old by a millisecond', code: 'OPENING_STALE', opening: () => kit.make(), laterMs: 60_001 },
  { name: 'too far ahead', code: 'OPENING_FROM_FUTURE', opening: changed({ timeMs: NOW + 30_001 }) },
  { name: 'a session of this very agent', code: 'OPENING_WRONG_AGENT', opening: changed({ agentHostId: here }) },
  { name: 'another person', opening: async () => kit.make({ clientCertificateDer: await kit.certificate({ user: 'carol' }) }) }, // prettier-ignore
  { name: 'another database', opening: async () => kit.make({ clientCertificateDer: await kit.certificate({}, { service: 'billing' }) }) }, // prettier-ignore
  { name: 'a number that nobody has', opening: () => kit.make(), change: { shownId: shown + 1 } },
  { name: "a database's own number", opening: () => kit.make(), change: { shownId: 12 } },
];
for (const { name, code, opening, change, laterMs } of forged) {
  test(`stops nothing: ${name}`, async () => {
    const { receive, stopped, refused, clock } = setUp();
    const bytes = await opening();
    clock.advance(laterMs ?? 0);
    receive(bytes, change);
    assert.deepEqual(stopped, []);
    assert.deepEqual(refused, code === undefined ? [] : [`p:1 ${code}`]);
  });
}

const noStop = (): Promise<void> => assert.fail('nobody said that it is ours to stop');

function flipped(bytes: Buffer): Buffer {
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  return bytes;
}

function mine(world: ReturnType<typeof setUp>, bytes = kit.make()) {
  const verified = verifyOpening(bytes, {
    hostAuthorities: kit.trust('host'),
    userAuthorities: kit.trust('user'),
    nowMs: NOW,
    agentHostId: AGENT,
  });
  return { bytes, verified, elsewhere: world.kills.of(verified, bytes) };
}

test('what a session asks carries its opening and a number of its own, and goes when it is told to', () => {
  const world = setUp();
  const { elsewhere, bytes } = mine(world);
  const send = elsewhere.ask(shown, 'query', noStop);
  assert.deepEqual(world.sent, []);
  send();
  elsewhere.ask(shown, 'connection', noStop)();
  assert.deepEqual(world.sent, [
    { what: 'query', shownId: shown, number: 1, opening: bytes },
    { what: 'connection', shownId: shown, number: 2, opening: bytes },
  ]);
});

test('a session asks while its opening can prove it, with some time to spare', () => {
  const world = setUp();
  const { elsewhere } = mine(world);
  world.clock.advance(49_999);
  assert.equal(elsewhere.canAsk, true);
  world.clock.advance(1);
  assert.equal(elsewhere.canAsk, false);
});

test('a session does not ask with a certificate that has expired', () => {
  const world = setUp();
  const { verified, bytes } = mine(world);
  const expired = { ...verified, client: { ...verified.client, notAfterMs: NOW } };
  assert.equal(world.kills.of(expired, bytes).canAsk, false);
});

test('one person asks so many times in a minute, over all sessions; others are not kept from it', async () => {
  const world = setUp(2);
  const [one, other] = [mine(world), mine(world)];
  one.elsewhere.ask(shown, 'query', noStop);
  assert.equal(other.elsewhere.canAsk, true);
  other.elsewhere.ask(shown, 'query', noStop);
  assert.equal(one.elsewhere.canAsk, false);
  assert.equal(other.elsewhere.canAsk, false);
  const bobs = kit.make({ clientCertificateDer: await kit.certificate({ user: 'bob' }) });
  assert.equal(mine(world, bobs).elsewhere.canAsk, true);
  world.clock.advance(60_000);
  const later = kit.make({ timeMs: NOW + 30_000 });
  assert.equal(mine(world, later).elsewhere.canAsk, true);
});

test('the largest opening fits the header of a KILL', () => {
  const opening = Buffer.alloc(MAX_OPENING_BYTES);
  const header = encodeKill({ what: 'query', shownId: shown, number: 1, opening });
  assert.ok(header.length <= DEFAULT_MUX_LIMITS.maxOpenBytes);
});

test('the agent that has the session says whether it is ours to stop, and the number in the database', () => {
  assert.deepEqual(setUp().receive(kit.make()), { type: 'done' });
  const world = setUp(3, { by: 'asker' });
  const opening = kit.make();
  assert.deepEqual(world.receive(opening), { type: 'yours', connectionId: 12 });
  assert.equal(world.receive(opening), undefined, 'a copy is not answered');
  assert.equal(world.receive(kit.make(), { number: 2, shownId: shown + 1 }), undefined, 'who has it not is silent');
  assert.equal(world.receive(Buffer.from('x'), { number: 3 }), undefined, 'a forged one learns nothing');
});

type Answered = { readonly name: string; readonly answer: () => Promise<KillAnswer | undefined>; readonly want: readonly number[] }; // prettier-ignore
const answers: readonly Answered[] = [
  { name: 'no answer', answer: () => Promise.resolve(undefined), want: [] },
  { name: 'done', answer: () => Promise.resolve({ type: 'done' }), want: [] },
  { name: 'yours', answer: () => Promise.resolve({ type: 'yours', connectionId: 12 }), want: [12] },
  // Whoever answers, a lying agent or a proxy by itself: it is one KILL of the word that was said, and the database judges it as for this session's database user.
  { name: "somebody else's number", answer: () => Promise.resolve({ type: 'yours', connectionId: 4711 }), want: [4711] }, // prettier-ignore
  { name: 'a tunnel that fails', answer: () => Promise.reject(new Error('lost')), want: [] },
];
for (const { name, answer, want } of answers) {
  test(`what this agent does about an answer: ${name}`, async () => {
    const world = setUp(3, { answer });
    const { elsewhere } = mine(world);
    const stopped: number[] = [];
    const send = elsewhere.ask(shown, 'query', (id) => {
      stopped.push(id);
      return Promise.resolve();
    });
    send();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(stopped, want);
  });
}
