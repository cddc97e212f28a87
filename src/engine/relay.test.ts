// What the relay promises every protocol, with a dialogue of lines: asked, changed, refused, answered and asked by ourselves.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { liveSession, settle, type LiveSession } from '../../test/kit/relay.ts';
import type { Recorder } from '../audit/recorder.ts';
import { ProtocolError } from '../errors.ts';
import type { Dialogue } from './dialogue.ts';
import type { Refusal } from './engine.ts';
import { relay } from './relay.ts';

const empty = Buffer.alloc(0);
const forbidden: Refusal = { reason: 'access-denied', message: 'forbidden' };

/**
 * Of the client: `ask` goes on, `map x` goes on as another line, `no x` is refused, `own` makes a request of ours, `end` ends the session, `wrong` is malformed; a line that is not whole
 * is kept back. Of the database: `own` makes a request of ours and is not passed on, `end` ends the session, `wrong` is malformed, anything else is an answer; a chunk without a newline at its end stands in a message.
 */
class Lines implements Dialogue {
  dirty = false;
  mustEnd: Refusal | undefined;
  statements = 0;
  readonly current = undefined;
  running = 0;
  atBoundary = true;
  finished = 0;
  limit = 3;
  readonly terminated = false;
  readonly #recorder: Recorder;
  #kept = '';
  #answers = '';
  #requests = '';

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  get saturated(): boolean {
    return this.running >= this.limit;
  }

  fromClient(chunk: Buffer): Buffer {
    const whole = this.#kept === '';
    const lines = (this.#kept + chunk.toString()).split('\n');
    this.#kept = lines.pop() ?? '';
    const changed = !whole || lines.some((line) => !line.startsWith('ask')) || this.#kept !== '';
    const passed = lines.map((line) => this.#take(line)).join('');
    return changed ? Buffer.from(passed) : chunk;
  }

  #take(line: string): string {
    if (line === 'wrong') throw new ProtocolError('TEST_WRONG', 'a wrong line');
    this.#recorder.writeSerialized('db.session.query', 'TDB02I', `"db_query":${JSON.stringify(line)}`);
    this.dirty = true;
    if (line === 'end') this.mustEnd = forbidden;
    if (line.startsWith('no ')) this.#answers += `refused ${line.slice(3)}\n`;
    if (line === 'own') this.#requests += 'ours\n';
    if (line === 'end' || line === 'own' || line.startsWith('no ')) return '';
    this.statements += 1;
    this.running += 1;
    return line.startsWith('map ') ? `mapped ${line.slice(4)}\n` : `${line}\n`;
  }

  fromDatabase(chunk: Buffer): Buffer {
    const text = chunk.toString();
    this.atBoundary = text.endsWith('\n');
    if (text === 'own\n') {
      this.#requests += 'ours\n';
      return empty;
    }
    if (text === 'end\n') this.mustEnd = forbidden;
    if (text === 'wrong\n') throw new ProtocolError('TEST_WRONG', 'a wrong answer');
    this.running = Math.max(0, this.running - text.split('\n').length + 1);
    return chunk;
  }

  takeAnswers(): Buffer | undefined {
    const taken = this.#answers;
    this.#answers = '';
    return taken === '' ? undefined : Buffer.from(taken);
  }

  takeRequests(): Buffer | undefined {
    const taken = this.#requests;
    this.#requests = '';
    return taken === '' ? undefined : Buffer.from(taken);
  }

  finish(): void {
    this.finished += 1;
  }

  lastWord(refusal: Refusal): Buffer {
    return Buffer.from(`bye ${refusal.reason}\n`);
  }
}

function setUp(
  of: Parameters<typeof liveSession>[0] & { readonly early?: { client?: string; database?: string } } = {},
) {
  const live = liveSession(of);
  const dialogue = new Lines(live.recorder);
  const closed = relay(live.session, dialogue, {
    fromClient: Buffer.from(of.early?.client ?? ''),
    fromDatabase: Buffer.from(of.early?.database ?? ''),
  });
  const say = async (text: string): Promise<void> => {
    live.client.send(Buffer.from(text));
    await settle();
  };
  const answer = async (text: string): Promise<void> => {
    live.database.send(Buffer.from(text));
    await settle();
  };
  return { ...live, dialogue, closed, say, answer };
}

const heard = ({ client }: Pick<LiveSession, 'client'>): string => client.bytes.toString();
const asked = ({ database }: Pick<LiveSession, 'database'>): string => database.bytes.toString();

test('the database gets what the dialogue lets through, and the whole chunk counts as consumed', async () => {
  const live = setUp();
  await live.say('ask 1\n');
  await live.say('map 2\nno 3\nas');
  assert.equal(asked(live), 'ask 1\nmapped 2\n');
  assert.equal(live.clientNear.unconsumed, 0);
  await live.say('k 4\n');
  assert.equal(asked(live), 'ask 1\nmapped 2\nask 4\n');
  assert.equal(heard(live), 'refused 3\n');
  assert.equal(live.session.counters.statements, 3);
  assert.equal(live.session.counters.bytesFromClient, 'ask 1\nmap 2\nno 3\nask 4\n'.length);
});

test('early bytes of both sides come first', async () => {
  const live = setUp({ early: { client: 'ask early\n', database: 'notice\n' } });
  await live.say('ask 1\n');
  assert.equal(asked(live), 'ask early\nask 1\n');
  assert.equal(heard(live), 'notice\n');
});

test('a full journal: nothing is forwarded and nothing answered before the commit', async () => {
  const live = setUp();
  live.recorder.full = true;
  await live.say('ask 1\nno 2\nown\n');
  await live.say('ask 3\nno 4\n');
  assert.equal(asked(live) + heard(live), '');
  live.recorder.settle('space');
  await settle();
  assert.equal(asked(live), 'ask 1\nours\nask 3\n', 'our own request stands where its chunk did');
  assert.equal(heard(live), 'refused 2\nrefused 4\n');
  assert.deepEqual(
    live.recorder.events.map((event) => event['db_query']),
    ['ask 1', 'no 2', 'own', 'ask 3', 'no 4'],
  );
  assert.equal(live.clientNear.unconsumed, 0);
});

test('a database that speaks while a chunk waits does not get the answers out', async () => {
  const live = setUp();
  live.recorder.full = true;
  await live.say('no 1\n');
  await live.answer('notice\n');
  assert.equal(heard(live), 'notice\n');
  await live.answer('own\n');
  assert.equal(asked(live), '', 'nor our own request past the chunk');
  live.recorder.settle('space');
  await settle();
  assert.equal(heard(live), 'notice\nrefused 1\n');
  assert.equal(asked(live), 'ours\n');
});

test('a journal that stays full ends the session without the answers of what it did not take', async () => {
  const live = setUp();
  live.recorder.full = true;
  await live.say('ask 1\nno 2\n');
  live.recorder.settle('gave-up');
  const closed = await live.closed;
  await settle();
  assert.equal(closed.refusal?.reason, 'audit-unavailable');
  assert.equal(heard(live), 'bye audit-unavailable\n');
  assert.equal(asked(live), '');
  assert.equal(live.dialogue.finished, 1);
});

test('journal_sync always: answers wait for the disk as statements do', async () => {
  const live = setUp();
  const disk = Promise.withResolvers<void>();
  live.recorder.sync = () => disk.promise;
  await live.say('ask 1\nno 2\n');
  assert.equal(asked(live) + heard(live), '');
  live.recorder.sync = undefined;
  disk.resolve();
  await settle();
  assert.equal(asked(live), 'ask 1\n');
  assert.equal(heard(live), 'refused 2\n');
});

test('our own request goes to the database as soon as the database made it due', async () => {
  const live = setUp();
  await live.answer('own\n');
  assert.equal(asked(live), 'ours\n');
  assert.equal(heard(live), '');
  assert.equal(live.databaseNear.unconsumed, 0);
});

test('what must end ends at once: its chunk goes nowhere, what was recorded of it stays', async () => {
  const live = setUp();
  await live.say('ask 1\nend\nask 2\n');
  const closed = await live.closed;
  await settle();
  assert.equal(asked(live), '');
  assert.equal(heard(live), 'bye access-denied\n');
  assert.deepEqual(closed.refusal, forbidden);
  assert.deepEqual(
    live.recorder.events.map((event) => event['db_query']),
    ['ask 1', 'end', 'ask 2'],
  );
  assert.ok(live.client.closed);
});

test('what must end because of the database: its answer, then the word', async () => {
  const live = setUp();
  await live.say('ask 1\n');
  await live.answer('end\n');
  assert.deepEqual((await live.closed).refusal, forbidden);
  await settle();
  assert.equal(heard(live), 'end\nbye access-denied\n');
});

test('a word waits for the end of a message, and the running statement is stopped', async () => {
  const live = setUp();
  await live.say('ask 1\n');
  await live.answer('half of');
  live.end({ reason: 'locked', message: 'm' });
  await live.say('no 2\n');
  assert.equal(heard(live), 'half of', 'nothing of ours stands within a message');
  assert.equal(live.cancelled(), 1);
  await live.answer(' a line\n');
  await live.closed;
  await settle();
  assert.equal(heard(live), 'half of a line\nbye locked\n');
});

test('a client in the middle of a message that never ends is cut without a word', async () => {
  const live = setUp();
  await live.answer('half of');
  live.end({ reason: 'locked', message: 'm' });
  await live.clock.advanceSettling(2500);
  assert.equal((await live.closed).refusal?.reason, 'locked');
  await settle();
  assert.equal(heard(live), 'half of');
});

test('a malformed line is recorded as such, and none of its chunk goes on', async () => {
  const live = setUp();
  await live.say('ask 1\nno 2\nwrong\n');
  assert.equal((await live.closed).refusal?.reason, 'protocol-error');
  await settle();
  assert.equal(asked(live), '');
  assert.equal(heard(live), 'bye protocol-error\n');
  assert.deepEqual(live.recorder.codes(), ['TDB02I', 'TDB02I', 'TDB06I']);
});

test("a malformed answer is recorded as the database's, and is not passed on", async () => {
  const live = setUp();
  await live.say('ask 1\n');
  await live.answer('wrong\n');
  assert.equal((await live.closed).refusal?.reason, 'internal');
  await settle();
  assert.equal(heard(live), 'bye internal\n');
  assert.deepEqual(live.recorder.codes(), ['TDB02I', 'TDB06I']);
  assert.equal(live.recorder.of('TDB06I')[0]?.['from'], 'database');
});

test('too much unanswered: the client is not read until answers come', async () => {
  const live = setUp();
  await live.say('ask 1\nask 2\nask 3\n');
  await live.say('ask 4\n');
  assert.equal(asked(live), 'ask 1\nask 2\nask 3\n');
  assert.equal(live.clientNear.unconsumed, 6);
  await live.answer('1\n');
  assert.equal(asked(live), 'ask 1\nask 2\nask 3\nask 4\n');
  assert.equal(live.clientNear.unconsumed, 0);
});

test('a client that reads no answers is not read either', async () => {
  const live = setUp({ channels: { windowBytes: 1024 } });
  live.client.slow = true;
  const line = 'no something that is refused\n';
  for (let count = 0; count < 500; count++) await live.say(line);
  const answers = heard(live).length;
  assert.ok(live.clientNear.unconsumed > 0, 'what it sends waits');
  await settle();
  assert.equal(heard(live).length, answers, 'no further answers meanwhile');
  assert.ok(answers <= 1024);
  live.client.slow = false;
  live.client.read();
  await settle();
  assert.equal(heard(live).split('\n').length - 1, 500, 'every one is answered once it reads');
  assert.equal(live.clientNear.unconsumed, 0);
});

test('a client that reads no answers gets no credit from a database that takes every chunk late', async () => {
  const live = setUp({ channels: { windowBytes: 1024 }, databaseChannels: { windowBytes: 64 } });
  live.dialogue.limit = Number.POSITIVE_INFINITY;
  live.client.slow = true;
  const chunk = `ask ${'x'.repeat(400)}\n${'no y\n'.repeat(100)}`;
  for (let count = 0; count < 50; count++) await live.say(chunk);
  const { bytesFromClient } = live.session.counters;
  assert.ok(bytesFromClient < 8 * chunk.length, `it may not send on and on, sent ${bytesFromClient}`);
  live.client.slow = false;
  live.client.read();
  await settle();
  assert.equal(live.session.counters.bytesFromClient, 50 * chunk.length, 'and goes on once it reads');
});

test('a client that hears its answers gets no credit from a database that takes nothing', async () => {
  const live = setUp({ channels: { windowBytes: 1024 }, databaseChannels: { windowBytes: 1 } });
  live.dialogue.limit = Number.POSITIVE_INFINITY;
  live.database.slow = true;
  live.client.slow = true;
  const chunk = `ask\n${'no \n'.repeat(255)}`;
  for (let count = 0; count < 20; count++) {
    await live.say(chunk);
    for (let turn = 0; turn < 5; turn++) {
      live.client.read();
      await settle();
    }
  }
  const { bytesFromClient } = live.session.counters;
  assert.ok(bytesFromClient < 3 * chunk.length, `it may not send on and on, sent ${bytesFromClient}`);
});
