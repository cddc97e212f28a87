import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { UserIdentity } from '../resource/identity.ts';
import { parseResourceOf } from '../resource/parse.ts';
import type { Role } from '../resource/resource.ts';
import { explainAccess, explainRules } from './explain.ts';

const identity: UserIdentity = {
  kind: 'user',
  user: 'alice',
  userKind: 'local',
  roles: [],
  traits: { db_users: ['reader', 'writer'] },
};
const database = parseResourceOf('db', {
  kind: 'db',
  version: 'v3',
  metadata: { name: 'orders', labels: { env: 'prod', team: 'shop' } },
  spec: { protocol: 'postgres', uri: 'h:1' },
});

function role(spec: object): Role {
  return parseResourceOf('role', { kind: 'role', version: 'v8', metadata: { name: 'dba' }, spec });
}

const prod = { db_labels: { env: 'prod' }, db_users: ['reader'], db_names: ['*'] };
const rows: { name: string; spec: object; user?: string; database?: string; verdict: string; why: RegExp }[] = [
  { name: 'allowed', spec: { allow: prod }, user: 'reader', database: 'shop', verdict: 'allows', why: /^the labels env=prod, users reader, names \*$/ },
  { name: 'without a user', spec: { allow: prod }, verdict: 'allows', why: /users reader/ },
  { name: 'templates are filled in', spec: { allow: { ...prod, db_users: ['{{internal.db_users}}'] } }, user: 'writer', verdict: 'allows', why: /users reader, writer/ },
  { name: 'a template that gives nothing is named', spec: { allow: { ...prod, db_users: ['{{external.groups}}'] } }, user: 'x', verdict: 'user not allowed', why: /db_users are none \(\{\{external\.groups\}\} gives nothing for these traits\), which has no "x"/ },
  { name: 'another value of a label', spec: { allow: { ...prod, db_labels: { env: ['dev', 'stage'] } } }, verdict: 'labels do not match', why: /^it wants env=dev, stage, and the database has env=prod$/ },
  { name: 'a label that is not there', spec: { allow: { ...prod, db_labels: { region: 'eu' } } }, verdict: 'labels do not match', why: /no label region$/ },
  { name: 'only the label that misses is told', spec: { allow: { ...prod, db_labels: { team: 'shop', env: 'dev' } } }, verdict: 'labels do not match', why: /^it wants env=dev/ },
  { name: 'no labels at all', spec: { allow: { db_users: ['*'], db_names: ['*'] } }, verdict: 'labels do not match', why: /^it names no database labels, so it opens none$/ },
  { name: 'an expression', spec: { allow: { ...prod, db_labels: {}, db_labels_expression: 'labels["env"] == "dev"' } }, verdict: 'labels do not match', why: /^its label expression does not hold: labels\["env"\]/ },
  { name: 'a user', spec: { allow: prod }, user: 'admin', verdict: 'user not allowed', why: /^db_users are reader, which has no "admin"$/ },
  { name: 'a name', spec: { allow: { ...prod, db_names: ['shop'] } }, user: 'reader', database: 'hr', verdict: 'name not allowed', why: /^db_names are shop, which has no "hr"$/ },
  { name: 'denied labels', spec: { allow: prod, deny: { db_labels: { env: 'prod' } } }, verdict: 'denies', why: /^the label env=prod$/ },
  { name: 'every database denied', spec: { allow: prod, deny: { db_labels: { '*': '*' } } }, verdict: 'denies', why: /^every database/ },
  { name: 'a denied user', spec: { allow: prod, deny: { db_users: ['read*'] } }, user: 'reader', verdict: 'denies', why: /^the database user "reader" \(db_users read\*\)$/ },
  { name: 'a denied name', spec: { allow: prod, deny: { db_names: ['hr'] } }, user: 'reader', database: 'hr', verdict: 'denies', why: /^the database name "hr"/ },
  { name: 'a denying expression', spec: { allow: prod, deny: { db_labels_expression: 'labels["team"] == "shop"' } }, verdict: 'denies', why: /label expression says/ },
]; // prettier-ignore
for (const row of rows) {
  test(`explain: ${row.name}`, () => {
    const wanted = { databaseUser: row.user, databaseName: row.database };
    const { allowed, reasons, roles } = explainAccess(identity, [role(row.spec)], database, wanted);
    assert.equal(roles[0]?.verdict, row.verdict);
    assert.match(roles[0]?.why ?? '', row.why);
    assert.equal(allowed, row.verdict === 'allows');
    if (row.verdict === 'denies' || row.verdict === 'allows')
      assert.equal(reasons[0], `role dba ${row.verdict} ${roles[0]?.why}`);
  });
}

test('explain: two roles that each allow a part do not add up', () => {
  const users = role({ allow: { ...prod, db_names: [] } });
  const names = role({ allow: { ...prod, db_users: [] } });
  const wanted = { databaseUser: 'reader', databaseName: 'shop' };
  const { allowed, reasons } = explainAccess(identity, [users, names], database, wanted);
  assert.equal(allowed, false);
  assert.equal(reasons.at(-1), 'one single role must allow labels, user and name together');
});

test('explain: no role, no labels that match, long lists', () => {
  assert.deepEqual(explainAccess(identity, [], database, {}).reasons, ['no role, so nothing is allowed']);
  const other = role({ allow: { ...prod, db_labels: { env: 'dev' } } });
  assert.deepEqual(explainAccess(identity, [other], database, {}).reasons, ['no role has labels that match']);
  const many = role({ allow: { ...prod, db_users: Array.from({ length: 50 }, (_, index) => `u${index}`) } });
  assert.match(explainAccess(identity, [many], database, {}).reasons[0] ?? '', /u19 and 30 more/);
});

test('explain: rules, one line for each kind, denials first', () => {
  const rules = explainRules([
    role({
      allow: { rules: [{ resources: ['user', 'role'], verbs: ['list', 'read'] }] },
      deny: { rules: [{ resources: ['token'], verbs: ['*'], where: 'user.metadata.name == "eve"' }] },
    }),
  ]);
  assert.deepEqual(
    rules.map(({ deny, resource, rule }) => [deny, resource, rule.verbs.join(), rule.where ?? '']),
    [
      [true, 'token', '*', 'user.metadata.name == "eve"'],
      [false, 'user', 'list,read', ''],
      [false, 'role', 'list,read', ''],
    ],
  );
});
