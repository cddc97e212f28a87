import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attributesOf, ATTRIBUTE_LIMITS, traitsOf } from './attributes.ts';
import { mapRoles, ruleProblem } from './mapping.ts';

type Row = {
  readonly name: string;
  readonly value: string;
  readonly roles: readonly string[];
  readonly has: readonly string[];
  readonly gives: readonly string[];
};
const rows: readonly Row[] = [
  { name: 'a literal', value: 'dba', roles: ['access'], has: ['dev', 'dba'], gives: ['access'] },
  { name: 'a literal in another case', value: 'dba', roles: ['access'], has: ['DBA'], gives: [] },
  { name: 'a part of a literal', value: 'dba', roles: ['access'], has: ['dba-admins'], gives: [] },
  { name: 'anything', value: '*', roles: ['access'], has: ['x'], gives: ['access'] },
  { name: 'a glob', value: 'db-*', roles: ['access'], has: ['db-', 'x'], gives: ['access'] },
  {
    name: 'a glob fills in',
    value: 'db-*-ro',
    roles: ['$1-reader'],
    has: ['db-shop-ro', 'db-hr-ro'],
    gives: ['shop-reader', 'hr-reader'],
  },
  {
    name: 'a glob with characters of expressions',
    value: 'a.b+*',
    roles: ['$1'],
    has: ['a.b+x', 'aXb+y'],
    gives: ['x'],
  },
  {
    name: 'an expression fills in',
    value: '^db-(\\w+)-(ro|rw)$',
    roles: ['${1}_$2'],
    has: ['db-shop-rw'],
    gives: ['shop_rw'],
  },
  {
    name: 'an expression must match the whole value',
    value: '^dba|root$',
    roles: ['access'],
    has: ['dba-interns', 'notroot'],
    gives: [],
  },
  { name: 'each side of an alternative', value: '^dba|root$', roles: ['access'], has: ['root'], gives: ['access'] },
  {
    name: 'a group that stood for nothing names no role',
    value: '^a(b)?$',
    roles: ['r$1', 'plain'],
    has: ['a'],
    gives: ['plain'],
  },
  {
    name: 'what is filled in is not filled in again',
    value: '^(.*)-(.*)$',
    roles: ['$1'],
    has: ['$2-admin'],
    gives: ['$2'],
  },
  {
    name: 'several rules of one value, each role once',
    value: 'x',
    roles: ['a', 'b', 'a'],
    has: ['x', 'x'],
    gives: ['a', 'b'],
  },
];
for (const { name, value, roles, has, gives } of rows)
  test(`rule: ${name}`, () => {
    assert.deepEqual(mapRoles([{ attribute: 'groups', value, roles }], { groups: has }).roles, gives);
  });

test('every rule says what it saw', () => {
  const rules = [
    { attribute: 'groups', value: 'dba', roles: ['access'] },
    { attribute: 'groups', value: 'root', roles: ['admin'] },
    { attribute: 'team', value: '*', roles: ['team'] },
    { attribute: '__proto__', value: '*', roles: ['admin'] },
  ];
  const { steps } = mapRoles(rules, { groups: ['dba', 'dev'] });
  assert.deepEqual(
    steps.map(({ hit, why }) => [hit, why]),
    [
      [true, 'groups has "dba", which is "dba"'],
      [false, 'groups is "dba", "dev": expected "root"'],
      [false, 'team is not there'],
      [false, '__proto__ is not there'],
    ],
  );
});

const problems: readonly (readonly [string, string, readonly string[], RegExp | undefined])[] = [
  ['a good one', '^x-(.*)$', ['$1', 'a'], undefined],
  ['a group that is not there', '^x-.*$', ['$1'], /asks for group 1/],
  ['a group of a literal', 'x', ['$1'], /asks for group 1/],
  ['group 0', '^(x)$', ['$0'], /asks for group 0/],
  ['an expression that can not be read', '^($', ['a'], /missing/],
];
for (const [name, value, roles, problem] of problems)
  test(`at writing: ${name}`, () => {
    const got = ruleProblem({ attribute: 'groups', value, roles });
    if (problem === undefined) assert.equal(got, undefined);
    else assert.match(got ?? '', problem);
  });

test('claims become flat lists of text; what is no text is named', () => {
  const { attributes, dropped } = attributesOf({
    groups: ['a', 'a', 'b', { deep: 1 }],
    one: 'x',
    number: 7,
    yes: true,
    nothing: null,
    'a.b': 'wins',
    a: { b: 'loses', c: { d: ['deep'] } },
    control: 'a\u0007b',
    long: 'x'.repeat(ATTRIBUTE_LIMITS.valueLength + 1),
    ['__proto__']: 'x',
  });
  assert.deepEqual(attributes, {
    groups: ['a', 'b'],
    one: ['x'],
    number: ['7'],
    yes: ['true'],
    'a.b': ['wins'],
    'a.c.d': ['deep'],
    control: [],
    long: [],
  });
  assert.deepEqual(dropped, ['groups', 'control', 'long', '__proto__']);
});

test('too many attributes, and too large traits, are refused in words that say which', () => {
  const many = Object.fromEntries(
    Array.from({ length: ATTRIBUTE_LIMITS.attributes + 1 }, (_, index) => [`a${index}`, 'x']),
  );
  assert.throws(() => attributesOf(many), { code: 'SSO_ATTRIBUTES_TOO_MANY', message: /maxAttributes/ });
  const groups = Array.from({ length: 500 }, (_, index) => `group-with-a-long-name-${index}`);
  assert.throws(() => traitsOf({ groups, name: ['x'] }), {
    code: 'SSO_TRAITS_TOO_LARGE',
    message: /most of it is "groups"/,
  });
  assert.deepEqual(traitsOf({ a: ['x'], empty: [], inner: ['y'] }, ['inner']), { a: ['x'] });
});

test('a provider that says a thousand values does not stop the world', () => {
  const groups = Array.from({ length: 1000 }, (_, index) => `group-${index}-${'x'.repeat(900)}`);
  const value = `^(?:team-(${'a|b|c|d|'.repeat(60)}z)-.*|x(.*)y)$`;
  const rules = Array.from({ length: 20 }, () => ({ attribute: 'groups', value, roles: ['r-$1'] }));
  const startedMs = performance.now();
  assert.deepEqual(mapRoles(rules, { groups }).roles, []);
  // Ten seconds when each value has the expression compiled anew; a tenth of one otherwise.
  assert.ok(performance.now() - startedMs < 4000);
});
