import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listFiltersOf, listSearchOf, withLabel } from './list-filters.ts';
import {
  bestHealth,
  choiceWords,
  databasesOf,
  healthMessage,
  labelsIn,
  onlyOf,
  selectDatabases,
  serversOf,
} from './database.ts';

const answer = (name: string, more: object = {}, labels: object = {}) => ({
  json: JSON.stringify({
    kind: 'db',
    metadata: { name, labels, description: `the ${name}` },
    spec: { protocol: 'postgres', uri: 'h:1' },
  }),
  allowedUsers: ['reader'],
  deniedUsers: [],
  allowedNames: ['*'],
  deniedNames: [],
  health: 'healthy',
  ...more,
});
const databases = databasesOf([
  answer('orders', {}, { env: 'prod', team: 'a' }),
  answer('ledger', { allowedUsers: ['root', 'app_*', 'x'], deniedUsers: ['root'] }, { env: 'dev' }),
  { ...answer('x'), json: '{' },
]);

test('databases are read, and what has no name is left out', () => {
  assert.deepEqual(
    databases.map(({ name }) => name),
    ['orders', 'ledger'],
  );
  assert.deepEqual(databases[0]?.labels, { env: 'prod', team: 'a' });
  assert.deepEqual(databases[1]?.users, { exact: ['x'], patterns: ['app_*'], denied: ['root'] });
});

test('search, labels and protocol narrow together', () => {
  const names = (filters: object) =>
    selectDatabases(databases, { search: '', labels: [], protocol: '', ...filters }).map(({ name }) => name);
  assert.deepEqual(names({}), ['orders', 'ledger']);
  assert.deepEqual(names({ search: 'THE ledg' }), ['ledger']);
  assert.deepEqual(names({ search: 'env=prod' }), ['orders']);
  assert.deepEqual(names({ labels: ['env=prod', 'team=a'] }), ['orders']);
  assert.deepEqual(names({ labels: ['env=prod'], search: 'ledger' }), []);
  assert.deepEqual(names({ protocol: 'mysql' }), []);
  assert.deepEqual(labelsIn(databases), ['env=dev', 'env=prod', 'team=a']);
});

test('what roles allow, in words', () => {
  assert.equal(choiceWords({ exact: [], patterns: ['*'], denied: ['root'] }), 'any but root');
  assert.equal(choiceWords({ exact: ['a', 'b'], patterns: [], denied: [] }), 'a, b');
  assert.equal(choiceWords({ exact: [], patterns: [], denied: [] }), 'none');
  assert.equal(onlyOf({ exact: ['a'], patterns: [], denied: [] }), 'a');
  assert.equal(onlyOf({ exact: ['a'], patterns: ['*'], denied: [] }), '');
  assert.equal(onlyOf({ exact: ['a', 'b'], patterns: [], denied: [] }), '');
});

test('health as agents tell it', () => {
  const server = (status: string, message?: string): string =>
    JSON.stringify({
      spec: { host_name: 'db1', database: { metadata: { name: 'orders' } }, health: { status, message } },
    });
  const servers = serversOf([server('unhealthy', 'no route'), server('unknown'), 'x']);
  assert.deepEqual(
    servers.map(({ database, health }) => [database, health]),
    [
      ['orders', 'unhealthy'],
      ['orders', 'unknown'],
      ['', 'unknown'],
    ],
  );
  assert.equal(healthMessage(servers), 'no route');
  assert.deepEqual(
    [bestHealth(servers), bestHealth([]), bestHealth(servers.slice(1))],
    ['unhealthy', undefined, 'unknown'],
  );
  assert.equal(healthMessage([...servers, ...serversOf([server('healthy')])]), '');
});

test('the list’s filters stand in the address', () => {
  const filters = { search: 'a b', labels: ['env=prod', 'x=1,2'], protocol: 'mysql' };
  assert.deepEqual(listFiltersOf(listSearchOf(filters)), filters);
  assert.deepEqual(listSearchOf({ search: '', labels: [], protocol: '' }), {});
  assert.deepEqual(listFiltersOf({ q: 42, labels: 'x', protocol: {} }), { search: '42', labels: [], protocol: '' });
  assert.deepEqual(withLabel(withLabel(filters, 'a=b'), 'env=prod').labels, ['x=1,2', 'a=b']);
});
