import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from 'otpauth';
import { matchOneTimeCode, newOneTimeSecret, oneTimeCodeUri } from './one-time-code.ts';

/** RFC 6238 appendix B, SHA-1, cut to six digits. */
const secret = Secret.fromUTF8('12345678901234567890').base32;
const vectors = [
  { seconds: 59, code: '287082' },
  { seconds: 1_111_111_109, code: '081804' },
  { seconds: 1_234_567_890, code: '005924' },
  { seconds: 20_000_000_000, code: '353130' },
];
for (const { seconds, code } of vectors) {
  const step = Math.floor(seconds / 30);
  test(`RFC 6238 at ${seconds} s`, () => {
    assert.equal(matchOneTimeCode(secret, code, { nowMs: seconds * 1000, lastStep: 0 }), step);
  });
  test(`at ${seconds} s: one step early or late is taken, two are not, a used one is not`, () => {
    const at = (shift: number, lastStep = 0): number | undefined =>
      matchOneTimeCode(secret, code, { nowMs: (seconds + shift) * 1000, lastStep });
    assert.equal(at(30), step);
    assert.equal(at(-30), step);
    assert.equal(at(90), undefined);
    assert.equal(at(0, step), undefined);
    assert.equal(at(0, step + 1), undefined);
    assert.equal(at(0, step - 1), step);
  });
}
for (const code of ['', '28708', '2870822', '28708a', ' 287082', '２８７０８２']) {
  test(`no code: ${JSON.stringify(code)}`, () => {
    assert.equal(matchOneTimeCode(secret, code, { nowMs: 59_000, lastStep: 0 }), undefined);
  });
}

test('a secret has 160 bits and its URI says for whom it is', () => {
  const fresh = newOneTimeSecret();
  assert.equal(Secret.fromBase32(fresh).bytes.length, 20);
  assert.notEqual(newOneTimeSecret(), fresh);
  const uri = new URL(oneTimeCodeUri(fresh, { clusterName: 'prod.example', user: 'alice@example.com' }));
  assert.equal(uri.searchParams.get('secret'), fresh);
  assert.equal(decodeURIComponent(uri.pathname), '/prod.example:alice@example.com');
});
