/** `npm run gen`: makes gen/ from proto/, docs/reference/errors.md and the web editor's schemas from the source. With `--check`: makes them elsewhere and fails when what is committed differs. */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { editableKinds, jsonSchemaOf } from '../src/resource/json-schema.ts';
import { errorsPage } from './errors-page.ts';

const top = resolve(import.meta.dirname, '..');
const page = 'docs/reference/errors.md';
if (process.argv.includes('--check')) check();
else {
  execFileSync('buf', ['generate'], { cwd: top, stdio: 'inherit' });
  writeFileSync(join(top, page), errorsPage(top));
  for (const [file, text] of schemaFiles()) writeFileSync(join(top, file), text);
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
    for (const [file, text] of schemaFiles()) if (contentOf(top, file) !== text) stale.push(file);
    if (stale.length === 0) return;
    process.stderr.write(`not what is generated now: ${stale.join(', ')}; run: npm run gen\n`);
    process.exitCode = 1;
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** For the completion of the web UI's editors. */
function schemaFiles(): (readonly [string, string])[] {
  return editableKinds().map((kind) => [
    `web/src/schemas/${kind}.json`,
    `${JSON.stringify(jsonSchemaOf(kind), null, 2)}\n`,
  ]);
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
