import { systemClock } from '../telemetry/clock.ts';
import { silentLog } from '../telemetry/log.ts';
import { SESSION } from './fixtures.ts';
import { Journal, JOURNAL_DEFAULTS } from './journal.ts';
import { AuditWriter } from './writer.ts';

/** The process that crash.test.ts kills: records statements as fast as it can and tells each number only after `commit` returned. */
const directory = process.argv[2] ?? '';
const journal = Journal.open(
  { ...JOURNAL_DEFAULTS, directory, segmentBytes: 64 * 1024 },
  { clock: systemClock, log: silentLog },
);
const host = { cluster_name: SESSION.cluster_name, server_id: SESSION.server_id };
const recorder = new AuditWriter(journal, host, { clock: systemClock }).openSession(SESSION);
for (let n = 0; ;) {
  const numbers: number[] = [];
  for (let statement = 0; statement <= n % 5; statement += 1, n += 1) {
    recorder.writeSerialized(
      'db.session.query',
      'TDB02I',
      `"db_query":"select ${n} /* ${'x'.repeat((n * 37) % 3000)} */","n":${n}`,
    );
    numbers.push(n);
  }
  if (recorder.commit() !== 'written') break;
  process.stdout.write(`${numbers.join('\n')}\n`);
  if (n % 50 === 0) await new Promise(setImmediate);
}
