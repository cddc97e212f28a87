import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { TestAuth } from './auth.fixture.ts';

/** The explainer and the editor's check at the API. */

let auth: TestAuth;
let alice: TestAuth['admin']['client'];

before(async () => {
  auth = await TestAuth.start();
  const user = await auth.addUser('alice', { roles: ['access'], traits: { db_users: ['reader'], db_names: ['*'] } });
  alice = auth.connect(await auth.signIn(user)).client;
  const agent = await auth.join('database');
  await auth.serve(agent, [
    { name: 'orders', labels: { env: 'prod' } },
    { name: 'goods', labels: { env: 'dev' } },
  ]);
});
after(() => auth.stop());

const draft = JSON.stringify({
  kind: 'role',
  version: 'v8',
  metadata: { name: 'draft' },
  spec: { allow: { db_labels: { env: 'prod' }, db_users: ['admin'], db_names: ['shop'] } },
});

test('a user as they are', async () => {
  const { databases, rules } = await auth.admin.client.explainAccess({ user: 'alice' });
  assert.deepEqual(
    databases.map(({ database, allowed, allowedUsers }) => [database, allowed, allowedUsers]),
    [
      ['goods', true, ['reader']],
      ['orders', true, ['reader']],
    ],
  );
  assert.match(databases[0]?.reasons[0] ?? '', /^role access allows the labels \*=\*, users reader, names \*$/);
  assert.deepEqual(
    rules.map((rule) => [rule.role, rule.deny, rule.resource]),
    [['access', false, 'session']],
  );
});

test('one question, with its answer from the roles', async () => {
  const asked = { user: 'alice', database: 'orders', databaseUser: 'admin', databaseName: 'shop' };
  const before = (await auth.admin.client.explainAccess(asked)).databases[0];
  assert.equal(before?.allowed, false);
  assert.match(before?.reasons.join() ?? '', /db_users are reader, which has no "admin"/);
  const as = { ...asked, roles: ['access', 'draft'], draftRolesJson: [draft] };
  const after = (await auth.admin.client.explainAccess(as)).databases[0];
  assert.equal(after?.allowed, true);
  assert.deepEqual(after?.roles.map(({ role, verdict }) => [role, verdict]), [['access', 'user not allowed'], ['draft', 'allows']]); // prettier-ignore
});

test('roles and traits as if, a role that is not there, a lock', async () => {
  const as = { roles: ['access', 'nope'], traitsJson: '{"db_users": ["x"]}', database: 'goods', databaseUser: 'x' };
  const [first] = (await auth.admin.client.explainAccess(as)).databases;
  assert.equal(first?.allowed, true);
  assert.ok(first?.reasons.includes('role nope does not exist, so it counts for nothing'));
  const lock = { kind: 'lock', version: 'v2', metadata: { name: 'l' }, spec: { target: { db_service: 'goods' } } };
  await auth.admin.client.putResource({ json: JSON.stringify(lock) });
  const [second] = (await auth.admin.client.explainAccess(as)).databases;
  assert.equal(second?.allowed, false);
  assert.match(second?.reasons[0] ?? '', /lock targeting DatabaseService:"goods" is in force \(lock l\)/);
  await auth.admin.client.deleteResource({ kind: 'lock', name: 'l' });
});

const wrong: { name: string; request: object; says: RegExp }[] = [
  { name: 'an unknown user', request: { user: 'nobody' }, says: /user nobody does not exist/ },
  { name: 'an unknown database', request: { roles: ['access'], database: 'x' }, says: /database x does not exist/ },
  { name: 'traits that are no lists', request: { traitsJson: '{"a": {"b": 1}}' }, says: /traits/ },
  { name: 'traits that are no JSON', request: { traitsJson: '{' }, says: /traits_json: expected a JSON object/ },
  { name: 'a draft with a mistake', request: { draftRolesJson: [draft.replace('db_users', 'db_user')] }, says: /unknown key/ },
  { name: 'too many drafts', request: { draftRolesJson: Array.from({ length: 51 }, () => draft) }, says: /at most 50/ },
]; // prettier-ignore
for (const row of wrong) {
  test(`refused: ${row.name}`, async () => {
    await assert.rejects(auth.admin.client.explainAccess(row.request), row.says);
  });
}

const yaml = `kind: role
version: v8
metadata:
  name: dba
spec:
  allow:
    db_user: [reader]
    db_labels: 7
`;
const texts: { name: string; text: string; kind?: string; problems: (string | RegExp)[][]; documents?: number }[] = [
  { name: 'good', text: yaml.replace('db_user:', 'db_users:').replace('7', '{env: prod}'), problems: [], documents: 1 },
  { name: 'every problem, with its place', text: yaml, problems: [['7:5', /db_user: unknown key, did you mean db_users/], ['8:16', /db_labels: expected a map/]] },
  { name: 'no YAML', text: 'kind: [role', problems: [['1:12', /not valid YAML/]] },
  { name: 'nothing', text: '# nothing\n', problems: [['1:1', /no resource/]] },
  { name: 'another kind than wanted', text: draft, kind: 'user', problems: [['1:9', /kind: expected user, got role/]] },
  { name: 'a kind that nobody writes', text: JSON.stringify({ kind: 'proxy_server', version: 'v2', metadata: { name: 'x' }, spec: { host_id: 'x', host_name: 'x', public_addr: 'x:1' } }), problems: [['1:9', /kept by the services/]] },
  { name: 'two documents', text: `${draft}\n---\n${draft}`, problems: [], documents: 2 },
  { name: 'too large', text: `# ${'x'.repeat(300_000)}`, problems: [['1:1', /exceeds maxResourceFileBytes 262144/]] },
]; // prettier-ignore
for (const row of texts) {
  test(`check: ${row.name}`, async () => {
    const answer = await auth.admin.client.checkResource({ text: row.text, kind: row.kind ?? '' });
    assert.equal(answer.json.length, row.documents ?? 0);
    assert.equal(answer.problems.length, row.problems.length, JSON.stringify(answer.problems));
    for (const [index, [place, says]] of row.problems.entries()) {
      const problem = answer.problems[index];
      assert.equal(`${problem?.line}:${problem?.column}`, place);
      assert.match(problem?.message ?? '', says as RegExp);
    }
  });
}

test('a text is checked for those alone who may write or read its kind: it is work', async () => {
  for (const kind of ['role', 'user', '', 'no-such-kind'])
    await assert.rejects(alice.checkResource({ text: draft, kind }), /may not/, kind);
});
