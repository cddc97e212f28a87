import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isShownId, SessionIds, SHOWN_ID_BIT } from './session-ids.ts';

const shown = SHOWN_ID_BIT + 5;
const stop = () => 'here' as const;

test('a number names the session of the same person with the same database, and of nobody else', () => {
  const ids = new SessionIds();
  ids.of('alice', 'orders').register(shown, 12, stop);
  assert.equal(ids.of('alice', 'orders').realOf(shown), 12);
  assert.equal(ids.of('bob', 'orders').realOf(shown), undefined);
  assert.equal(ids.of('alice', 'billing').realOf(shown), undefined);
  assert.equal(ids.of('alice', 'orders').realOf(12), undefined, "the database's own number is not the shown one");
});

test('names that look alike when joined are different people', () => {
  const ids = new SessionIds();
  ids.of('a","b', 'c').register(shown, 1, stop);
  ids.of('a', 'b","c').register(shown, 2, stop);
  assert.equal(ids.of('a","b', 'c').realOf(shown), 1);
  assert.equal(ids.of('a', 'b","c').realOf(shown), 2);
});

test('a number lives until its session ends; ending twice takes nobody else along', () => {
  const own = new SessionIds().of('alice', 'orders');
  const end = own.register(shown, 12, stop);
  end();
  assert.equal(own.realOf(shown), undefined);
  const later = own.register(shown, 13, stop);
  end();
  assert.equal(own.realOf(shown), 13);
  later();
  assert.equal(own.realOf(shown), undefined);
});

test('two sessions that were told the same number: the older one is meant, then the other', () => {
  const own = new SessionIds().of('alice', 'orders');
  const first = own.register(shown, 12, stop);
  own.register(shown, 13, stop);
  assert.equal(own.realOf(shown), 12);
  first();
  assert.equal(own.realOf(shown), 13);
});

test('the same pair twice is one session each', () => {
  const own = new SessionIds().of('alice', 'orders');
  const first = own.register(shown, 12, stop);
  own.register(shown, 12, stop);
  first();
  assert.equal(own.realOf(shown), 12);
});

test('an order reaches one session, of the same person and database, while it lives', () => {
  const ids = new SessionIds();
  const heard: string[] = [];
  const register = (user: string, service: string, name: string): (() => void) =>
    ids.of(user, service).register(shown, 1, ({ what, sessionId }) => {
      heard.push(`${name} ${what} by ${sessionId}`);
      return name === 'second' ? 'asker' : 'here';
    });
  const end = register('alice', 'orders', 'first');
  register('alice', 'orders', 'second');
  register('bob', 'orders', "bob's");
  register('alice', 'billing', 'other database');
  const order = { what: 'query', shownId: shown, sessionId: 's', clientAddress: '1.2.3.4:5' } as const;
  const own = ids.of('alice', 'orders');
  assert.deepEqual(own.stop(shown, order), { type: 'done' });
  end();
  assert.deepEqual(
    own.stop(shown, { ...order, what: 'connection' }),
    { type: 'yours', connectionId: 1 },
    "the database's number, for who asks",
  );
  assert.equal(own.stop(shown + 1, order), undefined);
  assert.equal(ids.of('carol', 'orders').stop(shown, order), undefined);
  assert.deepEqual(heard, ['first query by s', 'second connection by s']);
});

const shownIds: readonly { readonly id: number; readonly want: boolean }[] = [
  { id: SHOWN_ID_BIT, want: true },
  { id: 2 * SHOWN_ID_BIT - 1, want: true },
  { id: 2 * SHOWN_ID_BIT, want: false },
  { id: SHOWN_ID_BIT - 1, want: false },
  { id: 0, want: false },
  { id: 2 ** 32 + SHOWN_ID_BIT, want: false },
  { id: -1, want: false },
];

for (const { id, want } of shownIds) {
  test(`${id} is ${want ? '' : 'not '}a number of ours`, () => assert.equal(isShownId(id), want));
}
