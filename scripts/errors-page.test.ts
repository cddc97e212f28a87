import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorPlaces } from './errors-page.ts';

const rows = [
  { name: 'one line', text: "throw new LimitError('A_B', 'too long');", want: ['A_B LimitError too long'] },
  {
    name: 'a template',
    text: "new LoginError(\n 'A_B',\n `x ${f({ a: 1 })} of ${n}`,\n)",
    want: ['A_B LoginError x … of …'],
  },
  { name: 'no literal', text: "new UpstreamError('A_B', text, {})", want: ['A_B UpstreamError '] },
  { name: 'a command', text: "failure('A_B', 'it failed', 'do this')", want: ['A_B TesseraError it failed'] },
  {
    name: 'a subclass',
    text: "class Gone extends TesseraError { constructor() { super('A_B', 'is gone'); } }",
    want: ['A_B Gone is gone'],
  },
  {
    name: 'a reader',
    text: "new Reader('postgres: Bind', 'PG_BIND', body)",
    want: ['PG_BIND_* ProtocolError postgres: Bind …'],
  },
  { name: "a reader's fault is its reader's", text: "reader.fault('BAD_KEY', 'x')", want: [] },
  { name: 'what is no error', text: "env('A_B'); is('A_B')", want: [] },
];
for (const { name, text, want } of rows)
  test(name, () =>
    assert.deepEqual(
      errorPlaces('src/x.ts', text).map((place) => `${place.code} ${place.className} ${place.message}`),
      want,
    ),
  );
