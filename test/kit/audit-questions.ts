/** Searches and counts that an auditor asks of a full store, the easy and the hard ones: what must stay fast at a million events. */
import type { TestAuth } from '../../src/service/auth/auth.fixture.ts';
import { SYNTHETIC } from './synthetic-audit.ts';

type Client = TestAuth['admin']['client'];
export type Question = { readonly name: string; readonly ask: (client: Client) => Promise<{ readonly found: number }> };
/** The slowest and the middle of the runs, in milliseconds, at the API. */
export type Measured = {
  readonly name: string;
  readonly found: number;
  readonly medianMs: number;
  readonly worstMs: number;
};

/** About a store that `fillStore` filled up to `untilMs` over `spanMs`. First pages of 50 events, the newest first. */
export function auditQuestions(untilMs: number, spanMs: number): readonly Question[] {
  const at = (part: number): string => new Date(untilMs + 1 - Math.round((spanMs + 1) * part)).toISOString();
  const whole = { from: at(1), to: at(0) };
  const { users, databases, frequentWord, rareWord, absentPhrase } = SYNTHETIC;
  const [user = '', database = ''] = [users[0], databases[0]];
  const [rareUser = '', rareDatabase = ''] = [users.at(-1), databases.at(-1)];
  const search = (name: string, filter: Parameters<Client['searchAudit']>[0] & object): Question => ({
    name,
    ask: async (client) => ({
      found: (await client.searchAudit({ ...filter, limit: 50, descending: true })).events.length,
    }),
  });
  const count = (name: string, request: Parameters<Client['countAudit']>[0] & object): Question => ({
    name: `count: ${name}`,
    ask: async (client) => ({ found: Number((await client.countAudit(request)).total) }),
  });
  return [
    search('newest', {}),
    search('time', { from: at(0.5), to: at(0.45) }),
    search('frequent user', { ...whole, user }),
    search('rare user, rare database', { ...whole, user: rareUser, database: rareDatabase }),
    search('rare everything', { ...whole, user: rareUser, database: rareDatabase, events: ['TDB00W'] }),
    search('absent user', { user: 'nobody' }),
    search('event', { ...whole, events: ['TDB00W', 'TDB10W'] }),
    search('frequent word', { ...whole, text: frequentWord }),
    search('word of all events, rare user', { ...whole, text: 'local', user: rareUser, database: rareDatabase }),
    search('rare word', { ...whole, text: rareWord }),
    search('rare word, frequent user and database', { ...whole, text: rareWord, user, database }),
    search('frequent phrase', { ...whole, text: `delete from ${frequentWord}`, user }),
    search('phrase that is nowhere', { ...whole, text: absentPhrase }),
    search('word and event that never meet', { ...whole, text: frequentWord, events: ['db.session.result'] }),
    search('everything at once', { ...whole, user, database, events: ['db.session.query'], text: `update ${frequentWord}` }), // prettier-ignore
    count('100 spans by user', { filter: whole, buckets: 100, groupBy: 'user' }),
    count('one user by database', { filter: { ...whole, user }, buckets: 100, groupBy: 'database' }),
    count('refusals by code', { filter: { ...whole, events: ['TDB00W'] }, groupBy: 'code' }),
    count('frequent word', { filter: { ...whole, text: frequentWord }, buckets: 100 }),
  ];
}

/** Asks each so often. */
export async function measureQuestions(
  client: Client,
  questions: readonly Question[],
  runs: number,
): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  for (const { name, ask } of questions) {
    const times: number[] = [];
    let found = 0;
    for (let run = 0; run < runs; run += 1) {
      const began = performance.now();
      ({ found } = await ask(client));
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    measured.push({ name, found, medianMs: times[Math.floor(runs / 2)] ?? 0, worstMs: times.at(-1) ?? 0 });
  }
  return measured;
}
