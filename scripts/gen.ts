/** `npm run gen`: makes gen/ from proto/ and docs/reference/errors.md from the source. With `--check`: makes them elsewhere and fails when what is committed differs. */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { errorsPage } from './errors-page.ts';

const top = resolve(import.meta.dirname, '..');
const page = 'docs/reference/errors.md';
if (process.argv.includes('--check')) check();
else {
  execFileSync('buf', ['generate'], { cwd: top, stdio: 'inherit' });
  writeFileSync(join(top, page), errorsPage(top));
}

function check(): void {
  const scratch = mkdtempSync(join(tmpdir(), 'tessera-gen-'));
  try {
    for (const name of ['proto', 'buf.yaml', 'buf.gen.yaml'])
      cpSync(join(top, name), join(scratch, name), { recursive: true });
    execFileSync('buf', ['generate'], { cwd: scratch, stdio: 'inherit' });
    const stale = [...new Set([...listed(top), ...listed(scratch)])].filter(
      (file) => contentOf(top, file) !== contentOf(scratch, file),
    );
    if (contentOf(top, page) !== errorsPage(top)) stale.push(page);
    if (stale.length === 0) return;
    process.stderr.write(`not what is generated now: ${stale.join(', ')}; run: npm run gen\n`);
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
