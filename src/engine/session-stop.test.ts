// What another session of the person may do to a live one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryRecorder } from '../../test/kit/engine.ts';
import { silentLog } from '../telemetry/log.ts';
import type { Refusal } from './engine.ts';
import type { StopOrder } from './session-ids.ts';
import { stopOf } from './session-stop.ts';

const order: StopOrder = { what: 'query', shownId: 2 ** 30, sessionId: 'killer', clientAddress: '1.2.3.4:5' };

function setUp(running = 1) {
  const trace: string[] = [];
  const recorder = new MemoryRecorder(trace);
  const ended: Refusal[] = [];
  const cancels: (() => void)[] = [];
  const stop = stopOf({
    databaseUser: 'reader',
    recorder,
    commit: () => void recorder.commit(),
    database: {
      cancel: () => {
        trace.push('cancel');
        return new Promise((resolve) => cancels.push(resolve));
      },
    },
    counters: { running },
    end: (refusal) => {
      trace.push('end');
      ended.push(refusal);
    },
    log: silentLog,
  });
  return { trace, recorder, ended, cancels, stop };
}

test('a statement is stopped after it is on record', () => {
  const { stop, trace, recorder, ended } = setUp();
  stop({ ...order, databaseUser: 'reader' });
  assert.deepEqual(trace, ['event TDB11I', 'cancel']);
  const [event] = recorder.of('TDB11I');
  assert.equal(event?.['kill'], 'query');
  assert.equal(event['process_id'], 2 ** 30);
  assert.equal(event['killed_by_sid'], 'killer');
  assert.equal(event['running'], 1);
  assert.deepEqual(ended, []);
});

test('a session is ended in words, also when nothing runs', () => {
  for (const running of [0, 1]) {
    const { stop, trace, ended } = setUp(running);
    stop({ ...order, what: 'connection' });
    assert.deepEqual(trace, ['event TDB11I', 'end']);
    assert.equal(ended[0]?.reason, 'killed');
  }
});

test('where nothing runs nothing is stopped: it would be the next statement', () => {
  const { stop, trace } = setUp(0);
  stop(order);
  assert.deepEqual(trace, ['event TDB11I']);
});

test('many orders open one connection to the database at a time', async () => {
  const { stop, trace, cancels } = setUp();
  for (let count = 0; count < 5; count++) stop(order);
  assert.equal(trace.filter((one) => one === 'cancel').length, 1);
  cancels[0]?.();
  await new Promise((resolve) => setImmediate(resolve));
  stop(order);
  assert.equal(trace.filter((one) => one === 'cancel').length, 2);
});

test('a certificate for one database user leaves sessions of another alone', () => {
  const { stop, trace } = setUp();
  stop({ ...order, databaseUser: 'admin' });
  assert.deepEqual(trace, []);
});

test('what can not be recorded is not done', () => {
  const { stop, trace, recorder } = setUp();
  recorder.broken = true;
  stop(order);
  stop({ ...order, what: 'connection' });
  assert.deepEqual(trace.filter((one) => one === 'cancel' || one === 'end'), []); // prettier-ignore
});
