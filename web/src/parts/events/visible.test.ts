import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHarmless, visible, visibleJson, visibleParts } from './visible.ts';

const rows = [
  { text: 'select 1', layout: 'line', want: 'select 1' },
  { text: 'a\nb\tc\r', layout: 'line', want: 'a b c ' },
  { text: 'a\nb\tc\r', layout: 'block', want: 'a\nb\tc⟨U+000D⟩' },
  { text: 'user\u202egnp.exe', layout: 'line', want: 'user⟨U+202E⟩gnp.exe' },
  { text: '\u001b[2J', layout: 'block', want: '⟨U+001B⟩[2J' },
  { text: 'ad\u200bmin', layout: 'line', want: 'ad⟨U+200B⟩min' },
  { text: '\u{e0041}x', layout: 'line', want: '⟨U+E0041⟩x' },
  { text: '\ud800x', layout: 'line', want: '⟨U+D800⟩x' },
  { text: 'größe 数据 🙂', layout: 'line', want: 'größe 数据 🙂' },
  { text: '', layout: 'line', want: '' },
] as const;
for (const { text, layout, want } of rows)
  test(`${JSON.stringify(text)} in a ${layout}`, () => assert.equal(visible(text, layout), want));

test('a mark says what it stands for', () => {
  const [part] = visibleParts('\u202e');
  assert.deepEqual(part, {
    kind: 'mark',
    text: '⟨U+202E⟩',
    name: 'right-to-left override: the text is shown in another order',
  });
  assert.equal(isHarmless('a\nb', 'block'), true);
  assert.equal(isHarmless('a\u2066b'), false);
});

test('a JSON document stays the same document', () => {
  const value = { a: 'x\u202ey\u{e0041}', b: [1, 'z\n'] };
  const shown = visibleJson(JSON.stringify(value));
  assert.deepEqual(JSON.parse(shown), value);
  assert.ok(isHarmless(shown, 'block'));
  assert.equal(visibleJson('{\u0000'), '{⟨U+0000⟩');
});
