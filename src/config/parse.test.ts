import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError } from '../errors.ts';
import { defaultProxyLimits } from './defaults.ts';
import { EXAMPLE_ROLES, exampleConfig, type ExampleRole } from './example.ts';
import { parseSize, printSize } from './fields.ts';
import { maxConfigBytes, parseConfig } from './parse.ts';

const golden = join(import.meta.dirname, '../../test/golden/config');
/** `TESSERA_UPDATE_GOLDEN=1` writes what is printed now; read the difference as prose before committing. */
const update = process.env['TESSERA_UPDATE_GOLDEN'] === '1';

for (const file of readdirSync(golden).filter((name) => name.endsWith('.yaml'))) {
  test(`golden: ${file}`, () => {
    const got = print(readFileSync(join(golden, file), 'utf8'));
    const wantFile = join(golden, file.replace(/yaml$/, 'txt'));
    if (update) writeFileSync(wantFile, got);
    assert.ok(existsSync(wantFile), `${wantFile} is missing`);
    assert.equal(got, readFileSync(wantFile, 'utf8'));
  });
}

function print(text: string): string {
  try {
    return `${JSON.stringify(parseConfig(text, 'tessera.yaml'), undefined, 2)}\n`;
  } catch (error: unknown) {
    assert.ok(error instanceof ConfigError, String(error));
    return `${error.problems.join('\n')}\n`;
  }
}

const all = new Set(EXAMPLE_ROLES);
for (const wanted of [['auth'], ['proxy'], ['db'], ['auth', 'proxy'], ['proxy', 'db'], ['auth', 'db'], all] as const) {
  const roles = new Set<ExampleRole>(wanted);
  test(`the example for ${[...roles].join(', ')} is accepted`, () => {
    const config = parseConfig(exampleConfig(roles), 'tessera.yaml');
    assert.deepEqual(
      [config.auth !== undefined, config.proxy !== undefined, config.database !== undefined],
      EXAMPLE_ROLES.map((role) => roles.has(role)),
    );
  });
}

test('an example can not be bent by its values', () => {
  const config = parseConfig(
    exampleConfig(new Set(['auth']), { clusterName: 'x', dataDir: '/a"\nauth_service: {}\n#' }),
    'tessera.yaml',
  );
  assert.equal(config.dataDir, '/a"\nauth_service: {}\n#');
});

test('services of one process find each other', () => {
  const config = parseConfig(exampleConfig(all), 'tessera.yaml');
  assert.deepEqual(config.authServer, { host: '127.0.0.1', port: 3025 });
  assert.deepEqual(config.proxyServers, [{ host: '127.0.0.1', port: 3080 }]);
  assert.equal(config.join, undefined);
});

test('the data directory may come from the environment, the file wins', () => {
  const text = 'version: v1\nauth_service: {enabled: yes, cluster_name: x}\n';
  assert.equal(parseConfig(text, 'f', { TESSERA_DATA_DIR: '/env' }).dataDir, '/env');
  assert.equal(parseConfig(`${text}tessera: {data_dir: /file}\n`, 'f', { TESSERA_DATA_DIR: '/env' }).dataDir, '/file');
  assert.equal(parseConfig(text, 'f').auth?.caKeyFile, '/var/lib/tessera/ca.key');
});

test('the result is frozen all the way down', () => {
  const config = parseConfig(exampleConfig(all), 'f');
  assert.ok(
    Object.isFrozen(config) &&
      Object.isFrozen(config.proxy?.limits) &&
      Object.isFrozen(config.database?.databases[0]?.database.spec.tls),
  );
  assert.deepEqual(config.proxy?.limits, defaultProxyLimits);
});

test('no message repeats a secret', () => {
  const secret = 'hunter2-hunter2';
  for (const text of [
    `version: v1\ntessera: {join_token: [${secret}]}`,
    `version: v1\ndb_service: {enabled: yes, databases: [{name: a, protocol: postgres, uri: "u:${secret}@h:1"}]}`,
    `version: v1\ntessera: {join_token: "${secret}"`,
    `version: v1\ntessera: {join_token: ${secret}, ca_pin: ${secret}}\nproxy_service: {enabled: yes}`,
  ]) {
    assert.doesNotMatch(print(text), new RegExp(secret), text);
  }
});

const hostile = [
  { name: 'too large', text: `# ${'x'.repeat(maxConfigBytes)}`, want: /exceeds maxConfigBytes 1048576/ },
  { name: 'brackets', text: '['.repeat(500_000), want: /nested deeper than 64/ },
  { name: 'braces in a value', text: `version: ${'{a: '.repeat(200_000)}`, want: /nested deeper than 64/ },
  { name: 'dashes', text: '- '.repeat(400_000), want: /nested deeper than 64/ },
  {
    name: 'stairs',
    text: Array.from({ length: 1300 }, (_, index) => `${' '.repeat(index)}a:`).join('\n'),
    want: /nested deeper than 64/,
  },
  { name: 'a key of the language', text: '__proto__: {enabled: yes}\nversion: v1', want: /__proto__ is not allowed/ },
  { name: 'a map as a key', text: '{a: b}: c', want: /1:1: a key must be plain text/ },
  { name: 'unknown tag', text: 'version: !!js/function v1', want: /unknown tag/ },
  { name: 'alias of nothing', text: 'version: *nothing', want: /not valid YAML|aliases/ },
  { name: 'alias of itself', text: 'version: &a [*a]', want: /nested|aliases/ },
];
for (const { name, text, want } of hostile) {
  test(`hostile: ${name}`, () => {
    const began = performance.now();
    assert.match(print(text), want);
    assert.ok(performance.now() - began < 5000);
  });
}

test('any text gives a Config or a ConfigError', () => {
  const line = fc.constantFrom(
    'version: v1',
    'tessera:',
    '  log: {level: x}',
    'db_service: &a',
    '  enabled: yes',
    '- a',
    '<<: *a',
    '? x',
    '"',
    "'",
    '|',
    '---',
    '\t',
    ': :',
    '!!binary x',
    '{',
    ']',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(line, fc.string()), { maxLength: 8 }), (lines) => void print(lines.join('\n'))),
    { numRuns: 500 },
  );
});

test('sizes: text and back', () => {
  for (const [text, bytes] of [
    ['0B', 0],
    ['10000B', 10_000],
    ['64KiB', 65_536],
    ['1 GiB', 1_073_741_824],
  ] as const)
    assert.equal(parseSize(text), bytes);
  for (const text of ['64', '64kb', '-1KiB', '1.5GiB', 'KiB', '99999999999999TiB', ''])
    assert.equal(parseSize(text), undefined, text);
  fc.assert(fc.property(fc.nat(), (bytes) => assert.equal(parseSize(printSize(bytes)), bytes)));
});
