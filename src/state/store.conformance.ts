/* eslint-disable max-lines-per-function -- lists of tests */
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { StorageError } from '../errors.ts';
import type { Bench, Fresh } from './conformance-bench.ts';
import { collect } from './conformance-bench.ts';
import { compactionTests, durabilityTests, watchTests } from './watch.conformance.ts';

/**
 * What every implementation of `Store` must do, as tests: call `conformance` from the implementation's own test file.
 */

/** Registers the tests. `open` makes a bench whose store remembers `maxLogRows` changes (at most a tenth more). */
export function conformance(name: string, open: (options: { readonly maxLogRows: number }) => Promise<Bench>): void {
  const benches: Bench[] = [];
  const fresh = async (maxLogRows = 1000): Promise<Bench> => {
    const bench = await open({ maxLogRows });
    benches.push(bench);
    return bench;
  };
  describe(`store conformance: ${name}`, () => {
    after(async () => {
      for (const bench of benches) await bench.dispose();
    });
    recordTests(fresh);
    swapTests(fresh);
    listTests(fresh);
    expiryTests(fresh);
    watchTests(fresh);
    compactionTests(fresh);
    durabilityTests(fresh);
  });
}

function recordTests(fresh: Fresh): void {
  test('reads back every kind of JSON', async () => {
    const { store } = await fresh();
    const value = {
      text: 'snö \u0000 "\u2028',
      number: -1.5e300,
      yes: true,
      none: null,
      list: [1, [2]],
      nested: { __proto__x: {} },
    };
    const item = await store.put('/user/alice', value, { expect: 'any' });
    assert.deepEqual(item, { key: '/user/alice', value, revision: 1 });
    assert.deepEqual(await store.read('/user/alice'), item);
    assert.equal(await store.read('/user/alic'), undefined);
  });

  test('the stored value does not change with the caller’s object', async () => {
    const { store } = await fresh();
    const roles = ['access'];
    await store.put('/user/a', { roles }, { expect: 'any' });
    roles.push('admin');
    assert.deepEqual((await store.read('/user/a'))?.value, { roles: ['access'] });
  });

  test('revisions only grow, over all keys and removals', async () => {
    const { store } = await fresh();
    assert.equal(await store.revision(), 0);
    assert.equal((await store.put('/a/1', 1, { expect: 'any' })).revision, 1);
    assert.equal((await store.put('/b/1', 1, { expect: 'any' })).revision, 2);
    assert.equal(await store.remove('/a/1'), true);
    assert.equal(await store.revision(), 3);
    assert.equal(await store.remove('/a/1'), false);
    assert.equal(await store.revision(), 3);
  });

  for (const key of ['', 'user/a', '/', '/a\u0000b', '/a\nb', '/\ud800', '/\u{10ffff}', `/${'x'.repeat(512)}`]) {
    test(`refuses the key ${JSON.stringify(key.slice(0, 12))}`, async () => {
      const { store } = await fresh();
      await assert.rejects(store.put(key, 1, { expect: 'any' }), { code: /^STATE_KEY_/ });
      await assert.rejects(store.read(key), { code: /^STATE_KEY_/ });
      assert.equal(await store.revision(), 0);
    });
  }

  test('refuses a value beyond its limit, without showing it', async () => {
    const { store } = await fresh();
    await assert.rejects(
      store.put('/a/1', 's3cret'.repeat(200_000), { expect: 'any' }),
      (error: Error & { code?: string }) => {
        return error.code === 'STATE_VALUE_TOO_LARGE' && !error.message.includes('s3cret');
      },
    );
  });
}

function swapTests(fresh: Fresh): void {
  const conflict = { name: 'StorageError', code: 'STATE_CONFLICT' };

  test('absent: writes once', async () => {
    const { store } = await fresh();
    await store.put('/a/1', 1, { expect: 'absent' });
    await assert.rejects(store.put('/a/1', 2, { expect: 'absent' }), conflict);
    assert.equal((await store.read('/a/1'))?.value, 1);
    await store.remove('/a/1');
    await store.put('/a/1', 3, { expect: 'absent' });
  });

  test('a revision: exactly that one', async () => {
    const { store } = await fresh();
    const first = await store.put('/a/1', 1, { expect: 'any' });
    const second = await store.put('/a/1', 2, { expect: first.revision });
    await assert.rejects(store.put('/a/1', 3, { expect: first.revision }), conflict);
    await assert.rejects(store.put('/a/2', 3, { expect: second.revision }), conflict);
    await assert.rejects(store.put('/a/2', 3, { expect: 0 }), conflict);
    assert.deepEqual(await store.read('/a/1'), second);
    assert.equal(await store.revision(), 2, 'a refused write leaves no revision');
  });

  test('remove with a revision', async () => {
    const { store } = await fresh();
    const first = await store.put('/a/1', 1, { expect: 'any' });
    const second = await store.put('/a/1', 2, { expect: 'any' });
    await assert.rejects(store.remove('/a/1', first.revision), conflict);
    assert.equal(await store.remove('/a/1', second.revision), true);
    assert.equal(await store.remove('/a/1', second.revision), false);
  });

  test('of many concurrent writers with one expectation exactly one wins', async () => {
    const { store } = await fresh();
    const { revision } = await store.put('/n/1', -1, { expect: 'any' });
    const results = await Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => store.put('/n/1', n, { expect: revision })),
    );
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    assert.equal(won.length, 1);
    assert.deepEqual(await store.read('/n/1'), won[0]);
    for (const result of results) if (result.status === 'rejected') assert.ok(result.reason instanceof StorageError);
  });

  test('concurrent counting loses nothing', async () => {
    const { store } = await fresh();
    await store.put('/n/1', 0, { expect: 'absent' });
    const increment = async (): Promise<void> => {
      for (;;) {
        const item = await store.read('/n/1');
        try {
          await store.put('/n/1', Number(item?.value) + 1, { expect: item?.revision ?? 'absent' });
          return;
        } catch (error) {
          if (!(error instanceof StorageError) || error.code !== 'STATE_CONFLICT') throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: 20 }, increment));
    assert.equal((await store.read('/n/1'))?.value, 20);
  });
}

function listTests(fresh: Fresh): void {
  const keys = [
    '/db/a',
    '/db/a%',
    '/db/a_',
    '/db/ab',
    '/db/a/b',
    '/db/b',
    '/db/z\u{10fffe}',
    '/db/é',
    '/db/\u{1f600}',
    '/db/\ufffd',
    '/db_server/a',
    '/dc/a',
    '/DB/a',
  ];
  const rows = [
    { name: 'everything', prefix: '', want: keys },
    { name: 'a kind', prefix: '/db/', want: keys.filter((key) => key.startsWith('/db/')) },
    { name: 'text without a slash at its end', prefix: '/db', want: keys.filter((key) => key.startsWith('/db')) },
    { name: 'a whole key', prefix: '/db/a', want: ['/db/a', '/db/a%', '/db/a/b', '/db/a_', '/db/ab'] },
    { name: 'no wildcard: percent', prefix: '/db/a%', want: ['/db/a%'] },
    { name: 'no wildcard: underscore', prefix: '/db/a_', want: ['/db/a_'] },
    { name: 'letter case counts', prefix: '/DB', want: ['/DB/a'] },
    { name: 'characters beyond 16 bits', prefix: '/db/\u{1f600}', want: ['/db/\u{1f600}'] },
    { name: 'the last characters there are', prefix: '/db/z', want: ['/db/z\u{10fffe}'] },
    { name: 'nothing', prefix: '/dbx', want: [] },
  ];
  test('lists by prefix, in the order of the keys’ UTF-8', async (context) => {
    const { store } = await fresh();
    for (const key of keys) await store.put(key, key, { expect: 'absent' });
    for (const row of rows) {
      await context.test(row.name, async () => {
        const want = [...row.want].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        assert.deepEqual(
          (await store.list(row.prefix)).map((item) => item.key),
          want,
        );
      });
    }
  });
}

function expiryTests(fresh: Fresh): void {
  test('an item is gone at its time, and its removal is an event', async () => {
    const { store, time } = await fresh();
    const watch = collect(store, ['/']);
    await store.put('/t/1', 1, { expect: 'any', expiresMs: time.now() + 1000 });
    assert.deepEqual(await watch.take(1), ['put /t/1 1']);
    time.advance(999);
    assert.equal((await store.read('/t/1'))?.expiresMs, time.now() + 1);
    time.advance(1);
    assert.equal(await store.read('/t/1'), undefined);
    assert.deepEqual(await store.list('/t/'), []);
    assert.deepEqual(await watch.take(1), ['remove /t/1 2']);
    watch.stop();
  });

  test('expiries come in the order of their times', async () => {
    const { store, time } = await fresh();
    const watch = collect(store, ['/']);
    for (const [key, after] of [
      ['/t/c', 300],
      ['/t/a', 200],
      ['/t/b', 100],
    ] as const) {
      await store.put(key, 1, { expect: 'any', expiresMs: time.now() + after });
    }
    time.advance(1000);
    assert.deepEqual(
      (await watch.take(3)).map((text) => text.split(' ')[1]),
      ['/t/b', '/t/a', '/t/c'],
    );
    watch.stop();
  });

  test('more expiries at once than one batch', async () => {
    const { store, time } = await fresh(5000);
    await Promise.all(
      Array.from({ length: 1200 }, (_, n) => store.put(`/t/${n}`, n, { expect: 'any', expiresMs: time.now() + 10 })),
    );
    const revision = await store.revision();
    time.advance(10);
    assert.equal(await store.revision(), revision + 1200);
  });

  test('an expired item is absent for a write', async () => {
    const { store, time } = await fresh();
    const item = await store.put('/t/1', 1, { expect: 'any', expiresMs: time.now() });
    await assert.rejects(store.put('/t/1', 2, { expect: item.revision }), { code: 'STATE_CONFLICT' });
    assert.equal(await store.remove('/t/1'), false);
    await store.put('/t/1', 3, { expect: 'absent' });
  });

  test('writing again moves or ends the expiry', async () => {
    const { store, time } = await fresh();
    await store.put('/t/1', 1, { expect: 'any', expiresMs: time.now() + 10 });
    await store.put('/t/1', 2, { expect: 'any', expiresMs: time.now() + 1000 });
    await store.put('/t/2', 1, { expect: 'any', expiresMs: time.now() + 10 });
    await store.put('/t/2', 2, { expect: 'any' });
    time.advance(500);
    assert.equal((await store.read('/t/1'))?.value, 2);
    time.advance(500);
    assert.deepEqual(
      (await store.list('/t/')).map((one) => one.key),
      ['/t/2'],
    );
  });

  test('a far expiry does not fire early', async () => {
    const { store, time } = await fresh();
    await store.put('/t/1', 1, { expect: 'any', expiresMs: time.now() + 100 * 24 * 3_600_000 });
    time.advance(60 * 24 * 3_600_000);
    assert.equal((await store.read('/t/1'))?.value, 1);
    time.advance(40 * 24 * 3_600_000);
    assert.equal(await store.revision(), 2);
  });
}
