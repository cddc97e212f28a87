import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Code, ConnectError } from '@connectrpc/connect';
import { keepReading } from './keep-reading.ts';

const away = new ConnectError('away', Code.Unavailable);
const no = new ConnectError('no', Code.PermissionDenied);
const busy = new ConnectError('too many calls', Code.ResourceExhausted);

/** What the page is told when opening the stream fails as listed, one after the other, and works then. */
async function states(failures: readonly Error[], t: TestContext): Promise<readonly string[]> {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const ended = new AbortController();
  const told: string[] = [];
  let at = 0;
  async function* open(_signal: AbortSignal, onHeader: () => void): AsyncIterable<string> {
    const failure = failures[at];
    at += 1;
    if (failure !== undefined) throw failure;
    onHeader();
    yield 'event';
    ended.abort();
  }
  let over = false;
  const reading = keepReading(open, ended.signal, {
    onMessage: (message) => told.push(message),
    onState: (state) => told.at(-1) !== state && told.push(state),
  }).then(() => (over = true));
  for (let turn = 0; turn < 1000 && !over; turn += 1) {
    await Promise.resolve();
    t.mock.timers.tick(1000);
  }
  await reading;
  return told;
}

test('an outage of any length is no refusal, also when everybody comes back at once', async (t) => {
  const outage = Array.from({ length: 20 }, () => away);
  assert.deepEqual(await states([...outage, busy, busy, away, busy], t), ['connecting', 'lost', 'live', 'event']);
});

test('what is refused again and again ends', async (t) => {
  assert.deepEqual(await states([away, away, away, away, no, no, no, no, no], t), ['connecting', 'lost', 'refused']);
});
