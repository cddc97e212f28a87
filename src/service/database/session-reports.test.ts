import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseResourceOf } from '../../resource/parse.ts';
import { silentLog } from '../../telemetry/log.ts';
import { ManualClock } from '../../telemetry/manual-clock.ts';
import { type LiveSession, type SendReport, SessionReports } from './session-reports.ts';

type Part = Parameters<SendReport>[0];

const database = parseResourceOf('db', { kind: 'db', version: 'v3', metadata: { name: 'orders' }, spec: { protocol: 'postgres', uri: 'h:1' } }); // prettier-ignore

function live(
  number: number,
  more: { readonly current?: string; readonly parameters?: Record<string, string> } = {},
): LiveSession {
  return {
    grant: { identity: { user: 'alice' }, database, databaseUser: 'reader', databaseName: 'shop' },
    opening: {
      opening: { sessionId: `session-${number}`, clientAddress: '198.51.100.7:5555' },
      proxy: { identity: { hostId: 'proxy-1' } },
    },
    request: { parameters: more.parameters ?? {} },
    startedMs: 0,
    counters: {
      bytesFromClient: 10,
      bytesFromDatabase: 20,
      statements: 3,
      lastActivityMs: 1000,
      running: more.current === undefined ? 0 : 1,
      current: () => more.current,
    },
  } as unknown as LiveSession;
}

function harness(sessions: Set<LiveSession>, nextMs = 10_000) {
  const clock = new ManualClock();
  const parts: Part[] = [];
  const state = { nextMs, failing: false };
  const send: SendReport = (part) => {
    if (state.failing) return Promise.reject(new Error('away'));
    parts.push(part);
    return Promise.resolve({ nextMs: state.nextMs });
  };
  const reports = new SessionReports({ sessions: () => sessions, send, clock, log: silentLog, random: () => 1 });
  const pass = async (ms: number): Promise<number> => {
    const before = parts.length;
    clock.advance(ms);
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    return parts.length - before;
  };
  return { reports, parts, pass, state };
}

test('what is told of a session: as it is at that moment', async () => {
  const busy = live(1, { current: 'select 1', parameters: { application_name: 'psql' } });
  const idle = live(2, { parameters: { 'attribute.program_name': 'mysql', 'attribute._client_name': 'libmysql' } });
  const { reports, parts, pass } = harness(new Set([busy, idle]));
  reports.changed();
  assert.equal(await pass(300), 1);
  const [first, second] = parts[0]?.sessions ?? [];
  assert.deepEqual(first, {
    sessionId: 'session-1',
    user: 'alice',
    databaseService: 'orders',
    protocol: 'postgres',
    databaseUser: 'reader',
    databaseName: 'shop',
    clientAddress: '198.51.100.7:5555',
    proxyHostId: 'proxy-1',
    started: '1970-01-01T00:00:00.000Z',
    statements: 3n,
    bytesFromClient: 10n,
    bytesFromDatabase: 20n,
    currentStatement: 'select 1',
    since: '1970-01-01T00:00:01.000Z',
    idle: false,
    clientProgram: 'psql',
  });
  assert.deepEqual([second?.idle, second?.currentStatement, second?.clientProgram], [true, '', 'mysql']);
  reports.close();
});

const cuts: { name: string; text: string; want: string }[] = [
  { name: 'short', text: 'select 1', want: 'select 1' },
  { name: 'long', text: 'x'.repeat(5000), want: 'x'.repeat(1024) },
  { name: 'in whole characters', text: `a${'ä'.repeat(2000)}`, want: `a${'ä'.repeat(511)}` },
  { name: 'no half of a pair', text: `a${'😀'.repeat(2000)}`, want: `a${'😀'.repeat(255)}` },
];
for (const row of cuts) {
  test(`a statement is cut to 1 KiB: ${row.name}`, async () => {
    const { reports, parts, pass } = harness(new Set([live(1, { current: row.text })]));
    reports.changed();
    await pass(300);
    assert.equal(parts[0]?.sessions?.[0]?.currentStatement, row.want);
    reports.close();
  });
}

test('as often as Auth asks for, soon after a change, never more than once a second, and nothing while there is nothing', async () => {
  const sessions = new Set<LiveSession>();
  const { reports, pass, state } = harness(sessions);
  reports.changed();
  assert.equal(await pass(60_000), 0, 'Auth knows of none');
  sessions.add(live(1));
  reports.changed();
  assert.equal(await pass(300), 1);
  assert.equal(await pass(9000), 0);
  assert.equal(await pass(1000), 1, 'the next picture');
  state.nextMs = 0;
  reports.changed();
  reports.changed();
  assert.equal(await pass(300), 0);
  assert.equal(await pass(700), 1);
  assert.equal(await pass(999), 0, 'not more often, whatever Auth says');
  assert.equal(await pass(1), 1);
  state.nextMs = 1e9;
  await pass(1000);
  assert.equal(await pass(30_000), 1, 'nor hardly ever');
  sessions.clear();
  reports.changed();
  assert.equal(await pass(1000), 1, 'that there is none any more is told once');
  assert.equal(await pass(120_000), 0);
  reports.close();
});

test('many go in parts of one picture; a picture that failed comes whole again', async () => {
  const sessions = new Set(Array.from({ length: 1100 }, (_, index) => live(index)));
  const { reports, parts, pass, state } = harness(sessions);
  reports.changed();
  assert.equal(await pass(1000), 0, 'very many: a little later');
  assert.equal(await pass(100), 3);
  assert.deepEqual(parts.map(({ picture, last, sessions: list }) => [picture, last, list?.length]), [[1n, false, 500], [1n, false, 500], [1n, true, 100]]); // prettier-ignore
  state.failing = true;
  assert.equal(await pass(10_000), 0);
  state.failing = false;
  assert.equal(await pass(2000), 3);
  assert.equal(parts.at(-1)?.picture, 3n);
  reports.close();
  assert.equal(await pass(60_000), 0);
});
