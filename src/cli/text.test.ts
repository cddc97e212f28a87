import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError, LoginError } from '../errors.ts';
import { parseInviteLink, parseProxyAddress, printProxyAddress } from './address.ts';
import { parseTime, parseTtlSeconds, printDuration, printTime } from './duration.ts';
import { testIo } from './cluster.fake.ts';
import { reportFailure } from './failure.ts';
import { visible } from './io.ts';
import { displayWidth, renderTable, truncate } from './table.ts';
import { shellQuote } from './tsh/connection-info.ts';
import { printAllowed } from './tsh/databases.ts';
import { postgresClient } from './tsh/postgres-client.ts';
import { parseReference } from './tessera/resources.ts';

const columns = [{ title: 'Name' }, { title: 'Labels', shrink: true }, { title: 'Empty' }];

test('a table has a dashed underline, drops empty columns, and is as wide as it needs', () => {
  assert.equal(
    renderTable(columns, [
      ['orders', 'env=prod,team=shop'],
      ['x', 'a=b'],
    ]),
    'Name   Labels\n------ ------------------\norders env=prod,team=shop\nx      a=b',
  );
});

test('the shrinking column loses its end first', () => {
  assert.equal(
    renderTable(columns, [['orders', 'env=prod,team=shop']], 20),
    'Name   Labels\n------ -------------\norders env=prod,tea…',
  );
});

test('property: a table fits the terminal whatever stands in it, and never emits a control character', () => {
  const cell = fc.string({ maxLength: 60, unit: 'grapheme' });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(cell, cell, cell), { maxLength: 6 }),
      fc.integer({ min: 30, max: 120 }),
      (rows, width) => {
        const lines = renderTable(columns, rows, width).split('\n');
        for (const line of lines) {
          assert.ok(displayWidth(line) <= width, `${displayWidth(line)} > ${width}: ${line}`);
          assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
        }
        assert.equal(lines.length, rows.length + 2);
      },
    ),
  );
});

const widths = [
  { text: 'abc', want: 3 },
  { text: '表', want: 2 },
  { text: 'é', want: 1 },
  { text: '👩‍👩‍👧', want: 2 },
  { text: 'ｱ', want: 1 },
];
for (const row of widths) test(`displayWidth of ${row.text}`, () => assert.equal(displayWidth(row.text), row.want));

test('truncate cuts between characters and never splits a wide one', () => {
  assert.equal(truncate('表表表', 4), '表…');
  assert.equal(truncate('abc', 3), 'abc');
  assert.equal(truncate('abcd', 3), 'ab…');
});

test('visible writes out what a terminal would obey', () => {
  assert.equal(visible('a\u001b[31m\n\t\u009b\u202eb'), 'a\\x1b[31m\\n\\t\\x9b\\u{202e}b');
});

const now = Date.UTC(2026, 0, 31, 12);
const times = [
  { text: '1h', want: '2026-01-31T11:00:00.000Z' },
  { text: '2d', want: '2026-01-29T12:00:00.000Z' },
  { text: '1h30m', want: '2026-01-31T10:30:00.000Z' },
  { text: '2026-01-31', want: '2026-01-31T00:00:00.000Z' },
  { text: '2026-01-31T08:00:00+02:00', want: '2026-01-31T06:00:00.000Z' },
  { text: 'now', want: '2026-01-31T12:00:00.000Z' },
];
for (const row of times) test(`parseTime ${row.text}`, () => assert.equal(parseTime(row.text, now), row.want));
for (const text of ['', 'yesterday', '31.01.2026', '2026-13-01', '1', '-1h', '2026-01-31T08:00:00']) {
  test(`parseTime refuses "${text}"`, () => assert.throws(() => parseTime(text, now), /Expected a time/));
}

const lives = [
  { text: '8h', want: 28_800 },
  { text: '90', want: 5400 },
  { text: '2190h', want: 7_884_000 },
  { text: '1d', want: 86_400 },
];
for (const row of lives) test(`parseTtlSeconds ${row.text}`, () => assert.equal(parseTtlSeconds(row.text), row.want));
for (const text of ['', '0', '0s', '10ms', '1y', '-5m', '1e9h', '99999d']) {
  test(`parseTtlSeconds refuses "${text}"`, () => assert.throws(() => parseTtlSeconds(text), /Expected/));
}

const printed = [
  { ms: 0, want: '0s' },
  { ms: 999, want: '0s' },
  { ms: 45_000, want: '45s' },
  { ms: 599_900, want: '9m59s' },
  { ms: 3_599_100, want: '1h' },
  { ms: 5_400_000, want: '1h30m' },
  { ms: 176_400_000, want: '2d1h' },
];
for (const row of printed) test(`printDuration ${row.ms}`, () => assert.equal(printDuration(row.ms), row.want));

test('times as people read them', () => {
  assert.equal(printTime('2026-01-31T08:00:00.123Z'), '2026-01-31 08:00:00 UTC');
});

const addresses = [
  { text: 'access.example.com', want: 'access.example.com:443' },
  { text: 'https://Access.Example.com:3080/', want: 'access.example.com:3080' },
  { text: '[::1]:3080', want: '[::1]:3080' },
  { text: '10.0.0.1:1', want: '10.0.0.1:1' },
];
for (const row of addresses)
  test(`proxy address ${row.text}`, () => assert.equal(printProxyAddress(parseProxyAddress(row.text)), row.want));
for (const text of ['', 'a b', 'a:0', 'a:70000', 'http://a', 'a/b', '::1', 'user@host']) {
  test(`proxy address refuses "${text}"`, () =>
    assert.throws(() => parseProxyAddress(text), /expected host or host:port/));
}

test('invitation links', () => {
  assert.deepEqual(parseInviteLink('https://h:3080/web/reset/abcdefgh1234_-'), {
    proxy: { host: 'h', port: 3080 },
    token: 'abcdefgh1234_-',
    kind: 'reset',
  });
  for (const link of [
    'https://h/web/invite/',
    'https://h/web/invite/a/../b',
    'http://h/web/invite/abcdefgh1',
    'https://u:p@h/web/invite/abcdefgh1',
    'abcdefgh1234',
  ]) {
    assert.throws(
      () => parseInviteLink(link),
      (error: Error) => /expected https:/.test(error.message) && !error.message.includes('abcdefgh1'),
    );
  }
});

test('shell words survive a shell', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string({ maxLength: 20 }).filter((word) => !word.includes('\0')),
        { minLength: 1, maxLength: 20 },
      ),
      (words) => {
        const out = execFileSync(
          '/bin/sh',
          ['-c', `printf '%s\\0' ${words.map((word) => (word === '' ? "''" : shellQuote(word))).join(' ')}`],
          { encoding: 'utf8' },
        );
        assert.deepEqual(out.split('\0').slice(0, -1), words);
      },
    ),
    { numRuns: 20 },
  );
});

test('the psql command quotes what a URI and a shell need', () => {
  const info = {
    name: 'o',
    host: '::1',
    port: 1,
    user: "o'neil@x",
    database: 'a b',
    ca: '/h o/c',
    cert: '/c',
    key: '/k',
  };
  assert.equal(
    postgresClient.commandLine(testIo('/nowhere'), info),
    "psql 'postgresql://o'\\''neil%40x@[::1]:1/a%20b?sslmode=verify-full&sslrootcert=%2Fh%20o%2Fc&sslcert=%2Fc&sslkey=%2Fk&gssencmode=disable'",
  );
});

test('allowed users as a person reads them', () => {
  assert.equal(printAllowed(['*'], []), '[*]');
  assert.equal(printAllowed(['*'], ['root']), '[* except root]');
  assert.equal(printAllowed(['a', 'b'], ['b']), '[a]');
  assert.equal(printAllowed([], []), '');
});

test('resource references', () => {
  assert.deepEqual(parseReference('roles'), { kind: 'role' });
  assert.deepEqual(parseReference('db_server/host/orders'), { kind: 'db_server', name: 'host/orders' });
  assert.deepEqual(parseReference('cap'), { kind: 'cluster_auth_preference', name: 'cluster-auth-preference' });
  assert.throws(() => parseReference('rule/x'), /expected kind or kind\/name/);
});

test('no terminal obeys what a server says in an error', () => {
  const io = testIo('/nowhere');
  const evil = 'no\u001b]0;owned\u0007 and\u009b2J\r\u202e';
  reportFailure(io, 'tsh', new LoginError('X', `${evil}\nnext ${evil}`));
  reportFailure(io, 'tsh', new ConfigError([evil]));
  reportFailure({ ...io, env: { TESSERA_DEBUG: '1' } }, 'tsh', new Error(evil));
  assert.doesNotMatch(io.err(), /[^\n\P{Cc}]|\u202e/u);
  assert.match(io.err(), /^tsh: no\\x1b\]0;owned\\x07 and\\x9b2J\\x0d\\u\{202e\}\n  next no/);
});
