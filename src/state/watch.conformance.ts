/* eslint-disable max-lines-per-function -- lists of tests */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fresh } from './conformance-bench.ts';
import { collect } from './conformance-bench.ts';
import type { Item } from './store.ts';

/** The part of the store's conformance that is about watching and restarting. */

/** Registers tests: called by store.conformance.ts. */
export function watchTests(fresh: Fresh): void {
  test('from now on: everything after the call, in order, of the prefixes only', async () => {
    const { store } = await fresh();
    await store.put('/db/old', 1, { expect: 'any' });
    const watch = collect(store, ['/db/', '/role/']);
    await store.put('/db/a', 1, { expect: 'any' });
    await store.put('/db_server/a', 1, { expect: 'any' });
    await store.put('/role/r', 1, { expect: 'any' });
    await store.remove('/db/a');
    assert.deepEqual(await watch.take(2), ['put /role/r 4', 'remove /db/a 5']);
    await store.put('/db/b', 1, { expect: 'any' });
    assert.deepEqual(await watch.take(1), ['put /db/b 6']);
    watch.stop();
  });

  test('begins at the call and not at the first step', async () => {
    const { store } = await fresh();
    const abort = new AbortController();
    const iterable = store.watch(['/'], { signal: abort.signal });
    await store.put('/a/1', 1, { expect: 'any' });
    const first = await iterable[Symbol.asyncIterator]().next();
    assert.equal(first.value?.revision, 1);
    abort.abort();
  });

  test('resumes after a revision, with values', async () => {
    const { store } = await fresh();
    for (let n = 1; n <= 600; n++) await store.put(`/a/${n}`, { n }, { expect: 'any' });
    const watch = collect(store, ['/'], 100);
    const want = Array.from({ length: 500 }, (_, n) => `put /a/${n + 101} ${n + 101}`);
    assert.deepEqual(await watch.take(500), want);
    assert.deepEqual(watch.changes.at(-1), {
      type: 'put',
      item: { key: '/a/600', value: { n: 600 }, revision: 600 },
      revision: 600,
    });
    watch.stop();
  });

  test('large values come one after another, all of them', async () => {
    const { store } = await fresh();
    for (let n = 1; n <= 6; n++) await store.put(`/big/${n}`, 'x'.repeat(600_000), { expect: 'any' });
    const watch = collect(store, ['/'], 0);
    assert.deepEqual(
      await watch.take(6),
      [1, 2, 3, 4, 5, 6].map((n) => `put /big/${n} ${n}`),
    );
    await store.put('/big/7', 7, { expect: 'any' });
    assert.deepEqual(await watch.take(1), ['put /big/7 7']);
    watch.stop();
  });

  test('a slow watcher ends with the newest state of every key', async () => {
    const { store } = await fresh();
    const abort = new AbortController();
    const iterator = store.watch(['/'], { signal: abort.signal, afterRevision: 0 })[Symbol.asyncIterator]();
    const seen = new Map<string, unknown>();
    for (let n = 0; n < 300; n++) {
      if (n % 7 === 3) await store.remove(`/k/${n % 5}`);
      else await store.put(`/k/${n % 5}`, n, { expect: 'any' });
    }
    const newest = await store.revision();
    for (let revision = 0; revision < newest;) {
      const { value } = await iterator.next();
      assert.ok(value !== undefined && value.revision > revision, 'in order');
      ({ revision } = value);
      if (value.type === 'put') seen.set(value.item.key, value.item.value);
      else seen.delete(value.key);
    }
    const state = (await store.list('/')).map((item: Item) => [item.key, item.value] as const);
    assert.deepEqual(seen, new Map(state));
    abort.abort();
  });

  test('ends when its signal aborts: before, while waiting, and by leaving the loop', async () => {
    const { store } = await fresh();
    assert.deepEqual(await store.watch(['/'], { signal: AbortSignal.abort() })[Symbol.asyncIterator]().next(), {
      done: true,
      value: undefined,
    });
    const abort = new AbortController();
    const waiting = store.watch(['/'], { signal: abort.signal })[Symbol.asyncIterator]().next();
    abort.abort();
    assert.equal((await waiting).done, true);
    await store.put('/a/1', 1, { expect: 'any' });
    for await (const change of store.watch(['/'], { signal: new AbortController().signal, afterRevision: 0 })) {
      assert.equal(change.revision, 1);
      break;
    }
  });

  test('ends when the store closes', async () => {
    const { store } = await fresh();
    const waiting = store.watch(['/'], { signal: new AbortController().signal })[Symbol.asyncIterator]().next();
    await store.close();
    assert.equal((await waiting).done, true);
    await assert.rejects(store.read('/a/1'), { code: 'STATE_CLOSED' });
    await store.close();
  });
}

/** Registers tests: called by store.conformance.ts. */
export function compactionTests(fresh: Fresh): void {
  test('a revision that is no longer remembered is refused', async () => {
    const { store } = await fresh(100);
    for (let n = 0; n < 300; n++) await store.put(`/a/${n % 3}`, n, { expect: 'any' });
    await assert.rejects(collect(store, ['/'], 1).take(1), { name: 'StorageError', code: 'STATE_COMPACTED' });
    const watch = collect(store, ['/'], 200);
    assert.deepEqual(await watch.take(3), ['put /a/0 298', 'put /a/1 299', 'put /a/2 300']);
    watch.stop();
  });

  test('a watcher that falls behind is told, not starved', async () => {
    const { store } = await fresh(100);
    const watch = collect(store, ['/'], 0);
    await store.put('/a/0', 0, { expect: 'any' });
    assert.deepEqual(await watch.take(1), ['put /a/0 1']);
    for (let n = 0; n < 300; n++) await store.put('/a/1', n, { expect: 'any' });
    await assert.rejects(watch.take(1), { code: 'STATE_COMPACTED' });
  });

  test('a revision of the future is refused', async () => {
    const { store } = await fresh();
    await assert.rejects(collect(store, ['/'], 7).take(1), { code: 'STATE_COMPACTED' });
  });
}

/** Registers tests: called by store.conformance.ts. */
export function durabilityTests(fresh: Fresh): void {
  test('all of it is there after a restart, and a watcher resumes', async () => {
    const bench = await fresh();
    await bench.store.put('/a/1', { n: 1 }, { expect: 'any' });
    await bench.store.put('/a/2', 2, { expect: 'any', expiresMs: bench.time.now() + 500 });
    await bench.store.remove('/a/1');
    const store = await bench.reopen();
    assert.equal(await store.revision(), 3);
    assert.deepEqual(await store.list('/'), [
      { key: '/a/2', value: 2, revision: 2, expiresMs: bench.time.now() + 500 },
    ]);
    const watch = collect(store, ['/'], 1);
    assert.deepEqual(await watch.take(2), ['put /a/2 2', 'remove /a/1 3']);
    bench.time.advance(500);
    assert.deepEqual(await watch.take(1), ['remove /a/2 4']);
    watch.stop();
  });

  test('what expired while it was closed is removed after the start', async () => {
    const bench = await fresh();
    await bench.store.put('/a/1', 1, { expect: 'any', expiresMs: bench.time.now() + 500 });
    await bench.store.close();
    bench.time.advance(1000);
    const store = await bench.reopen();
    assert.equal(await store.read('/a/1'), undefined);
    bench.time.advance(0);
    assert.equal(await store.revision(), 2);
  });
}
