import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WebBuffer } from './web-buffer.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const limits = {
  maxWebBufferedBytes: 64 * MiB,
  maxWebRequestBytes: MiB,
  maxWebAnonymousRequestBytes: 32 * KiB,
};
const full = { code: 'WEB_TOO_MANY_CALLS' };

test('one client holds its share and no more; another has its own', () => {
  const buffer = new WebBuffer();
  const back = Array.from({ length: 8 }, () => buffer.reserve('192.0.2.1', MiB, limits));
  assert.throws(() => buffer.reserve('192.0.2.1', 1, limits), full);
  buffer.reserve('192.0.2.2', MiB, limits)();
  for (const give of [...back, ...back]) give();
  assert.equal(buffer.total, 0);
  buffer.reserve('192.0.2.1', MiB, limits)();
});

test('addresses of one IPv6 network are one client', () => {
  const buffer = new WebBuffer();
  for (let host = 1; host <= 8; host += 1) buffer.reserve(`2001:db8::${host}`, MiB, limits);
  assert.throws(() => buffer.reserve('2001:db8::ffff', MiB, limits), full);
});

test('large requests of many clients leave room for small ones', () => {
  const buffer = new WebBuffer();
  let large = 0;
  assert.throws(() => {
    for (; large < 100; large += 1) buffer.reserve(`192.0.2.${large}`, MiB, limits);
  }, full);
  assert.equal(large, 48);
  buffer.reserve('198.51.100.1', 32 * KiB, limits);
  assert.throws(() => buffer.reserve('198.51.100.1', 33 * KiB, limits), full);
});

test('whatever the limits are, one whole request is possible', () => {
  new WebBuffer().reserve('192.0.2.1', MiB, { ...limits, maxWebBufferedBytes: MiB });
});
