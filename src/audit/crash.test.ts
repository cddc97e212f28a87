import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openJournal, temporaryDirectory } from './fixtures.ts';

for (const afterBytes of [1, 3000, 20_000]) {
  test(`crash: killed after telling ${afterBytes} bytes of numbers, every committed event is in the journal, once`, async (t) => {
    const directory = temporaryDirectory(t);
    const child = spawn(process.execPath, [join(import.meta.dirname, 'crash.child.ts'), directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const closed = once(child, 'close');
    let told = '';
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      told += text;
      if (told.length >= afterBytes) child.kill('SIGKILL');
    });
    await closed;
    const committed = told.slice(0, told.lastIndexOf('\n')).split('\n').map(Number);
    const journal = openJournal(directory);
    const lines = journal.segments.flatMap(({ path }) => readFileSync(path, 'utf8').split('\n').slice(0, -1));
    const recorded = lines.map((line): unknown => JSON.parse(line).n);
    assert.deepEqual(
      recorded,
      recorded.map((_, index) => index),
    );
    assert.ok(committed.length > 0);
    assert.ok(recorded.length >= committed.length, `${committed.length} committed, ${recorded.length} recorded`);
    await journal.close();
  });
}
