/**
 * `npm run bench:audit`: first pages of filtered searches and figures at the API of an Auth Service whose store is full of synthetic events.
 *
 *     npm run bench:audit                          a million events within one day
 *     npm run bench:audit -- --days 30             the same, over 30 days
 *     npm run bench:audit -- --events 100000
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TestAuth } from '../src/service/auth/auth.fixture.ts';
import { auditQuestions, measureQuestions } from '../test/kit/audit-questions.ts';
import { fillStore } from '../test/kit/synthetic-audit.ts';

const goalMs = 300;
const dayMs = 86_400_000;
const { values } = parseArgs({
  options: { events: { type: 'string', default: '1000000' }, days: { type: 'string', default: '1' } },
});
const [events, days] = [Number(values.events), Number(values.days)];
const untilMs = Math.floor(Date.now() / dayMs) * dayMs - 1;
const spanMs = days * dayMs - 1;

const dataDir = await mkdtemp(join(tmpdir(), 'tessera-bench-audit-'));
try {
  const began = performance.now();
  await fillStore(join(dataDir, 'log'), events, { untilMs, spanMs });
  const seconds = (performance.now() - began) / 1000;
  process.stdout.write(`${events} events over ${days} days: written and indexed in ${seconds.toFixed(1)} s\n`);
  const auth = await TestAuth.start({ dataDir });
  const rows = await measureQuestions(auth.admin.client, auditQuestions(untilMs, spanMs), 5);
  for (const { name, found, medianMs, worstMs } of rows)
    process.stdout.write(
      `${name.padEnd(40)} ${medianMs.toFixed(1).padStart(8)} ms  worst ${worstMs.toFixed(1).padStart(8)} ms  ${found}\n`,
    );
  const slow = rows.filter(({ medianMs }) => medianMs > goalMs).map(({ name }) => name);
  process.stdout.write(
    slow.length === 0 ? `all within ${goalMs} ms\n` : `slower than ${goalMs} ms: ${slow.join('; ')}\n`,
  );
  process.exitCode = slow.length === 0 ? 0 : 1;
  await auth.stop(true);
} finally {
  await rm(dataDir, { recursive: true, force: true });
}
