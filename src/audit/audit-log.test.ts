import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { ConfigError, LimitError, ProtocolError, StorageError } from '../errors.ts';
import { silentLog } from '../telemetry/log.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import { AuditLog, type AuditLogLimits } from './audit-log.ts';
import { auditEvent } from './event.ts';
import { eventFields, temporaryDirectory, zstdLines } from './fixtures.ts';
import { parseSearch } from './search.ts';

const caller = { hostId: 'host-1', role: 'database' } as const;

async function openLog(t: TestContext, more: string[] = [], limits: Partial<AuditLogLimits> = {}, stdout?: Writable) {
  const directory = temporaryDirectory(t);
  const clock = new ManualClock();
  const uris = [`file://${directory}/log`, ...more.map((uri) => uri.replace('DIR', directory))];
  const config = {
    clusterName: 'staging',
    hostId: 'auth-1',
    uris,
    backlogDirectory: join(directory, 'backlog'),
    limits,
  };
  const deps = { clock, log: silentLog, random: Math.random, ...(stdout === undefined ? {} : { stdout }) };
  const log = await AuditLog.open(config, deps);
  return { log, clock, directory };
}

test('audit log: a batch is found at once, a repeat is acknowledged and stored once', async (t) => {
  const { log } = await openLog(t);
  const batch = zstdLines(eventFields(), eventFields());
  assert.deepEqual(await log.ingest(batch, caller), { stored: 2 });
  assert.deepEqual(await log.ingest(batch, caller), { stored: 0 });
  assert.equal((await log.search(parseSearch({}))).events.length, 2);
  await log.close();
});

test("audit log: Auth's own events have its own server_id; a field can not replace what the log sets to something that is none", async (t) => {
  const { log } = await openLog(t);
  await log.emit(auditEvent('T1000I', { method: 'local', user: 'alice', success: true }));
  const [line] = (await log.search(parseSearch({ user: 'alice' }))).events;
  const { uid, ...rest } = JSON.parse(line ?? '');
  assert.deepEqual(rest, {
    event: 'user.login',
    code: 'T1000I',
    time: '2026-01-01T00:00:00.000Z',
    ei: 0,
    cluster_name: 'staging',
    server_id: 'auth-1',
    method: 'local',
    user: 'alice',
    success: true,
  });
  assert.ok(uid);
  await assert.rejects(log.emit({ event: 'user.login', code: 'T1000I', fields: { uid: 'mine' } }), ProtocolError);
  await log.close();
});

test('audit log: a refused batch stores nothing and stands in the log itself, once a minute', async (t) => {
  const { log, clock } = await openLog(t);
  const forged = zstdLines(eventFields(), eventFields({ server_id: 'host-2' }));
  for (let turn = 0; turn < 5; turn += 1) await assert.rejects(log.ingest(forged, caller), ProtocolError);
  clock.advance(60_000);
  await assert.rejects(log.ingest(forged, caller), ProtocolError);
  const { events } = await log.search(parseSearch({}));
  assert.deepEqual(events.map((line) => JSON.parse(line).event), ['api.denied', 'api.denied']); // prettier-ignore
  await log.close();
});

test('audit log: more batches at once than the limit are told to come again', async (t) => {
  const { log } = await openLog(t, [], { maxPendingBytes: 16 * 1024 ** 2 });
  const results = await Promise.allSettled(
    Array.from({ length: 5 }, () => log.ingest(zstdLines(eventFields()), caller)),
  );
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 2);
  assert.ok(results.some((result) => result.status === 'rejected' && result.reason instanceof LimitError));
  await log.ingest(zstdLines(eventFields()), caller);
  await log.close();
});

test('audit log: further destinations get everything, also what came while they were away', async (t) => {
  const held: (() => void)[] = [];
  let away = true;
  let out = '';
  const stdout = new Writable({
    write(chunk: Buffer, _encoding, done) {
      const take = (): void => {
        out += chunk.toString();
        done();
      };
      if (away) held.push(take);
      else take();
    },
  });
  const { log, directory } = await openLog(t, ['file://DIR/copy', 'stdout://'], {}, stdout);
  for (let turn = 0; turn < 3; turn += 1) await log.ingest(zstdLines(eventFields(), eventFields()), caller);
  assert.ok((log.backlogs.get('stdout://')?.backlogBytes ?? 0) > 0);
  const closing = log.close(10_000);
  away = false;
  await new Promise(setImmediate);
  for (const take of held) take();
  await closing;
  const first = readFileSync(join(directory, 'log', '2026-01-01.log'), 'utf8');
  assert.equal(first.split('\n').length, 7);
  assert.equal(readFileSync(join(directory, 'copy', '2026-01-01.log'), 'utf8'), first);
  assert.equal(out, first);
});

test('audit log: a destination that is away for too long stops the taking, not the events', async (t) => {
  const stdout = new Writable({ write() {} });
  const { log } = await openLog(t, ['stdout://'], { maxBacklogBytes: 4000 }, stdout);
  let refusal: unknown;
  for (let turn = 0; turn < 50 && refusal === undefined; turn += 1) {
    await log.ingest(zstdLines(eventFields()), caller).catch((error: unknown) => (refusal = error));
  }
  assert.ok(refusal instanceof StorageError && refusal.code === 'AUDIT_BACKLOG_FULL');
  await log.close(0);
});

test('audit log: follow gets what matches from the call on, and ends with the signal', async (t) => {
  const { log } = await openLog(t);
  await log.ingest(zstdLines(eventFields({ ei: 1, user: 'alice' })), caller);
  const controller = new AbortController();
  const following = log.follow(parseSearch({ user: 'alice', text: 'Größe' }), controller.signal);
  await log.ingest(
    zstdLines(
      eventFields({ ei: 2, user: 'bob', db_query: 'GRÖSSE größe' }),
      eventFields({ ei: 3, user: 'alice', db_query: 'x' }),
      eventFields({ ei: 4, user: 'alice', db_query: 'the große thing' }),
    ),
    caller,
  );
  const seen: number[] = [];
  for await (const lines of following) {
    seen.push(...lines.map((line) => Number(JSON.parse(line).ei)));
    controller.abort();
  }
  assert.deepEqual(seen, [4]);
  await log.close();
});

test('audit log: a follower that does not keep up is ended, nobody else', async (t) => {
  const { log } = await openLog(t, [], { maxFollowBytes: 2000, maxFollowers: 1 });
  const following = log.follow({}, new AbortController().signal);
  assert.throws(() => log.follow({}, new AbortController().signal), LimitError);
  for (let turn = 0; turn < 10; turn += 1) await log.ingest(zstdLines(eventFields()), caller);
  await assert.rejects(async () => {
    for await (const lines of following) assert.ok(lines);
  }, LimitError);
  log.follow({}, AbortSignal.abort());
  await log.close();
});

const addresses: { name: string; uris: string[]; problem: RegExp }[] = [
  { name: 'none', uris: [], problem: /audit_events_uri\[0\]: expected file/ },
  { name: 'first is not readable', uris: ['stdout://'], problem: /the one that is read/ },
  {
    name: 'a kind that is not there',
    uris: ['file:///a', 'dynamodb://user:hunter2@table'],
    problem: /audit_events_uri\[1\]: expected .* got dynamodb:\/\/$/,
  },
  { name: 'a host in a file address', uris: ['file://host/a'], problem: /absolute path and no host/ },
  { name: 'twice the same', uris: ['file:///a', '/a'], problem: /each destination once/ },
];
for (const row of addresses) {
  test(`audit log: addresses: ${row.name}`, async (t) => {
    const config = {
      clusterName: 'staging',
      hostId: 'auth-1',
      uris: row.uris,
      backlogDirectory: temporaryDirectory(t),
    };
    await assert.rejects(
      AuditLog.open(config, { clock: new ManualClock(), log: silentLog, random: Math.random }),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, row.problem);
        return true;
      },
    );
  });
}
