/** `npm run gen`: makes gen/ from proto/. With `--check`: makes it elsewhere and fails when what is committed differs. */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const top = resolve(import.meta.dirname, '..');
if (process.argv.includes('--check')) check();
else execFileSync('buf', ['generate'], { cwd: top, stdio: 'inherit' });

function check(): void {
  const scratch = mkdtempSync(join(tmpdir(), 'tessera-gen-'));
  try {
    for (const name of ['proto', 'buf.yaml', 'buf.gen.yaml'])
      cpSync(join(top, name), join(scratch, name), { recursive: true });
    execFileSync('buf', ['generate'], { cwd: scratch, stdio: 'inherit' });
    const stale = [...new Set([...listed(top), ...listed(scratch)])].filter(
      (file) => contentOf(top, file) !== contentOf(scratch, file),
    );
    if (stale.length === 0) return;
    process.stderr.write(`not what proto/ generates: ${stale.join(', ')}; run: npm run gen\n`);
    process.exitCode = 1;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function listed(root: string): string[] {
  return globSync('gen/**/*.ts', { cwd: root });
}

function contentOf(root: string, file: string): string | undefined {
  try {
    return readFileSync(join(root, file), 'utf8');
  } catch {
    return undefined;
  }
}
