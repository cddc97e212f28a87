import assert from 'node:assert/strict';
import { test } from 'node:test';
import { traitNameProblem, traitRows, traitsFit, traitsObject, withRows } from './trait-rows.ts';

test('traits: rows and back', () => {
  const rows = traitRows([
    ['db_users', ['a', 'b']],
    ['teams', []],
  ]);
  assert.deepEqual(traitsObject(rows), { db_users: ['a', 'b'] });
  assert.ok(traitsFit(rows));
});

test('traits: names that are asked for get rows once', () => {
  const rows = withRows(traitRows([['teams', ['x']]]), ['db_users', 'teams']);
  assert.deepEqual(
    rows.map(({ name }) => name),
    ['db_users', 'teams'],
  );
  assert.equal(new Set(rows.map(({ id }) => id)).size, 2);
  assert.equal(withRows(rows, ['teams']).length, 2);
});

test('traits: a name twice, none, or with control characters is a problem', () => {
  const rows = [
    { id: 1, name: 'a', values: ['x'] },
    { id: 2, name: 'a', values: [] },
    { id: 3, name: '', values: ['x'] },
    { id: 4, name: 'b\u0007', values: ['x'] },
    { id: 5, name: '', values: [] },
  ];
  assert.deepEqual(
    rows.map((row) => traitNameProblem(row, rows) !== undefined),
    [true, true, true, true, false],
  );
  assert.equal(traitsFit(rows), false);
});
