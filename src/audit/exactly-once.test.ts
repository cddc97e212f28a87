import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { silentLog } from '../telemetry/log.ts';
import { ManualClock } from '../telemetry/manual-clock.ts';
import { AuditLog } from './audit-log.ts';
import { openJournal, SESSION, temporaryDirectory } from './fixtures.ts';
import type { Journal } from './journal.ts';
import { parseSearch } from './search.ts';
import { Shipper, zstdDelivery } from './shipper.ts';
import { AuditWriter } from './writer.ts';

/** What may happen to a host and to Auth, in any order. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('record' as const), count: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('host restarts' as const), torn: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('auth restarts' as const) }) },
);
/** What becomes of each delivery, in turn. */
const fate = fc.constantFrom('stored', 'stored', 'stored', 'answer lost', 'never arrives');

test('exactly once: whatever crashes, repeats and fails, in whatever order, the store has each committed event once and in order', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.array(fate, { minLength: 1, maxLength: 12 }),
      async (steps, fates) => {
        const run = await Run.begin(t, fates);
        for (const each of steps) {
          if (each.do === 'record') run.record(each.count);
          else if (each.do === 'time') await run.pass(each.ms);
          else if (each.do === 'host restarts') await run.restartHost(each.torn);
          else await run.restartAuth();
        }
        assert.deepEqual(
          await run.finish(),
          Array.from({ length: run.committed }, (_, n) => n),
        );
      },
    ),
    { numRuns: 25 },
  );
});

class Run {
  readonly clock = new ManualClock();
  readonly #directory: string;
  readonly #fates: readonly string[];
  #deliveries = 0;
  #journal: Journal | undefined;
  #shipper: Shipper | undefined;
  #log: AuditLog | undefined;
  committed = 0;
  #healed = false;

  private constructor(directory: string, fates: readonly string[]) {
    this.#directory = directory;
    this.#fates = fates;
  }

  static async begin(t: TestContext, fates: readonly string[]): Promise<Run> {
    const run = new Run(temporaryDirectory(t), fates);
    await run.#startAuth();
    run.#startHost();
    return run;
  }

  /** Time, with some turns through the thread pool for the file operations under way. */
  async pass(ms: number): Promise<void> {
    await this.clock.advanceSettling(ms);
    for (let turn = 0; turn < 5; turn += 1) {
      await stat(this.#directory);
      await this.clock.advanceSettling(1);
    }
  }

  record(count: number): void {
    const host = { cluster_name: SESSION.cluster_name, server_id: SESSION.server_id };
    if (this.#journal === undefined) return;
    const recorder = new AuditWriter(this.#journal, host, { clock: this.clock }).openSession(SESSION);
    for (let index = 0; index < count; index += 1)
      recorder.write('db.session.query', 'TDB02I', { db_query: 'select', n: this.committed + index });
    assert.equal(recorder.commit(), 'written');
    this.committed += count;
  }

  async restartHost(torn: boolean): Promise<void> {
    await this.#stopHost(torn);
    this.#startHost();
  }

  async restartAuth(): Promise<void> {
    const before = this.#log;
    this.#log = undefined;
    await before?.close(0);
    await this.#startAuth();
  }

  async finish(): Promise<unknown[]> {
    this.#healed = true;
    for (let turn = 0; turn < 3000 && (this.#shipper?.backlogBytes ?? 0) > 0; turn += 1) await this.pass(500);
    await this.#stopHost(false);
    const page = await this.#log?.search(parseSearch({ limit: 10_000 }));
    await this.#log?.close(0);
    const found = page?.events ?? [];
    // The file is what counts: the index might hide a line that stands there twice.
    const path = join(this.#directory, 'log', '2026-01-01.log');
    const inFile = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
    assert.deepEqual(inFile, found);
    return found.map((line): unknown => JSON.parse(line).n);
  }

  async #deliver(eventsZstd: Uint8Array) {
    const fateNow = this.#healed ? 'stored' : this.#fates[this.#deliveries++ % this.#fates.length];
    if (fateNow === 'never arrives' || this.#log === undefined) throw new Error('connection refused');
    await this.#log.ingest(eventsZstd, { hostId: 'host-1', role: 'database' });
    if (fateNow === 'answer lost') throw new Error('connection reset');
    return { type: 'acknowledged' } as const;
  }

  async #startAuth(): Promise<void> {
    const config = {
      clusterName: 'staging',
      hostId: 'auth-1',
      uris: [`file://${this.#directory}/log`],
      backlogDirectory: join(this.#directory, 'backlog'),
    };
    this.#log = await AuditLog.open(config, { clock: this.clock, log: silentLog, random: () => 0.5 });
  }

  #startHost(): void {
    this.#journal = openJournal(
      join(this.#directory, 'journal'),
      { segmentBytes: 2000, maxBytes: 10_000_000 },
      this.clock,
    );
    const deliver = zstdDelivery(({ eventsZstd }) => this.#deliver(eventsZstd));
    this.#shipper = new Shipper(
      this.#journal,
      { maxBatchBytes: 1500 },
      { clock: this.clock, log: silentLog, random: () => 0.5, deliver },
    );
    this.#shipper.start();
  }

  async #stopHost(torn: boolean): Promise<void> {
    await this.#shipper?.stop();
    const last = this.#journal?.segments.at(-1);
    await this.#journal?.close();
    if (torn && last !== undefined) appendFileSync(last.path, '{"event":"db.session.query","code":"TD');
  }
}
