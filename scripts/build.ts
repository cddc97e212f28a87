/** `npm run build`: web/dist from web/src. Does nothing when it is newer than what it is made from; `--force` builds all the same. */
import { spawn } from 'node:child_process';
import { globSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';

const top = resolve(import.meta.dirname, '..');
const dist = join(top, 'web/dist');
/** Of script, gzip, before a page is seen for the first time. */
const BUDGET_KILOBYTES = 250;
const sources = ['web/src/**/*', 'web/public/**/*', 'web/*.{ts,json,html}', 'gen/**/*.ts', 'package-lock.json'];

if (import.meta.main) {
  const built = await buildWeb({ force: process.argv.includes('--force') });
  process.stderr.write(`${built ? 'built' : 'up to date'}: web/dist\n`);
  for (const { page, kilobytes } of firstViews()) {
    process.stdout.write(`${page}: ${kilobytes.toFixed(1)} KB of script (gzip)\n`);
    if (kilobytes > BUDGET_KILOBYTES) {
      process.stderr.write(`${page}: its first view is above the budget of ${BUDGET_KILOBYTES} KB\n`);
      process.exitCode = 1;
    }
  }
}

/** Builds the web UI into web/dist when something is newer than it, or always with `force`; tells whether it did. Progress goes to stderr. Throws when the build fails. */
export async function buildWeb(options: { readonly force?: boolean } = {}): Promise<boolean> {
  if (options.force !== true && isFresh()) return false;
  process.stderr.write('building web/dist ...\n');
  const code = await new Promise<number | null>((done, fail) => {
    const vite = join(top, 'node_modules/vite/bin/vite.js');
    const child = spawn(process.execPath, [vite, 'build', '--logLevel', 'warn'], {
      cwd: join(top, 'web'),
      stdio: ['ignore', 2, 2],
    });
    child.on('error', fail);
    child.on('close', done);
  });
  if (code !== 0) throw new Error(`the build of web/ failed with exit code ${code}; what vite said stands above`);
  return true;
}

function isFresh(): boolean {
  const builtMs = changedMs(join(dist, 'index.html'));
  return builtMs > 0 && globSync(sources, { cwd: top }).every((file) => changedMs(join(top, file)) <= builtMs);
}

function changedMs(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

type Chunk = { readonly file: string; readonly imports?: readonly string[] };

/** How much script a browser loads before it shows a page for the first time: the entry, the page's frame, the page, and all that these import. Kilobytes of 1000 bytes, gzip. Needs a build. */
export function firstViews(): { readonly page: string; readonly kilobytes: number }[] {
  const manifest = JSON.parse(readFileSync(join(dist, '.vite/manifest.json'), 'utf8')) as Readonly<
    Record<string, Chunk>
  >;
  return [
    { page: '/web/login', roots: ['index.html', 'src/app/plain.tsx', 'src/pages/sign-in/page.tsx'] },
    { page: '/web/', roots: ['index.html', 'src/app/shell.tsx', 'src/pages/home/page.tsx'] },
    { page: '/web/databases', roots: ['index.html', 'src/app/shell.tsx', 'src/pages/databases/page.tsx'] },
  ].map(({ page, roots }) => {
    const seen = new Set<string>();
    for (const root of roots) collect(manifest, root, seen);
    const bytes = [...seen].reduce((sum, file) => sum + gzipSync(readFileSync(join(dist, file))).length, 0);
    return { page, kilobytes: bytes / 1000 };
  });
}

function collect(manifest: Readonly<Record<string, Chunk>>, name: string, seen: Set<string>): void {
  const chunk = manifest[name];
  if (chunk === undefined) throw new Error(`the build has no chunk ${name}`);
  if (seen.has(chunk.file)) return;
  seen.add(chunk.file);
  for (const imported of chunk.imports ?? []) collect(manifest, imported, seen);
}
