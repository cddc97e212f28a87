// However many are refused, the audit log gets a bounded number of events and an honest count of the rest.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type AuditEvent, auditEvent } from '../audit/event.ts';
import { createInstruments } from '../telemetry/instruments.ts';
import { silentLog } from '../telemetry/log.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import { Metrics } from '../telemetry/metrics.ts';
import { RefusalTrail } from './refusal-trail.ts';

function setUp(clientRefusalEventsPerMinute: number, refusalEventsPerMinute: number) {
  const clock = new ManualClock(0);
  const events: AuditEvent[] = [];
  const journal: { answer: 'written' | 'full' | Error } = { answer: 'written' };
  const instruments = createInstruments(new Metrics(), { version: '0', service: 'test' });
  const trail = new RefusalTrail({
    writer: {
      emit(event) {
        if (journal.answer instanceof Error) throw journal.answer;
        if (journal.answer === 'written') events.push(event);
        return journal.answer;
      },
    },
    limits: () => ({ clientRefusalEventsPerMinute, refusalEventsPerMinute }),
    clock,
    log: silentLog,
    instruments,
  });
  const refuse = (client: string, reason = 'CERT_EXPIRED'): void =>
    trail.record(client, reason, () => auditEvent('T3007W', { error: reason, reason, 'addr.remote': client }));
  const summaries = () => events.filter(({ fields }) => fields['reason'] === 'REFUSALS_LEFT_OUT');
  return { clock, events, journal, instruments, trail, refuse, summaries };
}

test('a client gets so many events a minute, then one that counts the rest by reason', () => {
  const { clock, events, refuse, summaries, instruments } = setUp(3, 100);
  for (let n = 0; n < 3; n += 1) refuse('192.0.2.1');
  for (let n = 0; n < 5; n += 1) refuse('192.0.2.1', n < 4 ? 'CERT_EXPIRED' : 'NO_CERTIFICATE');
  refuse('192.0.2.2');
  assert.equal(events.length, 4);
  assert.equal(instruments.auditRefusalsLeftOut.value, 5);
  clock.advance(60_000);
  assert.equal(events.length, 5);
  assert.deepEqual(
    summaries().map(({ fields }) => [fields['addr.remote'], fields['left_out'], fields['left_out_reasons']]),
    [['192.0.2.1', 5, { CERT_EXPIRED: 4, NO_CERTIFICATE: 1 }]],
  );
  refuse('192.0.2.1');
  assert.equal(events.length, 6);
  clock.advance(120_000);
  assert.equal(events.length, 6);
});

test('a thousand addresses get no more than all together may, and one count', () => {
  const { clock, events, refuse, summaries } = setUp(3, 10);
  for (let n = 0; n < 1000; n += 1) refuse(`10.0.${n >> 8}.${n & 255}`);
  assert.equal(events.length, 10);
  clock.advance(60_000);
  assert.deepEqual(
    summaries().map(({ fields }) => [fields['addr.remote'], fields['left_out']]),
    [[undefined, 990]],
  );
});

for (const answer of ['full', new Error('disk')] as const) {
  test(`a journal that is ${String(answer)} stops nobody, and the number is told once it takes events`, () => {
    const { clock, events, journal, refuse, summaries } = setUp(3, 100);
    journal.answer = answer;
    for (let n = 0; n < 7; n += 1) refuse('192.0.2.1');
    clock.advance(60_000);
    refuse('192.0.2.2');
    clock.advance(60_000);
    assert.equal(events.length, 0);
    journal.answer = 'written';
    clock.advance(60_000);
    assert.equal(events.length, 1);
    assert.equal(summaries()[0]?.fields['left_out'], 8);
  });
}

test('closing tells what was left out so far', () => {
  const { refuse, trail, summaries } = setUp(1, 100);
  refuse('192.0.2.1');
  refuse('192.0.2.1');
  trail.close();
  assert.equal(summaries()[0]?.fields['left_out'], 1);
});

test('property: told and left out together are all, and never more events than the limits allow', () => {
  const visit = fc.record({ client: fc.nat(8), waitMs: fc.nat(20_000) });
  fc.assert(
    fc.property(fc.array(visit, { maxLength: 200 }), fc.integer({ min: 1, max: 4 }), (visits, perClient) => {
      const { clock, events, trail, refuse, summaries } = setUp(perClient, 12);
      for (const { client, waitMs } of visits) {
        clock.advance(waitMs);
        refuse(`c${client}`);
      }
      trail.close();
      const leftOut = summaries().reduce((sum, { fields }) => sum + Number(fields['left_out']), 0);
      assert.equal(events.length - summaries().length + leftOut, visits.length);
      const spanMs = visits.reduce((sum, { waitMs }) => sum + waitMs, 0);
      assert.ok(events.length <= (Math.floor(spanMs / 60_000) + 1) * (12 + 12 + 1));
    }),
  );
});
