import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../../src/config/parse.ts';
import {
  agentConfig,
  agentEntry,
  agentScript,
  labelPairs,
  type Plan,
  planProblems,
  preparation,
  trialScript,
} from './enrolment.ts';

const plan: Plan = { protocol: 'postgres', name: 'orders', uri: 'db.internal:5432', labels: 'env=prod, team=a b' };
const joining = { token: 'tok-en', caPins: [`sha256:${'a'.repeat(64)}`], proxy: 'access.example.com:3080' };

test('the configuration is one that Tessera takes, and says what was asked', () => {
  for (const uri of ['db.internal:5432', '10.0.0.7:5432', '[::1]:5432']) {
    const config = parseConfig(agentConfig({ ...plan, uri }, joining), 'tessera.yaml');
    const [{ database } = { database: undefined }] = config.database?.databases ?? [];
    assert.equal(database?.metadata.name, 'orders');
    assert.equal(database?.spec.uri, uri);
    assert.deepEqual(database?.metadata.labels, { env: 'prod', team: 'a b' });
    assert.deepEqual(config.join, { token: { type: 'file', path: '/etc/tessera/join-token' }, caPins: joining.caPins });
  }
});

test('a configuration of nothing but hostile values means nothing else', () => {
  const labels = `a="}\nb=*y # {x: 1}\nc='\nd={{x}}`;
  const parsed = parseConfig(agentConfig({ ...plan, labels }, joining), 'tessera.yaml');
  assert.deepEqual(parsed.database?.databases[0]?.database.metadata.labels, {
    a: '"}',
    b: '*y # {x: 1}',
    c: "'",
    d: '{{x}}',
  });
  assert.equal(parsed.database?.databases.length, 1);
});

test('both scripts hold the same configuration, and a trial needs no root', () => {
  const between = (text: string): string =>
    text.slice(text.indexOf("<<'END_OF_CONFIG'\n") + 18).split('\nEND_OF_CONFIG')[0] ?? '';
  const script = agentScript(plan, joining);
  parseConfig(between(script), 'tessera.yaml');
  assert.ok(script.includes("<<'END_OF_TOKEN'\ntok-en\nEND_OF_TOKEN"));
  assert.ok(!between(script).includes('tok-en'));
  const trial = trialScript(plan, joining);
  const config = parseConfig(between(trial), 'tessera-agent.yaml');
  assert.deepEqual(config.join?.token, { type: 'value', value: 'tok-en' });
  assert.ok(!/sudo|\/etc\//.test(trial));
  assert.equal(agentEntry(plan).split('\n')[0], '  - name: "orders"');
});

for (const [name, wrong, field] of [
  ['no name', { name: '' }, 'name'],
  ['a name with a slash', { name: 'a/b' }, 'name'],
  ['a name that ends in a dot', { name: 'a.' }, 'name'],
  ['a name that is there', { name: 'ledger' }, 'name'],
  ['no address', { uri: '' }, 'uri'],
  ['a password in the address', { uri: 'u:p@h:1' }, 'uri'],
  ['a scheme', { uri: 'postgres://h:1' }, 'uri'],
  ['no port', { uri: 'host' }, 'uri'],
  ['a port that is none', { uri: 'host:70000' }, 'uri'],
  ['a label without a value', { labels: 'env' }, 'labels'],
  ['a label twice', { labels: 'a=1\na=2' }, 'labels'],
] as const)
  test(`a plan is refused: ${name}`, () =>
    assert.deepEqual(Object.keys(planProblems({ ...plan, ...wrong }, ['ledger'])), [field]));

test('a plan that is fine', () => {
  assert.deepEqual(planProblems(plan, ['ledger']), {});
  assert.deepEqual(planProblems({ ...plan, labels: '', uri: '[::1]:1' }, []), {});
  assert.deepEqual(labelPairs('a=1,\n b = x=y ,c'), [
    ['a', '1'],
    ['b', 'x=y'],
  ]);
});

test('the database’s own preparation', () => {
  const postgres = preparation(plan)
    .map(({ text }) => text)
    .join('\n');
  assert.match(postgres, /auth sign --format=db --host=db\.internal,localhost /);
  assert.match(postgres, /^hostssl all {2}all {2}::\/0 {8}cert$/m);
  const mysql = preparation({ ...plan, protocol: 'mysql', uri: 'localhost:3306' })
    .map(({ text }) => text)
    .join('\n');
  assert.match(mysql, /REQUIRE SUBJECT '\/CN=reader'/);
  assert.match(mysql, /--host=localhost --out/);
});
