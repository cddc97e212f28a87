// The import direction of the tree, kept as data: each layer may import itself, src/errors.ts and what it lists.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const top = resolve(import.meta.dirname, '..');
type Layer = { readonly may: readonly string[]; readonly pure?: true; readonly why: string };
const layers: Readonly<Record<string, Layer>> = {
  wire: { may: [], why: 'wire/ knows only bytes' },
  resource: { may: [], pure: true, why: 'resource/ is the nouns; everybody stands on it' },
  telemetry: { may: [], why: 'telemetry/ is told things, it asks nobody' },
  state: { may: [], why: 'state/ stores documents and does not know what they mean' },
  protocol: { may: ['wire'], pure: true, why: 'protocol/ is pure: bytes in, messages out' },
  pki: { may: ['wire', 'resource'], why: 'pki/ turns identities into certificates and back' },
  tunnel: { may: ['wire', 'telemetry'], why: 'tunnel/ moves bytes and does not know whose' },
  access: { may: ['resource'], pure: true, why: 'access/ decides; it does no I/O' },
  config: { may: ['resource'], why: 'config/ reads text; it opens nothing' },
  audit: { may: ['resource', 'telemetry'], why: 'audit/ records what it is given' },
  sso: { may: ['resource', 'state', 'telemetry'], why: 'sso/ turns an attempt into a person' },
  rpc: { may: ['gen', 'resource', 'access', 'pki'], why: 'rpc/ carries the API and says who may call what' },
  engine: {
    may: ['wire', 'protocol', 'pki', 'resource', 'access', 'audit', 'telemetry'],
    why: 'an engine joins protocol, access and audit; it knows neither tunnel nor configuration',
  },
  service: {
    may: [
      'wire',
      'protocol',
      'pki',
      'resource',
      'access',
      'audit',
      'telemetry',
      'state',
      'tunnel',
      'config',
      'sso',
      'rpc',
      'engine',
      'gen',
    ],
    why: 'service/ composes everything, here and only here',
  },
  cli: {
    may: ['service', 'rpc', 'config', 'pki', 'resource', 'access', 'audit', 'telemetry', 'protocol', 'gen'],
    why: 'cli/ stands beside service/',
  },
};

const files = globSync('src/**/*.ts', { cwd: top }).filter((file) => file !== 'src/errors.ts');

test('there is a tree to check', () => assert.ok(files.length > 100, `src/ has ${files.length} files`));

test('every folder of src/ is listed, and no listed folder is missing', () => {
  const folders = [...new Set(files.map((file) => file.split('/')[1] ?? ''))].sort((a, b) => a.localeCompare(b));
  assert.deepEqual(
    folders,
    Object.keys(layers).sort((a, b) => a.localeCompare(b)),
  );
});

test('every folder of src/ is on the map in ARCHITECTURE.md', () => {
  const map = readFileSync(join(top, 'ARCHITECTURE.md'), 'utf8');
  for (const name of Object.keys(layers))
    assert.ok(map.includes(`\`src/${name}/\``), `ARCHITECTURE.md does not tell what src/${name}/ is`);
});

test('imports follow the direction', () => {
  const wrong: string[] = [];
  for (const file of files) {
    const layer = file.split('/')[1] ?? '';
    for (const specifier of importsOf(file)) {
      const problem = problemWith(file, layer, specifier);
      if (problem !== undefined) wrong.push(`${file} imports ${specifier}: ${problem}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('pure layers know no clock, no randomness and no process', () => {
  const impure =
    /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bprocess\.|\bsetTimeout\(|\bsetImmediate\(|\brandomBytes\(/;
  const wrong = files.filter(
    (file) => layers[file.split('/')[1] ?? '']?.pure && !isTest(file) && impure.test(codeOf(file)),
  );
  assert.deepEqual(wrong, []);
});

test('one engine does not import another', () => {
  const wrong = files.flatMap((file) => {
    const own = /^src\/engine\/([^/]+)\//.exec(file)?.[1];
    return own === undefined
      ? []
      : importsOf(file).filter((to) => /engine\/(\w+)\//.exec(to)?.[1] !== undefined && !to.includes(`/${own}/`));
  });
  assert.deepEqual(wrong, []);
});

test('every generated file can be imported as it is', async () => {
  const generated = globSync('gen/**/*.ts', { cwd: top });
  assert.ok(generated.length > 0);
  for (const file of generated) assert.ok(Object.keys(await import(join(top, file))).length > 0, file);
});

function problemWith(file: string, layer: string, specifier: string): string | undefined {
  const may = layers[layer]?.may ?? [];
  if (!specifier.startsWith('.')) return packageProblem(file, layer, specifier);
  const target = relative(top, resolve(join(top, dirname(file)), specifier));
  if (target === 'src/errors.ts') return undefined;
  const [first = '', second = ''] = target.split('/');
  const other = first === 'gen' ? 'gen' : second;
  if (first === 'test')
    return isTest(file) || file.endsWith('.fixture.ts') ? undefined : 'only tests and their fixtures may import test/';
  if (first !== 'src' && first !== 'gen') return 'it lies outside src/';
  if (other === layer || may.includes(other) || isTest(file)) return undefined;
  return `${layer}/ may not import ${other}/: ${layers[layer]?.why}`;
}

function packageProblem(file: string, layer: string, specifier: string): string | undefined {
  const allowed = new Set(['node:crypto', 'node:buffer']);
  if (layers[layer]?.pure && specifier.startsWith('node:') && !allowed.has(specifier) && !isTest(file))
    return `${layer}/ is pure and may use only node:crypto`;
  return undefined;
}

function isTest(file: string): boolean {
  return file.endsWith('.test.ts') || file.endsWith('.conformance.ts');
}

function importsOf(file: string): string[] {
  const pattern =
    /^(?:import|export)\b[^;'"]*?from\s+['"]([^'"]+)['"]|^import\s+['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
  return [...readFileSync(join(top, file), 'utf8').matchAll(pattern)].map(
    (match) => match[1] ?? match[2] ?? match[3] ?? '',
  );
}

function codeOf(file: string): string {
  return readFileSync(join(top, file), 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\/\/.*$/gm, '');
}
