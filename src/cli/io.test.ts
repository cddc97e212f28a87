import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

test('a reader that leaves ends the command without a stack trace', async () => {
  const program = `
    import { processIo, say } from ${JSON.stringify(join(import.meta.dirname, 'io.ts'))};
    const io = processIo();
    process.stdin.once('data', () => say(io, 'to nobody'));`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  child.stdout.destroy();
  child.stdin.end('now\n');
  assert.deepEqual({ code: await exited, errors }, { code: 141, errors: '' });
});
