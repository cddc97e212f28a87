// What another session of the person may do to a live one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryRecorder } from '../../test/kit/engine.ts';
import { silentLog } from '../telemetry/log.ts';
import type { Refusal } from './engine.ts';
import type { StopOrder } from './session-ids.ts';
import { stopOf } from './session-stop.ts';

const order: StopOrder = { what: 'query', shownId: 2 ** 30, sessionId: 'killer', clientAddress: '1.2.3.4:5' };

function setUp(running = 1, own: { canCancel?: () => boolean; cancel?: () => Promise<void> } = {}) {
  const trace: string[] = [];
  const recorder = new MemoryRecorder(trace);
  const ended: Refusal[] = [];
  const cancels: (() => void)[] = [];
  const warned: string[] = [];
  const stop = stopOf({
    databaseUser: 'reader',
    recorder,
    commit: () => void recorder.commit(),
    database: {
      ...(own.canCancel === undefined ? {} : { canCancel: own.canCancel }),
      cancel: () => {
        trace.push('cancel');
        if (own.cancel !== undefined) return own.cancel();
        return new Promise((resolve) => cancels.push(resolve));
      },
    },
    counters: { running },
    end: (refusal) => {
      trace.push('end');
      ended.push(refusal);
    },
    log: { ...silentLog, warn: (_fields: object, message: string) => warned.push(message) },
  });
  return { warned, trace, recorder, ended, cancels, stop };
}

test('a statement is stopped after it is on record', () => {
  const { stop, trace, recorder, ended } = setUp();
  assert.equal(stop({ ...order, databaseUser: 'reader' }), 'here');
  assert.deepEqual(trace, ['event TDB11I', 'cancel']);
  const [event] = recorder.of('TDB11I');
  assert.equal(event?.['kill'], 'query');
  assert.equal(event['process_id'], 2 ** 30);
  assert.equal(event['killed_by_sid'], 'killer');
  assert.equal(event['running'], 1);
  assert.equal(event['stopped_by'], 'this_agent');
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

test('with credentials that are over who asks is to stop it, and this agent does not, so that no statement is hit twice', () => {
  const { stop, trace, recorder } = setUp(1, { canCancel: () => false });
  assert.equal(stop(order), 'asker');
  assert.deepEqual(trace, ['event TDB11I']);
  assert.equal(recorder.of('TDB11I')[0]?.['stopped_by'], 'asking_agent');
  assert.equal(stop({ ...order, what: 'connection' }), 'asker');
  assert.deepEqual(trace.slice(1), ['event TDB11I', 'end'], 'the session is ended here all the same');
  assert.equal(setUp(1, { canCancel: () => true }).stop(order), 'here');
});

test('nothing is left to who asks where nothing runs, where the user is another, or where it can not be recorded', () => {
  const over = { canCancel: () => false };
  const idle = setUp(0, over);
  assert.equal(idle.stop(order), 'here');
  assert.equal(idle.recorder.of('TDB11I')[0]?.['stopped_by'], undefined);
  assert.equal(setUp(1, over).stop({ ...order, databaseUser: 'admin' }), 'here');
  const { stop, recorder } = setUp(1, over);
  recorder.broken = true;
  assert.equal(stop(order), 'here');
});

test('a statement that could not be stopped is in the log', async () => {
  const { stop, warned } = setUp(1, { cancel: () => Promise.reject(new Error('no way there')) });
  stop(order);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(warned, ['a running statement could not be stopped: no way there']);
});
