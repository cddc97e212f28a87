import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { auditEvent } from '../../audit/event.ts';
import { StorageError } from '../../errors.ts';
import { openSqliteStore } from '../../state/sqlite/sqlite-store.ts';
import type { Store } from '../../state/store.ts';
import type { AuditPort } from './context.ts';
import { Durability } from './durability.ts';

const folder = mkdtempSync(join(tmpdir(), 'tessera-durability-'));
let files = 0;
after(() => rmSync(folder, { recursive: true }));

test('a failed write of the state is told until a write works, or for a minute', async () => {
  let nowMs = 0;
  let failure: StorageError | undefined;
  const durability = new Durability(() => nowMs);
  const sqlite = openStore();
  const store = durability.store({
    ...bound(sqlite),
    put: (key, value, options) => (failure === undefined ? sqlite.put(key, value, options) : Promise.reject(failure)),
  });
  const put = (): Promise<unknown> => store.put('/a/b', 1, { expect: 'any' });
  assert.equal(durability.reason, undefined);
  failure = new StorageError('STATE_FULL', 'the disk is full');
  await assert.rejects(put(), { code: 'STATE_FULL' });
  assert.match(durability.reason ?? '', /writing the state failed \(STATE_FULL\)/);
  await store.read('/a/b');
  assert.match(durability.reason ?? '', /STATE_FULL/, 'a read that works says nothing of writes');
  failure = undefined;
  await put();
  assert.equal(durability.reason, undefined);
  failure = new StorageError('STATE_FAILED', 'the disk failed');
  await assert.rejects(put());
  nowMs = 60_000;
  assert.equal(durability.reason, undefined);
  await sqlite.close();
});

test('a conflict is an answer, no failure', async () => {
  const durability = new Durability(() => 0);
  const store = durability.store(openStore());
  await store.put('/a/b', 1, { expect: 'absent' });
  await assert.rejects(store.put('/a/b', 1, { expect: 'absent' }), { code: 'STATE_CONFLICT' });
  assert.equal(durability.reason, undefined);
  await store.close();
});

test('an audit log that can not be written is told', async () => {
  const durability = new Durability(() => 0);
  const failing = (): Promise<never> => Promise.reject(new StorageError('AUDIT_DAY_WRITE', 'the disk failed'));
  const unused = (): never => assert.fail('not asked');
  const port: AuditPort = { emit: failing, ingest: failing, search: unused, count: unused, follow: unused };
  await assert.rejects(durability.audit(port).emit(auditEvent('T1004I', { name: 'x' })));
  assert.match(durability.reason ?? '', /writing the audit log failed \(AUDIT_DAY_WRITE\)/);
});

function openStore(): Store {
  files += 1;
  return openSqliteStore({ path: join(folder, `${files}.db`), now: () => 0 });
}

function bound(store: Store): Store {
  return {
    read: (key) => store.read(key),
    list: (prefix) => store.list(prefix),
    revision: () => store.revision(),
    put: (key, value, options) => store.put(key, value, options),
    remove: (key, expect) => store.remove(key, expect),
    watch: (prefixes, options) => store.watch(prefixes, options),
    close: () => store.close(),
  };
}
