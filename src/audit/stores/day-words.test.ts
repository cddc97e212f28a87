import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { DayWords, shardOf, shardSchema, shardTable } from './day-words.ts';

test('words that are in every event of whole shards are found in all of them', () => {
  const database = new DatabaseSync(':memory:');
  const last = 2 ** 17 + 10_000;
  database.exec('BEGIN');
  for (let shard = 0; shard <= shardOf(last); shard += 1) database.exec(shardSchema(shard));
  const insert = [0, 1].map((shard) => database.prepare(`INSERT INTO ${shardTable(shard)}(rowid, body) VALUES (?, ?)`));
  for (let id = 1; id <= last; id += 1) insert[shardOf(id)]?.run(id, 'select one');
  database.exec('COMMIT');
  for (const words of [['select'], ['select', 'one']]) {
    const found = DayWords.of(database, words, last + 1)?.idsBetween(2, last);
    assert.equal(found?.length, last - 1, words.join(' '));
    assert.deepEqual([found[0], found.at(-1)], [2, last]);
  }
  database.close();
});
