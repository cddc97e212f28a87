import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { groupNames, removeGroup, setGroup } from './my-cnf.ts';

const options = { host: 'h', port: '1', user: undefined, password: '', 'ssl-ca': '/a/ca.pem' };
const group = '[client_a-db]\nhost=h\nport=1\npassword=\nssl-ca=/a/ca.pem\n';

const rows = [
  { name: 'an empty file', before: '', want: group },
  {
    name: 'after other groups, with one blank line',
    before: '[client]\npassword=x\n',
    want: `[client]\npassword=x\n\n${group}`,
  },
  { name: 'a blank line that is there is used', before: '[x]\na\n\n', want: `[x]\na\n\n${group}` },
  { name: 'a missing last line end is added', before: '[mysql]\nno-beep', want: `[mysql]\nno-beep\n\n${group}` },
  {
    name: 'in place, what follows stays',
    before: '# top\n[client_a-db]\nhost=old\nssl\n\n; about x\n[x]\na=1\n',
    want: `# top\n${group}\n; about x\n[x]\na=1\n`,
  },
  { name: 'duplicates go', before: '[client_a-db]\nhost=1\n[x]\n[client_a-db]\nport=2\n', want: `${group}[x]\n` },
  {
    name: 'clients compare names without case, and without spaces before ]',
    before: '  [Client_A-DB ] # mine\nhost=old\n[x]\n',
    want: `${group}[x]\n`,
  },
  {
    name: 'a longer and a shorter name are other groups',
    before: '[client_a-db2]\n[client_a]\n',
    want: `[client_a-db2]\n[client_a]\n\n${group}`,
  },
  {
    name: 'CRLF files get CRLF',
    before: '[x]\r\na=1\r\n',
    want: `[x]\r\na=1\r\n\r\n${group.replaceAll('\n', '\r\n')}`,
  },
  {
    name: 'an include that somebody put into our group, or behind it, stays',
    before: '[client_a-db]\nhost=old\n!include /etc/x.cnf\nport=9\n!includedir /etc/conf.d/\n',
    want: `${group}!include /etc/x.cnf\n!includedir /etc/conf.d/\n`,
  },
  {
    name: 'what looks like our header in a comment or a value is none',
    before: '#[client_a-db]\n;[client_a-db]\n[x]\nprompt=[client_a-db]\n',
    want: `#[client_a-db]\n;[client_a-db]\n[x]\nprompt=[client_a-db]\n\n${group}`,
  },
];
for (const row of rows) {
  test(`setGroup: ${row.name}`, () => {
    const after = setGroup(row.before, 'client_a-db', options);
    assert.equal(after, row.want);
    assert.equal(setGroup(after, 'client_a-db', options), after, 'the second time changes nothing');
  });
}

const values = [
  { value: 'plain-1.2:3/x@y', want: 'o=plain-1.2:3/x@y' },
  { value: '', want: 'o=' },
  { value: 'al#ice', want: 'o="al#ice"' },
  { value: "o'brien", want: 'o="o\'brien"' },
  { value: 'q"q', want: String.raw`o="q\"q"` },
  { value: ' outer ', want: 'o=" outer "' },
  { value: String.raw`C:\new\temp`, want: String.raw`o=C:\\new\\temp` },
  { value: String.raw`C:\my files\x`, want: String.raw`o="C:\\my files\\x"` },
  { value: 'semi;colon', want: 'o="semi;colon"' },
];
for (const row of values) {
  test(`a value that holds ${JSON.stringify(row.value)}`, () => {
    assert.equal(setGroup('', 'g', { o: row.value }), `[g]\n${row.want}\n`);
  });
}

test('what a file can not hold is refused', () => {
  assert.throws(() => setGroup('', 'g', { host: 'x\nssl-mode=DISABLED' }), /host can not be written/);
  assert.throws(() => setGroup('', 'g', { host: 'x'.repeat(4096) }), /maxLineBytes 4000/);
  for (const name of ['', 'a]\n[b', 'a]', ' a', 'a\0']) assert.throws(() => setGroup('', name, {}), /group name/);
});

test('removeGroup takes the group and nothing else', () => {
  const around = `[client]\nuser=me\n\n${group}\n# about y\n[y]\n`;
  assert.equal(removeGroup(around, 'client_a-db'), '[client]\nuser=me\n\n\n# about y\n[y]\n');
  assert.equal(removeGroup('[client]\nuser=me', 'client_a-db'), '[client]\nuser=me');
});

const line = fc.oneof(
  fc.constantFrom('', '# comment', '; comment', '  ', 'host=x', '[broken', 'ssl', ' [Indented]', '!include x'),
  fc.string({ maxLength: 12 }).map((text) => text.replaceAll(/[\r\n[]/g, '_')),
);
const foreign = fc
  .array(fc.tuple(line, fc.constantFrom('\n', '\r\n')), { maxLength: 12 })
  .map((lines) => lines.map(([text, ending]) => text + ending).join(''));

test('property: other groups, comments, includes, order and line ends stay byte for byte', () => {
  fc.assert(
    fc.property(foreign, foreign, (head, tail) => {
      const set = setGroup(head, 'client_a-db', options);
      assert.ok(set.startsWith(head), 'appended after what was there');
      assert.deepEqual(groupNames(set), [...groupNames(head), 'client_a-db']);
      const around = `${head}[CLIENT_a-db]\nhost=old\n[tail]\n${tail}`;
      const changed = setGroup(around, 'client_a-db', options);
      assert.ok(changed.startsWith(head) && changed.endsWith(`[tail]\n${tail}`));
      assert.equal(removeGroup(around, 'client_a-db'), `${head}[tail]\n${tail}`);
    }),
  );
});
