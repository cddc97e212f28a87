// What people copy out of docs/guide/sso must load as it is.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { test } from 'node:test';
import { parseResources } from '../src/resource/parse.ts';
import { ruleProblem, rulesOf } from '../src/sso/mapping.ts';

const folder = join(resolve(import.meta.dirname, '..'), 'docs/guide/sso');
const pages = globSync('*.md', { cwd: folder });

test('every provider has its page', () => {
  assert.deepEqual(
    pages.toSorted((a, b) => a.localeCompare(b)),
    ['entra.md', 'github.md', 'google.md', 'keycloak.md', 'oidc.md', 'okta.md', 'overview.md', 'saml.md'],
  );
});

for (const page of pages) {
  const text = readFileSync(join(folder, page), 'utf8');
  const blocks = [...text.matchAll(/^( *)```yaml\n([\s\S]*?)^ *```$/gm)].map(([, indent = '', block = '']) =>
    block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
  test(`${page}: every YAML block loads, and its rules can work`, () => {
    assert.ok(blocks.length > 0);
    for (const block of blocks) {
      for (const resource of parseResources(block, page)) {
        if (resource.kind !== 'oidc' && resource.kind !== 'saml' && resource.kind !== 'github') continue;
        assert.deepEqual(
          rulesOf(resource).map(ruleProblem),
          rulesOf(resource).map(() => undefined),
        );
      }
    }
  });
  test(`${page}: links lead to pages that are there`, () => {
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)/g))
      assert.ok(globSync(target, { cwd: folder }).length === 1, `${basename(page)}: ${target}`);
  });
}
