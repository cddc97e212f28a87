import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BugError } from '../errors.ts';
import { createInstruments } from './instruments.ts';
import { Metrics } from './metrics.ts';

test('metrics: a tally is read at each scrape, not added again', async () => {
  const metrics = new Metrics();
  const tally = metrics.counter('tessera_x_total', 'X.');
  tally.value += 5;
  await metrics.text();
  tally.value += 2;
  assert.match(await metrics.text(), /^tessera_x_total 7$/m);
});

test('metrics: label combinations beyond the limit share one series', async () => {
  const metrics = new Metrics({ maxSeries: 3 });
  const family = metrics.counters('tessera_y_total', 'Y.', ['user']);
  for (let index = 0; index < 100; index += 1) family.of({ user: `u${index}` }).value += 1;
  const text = await metrics.text();
  assert.equal(text.match(/^tessera_y_total\{/gm)?.length, 4);
  assert.match(text, /tessera_y_total\{user="other"\} 97/);
});

test('metrics: a gauge whose owner throws does not take the scrape with it', async () => {
  const metrics = new Metrics();
  metrics.gauge('tessera_bad', 'Bad.', () => {
    throw new Error('gone');
  });
  metrics.gauge('tessera_good', 'Good.', () => 3);
  assert.match(await metrics.text(), /^tessera_good 3$/m);
});

test('metrics: names must have the prefix', () => {
  assert.throws(() => new Metrics().counter('other_total', 'X.'), BugError);
});

test('session meter: what live sessions counted appears at scrape, and only once', async () => {
  const metrics = new Metrics();
  const { dbSessions } = createInstruments(metrics, { version: '1', service: 'database' });
  const counters = { bytesFromClient: 10, bytesFromDatabase: 100, statements: 1 };
  const labels = { db_protocol: 'postgres', db_service: 'orders' };
  const end = dbSessions.track(labels, counters);
  const other = dbSessions.track(labels, { bytesFromClient: 1, bytesFromDatabase: 1, statements: 1 });
  await metrics.text();
  counters.statements = 5;
  assert.match(await metrics.text(), /tessera_db_statements_total\{db_protocol="postgres",db_service="orders"\} 6/);
  assert.match(await metrics.text(), /tessera_db_active_sessions\{db_protocol="postgres",db_service="orders"\} 2/);
  counters.bytesFromDatabase = 150;
  end();
  end();
  other();
  const text = await metrics.text();
  assert.match(text, /tessera_db_relay_bytes_total\{[^}]*direction="from_database"\} 151/);
  assert.match(text, /tessera_db_statements_total\{[^}]*\} 6/);
  assert.match(text, /tessera_db_initialized_connections_total\{[^}]*\} 2/);
  assert.doesNotMatch(text, /^tessera_db_active_sessions\{/m);
});
