import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CallRate } from './rate.ts';

async function taken(rate: CallRate, addresses: readonly string[]): Promise<number> {
  let count = 0;
  for (const address of addresses)
    count += await rate.take(address).then(
      () => 1,
      () => 0,
    );
  return count;
}

const rows = [
  { name: 'one address', addresses: Array.from({ length: 50 }, () => '192.0.2.1'), want: 40 },
  {
    name: 'an address and its IPv6 form',
    addresses: Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? '192.0.2.1' : '::ffff:192.0.2.1')),
    want: 40,
  },
  {
    name: 'one network of IPv6',
    addresses: Array.from({ length: 50 }, (_, index) => `2001:db8:1:2::${index.toString(16)}`),
    want: 40,
  },
  {
    name: 'written out and short',
    addresses: Array.from({ length: 50 }, (_, index) => (index % 2 === 0 ? '2001:db8::1' : '2001:db8:0:0:1:2:3:4')),
    want: 40,
  },
  { name: 'different addresses', addresses: Array.from({ length: 50 }, (_, index) => `192.0.2.${index}`), want: 50 },
];
for (const row of rows) {
  test(`20 a minute, burst 40: ${row.name}`, async () => {
    assert.equal(await taken(new CallRate({ perMinute: 20, burst: 40 }), row.addresses), row.want);
  });
}
test('the refusal says how long to wait', async () => {
  const rate = new CallRate({ perMinute: 1, burst: 1 });
  await rate.take('192.0.2.1');
  await assert.rejects(rate.take('192.0.2.1'), /anonymous_rate_per_minute 1\); try again in \d+ s/);
});
