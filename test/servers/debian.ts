/** Debian packages unpacked into a cache folder; the system is not changed. */
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { lockFile } from './file-lock.ts';

const top = resolve(import.meta.dirname, '../..');
/** Downloads may hang on a machine that reaches no mirror. */
const fetchTimeoutMs = 180_000;
/** Package lists of our own are taken again when older; mirrors drop what was superseded. */
const listsAgeMs = 3_600_000;
/** A fetch that failed is not tried again so soon: without a network every test file would wait for it anew. */
const failureAgeMs = 300_000;

/** `libraryPath` is for LD_LIBRARY_PATH, or with a `loader` (a C library of its own) for that loader's `--library-path` and never the environment. */
export type Fetched = { readonly root: string; readonly libraryPath: string; readonly loader?: string };

/** Fetches and unpacks packages of the machine's own release once, under `.cache/debian/NAME` (or TESSERA_TEST_CACHE). A text says why it could not. */
export function fetchDebian(name: string, packages: readonly string[]): Fetched | string {
  return fetchOnce(name, packages, (target) => {
    const own = ['-o', 'APT::Sandbox::User=root'];
    if (globSync('/var/lib/apt/lists/*_Packages*').length > 0) {
      try {
        download(target, own, packages);
        return;
      } catch {
        // The machine's lists may be older than the mirror; with lists of our own the second try says what is wrong.
      }
    }
    const apt = ['-c', aptConfiguration('stable', {})];
    update(apt, 'stable');
    download(target, apt, packages);
  });
}

export type SidPackages = {
  /** With all they depend on, down to the C library; without Perl, which only maintainer scripts need. */
  readonly closure: readonly string[];
  /** Without what they depend on. */
  readonly alone?: readonly string[];
};

/** The same from Debian's unstable suite, for what the machine's release does not have. Programs start through `loader` only. */
export function fetchSid(name: string, packages: SidPackages): (Fetched & { readonly loader: string }) | string {
  const wanted = [...packages.closure, ...(packages.alone ?? [])];
  const fetched = fetchOnce(name, wanted, (target) => {
    const mirror = machineMirror();
    const keyring = globSync('/usr/share/keyrings/debian-archive-keyring.{gpg,pgp}')[0];
    const trust = keyring === undefined ? '' : `[signed-by=${keyring}] `;
    const apt = ['-c', aptConfiguration('sid', { sources: `deb ${trust}${mirror} sid main\n` })];
    update(apt, 'sid');
    const plan = run('apt-get', [...apt, '-qq', '-s', 'install', ...packages.closure]);
    const closure = [...plan.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '');
    const needed = closure.filter((each) => !/^(lib)?perl(\d|-|$)/.test(each));
    download(target, apt, [...new Set([...needed, ...(packages.alone ?? [])])]);
  });
  if (typeof fetched === 'string') return fetched;
  const loader = globSync('usr/lib/{*/,}ld-linux*.so.*', { cwd: fetched.root })[0];
  if (loader === undefined) return `${name}: the fetched packages have no loader`;
  return { ...fetched, loader: join(fetched.root, loader) };
}

/** The folder that holds all that is fetched or prepared once. */
export function cacheFolder(): string {
  return join(process.env['TESSERA_TEST_CACHE'] ?? join(top, '.cache'), 'debian');
}

/** The stamp holds the packages' names: a list that changed is fetched again. */
function fetchOnce(name: string, packages: readonly string[], fill: (target: string) => void): Fetched | string {
  const folder = join(cacheFolder(), name);
  const stamp = packages.join(' ');
  if (!isComplete(folder, stamp)) {
    if (!existsSync('/usr/bin/apt-get') || !existsSync('/usr/bin/dpkg'))
      return `${name}: not installed, and this is no Debian to fetch it with`;
    const problem = fetchLocked(folder, stamp, fill);
    if (problem !== undefined) return `${name}: could not be fetched (${problem})`;
  }
  const root = join(folder, 'root');
  const libraries = globSync('{usr/,}lib/*-linux-gnu', { cwd: root }).map((path) => join(root, path));
  return { root, libraryPath: libraries.join(':') };
}

function isComplete(folder: string, stamp: string): boolean {
  try {
    return readFileSync(join(folder, 'complete'), 'utf8') === stamp;
  } catch {
    return false;
  }
}

/** One fetch at a time: test files run in processes of their own and ask for the same packages at once. */
function fetchLocked(folder: string, stamp: string, fill: (target: string) => void): string | undefined {
  const scratch = `${folder}.${process.pid}`;
  let release: (() => void) | undefined;
  try {
    mkdirSync(cacheFolder(), { recursive: true });
    release = lockFile(join(cacheFolder(), 'lock'), fetchTimeoutMs);
    if (isComplete(folder, stamp)) return undefined;
    if (isYounger(`${folder}.failed`, failureAgeMs)) return readFileSync(`${folder}.failed`, 'utf8');
    process.stderr.write(`fetching ${stamp} from Debian into the cache folder ...\n`);
    mkdirSync(join(scratch, 'root'), { recursive: true });
    fill(scratch);
    writeFileSync(join(scratch, 'complete'), stamp);
    rmSync(folder, { recursive: true, force: true });
    renameSync(scratch, folder);
    rmSync(`${folder}.failed`, { force: true });
    return undefined;
  } catch (error) {
    const reason = reasonOf(error);
    if (release === undefined) return reason;
    rmSync(scratch, { recursive: true, force: true });
    writeFileSync(`${folder}.failed`, reason);
    return reason;
  } finally {
    release?.();
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const lines = error.message.split('\n');
  return lines.find((line) => line.startsWith('E: ')) ?? lines[0] ?? error.message;
}

function download(target: string, apt: readonly string[], packages: readonly string[]): void {
  const debs = join(target, 'debs');
  rmSync(debs, { recursive: true, force: true });
  mkdirSync(debs);
  run('apt-get', [...apt, '-qq', 'download', ...packages], debs);
  for (const deb of globSync('*.deb', { cwd: debs })) run('dpkg', ['-x', join(debs, deb), join(target, 'root')]);
  rmSync(debs, { recursive: true, force: true });
}

/**
 * Lists, status and cache in a folder of our own, so that neither the machine's lists nor what is installed decides anything, and no rights are needed.
 * Without `sources` the machine's own are read.
 */
function aptConfiguration(suite: 'stable' | 'sid', { sources }: { readonly sources?: string }): string {
  const folder = join(cacheFolder(), `apt-${suite}`);
  mkdirSync(join(folder, 'state/lists/partial'), { recursive: true });
  mkdirSync(join(folder, 'cache/archives/partial'), { recursive: true });
  mkdirSync(join(folder, 'none'), { recursive: true });
  writeFileSync(join(folder, 'status'), '');
  const lines = {
    'Dir::State': join(folder, 'state'),
    'Dir::State::status': join(folder, 'status'),
    'Dir::Cache': join(folder, 'cache'),
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    'Dir::Etc::preferencesparts': join(folder, 'none'),
    ...(sources === undefined
      ? {}
      : { 'Dir::Etc::sourcelist': join(folder, 'sources.list'), 'Dir::Etc::sourceparts': join(folder, 'none') }),
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': 'root',
    'Acquire::Check-Valid-Until': 'false',
    'Acquire::Languages': 'none',
    'Debug::NoLocking': 'true',
  };
  if (sources !== undefined) writeFileSync(join(folder, 'sources.list'), sources);
  const file = join(folder, 'apt.conf');
  writeFileSync(
    file,
    Object.entries(lines)
      .map(([name, value]) => `${name} "${value}";\n`)
      .join(''),
  );
  return file;
}

/** A third party's source among the machine's own may fail: the download then says whether what is needed was found. */
function update(apt: readonly string[], suite: 'stable' | 'sid'): void {
  const stamp = join(cacheFolder(), `apt-${suite}`, 'updated');
  if (isYounger(stamp, listsAgeMs)) return;
  try {
    run('apt-get', [...apt, '-qq', '-o', 'APT::Update::Error-Mode=any', 'update']);
  } catch (error) {
    if (suite === 'sid') throw error;
    return;
  }
  writeFileSync(stamp, '');
}

function isYounger(file: string, ageMs: number): boolean {
  return existsSync(file) && Date.now() - statSync(file).mtimeMs < ageMs;
}

/** Where the machine gets its own release from; every suite is on the same mirror. */
function machineMirror(): string {
  const codename = /^VERSION_CODENAME=(\S+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '';
  const lists = run('apt-get', ['update', '--print-uris']);
  const found = [...lists.matchAll(/^'(\S+)\/dists\/([^/]+)\/InRelease'/gm)].find((match) => match[2] === codename);
  if (found?.[1] === undefined) throw new Error('E: the sources of this machine name no mirror of its release');
  return found[1];
}

function run(program: string, args: readonly string[], cwd = '/'): string {
  return execFileSync(program, [...args], {
    cwd,
    timeout: fetchTimeoutMs,
    stdio: 'pipe',
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    env: { ...process.env, LC_ALL: 'C.UTF-8' },
  });
}
