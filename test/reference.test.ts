// Reference pages that people keep by hand must name exactly what there is.
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

const top = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(top, path), 'utf8');
const sorted = (values: Iterable<string>): string[] => [...values].sort((a, b) => a.localeCompare(b));

test('docs/reference/metrics.md lists exactly the metrics that are registered, with their types', () => {
  const registered = globSync('src/**/*.ts', { cwd: top })
    .filter((file) => !file.endsWith('.test.ts'))
    .flatMap((file) => [...read(file).matchAll(/\.(counters?|gauges?|histogram)\(\s*'(tessera_\w+)'/g)])
    .map((match) => `${match[2]} ${(match[1] ?? '').replace(/s$/, '')}`);
  const listed = [...read('docs/reference/metrics.md').matchAll(/^\| `(tessera_\w+)` \| (\w+) \|/gm)].map(
    (match) => `${match[1]} ${match[2]}`,
  );
  assert.ok(registered.length > 20, `found only ${registered.length} in the source`);
  assert.deepEqual(sorted(listed), sorted(registered));
});

test('docs/reference/dependencies.md has a reason for every package of both package.json, in its section, and for no other', () => {
  const page = read('docs/reference/dependencies.md');
  const [ground = '', web = ''] = page.split('## The web UI');
  for (const [file, section] of [
    ['package.json', ground],
    ['web/package.json', web],
  ] as const) {
    const declared = JSON.parse(read(file)) as Readonly<Record<string, Readonly<Record<string, string>>>>;
    const packages = ['dependencies', 'optionalDependencies', 'devDependencies'].flatMap((kind) =>
      Object.keys(declared[kind] ?? {}),
    );
    const reasons = [...section.matchAll(/^\| `([^`]+)` \| (\S.*) \|$/gm)];
    assert.ok(packages.length > 20, file);
    assert.deepEqual(sorted(reasons.map((match) => match[1] ?? '')), sorted(packages), file);
  }
});

test('the budget of packages at run time holds, and the web UI has none', () => {
  const count = (file: string): number =>
    Object.keys((JSON.parse(read(file)) as { readonly dependencies?: object }).dependencies ?? {}).length;
  const budget = Number(/Budget: (\d+) at run time/.exec(read('docs/reference/dependencies.md'))?.[1]);
  assert.ok(count('package.json') <= budget, `${count('package.json')} packages, budget ${budget}`);
  assert.equal(count('web/package.json'), 0);
});

test('every link from one page to another leads somewhere', () => {
  const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: top })];
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)#]+)/g)]
      .map((match) => match[1] ?? '')
      .filter((target) => !existsSync(join(top, page, '..', target)))
      .map((target) => `${page}: ${target}`),
  );
  assert.deepEqual(broken, []);
});

test('every source file that ARCHITECTURE.md and the decisions name exists', () => {
  const files = globSync('src/**/*.ts', { cwd: top });
  const pages = ['ARCHITECTURE.md', ...globSync('docs/decisions/*.md', { cwd: top })];
  const missing = pages.flatMap((page) =>
    [...read(page).matchAll(/`([\w/.-]+\.ts)`/g)]
      .map((match) => match[1] ?? '')
      .filter((name) => !existsSync(join(top, name)) && !files.some((file) => file.endsWith(`/${name}`)))
      .map((name) => `${page}: ${name}`),
  );
  assert.deepEqual(missing, []);
});
