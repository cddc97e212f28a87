import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { removeService, serviceNames, setService } from './pg-service.ts';

const settings = { host: 'h', port: '1', user: undefined, sslmode: 'verify-full' };
const section = '[a-db]\nhost=h\nport=1\nsslmode=verify-full\n';

const rows = [
  { name: 'an empty file', before: '', want: section },
  { name: 'after other sections, with one blank line', before: '[x]\nhost=1\n', want: `[x]\nhost=1\n\n${section}` },
  { name: 'a blank line that is there is used', before: '[x]\nhost=1\n\n', want: `[x]\nhost=1\n\n${section}` },
  { name: 'a missing last line end is added', before: '[x]\nhost=1', want: `[x]\nhost=1\n\n${section}` },
  {
    name: 'in place, what follows stays',
    before: `# top\n[a-db]\nhost=old\nport=9\n\n# about x\n[x]\nhost=1\n`,
    want: `# top\n${section}\n# about x\n[x]\nhost=1\n`,
  },
  { name: 'duplicates go', before: `[a-db]\nhost=old\n[x]\n[a-db]\nhost=older\n`, want: `${section}[x]\n` },
  { name: 'a longer name is another section', before: '[a-db2]\nhost=1\n', want: `[a-db2]\nhost=1\n\n${section}` },
  {
    name: 'CRLF files get CRLF',
    before: '[x]\r\nhost=1\r\n',
    want: `[x]\r\nhost=1\r\n\r\n${section.replaceAll('\n', '\r\n')}`,
  },
];
for (const row of rows) {
  test(`setService: ${row.name}`, () => {
    const after = setService(row.before, 'a-db', settings);
    assert.equal(after, row.want);
    assert.equal(setService(after, 'a-db', settings), after, 'the second time changes nothing');
  });
}

test('removeService takes the section and nothing else', () => {
  assert.equal(
    removeService(`# top\n[x]\nhost=1\n\n${section}\n# about y\n[y]\n`, 'a-db'),
    '# top\n[x]\nhost=1\n\n\n# about y\n[y]\n',
  );
  assert.equal(removeService('[x]\nhost=1', 'a-db'), '[x]\nhost=1');
});

test('values that would start another line are refused', () => {
  assert.throws(() => setService('', 'a', { host: 'x\nsslmode=disable' }), /can not be written/);
  assert.throws(() => setService('', 'a', { host: ' x' }), /can not be written/);
  assert.throws(() => setService('', 'a]\n[b', {}), /can not be written/);
});

const line = fc.oneof(
  fc.constantFrom('', '# comment', '  ', 'host=x', 'port = 5', '[broken', 'key', ' [indented]', '#[a-db]'),
  fc.string({ maxLength: 12 }).map((text) => text.replaceAll(/[\r\n[]/g, '_')),
);
const end = fc.constantFrom('\n', '\r\n');
const foreign = fc
  .array(fc.tuple(fc.oneof(line, fc.constantFrom('[x]', '[y-1]', '[a-db-2]')), end), { maxLength: 12 })
  .map((lines) => lines.map(([text, ending]) => text + ending).join(''));

test('property: other sections, comments, order and line ends stay byte for byte', () => {
  fc.assert(
    fc.property(foreign, foreign, (head, tail) => {
      const set = setService(head, 'a-db', settings);
      assert.ok(set.startsWith(head), 'appended after what was there');
      assert.deepEqual(serviceNames(set), [...serviceNames(head), 'a-db']);
      // The tail begins with a section, else its lines would belong to ours.
      const around = `${head}[a-db]\nhost=old\n[tail]\n${tail}`;
      const changed = setService(around, 'a-db', settings);
      assert.ok(changed.startsWith(head) && changed.endsWith(`[tail]\n${tail}`));
      assert.equal(removeService(around, 'a-db'), `${head}[tail]\n${tail}`);
    }),
  );
});
