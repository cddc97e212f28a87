import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, test } from 'node:test';
import type { Bench } from '../conformance-bench.ts';
import { ManualTime } from '../conformance-bench.ts';
import { conformance } from '../store.conformance.ts';
import { openSqliteStore } from './sqlite-store.ts';

const root = mkdtempSync(join(tmpdir(), 'tessera-state-'));
after(() => rmSync(root, { recursive: true, force: true }));
let count = 0;
const freshPath = (): string => join(root, `${++count}`, 'state.sqlite');

conformance('sqlite', async ({ maxLogRows }): Promise<Bench> => {
  const time = new ManualTime();
  const options = { path: freshPath(), now: time.now, schedule: time.schedule, maxLogRows };
  let store = openSqliteStore(options);
  return {
    store,
    time,
    reopen: async () => {
      await store.close();
      store = openSqliteStore(options);
      return store;
    },
    dispose: () => store.close(),
  };
});

test('the folder is 0700 and every file in it 0600, whatever the umask', async () => {
  const path = freshPath();
  const old = process.umask(0);
  try {
    const store = openSqliteStore({ path, now: Date.now });
    await store.put('/a/1', 1, { expect: 'any' });
    const folder = join(path, '..');
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    for (const file of readdirSync(folder)) assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600, file);
    await store.close();
  } finally {
    process.umask(old);
  }
});

test('a folder that others may write is refused', () => {
  const path = freshPath();
  mkdirSync(join(path, '..'));
  chmodSync(join(path, '..'), 0o777);
  assert.throws(() => openSqliteStore({ path, now: Date.now }), { name: 'StorageError', code: 'STATE_UNSAFE_FOLDER' });
});

test('a newer schema is refused', async () => {
  const path = freshPath();
  await openSqliteStore({ path, now: Date.now }).close();
  const raw = new DatabaseSync(path);
  raw.exec("UPDATE meta SET value = 2 WHERE name = 'schema_version'");
  raw.close();
  assert.throws(() => openSqliteStore({ path, now: Date.now }), { name: 'StorageError', code: 'STATE_SCHEMA_TOO_NEW' });
});

for (const row of [
  {
    name: 'another program’s database',
    make: (path: string) => new DatabaseSync(path).exec('CREATE TABLE t (x)'),
    code: 'STATE_NOT_OURS',
  },
  {
    name: 'no database at all',
    make: (path: string) => writeFileSync(path, 'hello, this is no database, and long enough to look at'),
    code: 'STATE_NOT_OURS',
  },
]) {
  test(`refuses ${row.name}`, () => {
    const path = freshPath();
    mkdirSync(join(path, '..'), { mode: 0o700 });
    row.make(path);
    assert.throws(() => openSqliteStore({ path, now: Date.now }), { name: 'StorageError', code: row.code });
  });
}

test('what was removed is not left in the file', async () => {
  const path = freshPath();
  const store = openSqliteStore({ path, now: Date.now });
  await store.put('/token/1', { secret: 'S3CRET-MARKER' }, { expect: 'any' });
  await store.remove('/token/1');
  await store.close();
  assert.equal(readFileSync(path).includes('S3CRET-MARKER'), false);
});

test('another process reads and watches while one writes', async () => {
  const path = freshPath();
  const time = new ManualTime();
  const writer = openSqliteStore({ path, now: time.now, schedule: time.schedule });
  const reader = openSqliteStore({ path, now: time.now, schedule: time.schedule, readOnly: true });
  const abort = new AbortController();
  const iterator = reader.watch(['/'], { signal: abort.signal })[Symbol.asyncIterator]();
  const next = iterator.next();
  await writer.put('/a/1', 1, { expect: 'any', expiresMs: time.now() + 1000 });
  time.advance(250);
  assert.equal((await next).value?.revision, 1);
  const removal = iterator.next();
  time.advance(1000);
  assert.deepEqual((await removal).value, { type: 'remove', key: '/a/1', revision: 2 });
  await assert.rejects(reader.put('/a/2', 1, { expect: 'any' }), { code: 'STATE_READ_ONLY' });
  abort.abort();
  await reader.close();
  await writer.close();
});

test('a writer that holds the file too long is named, and nothing is half done', async () => {
  const path = freshPath();
  const store = openSqliteStore({ path, now: Date.now, busyTimeoutMs: 20 });
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  await assert.rejects(store.put('/a/1', 's3cret', { expect: 'any' }), { code: 'STATE_BUSY' });
  other.exec('ROLLBACK');
  other.close();
  assert.equal((await store.put('/a/1', 1, { expect: 'absent' })).revision, 1);
  await store.close();
});

test('watchers are bounded', async () => {
  const store = openSqliteStore({ path: freshPath(), now: Date.now, maxWatchers: 1 });
  const abort = new AbortController();
  const watch = (): AsyncIterator<unknown> => store.watch(['/'], { signal: abort.signal })[Symbol.asyncIterator]();
  watch();
  assert.throws(watch, { name: 'LimitError', code: 'STATE_TOO_MANY_WATCHERS' });
  abort.abort();
  await store.close();
});

test('the log is bounded', async () => {
  const path = freshPath();
  const store = openSqliteStore({ path, now: Date.now, maxLogRows: 50 });
  for (let n = 0; n < 400; n++) await store.put('/a/1', n, { expect: 'any' });
  await store.close();
  const raw = new DatabaseSync(path);
  assert.ok(Number(raw.prepare('SELECT count(*) AS n FROM log').get()?.['n']) <= 55);
  raw.close();
});

test('what was acknowledged survives kill -9', async () => {
  const path = freshPath();
  const program = `
    const { openSqliteStore } = await import(${JSON.stringify(new URL('./sqlite-store.ts', import.meta.url).href)});
    const store = openSqliteStore({ path: ${JSON.stringify(path)}, now: Date.now });
    for (let n = 1; ; n++) { await store.put('/n/' + n, n, { expect: 'absent' }); process.stdout.write(n + '\\n'); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  for await (const chunk of child.stdout) {
    said += String(chunk);
    if (said.split('\n').length > 40) break;
  }
  child.kill('SIGKILL');
  await once(child, 'exit');
  const acknowledged = said.split('\n').slice(0, -1).length;
  const store = openSqliteStore({ path, now: Date.now });
  assert.ok((await store.revision()) >= acknowledged);
  assert.equal((await store.read(`/n/${acknowledged}`))?.value, acknowledged);
  await store.close();
});
