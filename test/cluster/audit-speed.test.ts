// A full audit store behind the API: the questions of the bench (npm run bench:audit, a million events) with fewer events. Figures are printed, never asserted: the machine is shared.
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { TestAuth } from '../../src/service/auth/auth.fixture.ts';
import { auditQuestions, measureQuestions } from '../kit/audit-questions.ts';
import { fillStore, SYNTHETIC } from '../kit/synthetic-audit.ts';

/** Above one table of words, so that a day has several (day-words.ts). */
const count = 140_000;
const dayMs = 86_400_000;
const spanMs = dayMs - 1;

suite('a full audit store', () => {
  const untilMs = Math.floor(Date.now() / dayMs) * dayMs - 1;
  let auth: TestAuth;

  before(async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'tessera-audit-speed-'));
    await fillStore(join(dataDir, 'log'), count, { untilMs, spanMs });
    auth = await TestAuth.start({ dataDir });
  });
  after(() => auth?.stop());

  test('every question is answered; how fast', async (t) => {
    const rows = await measureQuestions(auth.admin.client, auditQuestions(untilMs, spanMs), 3);
    for (const { name, found, medianMs, worstMs } of rows)
      t.diagnostic(`${name}: ${medianMs.toFixed(1)} ms (worst ${worstMs.toFixed(1)} ms), found ${found}`);
    const found = new Map(rows.map((row) => [row.name, row.found]));
    assert.equal(found.get('newest'), 50);
    assert.equal(found.get('frequent word'), 50);
    assert.notEqual(found.get('rare word'), 0);
    assert.equal(found.get('absent user'), 0);
    assert.equal(found.get('phrase that is nowhere'), 0);
    assert.equal(found.get('word and event that never meet'), 0);
    assert.equal(found.get('count: 100 spans by user'), count);
  });

  test('pages of a search and its figures say the same, in spans, in groups and in all', async () => {
    const filter = {
      from: new Date(untilMs + 1 - dayMs).toISOString(),
      to: new Date(untilMs + 1).toISOString(),
      user: SYNTHETIC.users[3] ?? '',
      text: SYNTHETIC.frequentWord,
    };
    const { buckets, groups, total } = await auth.admin.client.countAudit({ filter, buckets: 48, groupBy: 'database' });
    const sum = (list: readonly { readonly count: bigint }[]): bigint =>
      list.reduce((all, each) => all + each.count, 0n);
    assert.equal(sum(buckets), total);
    assert.equal(sum(groups), total);
    const seen = new Set<string>();
    let last = 'Z';
    for (let cursor = ''; ;) {
      const page = await auth.admin.client.searchAudit({ ...filter, cursor, limit: 500, descending: true });
      for (const line of page.events) {
        const { time, uid } = JSON.parse(line) as { time: string; uid: string };
        assert.ok(time <= last, 'newest first');
        last = time;
        seen.add(uid);
      }
      cursor = page.nextCursor;
      if (cursor === '') break;
    }
    assert.equal(BigInt(seen.size), total);
  });
});
