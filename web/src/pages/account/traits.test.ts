import assert from 'node:assert/strict';
import { test } from 'node:test';
import { traitsOf } from './traits.ts';

test('traits in the order of their names; what is no list of texts is left out', () => {
  assert.deepEqual(traitsOf('{"teams":["b","a"],"db_users":[],"x":"y","n":[1]}'), [
    ['db_users', []],
    ['teams', ['b', 'a']],
  ]);
  for (const nothing of ['', 'null', '[]', '3', '{']) assert.deepEqual(traitsOf(nothing), [], nothing);
});
