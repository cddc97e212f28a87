import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { keptConditions, keptOptions } from '../resource/schema/role.ts';
import {
  defaultAuthLimits,
  defaultDatabaseLimits,
  defaultJournal,
  defaultProxyLimits,
  defaultTunnel,
  keyInFile,
  valueInFile,
} from './defaults.ts';

const page = (name: string): string => readFileSync(join(import.meta.dirname, '../../docs/reference', name), 'utf8');

test('the reference page has every limit with its default', () => {
  const text = page('config.md');
  for (const limits of [defaultAuthLimits, defaultProxyLimits, defaultTunnel, defaultJournal, defaultDatabaseLimits]) {
    for (const [name, value] of Object.entries(limits)) {
      const row = `| \`${keyInFile(name)}\` | \`${valueInFile(name, value as number | string)}\` |`;
      assert.ok(text.includes(row), `docs/reference/config.md lacks ${row}`);
    }
  }
});

test('the roles page lists every key that is kept', () => {
  const text = page('roles.md');
  for (const key of [...keptConditions, ...keptOptions])
    assert.ok(text.includes(`\`${key}\``), `docs/reference/roles.md lacks ${key}`);
});
