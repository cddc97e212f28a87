import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { ProtocolError } from '../errors.ts';
import { eventFields, zstdLines } from './fixtures.ts';
import { EVENTS } from './events.table.ts';
import { decodeBatch, INGEST_DEFAULTS, type IngestLimits } from './ingest.ts';

const context = { clusterName: 'staging', hostId: 'host-1', role: 'database', nowMs: Date.UTC(2026, 0, 1) } as const;
const day = 24 * 3600 * 1000;
const at = (ms: number) => new Date(context.nowMs + ms).toISOString();

const refused: { name: string; bytes: Uint8Array; message: RegExp; limits?: Partial<IngestLimits> }[] = [
  {
    name: 'a bomb: 1 GiB of zeros in a few kilobytes',
    bytes: zstdCompressSync(Buffer.alloc(64 * 1024 ** 2)),
    message: /exceeds maxBatchBytes 8388608/,
  },
  { name: 'not zstd', bytes: Buffer.from('{"event":"x"}\n'), message: /not zstd/ },
  { name: 'half a frame', bytes: zstdLines(eventFields()).subarray(0, 40), message: /not zstd|does not end/ },
  {
    name: 'more compressed bytes than allowed',
    bytes: Buffer.alloc(11),
    limits: { maxCompressedBytes: 10 },
    message: /exceed maxCompressedBytes 10/,
  },
  {
    name: 'a huge line',
    bytes: zstdLines(eventFields({ db_query: 'x'.repeat(2000) })),
    limits: { maxEventBytes: 1000 },
    message: /line 1 of \d+ bytes exceeds maxEventBytes 1000/,
  },
  {
    name: 'too many lines',
    bytes: zstdLines(eventFields(), eventFields(), eventFields()),
    limits: { maxBatchEvents: 2 },
    message: /more than maxBatchEvents 2/,
  },
  {
    name: 'a last line without an end',
    bytes: zstdCompressSync(JSON.stringify(eventFields())),
    message: /does not end/,
  },
  { name: 'not JSON', bytes: zstdCompressSync('hello\n'), message: /line 1: audit event: line is not JSON/ },
  {
    name: 'an empty line between',
    bytes: zstdCompressSync(`${JSON.stringify(eventFields())}\n\n`),
    message: /line 2: .*not JSON/,
  },
  { name: 'an array', bytes: zstdCompressSync('[]\n'), message: /not a JSON object/ },
  { name: 'null', bytes: zstdCompressSync('null\n'), message: /not a JSON object/ },
  {
    name: "another host's server_id",
    bytes: zstdLines(eventFields({ server_id: 'host-2' })),
    message: /server_id is not the sender's/,
  },
  { name: 'no server_id', bytes: zstdLines(eventFields({ server_id: undefined })), message: /server_id/ },
  { name: 'another cluster', bytes: zstdLines(eventFields({ cluster_name: 'production' })), message: /cluster_name/ },
  {
    name: 'a kind that only Auth writes',
    bytes: zstdLines(eventFields({ event: 'user.login', code: 'T1000I', method: 'local' })),
    message: /user.login may not be written by role database/,
  },
  {
    name: "an event under another's code",
    bytes: zstdLines(eventFields({ event: 'user.login' })),
    message: /event does not belong to its code/,
  },
  { name: 'a code nobody knows', bytes: zstdLines(eventFields({ code: 'TDB99I' })), message: /code is not known/ },
  {
    name: 'a code that is a property of every object',
    bytes: zstdLines(eventFields({ code: 'constructor' })),
    message: /code is not known/,
  },
  { name: 'a code that is no text', bytes: zstdLines(eventFields({ code: ['TDB02I'] })), message: /code is not known/ },
  { name: 'no uid', bytes: zstdLines(eventFields({ uid: undefined })), message: /uid is not/ },
  { name: 'a uid that is no UUID', bytes: zstdLines(eventFields({ uid: "' OR 1=1" })), message: /uid is not/ },
  {
    name: 'a time that does not exist',
    bytes: zstdLines(eventFields({ time: '2026-13-41T00:00:00.000Z' })),
    message: /time does not exist/,
  },
  {
    name: 'a time that is a path',
    bytes: zstdLines(eventFields({ time: '../../etc/passwd' })),
    message: /time is not RFC 3339/,
  },
  { name: 'a time in the far future', bytes: zstdLines(eventFields({ time: at(2 * day) })), message: /in the future/ },
  { name: 'a time long ago', bytes: zstdLines(eventFields({ time: at(-401 * day) })), message: /too long ago/ },
  {
    name: 'a field of the wrong type',
    bytes: zstdLines(eventFields({ db_query: 7 })),
    message: /db_query is not of type text/,
  },
  { name: 'a missing field', bytes: zstdLines(eventFields({ db_query: undefined })), message: /db_query is missing/ },
  {
    name: 'a user that is an object',
    bytes: zstdLines(eventFields({ user: { $ne: 1 } })),
    message: /user is not of type text/,
  },
  {
    name: 'one bad line among good ones',
    bytes: zstdLines(eventFields(), eventFields({ ei: 1.5 }), eventFields()),
    message: /line 2: .*ei is not of type int/,
  },
];
for (const row of refused) {
  test(`ingest: refuses ${row.name}`, async () => {
    await assert.rejects(decodeBatch(row.bytes, context, { ...INGEST_DEFAULTS, ...row.limits }), (error) => {
      assert.ok(error instanceof ProtocolError);
      assert.match(error.message, row.message);
      return true;
    });
  });
}

const taken: { name: string; bytes: Uint8Array; count: number }[] = [
  { name: 'nothing', bytes: zstdCompressSync(''), count: 0 },
  { name: 'one event', bytes: zstdLines(eventFields()), count: 1 },
  {
    name: 'events in concatenated frames',
    bytes: Buffer.concat([zstdLines(eventFields()), zstdLines(eventFields())]),
    count: 2,
  },
  { name: 'a backlog of weeks', bytes: zstdLines(eventFields({ time: at(-30 * day) })), count: 1 },
  { name: 'fields of a newer agent', bytes: zstdLines(eventFields({ from_the_future: { a: 1 } })), count: 1 },
];
for (const row of taken) {
  test(`ingest: takes ${row.name}`, async () => {
    assert.equal((await decodeBatch(row.bytes, context, INGEST_DEFAULTS)).length, row.count);
  });
}

test('ingest: a proxy may tell of refusals, and nothing else', async () => {
  const written: string[] = [];
  for (const [code, spec] of Object.entries(EVENTS)) {
    const lines = zstdLines(eventFields({ code, event: spec.event }));
    const error: unknown = await decodeBatch(lines, { ...context, role: 'proxy' }, INGEST_DEFAULTS).catch(
      (reason: unknown) => reason,
    );
    if (!(error instanceof ProtocolError) || !error.message.includes('may not be written by role proxy'))
      written.push(code);
  }
  assert.deepEqual(written, ['TDB00W', 'T3007W']);
});

test('ingest: a key that stands twice is stored once, so that no two readers see two things', async () => {
  const line = JSON.stringify(eventFields()).replace('{', '{"user":"mallory","server_id":"host-9",');
  const [event] = await decodeBatch(zstdCompressSync(`${line}\n`), context, INGEST_DEFAULTS);
  assert.doesNotMatch(event?.line ?? '', /mallory|host-9/);
});

test('ingest: messages have no values of the fields', async () => {
  const bytes = zstdLines(eventFields({ db_query: { secret: 'hunter2' }, user: 'hunter2' }));
  await assert.rejects(
    decodeBatch(bytes, context, INGEST_DEFAULTS),
    (error) => error instanceof Error && !error.message.includes('hunter2'),
  );
});
