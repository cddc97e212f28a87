import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { printMachine } from './format.ts';

/** What somebody writes into a statement or a name so that a terminal does something. */
const attacks: Readonly<Record<string, string>> = {
  'an escape sequence': 'select 1\u001b]0;owned\u0007\u001b[2J',
  'an 8-bit escape sequence': 'select 1\u009b2J\u009d0;owned\u009c',
  'another direction': 'select \u202e1 morf\u2066\u2069',
  separators: 'a\u2028b\u2029c\u0085d\u007f',
  'lines and quotes': 'a\n"b"\\u009b\'c\': - d',
};

for (const format of ['json', 'yaml'] as const)
  for (const [name, text] of Object.entries(attacks))
    test(`${format}: ${name} reaches no terminal, and every program`, async () => {
      const value = { list: [{ [text]: text }], text };
      const printed = await printMachine(format, value);
      assert.doesNotMatch(printed, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/);
      assert.deepEqual(format === 'json' ? JSON.parse(printed) : parse(printed), value);
    });

test('yaml: plain values stay plain, as people read them', async () => {
  assert.equal(await printMachine('yaml', { name: 'größe', list: ['a', 1, true], text: 'a: b' }), 'name: größe\nlist:\n  - a\n  - 1\n  - true\ntext: "a: b"'); // prettier-ignore
});
