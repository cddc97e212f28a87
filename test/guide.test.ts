// What the guide tells people to write must be readable.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { parseResources } from '../src/resource/parse.ts';

const top = resolve(import.meta.dirname, '..');

for (const page of globSync('docs/guide/sso/*.md', { cwd: top }).sort((a, b) => a.localeCompare(b))) {
  const blocks = [...readFileSync(join(top, page), 'utf8').matchAll(/^```yaml\n([\s\S]*?)^```/gm)];
  test(`${page}: every YAML block is a resource`, () => {
    for (const block of blocks) assert.ok(parseResources(block[1] ?? '', page).length > 0);
    assert.ok(blocks.length > 0, 'a page on a provider has a connector to copy');
  });
}
