import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cursorPlace } from './cursor-path.ts';

/** `|` is the cursor. */
const rows: readonly (readonly [name: string, text: string, expected: string | undefined])[] = [
  ['an empty text', '|', 'key :  @0'],
  ['a key at the top', 'ki|', 'key :  @0'],
  ['a second key at the top', 'kind: role\nve|', 'key : kind @11'],
  ['a value', 'kind: ro|', 'value kind:  @6'],
  ['a value that is not begun', 'kind: |', 'value kind:  @6'],
  ['a key below another', 'spec:\n  al|', 'key spec:  @8'],
  ['a key below two others', 'spec:\n  allow:\n    db_|', 'key spec.allow:  @19'],
  ['back to a lesser column', 'spec:\n  allow:\n    db_users: [a]\n  de|', 'key spec: allow @35'],
  ['siblings below count too', 'spec:\n  al|\n  deny: {}\nkind: role', 'key spec: deny @8'],
  ['an entry of a list', 'spec:\n  roles:\n    - de|', 'entry spec.roles.[]:  @21'],
  ['an entry at the column of its key', 'spec:\n  roles:\n  - de|', 'entry spec.roles.[]:  @19'],
  ['a key in an entry', 'rules:\n  - resources: [db]\n    ve|', 'key rules.[]: resources @31'],
  ['a key in the second entry', 'rules:\n  - where: x\n  - resources: [db]\n    ve|', 'key rules.[]: resources @44'],
  ['a value in an entry', 'rules:\n  - where: co|', 'value rules.[].where:  @18'],
  ['a flow list', 'db_users: [a, b|', 'entry db_users.[]:  @14'],
  ['an empty flow list', 'db_users: [|', 'entry db_users.[]:  @11'],
  ['a flow map', 'db_labels: {en|', 'key db_labels:  @12'],
  ['the second key of a flow map', 'metadata: {name: x, de|', 'key metadata: name @20'],
  ['a value of a flow map', 'db_labels: {env: pr|', 'value db_labels.env:  @17'],
  ['a list in a flow map', 'db_labels: {env: [dev, pr|', 'entry db_labels.env.[]:  @23'],
  ['a flow map as entry', 'rules:\n  - {resources: [db], verbs: [li|', 'entry rules.[].verbs.[]:  @37'],
  ['a quoted key above', '"spec":\n  x|', 'key spec:  @10'],
  ['a label star above', "db_labels:\n  '*': |", 'value db_labels.*:  @18'],
  ['after a closed flow map', 'a: {b: c} |', undefined],
  ['inside a comment', 'kind: role # ro|', undefined],
  ['inside quotes', 'kind: "ro|', undefined],
  ['inside quotes of a flow list', 'a: ["x|', undefined],
  ['inside a block text', 'note: |\n  some text|'.replace('note: |', 'note: >'), undefined],
  ['a new document knows nothing of the last', 'spec:\n  a: b\n---\nki|', 'key :  @17'],
  ['a comment between', 'spec:\n# here\n  al|', 'key spec:  @15'],
  ['a hash in a value', 'a: b#c\nd|', 'key : a @7'],
];

for (const [name, marked, expected] of rows)
  test(`cursor: ${name}`, () => {
    const position = marked.lastIndexOf('|');
    const place = cursorPlace(marked.slice(0, position) + marked.slice(position + 1), position);
    const shown =
      place === undefined
        ? undefined
        : `${place.mode} ${place.path.join('.')}: ${place.siblings.join(',')} @${place.from}`;
    assert.equal(shown, expected);
  });

test('cursor: any text and any place give an answer', () => {
  const alphabet = ['a', ':', ' ', '\n', '-', '[', ']', '{', '}', ',', '#', '"', "'", '|', '  ', 'key: '];
  for (let seed = 1; seed < 3000; seed += 1) {
    let text = '';
    for (let index = 0, state = seed; index < 14; index += 1) {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      text += alphabet[state % alphabet.length] ?? '';
    }
    for (let position = 0; position <= text.length; position += 1) {
      const place = cursorPlace(text, position);
      if (place !== undefined) assert.ok(place.from <= position && place.from >= 0, JSON.stringify(text));
    }
  }
});
