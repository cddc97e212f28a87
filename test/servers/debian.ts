/** Debian packages unpacked into a cache folder; the system is not changed. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

const top = resolve(import.meta.dirname, '../..');
/** Downloads may hang on a machine that reaches no mirror. */
const fetchTimeoutMs = 120_000;

export type Fetched = { readonly root: string; readonly libraryPath: string };

/** Fetches and unpacks packages once, under `.cache/debian/NAME` (or TESSERA_TEST_CACHE). A text says why it could not. */
export function fetchDebian(name: string, packages: readonly string[]): Fetched | string {
  const folder = join(process.env['TESSERA_TEST_CACHE'] ?? join(top, '.cache'), 'debian', name);
  const root = join(folder, 'root');
  if (!existsSync(join(folder, 'complete'))) {
    if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg'))
      return `${name}: not installed, and this is no Debian to fetch it with`;
    const problem = download(folder, packages);
    if (problem !== undefined) return `${name}: could not be fetched (${problem})`;
  }
  const libraries = globSync('usr/lib/*-linux-gnu', { cwd: root }).map((path) => join(root, path));
  return { root, libraryPath: libraries.join(':') };
}

function download(folder: string, packages: readonly string[]): string | undefined {
  const scratch = `${folder}.${process.pid}`;
  try {
    mkdirSync(join(scratch, 'debs'), { recursive: true });
    process.stderr.write(`fetching ${packages.join(' ')} from Debian into the cache folder ...\n`);
    execFileSync('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', ...packages], {
      cwd: join(scratch, 'debs'),
      timeout: fetchTimeoutMs,
      stdio: 'pipe',
    });
    for (const deb of globSync('debs/*.deb', { cwd: scratch }))
      execFileSync('dpkg', ['-x', join(scratch, deb), join(scratch, 'root')], { stdio: 'pipe' });
    writeFileSync(join(scratch, 'complete'), '');
    rmSync(folder, { recursive: true, force: true });
    renameSync(scratch, folder);
    return undefined;
  } catch (error) {
    rmSync(scratch, { recursive: true, force: true });
    return error instanceof Error
      ? (error.message.split('\n').find((line) => line.startsWith('E: ')) ?? error.message.split('\n')[0])
      : String(error);
  }
}
