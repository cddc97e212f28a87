import assert from 'node:assert/strict';
import { appendFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { StorageError } from '../errors.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import { openJournal, temporaryDirectory } from './fixtures.ts';

test('journal: what append wrote is in a file of mode 0600 before it returns', async (t) => {
  const directory = join(temporaryDirectory(t), 'journal');
  const journal = openJournal(directory);
  assert.equal(journal.append('{"a":"é"}\n', false), 'written');
  const [segment] = journal.segments;
  assert.equal(readFileSync(segment!.path, 'utf8'), '{"a":"é"}\n');
  assert.equal(segment!.bytes, 11);
  assert.equal(statSync(segment!.path).mode & 0o777, 0o600);
  assert.equal(statSync(directory).mode & 0o777, 0o700);
  await journal.close();
});

test('journal: lines longer than the scratch buffer are written whole', async (t) => {
  const journal = openJournal(temporaryDirectory(t));
  const line = `${'ü'.repeat(300_000)}\n`;
  journal.append(line, false);
  assert.equal(readFileSync(journal.segments[0]!.path, 'utf8'), line);
  await journal.close();
});

test('journal: a second process is refused, and the lock is free after close', async (t) => {
  const directory = temporaryDirectory(t);
  const journal = openJournal(directory);
  assert.throws(
    () => openJournal(directory),
    (error) => error instanceof StorageError && error.code === 'AUDIT_DIRECTORY_LOCKED',
  );
  await journal.close();
  await openJournal(directory).close();
});

const tails: { name: string; content: string; want: string }[] = [
  { name: 'torn in the middle of a line', content: '{"a":1}\n{"b":', want: '{"a":1}\n' },
  { name: 'nothing but a torn line', content: '{"a"', want: '' },
  { name: 'a whole file', content: '{"a":1}\n{"b":2}\n', want: '{"a":1}\n{"b":2}\n' },
  { name: 'empty', content: '', want: '' },
  { name: 'a torn line longer than one read', content: `{"a":1}\n${'x'.repeat(200_000)}`, want: '{"a":1}\n' },
  { name: 'zeros after a power failure', content: `{"a":1}\n${'\0'.repeat(5000)}`, want: '{"a":1}\n' },
];
for (const row of tails) {
  test(`journal: recovery: ${row.name}`, async (t) => {
    const directory = temporaryDirectory(t);
    writeFileSync(join(directory, '000000000007.ndjson'), row.content);
    const journal = openJournal(directory);
    assert.equal(readFileSync(join(directory, '000000000007.ndjson'), 'utf8'), row.want);
    assert.equal(journal.bytes, row.want.length);
    // New events never go into an old file.
    journal.append('{"new":1}\n', false);
    assert.equal(journal.segments.at(-1)?.sequence, 8);
    await journal.close();
  });
}

test('journal: full: statements wait, ends may use the reserve, release makes room', async (t) => {
  const clock = new ManualClock();
  const journal = openJournal(temporaryDirectory(t), { maxBytes: 400, segmentBytes: 100, reserveBytes: 50 }, clock);
  const line = `${'x'.repeat(49)}\n`;
  for (let index = 0; index < 8; index += 1) assert.equal(journal.append(line, false), 'written');
  assert.equal(journal.append(line, false), 'full');
  assert.equal(journal.append(line, true), 'written');
  assert.equal(journal.append(line, true), 'full');
  const outcomes: string[] = [];
  journal.onSpace(clock.monotonic() + 1000, (outcome) => outcomes.push(`a ${outcome}`));
  journal.onSpace(clock.monotonic() + 500, (outcome) => outcomes.push(`b ${outcome}`));
  clock.advance(500);
  assert.deepEqual(outcomes, ['b gave-up']);
  journal.release(journal.segments[0]!);
  assert.deepEqual(outcomes, ['b gave-up', 'a space']);
  assert.equal(journal.append(line, false), 'written');
  await journal.close();
});

test('journal: segments rotate by size and only the oldest closed one can be released', async (t) => {
  const directory = temporaryDirectory(t);
  const journal = openJournal(directory, { maxBytes: 1000, segmentBytes: 20 });
  for (let index = 0; index < 5; index += 1) journal.append(`{"index":${index}}\n`, false);
  assert.equal(journal.segments.length, 3);
  assert.throws(() => journal.release(journal.segments[1]!));
  assert.throws(() => journal.release(journal.segments[2]!));
  journal.release(journal.segments[0]!);
  assert.deepEqual(readdirSync(directory).filter((name) => name.endsWith('.ndjson')), ['000000000002.ndjson', '000000000003.ndjson']); // prettier-ignore
  await journal.close();
});

test('journal: synced resolves after the data is on disk; the timer syncs without being asked', async (t) => {
  const clock = new ManualClock();
  const journal = openJournal(temporaryDirectory(t), { sync: 'always' }, clock);
  journal.append('{}\n', false);
  const first = journal.synced();
  journal.append('{}\n', false);
  await Promise.all([first, journal.synced(), journal.synced()]);
  journal.append('{}\n', false);
  await clock.advanceSettling(20);
  await journal.close();
  assert.equal(clock.pendingTimers, 0);
});

test('journal: after close nothing is taken, and who waits is told', async (t) => {
  const journal = openJournal(temporaryDirectory(t));
  const outcomes: string[] = [];
  journal.onSpace(1000, (outcome) => outcomes.push(outcome));
  await journal.close();
  assert.deepEqual(outcomes, ['gave-up']);
  assert.throws(() => journal.append('{}\n', false), StorageError);
});

test('journal: a directory that can not be made is a StorageError', (t) => {
  const directory = temporaryDirectory(t);
  appendFileSync(join(directory, 'file'), '');
  assert.throws(() => openJournal(join(directory, 'file', 'journal')), (error) => error instanceof StorageError && error.code === 'AUDIT_JOURNAL_OPEN'); // prettier-ignore
});
