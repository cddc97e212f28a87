import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recipesFor } from '../../../../src/cli/tsh/tunnel/recipes.ts';
import {
  certificateRecipe,
  graphicalRecipes,
  hasListener,
  shellQuote,
  signInCommand,
  type Target,
  terminalRecipes,
  tunnelLines,
  tunnelRecipe,
} from './recipes.ts';

const target: Target = {
  name: 'orders',
  protocol: 'postgres',
  user: 'reader',
  database: 'shop',
  cluster: 'example',
  proxy: 'access.example.com:3080',
  mysqlProxy: 'access.example.com:3036',
  person: 'alice@example.com',
  port: 15_432,
};
const odd = { ...target, user: "o'brien $(id)", database: 'a b;c' };

const values = (lines: readonly { readonly value: string }[]): readonly string[] => lines.map(({ value }) => value);

test('in a terminal, PostgreSQL', () => {
  assert.deepEqual(
    terminalRecipes(target).flatMap(({ lines }) => values(lines)),
    [
      'tsh db connect orders --db-user=reader --db-name=shop',
      'tsh db login orders --db-user=reader --db-name=shop',
      'psql "service=example-orders"',
    ],
  );
});

test('in a terminal, MySQL', () => {
  const mysql = { ...target, protocol: 'mysql', database: '' };
  assert.deepEqual(
    terminalRecipes(mysql).flatMap(({ lines }) => values(lines)),
    [
      'tsh db connect orders --db-user=reader',
      'tsh db login orders --db-user=reader',
      'mysql --defaults-group-suffix=_example-orders',
      'mariadb --defaults-group-suffix=_example-orders',
      "mysqldump --defaults-group-suffix=_example-orders --single-transaction '<database>'",
    ],
  );
  const without = { ...mysql, mysqlProxy: '' };
  assert.equal(hasListener(without), false);
  assert.deepEqual(
    terminalRecipes(without).flatMap(({ lines }) => values(lines)),
    ['tsh db connect orders --db-user=reader'],
  );
});

test('names from outside are one word for the shell', () => {
  assert.equal(shellQuote("a'b"), `'a'\\''b'`);
  assert.deepEqual(values(terminalRecipes(odd)[0]?.lines ?? []), [
    `tsh db connect orders '--db-user=o'\\''brien $(id)' '--db-name=a b;c'`,
  ]);
  assert.equal(
    tunnelRecipe(target).lines[0]?.value,
    'tsh proxy db --tunnel orders --db-user=reader --db-name=shop --port=15432',
  );
});

for (const protocol of ['postgres', 'mysql'])
  for (const [name, of] of [
    ['plain', target],
    ['odd', odd],
    ['nothing said', { ...target, user: '', database: '' }],
  ] as const)
    test(`through a tunnel the same texts as tsh prints: ${protocol}, ${name}`, () => {
      const { commands, jdbc, dsn } = recipesFor(protocol, {
        host: '127.0.0.1',
        port: of.port,
        user: of.user,
        database: of.database,
      });
      const want = [...Object.values(commands), ...Object.values(jdbc), ...Object.values(dsn)];
      assert.deepEqual(values(tunnelLines({ ...of, protocol })).toSorted(), want.toSorted());
    });

test('certificate files stand where tsh puts them', () => {
  const lines = Object.fromEntries(certificateRecipe(target).lines.map(({ label, value }) => [label, value]));
  assert.equal(lines['Client key'], '~/.tsh/keys/access.example.com_3080/alice@example.com-db/example/orders.key');
  assert.equal(lines['CA certificate'], '~/.tsh/keys/access.example.com_3080/certs.pem');
  assert.equal(lines['Port'], '3080');
  const mysql = certificateRecipe({ ...target, protocol: 'mysql', proxy: 'x.example.com:443', person: '../x' });
  const of = Object.fromEntries(mysql.lines.map(({ label, value }) => [label, value]));
  assert.equal(of['Port'], '3036');
  assert.equal(of['Client key'], '~/.tsh/keys/x.example.com/%2E.%2Fx-db/example/orders.key');
});

test('graphical programs and signing in', () => {
  assert.deepEqual(
    graphicalRecipes(target).map(({ title }) => title),
    ['DBeaver', 'DataGrip', 'pgAdmin'],
  );
  const workbench = graphicalRecipes({ ...target, protocol: 'mysql' })[2];
  assert.deepEqual(
    workbench?.lines.map(({ label, value }) => `${label}: ${value}`),
    ['Hostname: 127.0.0.1', 'Port: 15432', 'Username: reader', 'Default Schema: shop'],
  );
  assert.equal(
    signInCommand(target, { connector: '', pin: 'sha256:ab' }),
    'tsh login --proxy=access.example.com:3080 --user=alice@example.com --ca-pin=sha256:ab',
  );
  assert.equal(signInCommand(target, { connector: 'corp' }), 'tsh login --proxy=access.example.com:3080 --auth=corp');
});
