// What a proxy passes on of an agent's KILLs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AGENT, NOW, openingKit } from '../../../test/kit/openings.ts';
import { SHOWN_ID_BIT } from '../../engine/session-ids.ts';
import { silentLog } from '../../telemetry/log.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import type { KillMessage } from '../../tunnel/kill.ts';
import { KillRelay } from './kills.ts';

const kit = await openingKit();
const agent = { hostId: AGENT, hostName: 'a', address: '1.1.1.1' };
const other = { ...agent, hostId: '55555555-5555-4555-8555-555555555555' };

function setUp(killRatePerMinute = 100) {
  const clock = new ManualClock(NOW);
  const sent: { databaseName: string; message: KillMessage; askedBy: string }[] = [];
  let limited = 0;
  const relay = new KillRelay({
    killRatePerMinute,
    trust: kit.trust,
    send: (databaseName, message, askedBy) => {
      sent.push({ databaseName, message, askedBy });
      return Promise.resolve({ type: 'yours', connectionId: 12 });
    },
    onLimited: () => (limited += 1),
    clock,
    log: silentLog,
  });
  return { clock, relay, sent, limited: () => limited };
}

const kill = (opening: Buffer, change: Partial<KillMessage> = {}): KillMessage => ({
  what: 'query',
  shownId: SHOWN_ID_BIT + 5,
  number: 1,
  opening,
  ...change,
});

test('an honest one goes to the agents of the database that the certificate names, but not back', async () => {
  const { relay, sent } = setUp();
  const message = kill(kit.make());
  const answer = await relay.relay(message, agent);
  assert.deepEqual(answer, { type: 'yours', connectionId: 12 }, 'what the others said goes back');
  assert.deepEqual(sent, [{ databaseName: 'shop', message, askedBy: AGENT }]);
});

type Row = { readonly name: string; readonly message: () => Promise<KillMessage> | KillMessage; readonly from?: typeof agent; readonly laterMs?: number }; // prettier-ignore
const rows: readonly Row[] = [
  { name: "another agent's opening", message: () => kill(kit.make()), from: other },
  { name: 'an opening of its own making', message: () => kill(kit.make({}, kit.cluster.agent)) },
  { name: 'an old opening', message: () => kill(kit.make()), laterMs: 60_001 },
  { name: 'no opening', message: () => kill(Buffer.from('hello')) },
  { name: 'a foreign opening', message: async () => kill((await openingKit()).make()) },
  { name: 'a number that is not ours', message: () => kill(kit.make(), { shownId: 5 }) },
];
for (const { name, message, from = agent, laterMs = 0 } of rows) {
  test(`is dropped: ${name}`, async () => {
    const { relay, sent, clock, limited } = setUp();
    const what = await message();
    clock.advance(laterMs);
    assert.equal(await relay.relay(what, from), undefined);
    assert.deepEqual(sent, []);
    assert.equal(limited(), 0);
  });
}

test('a flood of one agent is limited, whatever is in it, and does not keep others out', async () => {
  const { relay, sent, limited } = setUp(3);
  for (let number = 0; number < 2; number++) await relay.relay(kill(Buffer.from('x'), { number }), agent);
  for (let number = 0; number < 5; number++) await relay.relay(kill(kit.make(), { number }), agent);
  assert.equal(sent.length, 1);
  assert.equal(limited(), 4);
  await relay.relay(kill(kit.make({ agentHostId: other.hostId })), other);
  assert.equal(sent.length, 2);
  relay.use(1);
  await relay.relay(kill(kit.make()), agent);
  assert.equal(sent.length, 3, 'a new rate counts anew');
});
