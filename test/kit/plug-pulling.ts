/** The proof that no service's sudden end loses or doubles an event, for any engine: kill -9 of each in the middle of writing clients. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAuditLog, waitForAudit, type LoggedEvent } from './audit-log.ts';
import type { Cluster } from './cluster.ts';
import type { ServiceProcess } from './service-process.ts';
import { startWriters, type WriterClient } from './writers.ts';

/** What the proof needs of an engine's databases. */
export type PlugPullingRig = {
  readonly cluster: Cluster;
  /** How many write at once. */
  readonly writers: number;
  /** A new session for this writer. */
  open(writer: number): Promise<WriterClient>;
  /** Makes the table `written` anew. */
  clear(): Promise<void>;
  /** What is committed, as `<writer>/<n>`, past Tessera. */
  committed(): Promise<string[]>;
  /** The row that this event is about, as `<writer>/<n>`; undefined for other events. */
  rowOf(event: LoggedEvent): string | undefined;
};

const victims: readonly {
  readonly name: string;
  readonly of: (cluster: Cluster) => ServiceProcess | undefined;
  readonly awayMs: number;
  readonly sessionsGoOn: boolean;
}[] = [
  { name: 'agent', of: (c) => c.agents[0], awayMs: 500, sessionsGoOn: false },
  { name: 'proxy', of: (c) => c.proxies[0], awayMs: 500, sessionsGoOn: false },
  { name: 'Auth', of: (c) => c.auth, awayMs: 4000, sessionsGoOn: true },
];

/** A suite with one test for each service that is killed. `start` is called once; its cluster is closed at the end. */
export function pullPlugs(title: string, start: () => Promise<PlugPullingRig>): void {
  suite(title, () => {
    let rig: PlugPullingRig;
    before(async () => {
      rig = await start();
      await openOnce(rig);
    });
    after(() => rig?.cluster.close());

    for (const victim of victims) {
      test(`kill -9 of the ${victim.name}: every committed row has its event exactly once`, async () => {
        const { cluster, writers } = rig;
        await rig.clear();
        const from = readAuditLog(cluster).length;
        const running = startWriters(writers, (writer) => rig.open(writer));
        await sleep(1000);
        assert.equal(running.connects(), writers);
        const service = victim.of(cluster) ?? assert.fail(`no ${victim.name}`);
        await service.stop('SIGKILL');
        const before = running.acknowledged();
        await sleep(victim.awayMs);
        if (victim.sessionsGoOn) {
          assert.ok(running.acknowledged() > before, 'sessions write on while Auth is away');
          await openOnce(rig);
        }
        service.start();
        await service.ready();
        const restarted = running.acknowledged();
        for (let tries = 0; running.acknowledged() === restarted && tries < 100; tries++) await sleep(100);
        await sleep(500);
        assert.ok(running.acknowledged() > restarted, 'writing goes on after the restart');
        await running.stop();
        if (victim.sessionsGoOn) assert.equal(running.connects(), writers, 'no session was cut');
        await compare(rig, from);
      });
    }
  });
}

/** Each writer's way in works: while Auth is away, with what the services hold. */
async function openOnce(rig: PlugPullingRig): Promise<void> {
  for (let writer = 0; writer < rig.writers; writer++) {
    const client = await rig.open(writer);
    await client.end();
  }
}

async function compare(rig: PlugPullingRig, from: number): Promise<void> {
  const rows = await rig.committed();
  assert.ok(rows.length > 100, `${rows.length} rows were written`);
  const committed = new Set(rows);
  assert.equal(committed.size, rows.length);
  const events = await waitForAudit(rig.cluster, `${committed.size} statements`, (all) => {
    const seen = countRows(rig, all.slice(from));
    return [...committed].every((key) => seen.has(key)) ? seen : undefined;
  });
  const wrong = [...committed].filter((key) => events.get(key) !== 1).map((key) => `${key}: ${events.get(key)}`);
  assert.deepEqual(wrong, []);
  const uids = readAuditLog(rig.cluster).map((event) => event.uid);
  assert.equal(new Set(uids).size, uids.length, 'uids are unique');
}

function countRows(rig: PlugPullingRig, events: readonly LoggedEvent[]): Map<string, number> {
  const seen = new Map<string, number>();
  for (const event of events) {
    const key = rig.rowOf(event);
    if (key !== undefined) seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  return seen;
}
