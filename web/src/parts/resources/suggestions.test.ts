import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { namesOf, type Cluster } from './known-names.ts';
import { suggestionsAt, yamlScalar } from './suggestions.ts';

const schemaOf = (kind: string): unknown =>
  JSON.parse(readFileSync(new URL(`../../schemas/${kind}.json`, import.meta.url), 'utf8'));
const role = schemaOf('role');
const cluster: Cluster = {
  roles: ['dba', 'reader'],
  databases: ['orders'],
  labels: new Map([['env', ['prod', 'dev']]]),
  databaseUsers: ['app'],
  databaseNames: ['shop'],
};

function offered(schema: unknown, marked: string): readonly string[] {
  const position = marked.indexOf('|');
  const found = suggestionsAt(marked.replace('|', ''), position, schema, namesOf(cluster));
  return found?.all.map(({ label }) => label) ?? [];
}

const rows: readonly (readonly [name: string, text: string, some: readonly string[], none: readonly string[]])[] = [
  ['keys at the top', '|', ['kind', 'version', 'metadata', 'spec'], ['sub_kind']],
  ['keys that are there are not offered again', 'kind: role\n|', ['version'], ['kind']],
  ['a kind', 'kind: |', ['role'], []],
  ['versions', 'version: |', ['v8', 'v3'], []],
  [
    'conditions without those that do nothing',
    'spec:\n  allow:\n    |',
    ['db_labels', 'db_users', 'rules'],
    ['logins'],
  ],
  ['label keys of the cluster', 'spec:\n  allow:\n    db_labels:\n      |', ['env', '*'], []],
  ['label values of the cluster', 'spec:\n  allow:\n    db_labels: {env: [|', ['prod', 'dev'], []],
  ['a single label value', 'spec:\n  allow:\n    db_labels:\n      env: |', ['prod'], []],
  ['database users', 'spec:\n  allow:\n    db_users: [|', ['app', '{{internal.db_users}}'], ['prod']],
  ['verbs', 'spec:\n  allow:\n    rules:\n      - resources: [db]\n        verbs: [|', ['list', 'read'], []],
  ['kinds of rules', 'spec:\n  deny:\n    rules:\n      - resources: [|', ['lock', 'event'], ['list']],
  ['true and false', 'spec:\n  options:\n    pin_source_ip: |', ['true', 'false'], []],
  ['durations', 'spec:\n  options:\n    max_session_ttl: |', ['8h'], []],
  ['nothing in a comment', '# |', [], ['kind']],
];
for (const [name, text, some, none] of rows)
  test(`suggestions: ${name}`, () => {
    const labels = offered(role, text);
    for (const label of some) assert.ok(labels.includes(label), `${label} in ${labels.join(' ')}`);
    for (const label of none) assert.ok(!labels.includes(label), `${label} not in ${labels.join(' ')}`);
  });

test('suggestions: roles of a user and of a connector', () => {
  assert.deepEqual(offered(schemaOf('user'), 'spec:\n  roles: [|'), ['dba', 'reader']);
  assert.deepEqual(offered(schemaOf('oidc'), 'spec:\n  claims_to_roles:\n    - {claim: groups, value: x, roles: [|'), [
    'dba',
    'reader',
  ]);
});

test('suggestions: a map goes on in the next line, two columns further', () => {
  const found = suggestionsAt('spec:\n  al', 10, role, namesOf(cluster));
  assert.equal(found?.from, 8);
  assert.equal(found.all.find(({ label }) => label === 'allow')?.apply, 'allow:\n    ');
  const flow = suggestionsAt('spec: {al', 9, role, namesOf(cluster));
  assert.equal(flow?.all.find(({ label }) => label === 'allow')?.apply, 'allow: ');
});

test('suggestions: texts that YAML would read as something else are quoted', () => {
  for (const text of ['*', '{{internal.db_users}}', 'a: b', 'no', '7', '', '#x', "it's"])
    assert.equal(yamlScalar(text), JSON.stringify(text));
  for (const text of ['prod', 'a-b', 'alice@example.com', 'a/b']) assert.equal(yamlScalar(text), text);
});
