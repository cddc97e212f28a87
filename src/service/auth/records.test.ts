import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { Role } from '../../resource/resource.ts';
import { openSqliteStore } from '../../state/sqlite/sqlite-store.ts';
import type { Store } from '../../state/store.ts';
import { fromRecordKey, recordKey, Records } from './records.ts';

let folder: string;
let store: Store;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tessera-records-'));
  store = openSqliteStore({ path: join(folder, 'state.db'), now: () => Date.now() });
});
after(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const role = (name: string, ttl = 3_600_000): Role => ({
  kind: 'role',
  version: 'v8',
  metadata: { name },
  spec: { options: { max_session_ttl: ttl }, allow: {}, deny: {} },
});

test('keys keep every name, and none can reach into another kind', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (name) => {
      const key = recordKey('user', name);
      assert.deepEqual(fromRecordKey(key), { kind: 'user', name });
      assert.equal(key.split('/').length, 4);
    }),
  );
});

test('a resource comes back as it was written, through the store and its memory', async () => {
  const records = new Records(store);
  await records.put(role('dba'), { expect: 'absent' });
  assert.deepEqual((await records.read('role', 'dba'))?.resource.spec.options, { max_session_ttl: 3_600_000 });
  assert.deepEqual((await new Records(store).read('role', 'dba'))?.resource.spec.options, {
    max_session_ttl: 3_600_000,
  });
  await new Records(store).put(role('dba', 60_000), { expect: 'any' });
  assert.equal((await records.read('role', 'dba'))?.resource.spec.options.max_session_ttl, 60_000);
  assert.equal(await records.read('user', 'dba'), undefined);
});

test('what could not be read again is not written', async () => {
  const records = new Records(store);
  await assert.rejects(records.put(role('n'.repeat(200)), { expect: 'any' }), { name: 'ConfigError' });
  assert.ok((await records.list('role')).length > 0);
});

test('of many changes at once none is lost', async () => {
  const records = new Records(store);
  await records.put(role('counted', 60_000), { expect: 'absent' });
  const add = (before: Role): Role => role('counted', (before.spec.options.max_session_ttl ?? 0) + 60_000);
  await Promise.all(Array.from({ length: 8 }, () => records.change('role', 'counted', add)));
  assert.equal((await records.read('role', 'counted'))?.resource.spec.options.max_session_ttl, 9 * 60_000);
  assert.equal(await records.change('role', 'nobody', add), undefined);
});
